/**
 * SSE arithmetic, comparison and conversion (SDM vol.1 10.4.1, 11.4.1) on the host's floats. Each text computes the result, tests whether it and the flags are
 * the processor's (sse-formats.ts), and calls assembly/sse if not. Values pass to the helpers as arguments, vectors through SCRATCH, so that a
 * translator may keep registers where it likes.
 */
import { MXCSR, SCRATCH } from '../layout.ts';
import type { Encoding } from './encoding.ts';
import type { Machine, Operand, Text } from './machine.ts';
import { allOf, double, doubles, isUsual, isUsualAndInexact, single, singles } from './sse-formats.ts';
import type { Format, PackedFormat } from './sse-formats.ts';
import type { Bit, F32, F64, Int, Value, Vector } from './value.ts';
import { and, bitOf, fromBit, lane, low32, notBit, op, or, select, signExtend, toBit, vector } from './value.ts';
import { addressOf, beginMmx, beginSse, enterMmx, finishMmx, immediateBit, isMemory, mmxAddress, readLow } from './vector.ts';

type Float = F32 | F64;
type Bits = Int | Bit;

/** `fast` unless `good` is 0, which is rare; then what `slow` gives. */
function unless<V extends Value>(m: Machine, good: Bit, fast: V, slow: () => V): V {
  const result = m.variable(fast);
  m.if(notBit(good), () => result.set(slow()), undefined, false);
  return result.get();
}

/** The same for what may be inexact: PE must be set already, or `exact` say that it is not to be. */
function unlessInexact<V extends Value>(m: Machine, good: Bit, exact: () => Bit, fast: V, slow: () => V): V {
  const result = m.variable(fast);
  const ordinary = m.let(good);
  const mxcsr = m.stateBit(MXCSR);
  m.if(
    notBit(and(isUsualAndInexact(mxcsr), ordinary)),
    () => m.if(notBit(and(and(isUsual(mxcsr), ordinary), exact())), () => result.set(slow())),
    undefined,
    false,
  );
  return result.get();
}
const never = (): Bit => 0;

const SECOND = SCRATCH + 16;

/** A helper (…, to, from[, …]) that works in place, on copies in SCRATCH. */
function vectorHelper(m: Machine, helper: string, before: readonly Value[], a: Vector, b: Vector, after: readonly Value[] = []): Vector {
  m.setStateVector(SCRATCH, a);
  m.setStateVector(SECOND, b);
  m.call(helper, ...before, SCRATCH, SECOND, ...after);
  return m.stateVector(SCRATCH);
}

// -- arithmetic

interface Operation {
  /** Low digit of the opcode 0F 5x: how the helpers name it. */
  readonly number: number;
  readonly name: string;
  /** Takes the second operand only. */
  readonly unary?: boolean;
  /** Raises no flag on plain operands: MXCSR does not matter. */
  readonly flagless?: boolean;
  scalar(f: Format, a: Float, b: Float): Float;
  /** The operands are not denormal, and the result is what the host makes it, for numbers as their bits. */
  scalarGood(f: Format, a: Bits, b: Bits, r: Bits): Bit;
  packed(f: PackedFormat, a: Vector, b: Vector): Vector;
  packedGood(f: PackedFormat, a: Vector, b: Vector, r: Vector): readonly Vector[];
  /** The result is exact, where that is cheap to see. */
  scalarExact?(f: Format, a: Bits, b: Bits, r: Float): Bit;
  packedExact?(f: PackedFormat, a: Vector, b: Vector, r: Vector): Bit;
}

const byName = (name: string) => ({
  scalar: (f: Format, a: Float, b: Float) => f.apply(name, a, b),
  packed: (f: PackedFormat, a: Vector, b: Vector) => f.apply(name, a, b),
});

/** The rounding error of a sum, by Knuth's TwoSum; where that overflows it is a NaN or an infinity, which are not zero. */
function sumError<V>(apply: (name: string, x: V, y: V) => V, last: 'add' | 'sub', a: V, b: V, r: V): V {
  const part = apply('sub', r, a);
  const rest = last === 'add' ? apply('sub', b, part) : apply('add', b, part);
  return apply(last, apply('sub', a, apply('sub', r, part)), rest);
}
const sumExact = (last: 'add' | 'sub') => ({
  scalarExact: (f: Format, a: Bits, b: Bits, r: Float) =>
    f.isZero(f.bits(sumError<Float>((name, x, y) => f.apply(name, x, y), last, f.float(a), f.float(b), r))),
  packedExact: (f: PackedFormat, a: Vector, b: Vector, r: Vector) =>
    allOf(f.isZero(sumError<Vector>((name, x, y) => f.apply(name, x, y), last, a, b, r))),
});

