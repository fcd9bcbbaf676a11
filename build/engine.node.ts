/**
 * Compiles the parts of the CPU engine that are not generated at start: guest-memory.wat and the AssemblyScript module of vmm/cpu/assembly into
 * dist/engine/*.wasm. Does nothing while their sources are unchanged. `node build/engine.node.ts` builds; `engineModules()` builds if needed and returns
 * the bytes.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { CORE_MEMORY_PAGES, STATIC_DATA } from '../vmm/cpu/layout.ts';

const script = fileURLToPath(import.meta.url);
const root = dirname(dirname(script));
const sources = join(root, 'vmm/cpu/assembly');
const output = join(root, 'dist/engine');

export interface EngineModules {
  readonly guestMemory: Uint8Array<ArrayBuffer>;
  readonly system: Uint8Array<ArrayBuffer>;
}

/** Changes whenever the compiled modules would. */
function sourceHash(): string {
  const hash = createHash('sha256');
  const files = globSync('**/*.{ts,wat}', { cwd: sources }).map((file) => join(sources, file));
  // Constants that both compilers read.
  for (const name of ['layout.ts', 'system-layout.ts', 'uop.ts', 'decode/form-layout.ts']) files.push(join(root, 'vmm/cpu', name));
  files.push(script);
  for (const file of files.sort()) hash.update(relative(root, file)).update('\0').update(readFileSync(file)).update('\0');
  return hash.digest('hex');
}

async function compileAssembly(): Promise<Uint8Array> {
  const asc = await import('assemblyscript/asc');
  // Every directory of assembly/ has an index.ts whose exports become exports of the module.
  const entries = globSync('*/index.ts', { cwd: sources }).sort();
  const messages: string[] = [];
  const collect = { write: (text: string | Uint8Array) => messages.push(typeof text === 'string' ? text : new TextDecoder().decode(text)) };
  let binary: Uint8Array | undefined;
  const options = ['-O3', '--runtime', 'stub', '--importMemory', '--noExportMemory', '--enable', 'simd', '--outFile', 'system.wasm'];
  options.push('--initialMemory', String(CORE_MEMORY_PAGES), '--maximumMemory', String(CORE_MEMORY_PAGES), '--memoryBase', String(STATIC_DATA));
  const { error } = await asc.main([...entries, ...options, '--baseDir', sources], {
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
  const file = join(sources, 'guest-memory.wat');
  const module = (await wabt()).parseWat(file, readFileSync(file, 'utf8'), features);
  // The type declarations know neither the argument nor the feature.
  (module.validate as (enabled: typeof features) => void).call(module, features);
  return module.toBinary({}).buffer;
}

const files = { guestMemory: join(output, 'guest-memory.wasm'), system: join(output, 'system.wasm'), stamp: join(output, 'sources.sha256') };

function isFresh(hash: string): boolean {
  return Object.values(files).every((file) => existsSync(file)) && readFileSync(files.stamp, 'utf8') === hash;
}

/** The modules' bytes. They are compiled first if their sources changed, in a process of its own: compilers do not belong into the caller's. */
export async function engineModules(): Promise<EngineModules> {
  if (!isFresh(sourceHash())) await promisify(execFile)(process.execPath, [script]);
  return { guestMemory: new Uint8Array(readFileSync(files.guestMemory)), system: new Uint8Array(readFileSync(files.system)) };
}

async function build(): Promise<void> {
  const hash = sourceHash();
  if (isFresh(hash)) return;
  const [guestMemory, system] = await Promise.all([compileGuestMemory(), compileAssembly()]);
  mkdirSync(output, { recursive: true });
  // Several processes may build at once: each file appears whole, the stamp last.
  replace(files.guestMemory, guestMemory);
  replace(files.system, system);
  replace(files.stamp, hash);
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
