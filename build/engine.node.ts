/**
 * Makes the CPU engine, dist/engine/*: guest-memory.wat, the AssemblyScript of vmm/cpu/assembly, the interpreter, which is generated from the instruction
 * texts, and a table of what those do. Does nothing while their sources are unchanged. `node build/engine.node.ts` builds; `engineModules()` builds if needed and
 * returns them.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { EngineBinaries } from '../vmm/accel/wasm/engine.ts';
import type { EffectsTable } from '../vmm/cpu/isa/effects-table.ts';
import { CORE_MEMORY_PAGES, STATIC_DATA } from '../vmm/cpu/layout.ts';

const script = fileURLToPath(import.meta.url);
const root = dirname(dirname(script));
const assembly = join(root, 'vmm/cpu/assembly');
const output = join(root, 'dist/engine');

type Engine = Required<EngineBinaries>;

interface Artifact {
  readonly file: string;
  /** Patterns under vmm/. */
  readonly sources: readonly string[];
  compile(): Promise<Uint8Array>;
}

/** Constants that TypeScript and AssemblyScript both read. */
const CONSTANTS = ['cpu/*layout.ts', 'cpu/uop.ts', 'cpu/decode/form-layout.ts'];
const TEXTS = ['cpu/{isa,bind,decode}/**/*.ts', 'wasm/*.ts', ...CONSTANTS];

const artifacts: Readonly<Record<keyof Engine, Artifact>> = {
  guestMemory: { file: 'guest-memory.wasm', sources: ['cpu/assembly/guest-memory.wat'], compile: compileGuestMemory },
  system: { file: 'system.wasm', sources: ['cpu/assembly/**/*.ts', ...CONSTANTS], compile: compileAssembly },
  interpreter: {
    file: 'interpreter.wasm',
    sources: TEXTS,
    compile: async () => {
      const { interpreterBinary } = await import('../vmm/cpu/bind/interp/binary.ts');
      return interpreterBinary();
    },
  },
  effects: { file: 'effects.json', sources: TEXTS, compile: compileEffects },
};

const hashes = new Map<readonly string[], string>();

/** Changes whenever what is compiled would. */
function sourceHash({ sources }: Artifact): string {
  const known = hashes.get(sources);
  if (known !== undefined) return known;
  const hash = createHash('sha256');
  const files = sources.flatMap((pattern) => globSync(pattern, { cwd: join(root, 'vmm') })).filter((file) => !file.endsWith('.test.ts'));
  for (const file of [...new Set(files)].sort())
    hash
      .update(file)
      .update('\0')
      .update(readFileSync(join(root, 'vmm', file)))
      .update('\0');
  const result = hash.update(readFileSync(script)).digest('hex');
  hashes.set(sources, result);
  return result;
}

/**
 * What is used of AssemblyScript's compiler. It is imported by a name that the type checker does not follow: its declarations bring AssemblyScript's own globals, which
 * would replace those of every file checked with this one (an `Array.at` that is never undefined, a console without `error`).
 */
interface AssemblyCompiler {
  main(
    argv: readonly string[],
    api: {
      readonly stdout: { write(text: string | Uint8Array): void };
      readonly stderr: { write(text: string | Uint8Array): void };
      writeFile(name: string, contents: Uint8Array | string): void;
    },
  ): Promise<{ readonly error: Error | null }>;
}
const COMPILER: string = 'assemblyscript/asc';

async function compileAssembly(): Promise<Uint8Array> {
  const asc = (await import(COMPILER)) as AssemblyCompiler;
  // Every directory of assembly/ has an index.ts whose exports become exports of the module.
  const entries = globSync('*/index.ts', { cwd: assembly }).sort();
  const messages: string[] = [];
  const collect = { write: (text: string | Uint8Array) => messages.push(typeof text === 'string' ? text : new TextDecoder().decode(text)) };
  let binary: Uint8Array | undefined;
  const options = ['-O3', '--runtime', 'stub', '--importMemory', '--noExportMemory', '--enable', 'simd', '--outFile', 'system.wasm'];
  options.push('--initialMemory', String(CORE_MEMORY_PAGES), '--maximumMemory', String(CORE_MEMORY_PAGES), '--memoryBase', String(STATIC_DATA));
  const { error } = await asc.main([...entries, ...options, '--baseDir', assembly], {
    stdout: collect,
    stderr: collect,
    writeFile: (_name: string, contents: Uint8Array | string) => {
      binary = typeof contents === 'string' ? new TextEncoder().encode(contents) : contents;
    },
  });
  if (error || !binary) throw new Error(`vmm/cpu/assembly does not compile:\n${messages.join('')}`, { cause: error });
  return binary;
}

async function compileGuestMemory(): Promise<Uint8Array> {
  const { default: wabt } = await import('wabt');
  const features = { multi_memory: true, threads: true, simd: true, bulk_memory: true };
  const file = join(assembly, 'guest-memory.wat');
  const module = (await wabt()).parseWat(file, readFileSync(file, 'utf8'), features);
  // The type declarations know neither the argument nor the feature.
  (module.validate as (enabled: typeof features) => void).call(module, features);
  return module.toBinary({}).buffer;
}

async function compileEffects(): Promise<Uint8Array> {
  const { deriveInstructions } = await import('../vmm/cpu/isa/handlers.ts');
  const { encodings } = await import('../vmm/cpu/isa/index.ts');
  const { storeEffects } = await import('../vmm/cpu/isa/effects-table.ts');
  return new TextEncoder().encode(JSON.stringify(storeEffects(deriveInstructions(encodings).effects)));
}

const stampOf = (artifact: Artifact): string => join(output, `${artifact.file}.sha256`);

function isFresh(artifact: Artifact): boolean {
  const stamp = stampOf(artifact);
  return existsSync(join(output, artifact.file)) && existsSync(stamp) && readFileSync(stamp, 'utf8') === sourceHash(artifact);
}

/** The engine. It is compiled first if its sources changed, in a process of its own: compilers do not belong into the caller's. */
export async function engineModules(): Promise<Engine> {
  if (!Object.values(artifacts).every(isFresh)) await promisify(execFile)(process.execPath, [script]);
  const read = ({ file }: Artifact): Uint8Array<ArrayBuffer> => new Uint8Array(readFileSync(join(output, file)));
  const { guestMemory, system, interpreter, effects } = artifacts;
  return {
    guestMemory: read(guestMemory),
    system: read(system),
    interpreter: read(interpreter),
    effects: JSON.parse(new TextDecoder().decode(read(effects))) as EffectsTable,
  };
}

async function build(): Promise<void> {
  mkdirSync(output, { recursive: true });
  for (const artifact of Object.values(artifacts)) {
    if (isFresh(artifact)) continue;
    const hash = sourceHash(artifact);
    // Several processes may build at once: each file appears whole, the stamp last.
    replace(join(output, artifact.file), await artifact.compile());
    replace(stampOf(artifact), hash);
  }
}

function replace(file: string, contents: Uint8Array | string): void {
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, contents);
  renameSync(temporary, file);
}

if (process.argv[1] === script) {
  build().catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  });
}