/** A sum that is tiny is exact, so only overflow and NaNs show in the result. */
const sumGood = {
  scalarGood: (f: Format, a: Bits, b: Bits, r: Bits) => and(and(f.isNotDenormal(a), f.isNotDenormal(b)), f.isFinite(r)),
  packedGood: (f: PackedFormat, a: Vector, b: Vector, r: Vector) => [f.isPlain(a), f.isPlain(b), f.isFinite(r)],
};

const orVectors = (a: Vector, b: Vector): Vector => op('v128.or', a, b);
const plainBoth = {
  flagless: true,
  scalarGood: (f: Format, a: Bits, b: Bits) => and(f.isPlain(a), f.isPlain(b)),
  packedGood: (f: PackedFormat, a: Vector, b: Vector) => [f.isPlain(a), f.isPlain(b)],
};

const operations: readonly Operation[] = [
  {
    number: 1,
    name: 'sqrt',
    unary: true,
    scalar: (f, _a, b) => f.apply('sqrt', b),
    scalarGood: (f, _a, b, r) => and(f.isNotDenormal(b), f.isFinite(r)),
    packed: (f, _a, b) => f.apply('sqrt', b),
    packedGood: (f, _a, b, r) => [f.isPlain(b), f.isFinite(r)],
  },
  { number: 8, name: 'add', ...byName('add'), ...sumGood, ...sumExact('add') },
  {
    number: 9,
    name: 'mul',
    ...byName('mul'),
    scalarGood: (f, a, b, r) => {
      const zero = and(f.isZero(r), or(f.isZero(a), f.isZero(b)));
      return and(and(f.isNotDenormal(a), f.isNotDenormal(b)), or(f.isInRange(r), zero));
    },
    packedGood: (f, a, b, r) => {
      const zero = op('v128.and', f.isZero(r), orVectors(f.isZero(a), f.isZero(b)));
      return [f.isPlain(a), f.isPlain(b), orVectors(f.isInRange(r), zero)];
    },
    scalarExact: (f, a, b) => f.areShort(a, b),
    packedExact: (f, a, b) => f.areShort(a, b),
  },
  { number: 12, name: 'sub', ...byName('sub'), ...sumGood, ...sumExact('sub') },
  {
    number: 13,
    name: 'min',
    ...plainBoth,
    scalar: (f, a, b) => select(f.compare('lt', a, b), a, b),
    packed: (f, a, b) => f.apply('pmin', b, a),
  },
  {
    number: 14,
    name: 'div',
    ...byName('div'),
    scalarGood: (f, a, b, r) => and(and(f.isNotDenormal(a), f.isNotDenormal(b)), or(f.isInRange(r), and(f.isZero(r), f.isZero(a)))),
    packedGood: (f, a, b, r) => [f.isPlain(a), f.isPlain(b), orVectors(f.isInRange(r), op('v128.and', f.isZero(r), f.isZero(a)))],
  },
  {
    number: 15,
    name: 'max',
    ...plainBoth,
    scalar: (f, a, b) => select(f.compare('gt', a, b), a, b),
    packed: (f, a, b) => f.apply('pmax', b, a),
  },
];

const scalarText =
  (f: Format, operation: Operation): Text =>
  (m, _size, to, from) => {
    beginSse(m);
    const b = f.read(m, from);
    const target = m.readVector(to);
    const a = m.let(f.low(target) as Int) as Bits;
    const r = m.let(operation.scalar(f, f.float(a), f.float(b)));
    const good = operation.scalarGood(f, a, b, m.let(f.bits(r) as Int));
    const slow = () => f.call(m, `sse_${f.suffix}`, operation.number, a, b);
    const exact = () => operation.scalarExact?.(f, a, b, r) ?? 0;
    m.writeVector(to, f.withLow(target, operation.flagless ? unless(m, good, r, slow) : unlessInexact(m, good, exact, r, slow)));
  };

