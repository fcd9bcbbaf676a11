/** Repeated string instructions over many elements, which are done in bulk, against a plain model: bytes, registers, ZF, and the count of what is left. */
import fc from 'fast-check';
import { engineModules } from '../../build/engine.node.ts';
import * as L from '../../vmm/cpu/layout.ts';
import { Rig, createEngine } from './rig.ts';

const CODE = 0x3000_0000n;
const DATA = 0x1000_0000n;
const WINDOW = 0x10000;
const REP = 0xf3;
const REPNE = 0xf2;
const OPERATIONS = { movs: 0xa4, cmps: 0xa6, stos: 0xaa, scas: 0xae } as const;
const ZF = 0x40;

interface Run {
  readonly operation: keyof typeof OPERATIONS;
  readonly size: 1 | 2 | 4 | 8;
  readonly prefix: number;
  readonly count: number;
  readonly source: number;
  readonly destination: number;
  /** Where bytes of the uniform data differ. */
  readonly marks: readonly number[];
}

const run: fc.Arbitrary<Run> = fc.record({
  operation: fc.constantFrom('movs', 'cmps', 'stos', 'scas'),
  size: fc.constantFrom(1, 2, 4, 8),
  prefix: fc.constantFrom(REP, REPNE),
  count: fc.nat(3000),
  source: fc.nat(9000),
  destination: fc.nat(9000),
  marks: fc.array(fc.nat(20000), { maxLength: 6 }),
});

interface Outcome {
  readonly memory: Uint8Array;
  readonly registers: readonly number[];
  readonly zero: boolean | undefined;
}

function model({ operation, size, prefix, count, source, destination }: Run, memory: Uint8Array, accumulator: Uint8Array): Outcome {
  let [rcx, rsi, rdi] = [count, source, destination];
  let zero: boolean | undefined;
  const differs = (a: Uint8Array, b: Uint8Array): boolean => a.some((byte, i) => byte !== b[i]);
  while (rcx !== 0) {
    const [from, to] = [memory.subarray(rsi, rsi + size), memory.subarray(rdi, rdi + size)];
    if (operation === 'movs') to.set(from.slice());
    else if (operation === 'stos') to.set(accumulator.subarray(0, size));
    else zero = !differs(operation === 'cmps' ? from : accumulator.subarray(0, size), to);
    if (operation === 'movs' || operation === 'cmps') rsi += size;
    rdi += size;
    rcx--;
    if (zero !== undefined && zero === (prefix === REPNE)) break;
  }
  return { memory, registers: [rcx, rsi, rdi], zero };
}

test('bulk string operations do what single ones do', async () => {
  const rig = new Rig(createEngine(await engineModules()), 'interp', 64);
  const { core } = rig;
  const at = rig.offset(DATA)!;
  const code = rig.offset(CODE)!;
  const register = (index: number, value: bigint): void => core.setBigUint64(L.GPR + 8 * index, value, true);
  const accumulator = Uint8Array.of(7, 7, 7, 7, 9, 7, 7, 7);
  fc.assert(
    fc.property(run, (r) => {
      const data = rig.ram.subarray(at, at + WINDOW);
      data.fill(7);
      for (let i = 4; i < WINDOW; i += 8) data[i] = r.size === 8 ? 9 : 7;
      for (const mark of r.marks) data[mark] = 3;
      const expected = model(r, data.slice(), accumulator);
      const bytes = [...(r.size === 2 ? [0x66] : []), r.prefix, ...(r.size === 8 ? [0x48] : []), OPERATIONS[r.operation] + (r.size === 1 ? 0 : 1)];
      bytes.forEach((byte, i) => rig.poke(code + i, byte));
      register(0, Buffer.from(accumulator).readBigUInt64LE());
      register(1, BigInt(r.count));
      register(6, DATA + BigInt(r.source));
      register(7, DATA + BigInt(r.destination));
      rig.system['set_eflags']!(2);
      core.setBigUint64(L.RIP, CODE, true);
      core.setInt32(L.EVENTS, 0, true);
      for (let step = 0; step < 100 && core.getBigUint64(L.RIP, true) === CODE; step++) expect(rig.step()).toBe(-1);
      const left = [1, 6, 7].map((index) => Number(core.getBigUint64(L.GPR + 8 * index, true) - (index === 1 ? 0n : DATA)));
      expect(left).toEqual(expected.registers);
      if (expected.zero !== undefined) expect(((rig.system['get_eflags']!() as number) & ZF) !== 0).toBe(expected.zero);
      expect(Buffer.compare(data, expected.memory)).toBe(0);
    }),
    { numRuns: 150 },
  );
}, 60_000);
