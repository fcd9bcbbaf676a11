/** The oracle, the interpreter and the translator execute the same random programs: recorded instructions in random order, with the registers of a recorded case. */
import fc from 'fast-check';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { engineModules } from '../../build/engine.node.ts';
import type { WasmEngine } from '../../vmm/accel/wasm/engine.ts';
import * as L from '../../vmm/cpu/layout.ts';
import { loadState } from './check.ts';
import { Rig, createEngine } from './rig.ts';
import { parseVectorFile } from './vector-file.ts';
import type { Registers } from './vector-file.ts';

const directory = join(__dirname, '../../../shared/cpu-vectors');
const SUBDIRECTORIES = { 64: 'long64', 32: 'prot32', 16: 'prot16' } as const;
const CODE = 0x3000_0000n;
/** Offsets in the code window where programs start: the last ones run into the next page. */
const STARTS = [0x100, 0xfc0, 0x1ff3, 0x4000];
/** Far more than a program has instructions, unless it loops: translated code wants to know that there is room. */
const BUDGET = 700;
const SKIP = [0xeb, 0x00]; // JMP to the next instruction: what follows is entered by a branch
const HLT = 0xf4; // #GP at CPL 3: the end

interface Corpus {
  readonly codes: readonly string[];
  readonly registers: readonly Registers[];
}

function corpusOf(mode: 64 | 32 | 16): Corpus {
  const codes: string[] = [];
  const registers: Registers[] = [];
  for (const name of globSync('*.jsonl.gz', { cwd: join(directory, SUBDIRECTORIES[mode]) })) {
    const file = parseVectorFile(readFileSync(join(directory, SUBDIRECTORIES[mode], name)));
    if (file.group !== 'int' && !/^(add|mul|mov|cvt|p)[a-z0-9]*\./.test(name)) continue;
    for (let i = 0; i < file.cases.length; i += 7) codes.push(file.cases[i]!.c);
    for (let i = 0; i < file.cases.length; i += 90) registers.push({ ...file.base, ...file.cases[i]!.i });
  }
  return { codes, registers };
}

/** Everything a program can have changed. */
function stateOf(rig: Rig, fault: number): string[] {
  const { core } = rig;
  const words = [fault, core.getInt32(L.LEFT, true), rig.system['get_eflags']!() as number];
  const registers = Array.from({ length: 16 }, (_, i) => core.getBigUint64(L.GPR + 8 * i, true));
  const vectors = Array.from({ length: 32 }, (_, i) => core.getBigUint64(L.XMM + 16 * i, true));
  const x87 = Array.from({ length: 16 }, (_, i) => core.getBigUint64(L.FPU_REGS + 8 * i, true));
  const control = [L.FCW, L.FSW, L.FTW, L.MXCSR].map((at) => core.getUint32(at, true));
  return [...words, core.getBigUint64(L.RIP, true), ...registers, ...vectors, ...x87, ...control].map((value) => value.toString(16));
}

function execute(rig: Rig, program: readonly number[], start: number, registers: Registers): string[] {
  rig.ram.fill(0);
  rig.system['drop_all_code']!();
  rig.ram.set(program, rig.offset(CODE)! + start);
  return begin(rig, start, registers);
}

/** The second time, with all code known: memory is put back as a bus master would, so that only what the program changed is dropped. */
function executeAgain(rig: Rig, program: readonly number[], start: number, registers: Registers): string[] {
  const before = new Uint8Array(rig.ram.length);
  before.set(program, rig.offset(CODE)! + start);
  for (let at = 0; at < before.length; at++) if (rig.ram[at] !== before[at]) rig.poke(at, before[at]!);
  return begin(rig, start, registers);
}

function begin(rig: Rig, start: number, registers: Registers): string[] {
  // What a case does not name, the last program left; it may have ended in a shutdown.
  rig.load({});
  loadState(rig, { fcw: '37f', fsw: '0', ftw: '0', mxcsr: '1f80', ...registers });
  rig.core.setBigUint64(L.RIP, rig.mode === 16 ? BigInt(start) : CODE + BigInt(start), true);
  return stateOf(rig, rig.run(BUDGET));
}

(existsSync(directory) ? describe : describe.skip)('oracle, interpreter and translator agree on random programs', () => {
  let engine: WasmEngine;
  beforeAll(async () => {
    engine = createEngine(await engineModules());
  }, 120_000);

  test.each([64, 32, 16] as const)(
    'in %i-bit mode',
    (mode) => {
      const { codes, registers } = corpusOf(mode);
      const interpreter = new Rig(engine, 'interp', mode);
      const oracle = new Rig(engine, 'oracle', mode);
      const translator = new Rig(engine, 'regions', mode);
      const program = fc.array(fc.nat(codes.length - 1), { minLength: 1, maxLength: 12 });
      fc.assert(
        fc.property(program, fc.nat(registers.length - 1), fc.constantFrom(...STARTS), fc.boolean(), (indices, state, start, intoCode) => {
          const bytes = [...SKIP, ...indices.flatMap((index) => codes[index]!.match(/../g)!.map((byte) => parseInt(byte, 16))), HLT];
          const initial = { ...registers[state]! };
          // Self-modification: strings and stores near the program.
          const destination = mode === 64 ? 'rdi' : 'edi';
          if (intoCode && mode !== 16) initial[destination] = (CODE + BigInt(start + 4)).toString(16);
          const expected = execute(oracle, bytes, start, initial);
          expect(execute(interpreter, bytes, start, initial)).toEqual(expected);
          expect(Buffer.compare(interpreter.ram, oracle.ram)).toBe(0);
          expect(execute(translator, bytes, start, initial)).toEqual(expected);
          expect(executeAgain(translator, bytes, start, initial)).toEqual(expected);
          expect(Buffer.compare(translator.ram, oracle.ram)).toBe(0);
        }),
        { numRuns: Number(process.env['RUNS'] ?? 100), seed: Number(process.env['SEED'] ?? 20261123) },
      );
    },
    120_000,
  );
});