const packedText =
  (f: PackedFormat, operation: Operation): Text =>
  (m, _size, to, from) => {
    beginSse(m);
    const b = m.readVector(from, 'aligned');
    const a = m.readVector(to);
    const r = m.let(operation.packed(f, a, b));
    const good = allOf(...operation.packedGood(f, a, b, r));
    const slow = () => vectorHelper(m, `sse_${f.suffix}`, [operation.number], a, b);
    const exact = () => operation.packedExact?.(f, a, b, r) ?? 0;
    m.writeVector(to, operation.flagless ? unless(m, good, r, slow) : unlessInexact(m, good, exact, r, slow));
  };

/** The four forms of an opcode 0F 5x: PS PD SS SD. */
const arithmetic = operations.flatMap((operation): Encoding[] => {
  const opcode = `0F 5${operation.number.toString(16).toUpperCase()}`;
  const { name } = operation;
  return [
    { opcode: `NP ${opcode}`, operands: 'Vps Wps', text: packedText(singles, operation), name: `${name}ps`, feature: 'sse' },
    { opcode: `66 ${opcode}`, operands: 'Vpd Wpd', text: packedText(doubles, operation), name: `${name}pd`, feature: 'sse2', hot: true },
    { opcode: `F3 ${opcode}`, operands: 'Vss Wss', text: scalarText(single, operation), name: `${name}ss`, feature: 'sse', hot: true },
    { opcode: `F2 ${opcode}`, operands: 'Vsd Wsd', text: scalarText(double, operation), name: `${name}sd`, feature: 'sse2', hot: true },
  ];
});

// -- comparison. Of plain numbers it raises nothing, and none is unordered.

/** COMISS, UCOMISS and their doubles: ZF PF CF; the others are cleared. */
const compareFlags =
  (f: Format, quiet: number): Text =>
  (m, _size, to, from) => {
    beginSse(m);
    const b = f.read(m, from);
    const a = m.let(f.low(m.readVector(to)) as Int) as Bits;
    const [x, y] = [f.float(a), f.float(b)];
    const cf = m.variable(f.compare('lt', x, y));
    const zf = m.variable(f.compare('eq', x, y));
    const pf = m.variable(0);
    m.if(
      notBit(and(f.isPlain(a), f.isPlain(b))),
      () => {
        const flags = fromBit(m.callBit(`sse_comi_${f.suffix}`, a, b, quiet));
        cf.set(bitOf(flags, 0));
        zf.set(bitOf(flags, 6));
        pf.set(bitOf(flags, 2));
      },
      undefined,
      false,
    );
    m.setFlags({ cf: cf.get(), pf: pf.get(), zf: zf.get(), of: 0, sf: 0, af: 0 });
  };

/** CMPccPS...: predicates 0..7 (SDM vol.2 CMPPD table 3-1): equal, less, at most, unordered, and their negations. */
function relation(f: PackedFormat, predicate: Bit, a: Vector, b: Vector): Vector {
  const strict = select(and(predicate, 1), f.apply('lt', a, b), f.apply('eq', a, b));
  const positive = select(and(predicate, 2), select(and(predicate, 1), vector(0n), f.apply('le', a, b)), strict);
  return op('v128.xor', positive, op('i32x4.splat', select(and(predicate, 4), -1, 0)));
}

const comparePacked =
  (f: PackedFormat): Text =>
  (m, _size, to, from, imm) => {
    beginSse(m);
    const b = m.readVector(from, 'aligned');
    const a = m.readVector(to);
    const predicate = m.let(and(immediateBit(m, imm), 7));
    const lanes = f.suffix === 'ps' ? 4 : 2;
    const slow = () => vectorHelper(m, `sse_cmp_${f.suffix}`, [lanes], a, b, [predicate]);
    m.writeVector(to, unless(m, allOf(f.isPlain(a), f.isPlain(b)), m.let(relation(f, predicate, a, b)), slow));
  };

const compareScalar =
  (f: Format, packed: PackedFormat): Text =>
  (m, _size, to, from, imm) => {
    beginSse(m);
    const y = f.read(m, from);
    const target = m.readVector(to);
    const x = m.let(f.low(target) as Int) as Bits;
    const predicate = m.let(and(immediateBit(m, imm), 7));
    const b = m.let(f.withLow(target, f.float(y)));
    const fast = m.let(relation(packed, predicate, target, b));
    const slow = () => vectorHelper(m, `sse_cmp_${packed.suffix}`, [1], target, b, [predicate]);
    const result = unless(m, and(f.isPlain(x), f.isPlain(y)), fast, slow);
    m.writeVector(to, lowElement(f, result, target));
  };

