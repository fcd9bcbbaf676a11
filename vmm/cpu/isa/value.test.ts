import fc from 'fast-check';
import { ModuleWriter } from '../../wasm/module-writer.ts';
import * as v from './value.ts';
import type { Bit, Int } from './value.ts';

const binaries = [v.add, v.sub, v.mul, v.and, v.or, v.xor, v.shl, v.shrU, v.shrS, v.rotl, v.rotr];
const comparisons = [v.eq, v.ne, v.lessU, v.lessS, v.greaterU, v.greaterS, v.atMostU, v.atMostS, v.atLeastU, v.atLeastS];
const unaries: ((x: Int) => Int)[] = [
  v.clz,
  v.ctz,
  v.popcnt,
  v.not,
  v.neg,
  v.low32,
  (x) => v.fromBit(v.toBit(x)),
  (x) => v.truncate(x, 8),
  (x) => v.truncate(x, 16),
  (x) => v.signExtend(x, 8),
  (x) => v.signExtend(x, 16),
  (x) => v.signExtend(x, 32),
  (x) => v.fromBit(v.signOf(x, 32)),
  (x) => v.fromBit(v.isZeroValue(x)),
  (x) => v.fromBit(v.clz(v.toBit(x))),
  (x) => v.fromBit(v.bitOf(x, 17)),
  (x) => v.and(x, 31n),
];

interface Step {
  kind: number;
  op: number;
  a: number;
  b: number;
}

/** Builds an expression on a stack of values, the same for known and unknown inputs. */
function build(inputs: Int[], steps: Step[]): Int {
  const values = [...inputs];
  const at = (i: number): Int => values[i % values.length]!;
  for (const { kind, op, a, b } of steps) {
    if (kind === 0) values.push(binaries[op % binaries.length]!(at(a), at(b)));
    else if (kind === 1) values.push(unaries[op % unaries.length]!(at(a)));
    else if (kind === 2) values.push(v.fromBit(comparisons[op % comparisons.length]!(at(a), at(b))));
    else if (kind === 3) values.push(v.select(v.and(v.toBit(at(op)), 1), at(a), at(b)));
    else if (kind === 4) values.push(v.fromBit(binaries[op % binaries.length]!(v.toBit(at(a)), v.toBit(at(b)))));
    else values.push(v.fromBit(comparisons[op % comparisons.length]!(v.toBit(at(a)), v.toBit(at(b)))));
  }
  return values.at(-1)!;
}

const number64 = fc.oneof(
  fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }),
  fc.constantFrom(
    0n,
    1n,
    0x7fn,
    0x80n,
    0xffffn,
    0x7fff_ffffn,
    0x8000_0000n,
    0xffff_ffffn,
    0x1_0000_0000n,
    0x8000_0000_0000_0000n,
    0xffff_ffff_ffff_ffffn,
  ),
);

test('code computes what folding gives, narrowed or not', () => {
  const step = fc.record({ kind: fc.nat(5), op: fc.nat(30), a: fc.nat(9), b: fc.nat(9) });
  fc.assert(
    fc.property(fc.tuple(number64, number64, number64), fc.array(step, { minLength: 1, maxLength: 6 }), ([x, y, z], steps) => {
      const folded = build([x, y, z], steps);
      const writer = new ModuleWriter();
      const index = writer.declare('f', ['i64', 'i32'], ['i64']);
      const body = writer.body(index);
      const value = build([body.param(0, 'i64').get(), v.fromBit(body.param(1, 'i32').get()), z], steps);
      const known = build([x, v.low32(y), z], steps);
      body.push(value);
      writer.exportFunction('f', index);
      const { f } = new WebAssembly.Instance(new WebAssembly.Module(writer.finish())).exports as { f: (a: bigint, b: number) => bigint };
      expect(typeof folded).toBe('bigint');
      expect(BigInt.asUintN(64, f(x, Number(BigInt.asIntN(32, y))))).toBe(known);
      expect(v.significantBits(known)).toBeLessThanOrEqual(v.significantBits(value));
    }),
    { numRuns: 1500 },
  );
});

test('32-bit operations stay 32-bit operations', () => {
  const writer = new ModuleWriter();
  const body = writer.body(writer.declare('f', ['i32', 'i32'], []));
  const [a, b] = [v.fromBit(body.param(0, 'i32').get()), v.fromBit(body.param(1, 'i32').get())];
  const sum = v.truncate(v.add(v.mul(a, b), v.shl(a, 3n)), 32) as Exclude<Int, bigint>;
  expect(sum.op).toBe('i64.extend_i32_u');
  expect((sum.args[0] as Exclude<Bit, number>).op).toBe('i32.add');
  expect((v.eq(sum, 5n) as Exclude<Bit, number>).op).toBe('i32.eq');
});

test('vector instructions fold', () => {
  expect(v.lane('i32x4.extract_lane', 1, v.op('i32x4.add', v.vector(5n << 32n), v.vector(6n << 32n)))).toBe(11);
});