function lowElement(f: Format, from: Vector, rest: Vector): Vector {
  return f.width === 64
    ? lane('i64x2.replace_lane', 0, rest, lane('i64x2.extract_lane', 0, from))
    : lane('i32x4.replace_lane', 0, rest, lane('i32x4.extract_lane', 0, from));
}

// -- conversion of scalars

const TWO_31 = { 32: 0x4f000000n, 64: 0x41e0000000000000n } as const;
const TWO_63 = { 32: 0x5f000000n, 64: 0x43e0000000000000n } as const;

/** CVT(T)SS2SI, CVT(T)SD2SI. What is out of range, NaNs included, is the helper's; denormals are small numbers like others. */
const toInteger =
  (f: Format, truncate: boolean): Text =>
  (m, size, to, from) => {
    beginSse(m);
    const bits = size === 64 ? 64 : 32;
    const value = f.read(m, from);
    const whole = truncate ? f.float(value) : m.let(f.apply('nearest', f.float(value)));
    const bound = bits === 64 ? TWO_63[f.width] : TWO_31[f.width];
    const limit = f.float(f.width === 64 ? bound : Number(bound));
    const good = f.compare('lt', f.apply('abs', whole), limit);
    const exact = () => f.compare('eq', f.apply('trunc', f.float(value)), f.float(value));
    const converted = op(`i${bits}.trunc_sat_${f.prefix}_s` as 'i64.trunc_sat_f64_s', whole as F64) as Value;
    const fast: Int = bits === 64 ? (converted as Int) : fromBit(converted as Bit);
    const slow = () => {
      const integer = m.callInt(`sse_${f.suffix}_to_integer`, value, bits, truncate ? 1 : 0);
      return bits === 64 ? integer : low32(integer);
    };
    m.write(to, unlessInexact(m, good, exact, m.let(fast), slow));
  };

/** CVTSI2SS, CVTSI2SD: only those that may have to be rounded need MXCSR. */
const fromInteger =
  (f: Format): Text =>
  (m, size, to, from) => {
    beginSse(m);
    const value = m.read(from);
    const target = m.readVector(to);
    if (size === 64) {
      const fast = m.let(op(`${f.prefix}.convert_i64_s` as 'f64.convert_i64_s', value) as Float);
      m.writeVector(
        to,
        f.withLow(
          target,
          unlessInexact(m, 1, never, fast, () => f.call(m, `sse_integer_to_${f.suffix}`, value)),
        ),
      );
      return;
    }
    const fast = m.let(op(`${f.prefix}.convert_i32_s` as 'f64.convert_i32_s', toBit(value)) as Float);
    const slow = () => f.call(m, `sse_integer_to_${f.suffix}`, signExtend(value, 32));
    m.writeVector(to, f.withLow(target, f.width === 64 ? fast : unlessInexact(m, 1, never, fast, slow)));
  };

const widen: Text = (m, _size, to, from) => {
  beginSse(m);
  const value = single.read(m, from);
  const fast = m.let(op('f64.promote_f32', single.float(value) as F32));
  m.writeVector(
    to,
    double.withLow(
      m.readVector(to),
      unless(m, single.isPlain(value), fast, () => double.call(m, 'sse_ss_to_sd', value) as F64),
    ),
  );
};

const narrow: Text = (m, _size, to, from) => {
  beginSse(m);
  const value = double.read(m, from);
  const fast = m.let(op('f32.demote_f64', double.float(value) as F64));
  const good = or(single.isInRange(m.let(single.bits(fast) as Bit)), double.isZero(value));
  m.writeVector(
    to,
    single.withLow(
      m.readVector(to),
      unlessInexact(m, good, never, fast, () => single.call(m, 'sse_sd_to_ss', value) as F32),
    ),
  );
};

// -- conversion of vectors

/** The low half of a register, or eight bytes of memory, in both halves. */
const halfTwice = (m: Machine, from: Operand): Vector => m.let(op('i64x2.splat', readLow(m, from, 64)));

const widenPacked: Text = (m, _size, to, from) => {
  beginSse(m);
  const value = halfTwice(m, from);
  const fast = m.let(op('f64x2.promote_low_f32x4', value));
  m.writeVector(
    to,
    unless(m, allOf(singles.isPlain(value)), fast, () => vectorHelper(m, 'sse_ps_to_pd', [], value, value)),
  );
};

/** The smallest normal single, as a double. */
const SMALLEST_SINGLE = 0x3810000000000000n;

const narrowPacked: Text = (m, _size, to, from) => {
  beginSse(m);
  const value = m.readVector(from, 'aligned');
  const fast = m.let(op('f32x4.demote_f64x2_zero', value));
  // Seen as doubles again, the results stand beside the operands.
  const back = m.let(op('f64x2.promote_low_f32x4', fast));
  const inRange = op('v128.and', doubles.isAbove(back, SMALLEST_SINGLE), doubles.isFinite(back));
  const good = allOf(orVectors(inRange, doubles.isZero(value)));
  m.writeVector(
    to,
    unlessInexact(m, good, never, fast, () => vectorHelper(m, 'sse_pd_to_ps', [], value, value)),
  );
};

const integersToSingles: Text = (m, _size, to, from) => {
  beginSse(m);
  const value = m.readVector(from, 'aligned');
  const fast = m.let(op('f32x4.convert_i32x4_s', value));
  m.writeVector(
    to,
    unlessInexact(m, 1, never, fast, () => vectorHelper(m, 'sse_dq_to_ps', [4], value, value)),
  );
};
const integersToDoubles: Text = (m, _size, to, from) => {
  beginSse(m);
  m.writeVector(to, op('f64x2.convert_low_i32x4_s', halfTwice(m, from)));
};
const singlesToIntegers =
  (truncate: number): Text =>
  (m, _size, to, from) => {
    beginSse(m);
    const value = m.readVector(from, 'aligned');
    const whole = truncate ? value : op('f32x4.nearest', value);
    const good = allOf(singles.isBelow(value, TWO_31[32]));
    const slow = () => vectorHelper(m, 'sse_ps_to_dq', [4], value, value, [truncate]);
    m.writeVector(to, unlessInexact(m, good, never, m.let(op('i32x4.trunc_sat_f32x4_s', whole)), slow));
  };
const doublesToIntegers =
  (truncate: number): Text =>
  (m, _size, to, from) => {
    beginSse(m);
    const value = m.readVector(from, 'aligned');
    const whole = truncate ? value : m.let(op('f64x2.nearest', value));
    const good = allOf(doubles.isBelow(whole, TWO_31[64]));
    const slow = () => vectorHelper(m, 'sse_pd_to_dq', [], value, value, [truncate, 1]);
    m.writeVector(to, unlessInexact(m, good, never, m.let(op('i32x4.trunc_sat_f64x2_s_zero', whole)), slow));
  };

// -- conversions between MMX and XMM registers (CVTPI2PS...). With a memory source the MMX registers are not touched for CVTPI2PD.

const fromMmx =
  (helper: string, before: readonly number[]): Text =>
  (m, _size, to, from) => {
    beginSse(m);
    if (helper !== 'sse_dq_to_pd' || !isMemory(from)) beginMmx(m);
    const source = mmxAddress(m, from);
    m.call(helper, ...before, m.address(to), source);
    if (!isMemory(from) || helper !== 'sse_dq_to_pd') enterMmx(m);
  };
const toMmx =
  (width: 64 | 128, convert: (m: Machine, to: Bit, from: Bit) => void): Text =>
  (m, _size, to, from) => {
    beginSse(m);
    beginMmx(m);
    convert(m, m.address(to), addressOf(m, from, width));
    finishMmx(m, to);
  };
const singlesToMmx = (truncate: number): Text => toMmx(64, (m, to, from) => m.call('sse_ps_to_dq', 2, to, from, truncate));
const doublesToMmx = (truncate: number): Text => toMmx(128, (m, to, from) => m.call('sse_pd_to_dq', to, from, truncate, 0));

export const sseArithmeticEncodings: readonly Encoding[] = [
  ...arithmetic,
  { opcode: 'NP 0F C2', operands: 'Vx Wx Ib', text: comparePacked(singles), name: 'cmpps', feature: 'sse' },
  { opcode: '66 0F C2', operands: 'Vx Wx Ib', text: comparePacked(doubles), name: 'cmppd', feature: 'sse2' },
  { opcode: 'F3 0F C2', operands: 'Vss Wss Ib', text: compareScalar(single, singles), name: 'cmpss', feature: 'sse' },
  { opcode: 'F2 0F C2', operands: 'Vsd Wsd Ib', text: compareScalar(double, doubles), name: 'cmpsd', feature: 'sse2' },
  { opcode: 'NP 0F 2E', operands: 'Vss Wss', text: compareFlags(single, 1), name: 'ucomiss', feature: 'sse' },
  { opcode: 'NP 0F 2F', operands: 'Vss Wss', text: compareFlags(single, 0), name: 'comiss', feature: 'sse' },
  { opcode: '66 0F 2E', operands: 'Vsd Wsd', text: compareFlags(double, 1), name: 'ucomisd', feature: 'sse2', hot: true },
  { opcode: '66 0F 2F', operands: 'Vsd Wsd', text: compareFlags(double, 0), name: 'comisd', feature: 'sse2', hot: true },
  { opcode: 'F3 0F 2A', operands: 'Vss Ey', text: fromInteger(single), name: 'cvtsi2ss', feature: 'sse' },
  { opcode: 'F2 0F 2A', operands: 'Vsd Ey', text: fromInteger(double), name: 'cvtsi2sd', feature: 'sse2', hot: true },
  { opcode: 'F3 0F 2C', operands: 'Gy Wss', text: toInteger(single, true), name: 'cvttss2si', feature: 'sse' },
  { opcode: 'F3 0F 2D', operands: 'Gy Wss', text: toInteger(single, false), name: 'cvtss2si', feature: 'sse' },
  { opcode: 'F2 0F 2C', operands: 'Gy Wsd', text: toInteger(double, true), name: 'cvttsd2si', feature: 'sse2', hot: true },
  { opcode: 'F2 0F 2D', operands: 'Gy Wsd', text: toInteger(double, false), name: 'cvtsd2si', feature: 'sse2' },
  { opcode: 'NP 0F 2A', operands: 'Vps Qq', text: fromMmx('sse_dq_to_ps', [2]), name: 'cvtpi2ps', feature: 'sse' },
  { opcode: '66 0F 2A', operands: 'Vpd Qq', text: fromMmx('sse_dq_to_pd', []), name: 'cvtpi2pd', feature: 'sse2' },
  { opcode: 'NP 0F 2C', operands: 'Pq Wq', text: singlesToMmx(1), name: 'cvttps2pi', feature: 'sse' },
  { opcode: 'NP 0F 2D', operands: 'Pq Wq', text: singlesToMmx(0), name: 'cvtps2pi', feature: 'sse' },
  { opcode: '66 0F 2C', operands: 'Pq Wx', text: doublesToMmx(1), name: 'cvttpd2pi', feature: 'sse2' },
  { opcode: '66 0F 2D', operands: 'Pq Wx', text: doublesToMmx(0), name: 'cvtpd2pi', feature: 'sse2' },
  { opcode: 'NP 0F 5A', operands: 'Vpd Wq', text: widenPacked, name: 'cvtps2pd', feature: 'sse2' },
  { opcode: '66 0F 5A', operands: 'Vps Wpd', text: narrowPacked, name: 'cvtpd2ps', feature: 'sse2' },
  { opcode: 'F3 0F 5A', operands: 'Vsd Wss', text: widen, name: 'cvtss2sd', feature: 'sse2' },
  { opcode: 'F2 0F 5A', operands: 'Vss Wsd', text: narrow, name: 'cvtsd2ss', feature: 'sse2' },
  { opcode: 'NP 0F 5B', operands: 'Vx Wx', text: integersToSingles, name: 'cvtdq2ps', feature: 'sse2' },
  { opcode: '66 0F 5B', operands: 'Vx Wx', text: singlesToIntegers(0), name: 'cvtps2dq', feature: 'sse2' },
  { opcode: 'F3 0F 5B', operands: 'Vx Wx', text: singlesToIntegers(1), name: 'cvttps2dq', feature: 'sse2' },
  { opcode: 'F2 0F E6', operands: 'Vx Wx', text: doublesToIntegers(0), name: 'cvtpd2dq', feature: 'sse2' },
  { opcode: '66 0F E6', operands: 'Vx Wx', text: doublesToIntegers(1), name: 'cvttpd2dq', feature: 'sse2' },
  { opcode: 'F3 0F E6', operands: 'Vx Wq', text: integersToDoubles, name: 'cvtdq2pd', feature: 'sse2' },
];
