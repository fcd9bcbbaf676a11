/** Packed integers, MMX and SSE2 to SSE4.2 (SDM vol.1 9, 11.4.2, 12). What WebAssembly's vectors have is a table row; the rest calls assembly/sse. */
import type { Encoding } from './encoding.ts';
import type { Machine, Text } from './machine.ts';
import type { Bit, Int, Vector } from './value.ts';
import {
  add as addBit,
  and,
  eq,
  fromBit,
  greaterU,
  isZeroValue,
  lane,
  low32,
  mul as mulBit,
  op,
  or,
  select,
  shl,
  shrU as shiftRight,
  shuffle,
  toBit,
  truncate,
  vector,
} from './value.ts';
import { ssse3Encodings } from './ssse3.ts';
import { addressOf, beginMmx, beginSse, enterMmx, fromHalves, immediateBit, isMemory, low64, readLow, readMmx, splat64, writeMmx } from './vector.ts';

export type Binary = (a: Vector, b: Vector) => Vector;

// -- instructions of two vectors: `Vx Wx` with 66 and, in the low half, `Pq Qq` without

const sse =
  (f: Binary): Text =>
  (m, _size, to, from) => {
    beginSse(m);
    const b = m.readVector(from, 'aligned');
    m.writeVector(to, f(m.readVector(to), b));
  };

const mmx =
  (f: Binary): Text =>
  (m, _size, to, from) => {
    beginMmx(m);
    const b = readMmx(m, from);
    writeMmx(m, to, low64(f(splat64(readMmx(m, to)), splat64(b))));
  };

/** MMX forms whose result mixes the halves of the 64-bit operands: f sees a below b in one vector. */
const mmxJoined =
  (f: (joined: Vector) => Int): Text =>
  (m, _size, to, from) => {
    beginMmx(m);
    const b = readMmx(m, from);
    writeMmx(m, to, f(m.let(fromHalves(readMmx(m, to), b))));
  };

/** Through a helper (…, bytes, to, from): in place on the registers. */
const sseHelper =
  (helper: string, before: readonly number[] = [], bytes: readonly number[] = [16]): Text =>
  (m, _size, to, from) => {
    beginSse(m);
    const source = addressOf(m, from, 128);
    m.call(helper, ...before, ...bytes, m.address(to), source);
  };

/** Both forms of an opcode of map 0F or 0F 38. `sse2` tells the feature of the MMX form where it came with SSE, SSE2 or SSSE3. */
function both(opcode: string, name: string, f: Binary, mmxFeature = 'mmx', sseFeature = 'sse2', mmxText: Text = mmx(f)): Encoding[] {
  return [
    { opcode: `NP ${opcode}`, operands: 'Pq Qq', text: mmxText, name, feature: mmxFeature },
    { opcode: `66 ${opcode}`, operands: 'Vx Wx', text: sse(f), name, feature: sseFeature },
  ];
}

const only66 = (opcode: string, name: string, f: Binary, feature: string): Encoding => ({
  opcode: `66 ${opcode}`,
  operands: 'Vx Wx',
  text: sse(f),
  name,
  feature,
});

const by =
  (name: string): Binary =>
  (a, b) =>
    op(name as 'i8x16.add', a, b);

const lanewise: readonly (readonly [opcode: string, name: string, operator: string, mmxFeature?: string])[] = [
  ['0F FC', 'paddb', 'i8x16.add'],
  ['0F FD', 'paddw', 'i16x8.add'],
  ['0F FE', 'paddd', 'i32x4.add'],
  ['0F D4', 'paddq', 'i64x2.add', 'sse2'],
  ['0F EC', 'paddsb', 'i8x16.add_sat_s'],
  ['0F ED', 'paddsw', 'i16x8.add_sat_s'],
  ['0F DC', 'paddusb', 'i8x16.add_sat_u'],
  ['0F DD', 'paddusw', 'i16x8.add_sat_u'],
  ['0F F8', 'psubb', 'i8x16.sub'],
  ['0F F9', 'psubw', 'i16x8.sub'],
  ['0F FA', 'psubd', 'i32x4.sub'],
  ['0F FB', 'psubq', 'i64x2.sub', 'sse2'],
  ['0F E8', 'psubsb', 'i8x16.sub_sat_s'],
  ['0F E9', 'psubsw', 'i16x8.sub_sat_s'],
  ['0F D8', 'psubusb', 'i8x16.sub_sat_u'],
  ['0F D9', 'psubusw', 'i16x8.sub_sat_u'],
  ['0F DB', 'pand', 'v128.and'],
  ['0F EB', 'por', 'v128.or'],
  ['0F EF', 'pxor', 'v128.xor'],
  ['0F 74', 'pcmpeqb', 'i8x16.eq'],
  ['0F 75', 'pcmpeqw', 'i16x8.eq'],
  ['0F 76', 'pcmpeqd', 'i32x4.eq'],
  ['0F 64', 'pcmpgtb', 'i8x16.gt_s'],
  ['0F 65', 'pcmpgtw', 'i16x8.gt_s'],
  ['0F 66', 'pcmpgtd', 'i32x4.gt_s'],
  ['0F DA', 'pminub', 'i8x16.min_u', 'sse'],
  ['0F DE', 'pmaxub', 'i8x16.max_u', 'sse'],
  ['0F EA', 'pminsw', 'i16x8.min_s', 'sse'],
  ['0F EE', 'pmaxsw', 'i16x8.max_s', 'sse'],
  ['0F E0', 'pavgb', 'i8x16.avgr_u', 'sse'],
  ['0F E3', 'pavgw', 'i16x8.avgr_u', 'sse'],
  ['0F D5', 'pmullw', 'i16x8.mul'],
  ['0F F5', 'pmaddwd', 'i32x4.dot_i16x8_s'],
];

const sse41: readonly (readonly [opcode: string, name: string, operator: string, feature: string])[] = [
  ['0F 38 29', 'pcmpeqq', 'i64x2.eq', 'sse4_1'],
  ['0F 38 37', 'pcmpgtq', 'i64x2.gt_s', 'sse4_2'],
  ['0F 38 38', 'pminsb', 'i8x16.min_s', 'sse4_1'],
  ['0F 38 39', 'pminsd', 'i32x4.min_s', 'sse4_1'],
  ['0F 38 3A', 'pminuw', 'i16x8.min_u', 'sse4_1'],
  ['0F 38 3B', 'pminud', 'i32x4.min_u', 'sse4_1'],
  ['0F 38 3C', 'pmaxsb', 'i8x16.max_s', 'sse4_1'],
  ['0F 38 3D', 'pmaxsd', 'i32x4.max_s', 'sse4_1'],
  ['0F 38 3E', 'pmaxuw', 'i16x8.max_u', 'sse4_1'],
  ['0F 38 3F', 'pmaxud', 'i32x4.max_u', 'sse4_1'],
  ['0F 38 40', 'pmulld', 'i32x4.mul', 'sse4_1'],
  ['0F 38 2B', 'packusdw', 'i16x8.narrow_i32x4_u', 'sse4_1'],
];

const andNot: Binary = (a, b) => op('v128.andnot', b, a);
const EVEN_DWORDS = vector(0x00000000ffffffff_00000000ffffffffn);
const multiplyEvenUnsigned: Binary = (a, b) => op('i64x2.mul', op('v128.and', a, EVEN_DWORDS), op('v128.and', b, EVEN_DWORDS));
const evenSigned = (v: Vector): Vector => op('i64x2.shr_s', op('i64x2.shl', v, 32), 32);
const multiplyEvenSigned: Binary = (a, b) => op('i64x2.mul', evenSigned(a), evenSigned(b));

/** PMULHW, PMULHUW: the upper halves of the products. */
const UPPER_WORDS = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((i) => [4 * i + 2, 4 * i + 3]);
const multiplyHigh =
  (sign: 's' | 'u'): Binary =>
  (a, b) =>
    shuffle(op(`i32x4.extmul_low_i16x8_${sign}`, a, b), op(`i32x4.extmul_high_i16x8_${sign}`, a, b), UPPER_WORDS);

/** PSADBW: the bytes' differences, summed up in each half. */
const sumOfDifferences: Binary = (a, b) => {
  const differences = op('i8x16.sub', op('i8x16.max_u', a, b), op('i8x16.min_u', a, b));
  const sums = op('i32x4.extadd_pairwise_i16x8_u', op('i16x8.extadd_pairwise_i8x16_u', differences));
  return op('i64x2.add', op('v128.and', sums, EVEN_DWORDS), op('i64x2.shr_u', op('v128.and', sums, op('v128.not', EVEN_DWORDS)), 32));
};

// -- pack and unpack

const pack = (opcode: string, name: string, operator: 'i8x16.narrow_i16x8_s' | 'i8x16.narrow_i16x8_u' | 'i16x8.narrow_i32x4_s') =>
  both(
    opcode,
    name,
    (a, b) => op(operator, a, b),
    'mmx',
    'sse2',
    mmxJoined((joined) => low64(op(operator, joined, joined))),
  );

/** Interleaves elements of `size` bytes from the low or high halves. */
function interleave(size: number, high: boolean, width: 8 | 16): number[] {
  const lanes: number[] = [];
  const start = high ? width / 2 : 0;
  for (let i = 0; i < width / 2; i += size) {
    for (const operand of [0, width]) for (let b = 0; b < size; b++) lanes.push(operand + start + i + b);
  }
  return lanes;
}

const unpack = (opcode: string, name: string, size: number, high: boolean): Encoding[] => {
  const wide = interleave(size, high, 16);
  // MMX: the operands stand in one vector, b at byte 8
  const narrow = [...interleave(size, high, 8), ...Array<number>(8).fill(0)];
  return [
    {
      opcode: `NP ${opcode}`,
      operands: high ? 'Pq Qq' : 'Pq Qd',
      name,
      feature: 'mmx',
      text: (m, _size, to, from) => {
        beginMmx(m);
        const b = high || !isMemory(from) ? readMmx(m, from) : m.load(m.segmentOf(from), m.effectiveAddress(from), 32);
        const joined = m.let(fromHalves(readMmx(m, to), b));
        writeMmx(m, to, low64(shuffle(joined, joined, narrow)));
      },
    },
    { opcode: `66 ${opcode}`, operands: 'Vx Wx', text: sse((a, b) => shuffle(a, b, wide)), name, feature: 'sse2' },
  ];
};

// -- shifts. A count beyond the element gives zero, or the sign

interface Shift {
  readonly name: string;
  readonly shift: 'i16x8.shl' | 'i16x8.shr_u' | 'i16x8.shr_s' | 'i32x4.shl' | 'i32x4.shr_u' | 'i32x4.shr_s' | 'i64x2.shl' | 'i64x2.shr_u';
  readonly bits: number;
  readonly opcode: string;
  /** `71 /2` and so on. */
  readonly immediate: string;
}

const shifts: readonly Shift[] = [
  { name: 'psrlw', shift: 'i16x8.shr_u', bits: 16, opcode: '0F D1', immediate: '0F 71 /2' },
  { name: 'psrld', shift: 'i32x4.shr_u', bits: 32, opcode: '0F D2', immediate: '0F 72 /2' },
  { name: 'psrlq', shift: 'i64x2.shr_u', bits: 64, opcode: '0F D3', immediate: '0F 73 /2' },
  { name: 'psraw', shift: 'i16x8.shr_s', bits: 16, opcode: '0F E1', immediate: '0F 71 /4' },
  { name: 'psrad', shift: 'i32x4.shr_s', bits: 32, opcode: '0F E2', immediate: '0F 72 /4' },
  { name: 'psllw', shift: 'i16x8.shl', bits: 16, opcode: '0F F1', immediate: '0F 71 /6' },
  { name: 'pslld', shift: 'i32x4.shl', bits: 32, opcode: '0F F2', immediate: '0F 72 /6' },
  { name: 'psllq', shift: 'i64x2.shl', bits: 64, opcode: '0F F3', immediate: '0F 73 /6' },
];

function shifted(m: Machine, value: Vector, count: Int, { shift, bits }: Shift): Vector {
  const within = m.let(isZeroValue(and(count, 0xffff_ffff_ffff_ffffn ^ BigInt(bits - 1))));
  if (shift.endsWith('_s')) return op(shift, value, select(within, toBit(count), bits - 1));
  return select(within, op(shift, value, toBit(count)), vector(0n));
}

const shiftEncodings = shifts.flatMap((s): Encoding[] => [
  {
    opcode: `NP ${s.opcode}`,
    operands: 'Pq Qq',
    name: s.name,
    feature: 'mmx',
    text: (m, _size, to, from) => {
      beginMmx(m);
      const count = readMmx(m, from);
      writeMmx(m, to, low64(shifted(m, splat64(readMmx(m, to)), count, s)));
    },
  },
  {
    opcode: `66 ${s.opcode}`,
    operands: 'Vx Wx',
    name: s.name,
    feature: 'sse2',
    text: (m, _size, to, from) => {
      beginSse(m);
      const count = m.let(low64(m.readVector(from, 'aligned')));
      m.writeVector(to, shifted(m, m.readVector(to), count, s));
    },
  },
  {
    opcode: `NP ${s.immediate}`,
    operands: 'Nq Ib',
    name: s.name,
    feature: 'mmx',
    text: (m, _size, to, imm) => {
      beginMmx(m);
      writeMmx(m, to, low64(shifted(m, splat64(readMmx(m, to)), m.read(imm), s)));
    },
  },
  {
    opcode: `66 ${s.immediate}`,
    operands: 'Ux Ib',
    name: s.name,
    feature: 'sse2',
    text: (m, _size, to, imm) => {
      beginSse(m);
      m.writeVector(to, shifted(m, m.readVector(to), m.read(imm), s));
    },
  },
]);

/** PSRLDQ, PSLLDQ: by bytes, over both halves. */
const byteShift =
  (left: boolean): Text =>
  (m, _size, to, imm) => {
    beginSse(m);
    const count = m.read(imm);
    const bytes = m.let(toBit(select(greaterU(count, 15n), 16n, count)));
    const value = m.readVector(to);
    // swizzle gives 0 for an index of 16 or more; adding saturated keeps it there
    const identity = vector(0x0f0e0d0c0b0a09080706050403020100n);
    const by = op('i8x16.splat', bytes);
    const index = left ? op('i8x16.sub', identity, by) : op('i8x16.add_sat_u', identity, by);
    m.writeVector(to, op('i8x16.swizzle', value, index));
  };

// -- shuffles by an immediate: the lane numbers come from a vector of indices

/** Byte indices of a shuffle of four elements of `size` bytes by two bits each of imm. */
function elementIndices(m: Machine, imm: Bit, size: 2 | 4, base: number): Int[] {
  const word: Int[] = [];
  for (let i = 0; i < 4; i++) {
    const element = and(shrBit(imm, i * 2), 3);
    for (let b = 0; b < size; b++) word.push(fromBit(addBit(mulBit(element, size), base + b)));
  }
  return word.map((index) => m.let(index));
}

const shrBit = (value: Bit, count: number): Bit => toBit(shrInt(fromBit(value), count));
const shrInt = (value: Int, count: number): Int => (count === 0 ? value : shiftRight(value, BigInt(count)));

function packBytes(bytes: readonly Int[]): Int {
  return bytes.reduce<Int>((word, byte, i) => or(word, shl(byte, BigInt(i * 8))), 0n);
}

const shuffleDwords: Text = (m, _size, to, from, imm) => {
  beginSse(m);
  const value = m.readVector(from, 'aligned');
  const indices = elementIndices(m, immediateBit(m, imm), 4, 0);
  m.writeVector(to, op('i8x16.swizzle', value, fromHalves(packBytes(indices.slice(0, 8)), packBytes(indices.slice(8)))));
};

const IDENTITY_LOW = 0x0706050403020100n;
const IDENTITY_HIGH = 0x0f0e0d0c0b0a0908n;

const shuffleWords =
  (high: boolean): Text =>
  (m, _size, to, from, imm) => {
    beginSse(m);
    const value = m.readVector(from, 'aligned');
    const indices = packBytes(elementIndices(m, immediateBit(m, imm), 2, high ? 8 : 0));
    m.writeVector(to, op('i8x16.swizzle', value, high ? fromHalves(IDENTITY_LOW, indices) : fromHalves(indices, IDENTITY_HIGH)));
  };

const shuffleMmxWords: Text = (m, _size, to, from, imm) => {
  beginMmx(m);
  const value = splat64(readMmx(m, from));
  const indices = packBytes(elementIndices(m, immediateBit(m, imm), 2, 0));
  writeMmx(m, to, low64(op('i8x16.swizzle', value, fromHalves(indices, 0n))));
};

// -- masks, insertions, extractions

const moveMask: Text = (m, _size, to, from) => {
  beginSse(m);
  m.write(to, fromBit(op('i8x16.bitmask', m.readVector(from))));
};
const moveMmxMask: Text = (m, _size, to, from) => {
  beginMmx(m);
  const value = readMmx(m, from);
  enterMmx(m);
  m.write(to, fromBit(op('i8x16.bitmask', fromHalves(value, 0n))));
};

/** A vector with element `index` (a Bit) of `size` bits replaced: by selecting against a vector of lane numbers. */
function insert(m: Machine, into: Vector, index: Bit, value: Int, size: 8 | 16 | 32 | 64): Vector {
  const bit = m.let(index);
  const at = m.let(toBit(shl(fromBit(bit), BigInt(Math.log2(size / 8)))));
  // bytes whose number lies in [at, at + size/8)
  const offset = op('i8x16.sub', vector(0x0f0e0d0c0b0a09080706050403020100n), op('i8x16.splat', at));
  const chosen = op('i8x16.lt_u', offset, op('i8x16.splat', size / 8));
  const repeated =
    size === 8
      ? op('i8x16.splat', toBit(value))
      : size === 16
        ? op('i16x8.splat', toBit(value))
        : size === 32
          ? op('i32x4.splat', toBit(value))
          : splat64(value);
  return op('v128.bitselect', repeated, into, chosen);
}

/** Element `index` of `size` bits, zero-extended. */
function extract(m: Machine, from: Vector, index: Bit, size: 8 | 16 | 32 | 64): Int {
  const bytes = size / 8;
  const start = m.let(mulBit(index, bytes));
  const indices = op('i8x16.add', vector(0x0706050403020100n), op('i8x16.splat', start));
  return truncate(low64(op('i8x16.swizzle', from, indices)), size);
}

const insertElement =
  (size: 8 | 16 | 32 | 64): Text =>
  (m, _size, to, from, imm) => {
    beginSse(m);
    const value = m.read(from);
    m.writeVector(to, insert(m, m.readVector(to), and(immediateBit(m, imm), 128 / size - 1), truncate(value, size), size));
  };

const extractElement =
  (size: 8 | 16 | 32 | 64): Text =>
  (m, _size, to, from, imm) => {
    beginSse(m);
    m.write(to, extract(m, m.readVector(from), and(immediateBit(m, imm), 128 / size - 1), size));
  };

const insertMmxWord: Text = (m, _size, to, from, imm) => {
  beginMmx(m);
  const value = m.read(from);
  writeMmx(m, to, low64(insert(m, splat64(readMmx(m, to)), and(immediateBit(m, imm), 3), truncate(value, 16), 16)));
};
const extractMmxWord: Text = (m, _size, to, from, imm) => {
  beginMmx(m);
  const value = splat64(readMmx(m, from));
  enterMmx(m);
  m.write(to, extract(m, value, and(immediateBit(m, imm), 3), 16));
};

// -- SSE4.1: extension, blends, tests

type Extend =
  | 'i16x8.extend_low_i8x16_s'
  | 'i16x8.extend_low_i8x16_u'
  | 'i32x4.extend_low_i16x8_s'
  | 'i32x4.extend_low_i16x8_u'
  | 'i64x2.extend_low_i32x4_s'
  | 'i64x2.extend_low_i32x4_u';

/** PMOVSX, PMOVZX: the low elements, widened step by step. */
const extend =
  (memoryBits: 16 | 32 | 64, ...steps: readonly Extend[]): Text =>
  (m, _size, to, from) => {
    beginSse(m);
    const source = isMemory(from) ? splat64(m.load(m.segmentOf(from), m.effectiveAddress(from), memoryBits)) : m.readVector(from);
    m.writeVector(
      to,
      steps.reduce((v, step) => op(step, v), source),
    );
  };

const extensions: readonly (readonly [string, string, 16 | 32 | 64, (sign: 's' | 'u') => readonly Extend[]])[] = [
  ['0', 'bw', 64, (s) => [`i16x8.extend_low_i8x16_${s}`]],
  ['1', 'bd', 32, (s) => [`i16x8.extend_low_i8x16_${s}`, `i32x4.extend_low_i16x8_${s}`]],
  ['2', 'bq', 16, (s) => [`i16x8.extend_low_i8x16_${s}`, `i32x4.extend_low_i16x8_${s}`, `i64x2.extend_low_i32x4_${s}`]],
  ['3', 'wd', 64, (s) => [`i32x4.extend_low_i16x8_${s}`]],
  ['4', 'wq', 32, (s) => [`i32x4.extend_low_i16x8_${s}`, `i64x2.extend_low_i32x4_${s}`]],
  ['5', 'dq', 64, (s) => [`i64x2.extend_low_i32x4_${s}`]],
];

/** PBLENDVB, BLENDVPS, BLENDVPD: the sign of each element of XMM0 chooses. */
const blendVariable =
  (sign: 'i8x16.shr_s' | 'i32x4.shr_s' | 'i64x2.shr_s', bits: number): Text =>
  (m, _size, to, from) => {
    beginSse(m);
    const b = m.readVector(from, 'aligned');
    const mask = op(sign, m.getVectorRegister(0), bits - 1);
    m.writeVector(to, op('v128.bitselect', b, m.readVector(to), mask));
  };

/** PBLENDW, BLENDPS, BLENDPD: bit i of the immediate chooses element i. */
const blendImmediate =
  (elementBits: 16 | 32 | 64): Text =>
  (m, _size, to, from, imm) => {
    beginSse(m);
    const b = m.readVector(from, 'aligned');
    const choice = m.let(m.read(imm));
    let low: Int = 0n;
    let high: Int = 0n;
    const ones = (1n << BigInt(elementBits)) - 1n;
    for (let i = 0; i < 128 / elementBits; i++) {
      const at = i * elementBits;
      const bits = select(toBit(and(choice, 1n << BigInt(i))), (ones << BigInt(at % 64)) & 0xffff_ffff_ffff_ffffn, 0n);
      if (at < 64) low = or(low, bits);
      else high = or(high, bits);
    }
    m.writeVector(to, op('v128.bitselect', b, m.readVector(to), fromHalves(low, high)));
  };

const test: Text = (m, _size, a, b) => {
  beginSse(m);
  const y = m.readVector(b, 'aligned');
  const x = m.readVector(a);
  m.setFlags({
    zf: eq(op('v128.any_true', op('v128.and', x, y)), 0),
    cf: eq(op('v128.any_true', op('v128.andnot', y, x)), 0),
    of: 0,
    sf: 0,
    af: 0,
    pf: 0,
  });
};

/** With an immediate after the source: PCLMULQDQ, MPSADBW. */
const helperImmediate =
  (helper: string, ...bytes: number[]): Text =>
  (m, _size, to, from, imm) => {
    beginSse(m);
    const source = addressOf(m, from, 128);
    m.call(helper, ...bytes, m.address(to), source, immediateBit(m, imm));
  };

// -- moves of a doubleword or quadword between general and vector registers

const moveToMmx: Text = (m, size, to, from) => {
  beginMmx(m);
  writeMmx(m, to, size === 64 ? m.read(from) : low32(m.read(from)));
};
const moveFromMmx: Text = (m, size, to, from) => {
  beginMmx(m);
  const value = readMmx(m, from);
  m.write(to, size === 64 ? value : low32(value));
  enterMmx(m);
};
const moveMmx: Text = (m, _size, to, from) => {
  beginMmx(m);
  writeMmx(m, to, readMmx(m, from));
};
const storeMmx: Text = (m, _size, to, from) => {
  beginMmx(m);
  const value = readMmx(m, from);
  if (isMemory(to)) {
    m.store(m.segmentOf(to), m.effectiveAddress(to), 64, value);
    enterMmx(m);
  } else writeMmx(m, to, value);
};
const moveToXmm: Text = (m, size, to, from) => {
  beginSse(m);
  m.writeVector(to, fromHalves(size === 64 ? m.read(from) : low32(m.read(from)), 0n));
};
const moveFromXmm: Text = (m, size, to, from) => {
  beginSse(m);
  const value = low64(m.readVector(from));
  m.write(to, size === 64 ? value : low32(value));
};
const emms: Text = (m) => {
  beginMmx(m);
  m.call('mmx_empty');
};
/** MOVNTQ, MASKMOVQ, MASKMOVDQU: stores without caching; the caches are not modelled. */
const maskedStore =
  (bytes: 8 | 16): Text =>
  (m, _size, from, mask) => {
    if (bytes === 8) beginMmx(m);
    else beginSse(m);
    const value = bytes === 8 ? fromHalves(readMmx(m, from), 0n) : m.readVector(from);
    const signs = m.let(op('i8x16.bitmask', bytes === 8 ? fromHalves(readMmx(m, mask), 0n) : m.readVector(mask)));
    const data = m.let(value);
    const address = m.getRegister(7, m.addressSize);
    for (let i = 0; i < bytes; i++) {
      m.if(and(signs, 1 << i), () => m.store(m.dataSegment(), addressPlus(address, i), 8, fromBit(lane('i8x16.extract_lane_u', i, data))));
    }
    if (bytes === 8) enterMmx(m);
  };
const addressPlus = (address: Int, offset: number): Int => (offset === 0 ? address : addBit(address, BigInt(offset)));

const xmmToMmx: Text = (m, _size, to, from) => {
  beginSse(m);
  beginMmx(m);
  writeMmx(m, to, low64(m.readVector(from)));
};
const mmxToXmm: Text = (m, _size, to, from) => {
  beginSse(m);
  beginMmx(m);
  const value = readMmx(m, from);
  enterMmx(m);
  m.writeVector(to, fromHalves(value, 0n));
};
const loadLow: Text = (m, _size, to, from) => {
  beginSse(m);
  m.writeVector(to, fromHalves(readLow(m, from, 64), 0n));
};
const storeLow: Text = (m, _size, to, from) => {
  beginSse(m);
  const value = low64(m.readVector(from));
  if (isMemory(to)) m.store(m.segmentOf(to), m.effectiveAddress(to), 64, value);
  else m.writeVector(to, fromHalves(value, 0n));
};
const splitHelper = (helper: string, operands = 'Vx Wx') => ({ operands, text: sseHelper(helper, [], []) });

export const packedIntegerEncodings: readonly Encoding[] = [
  ...lanewise.flatMap(([opcode, name, operator, feature]) => both(opcode, name, by(operator), feature)),
  ...sse41.map(([opcode, name, operator, feature]) => only66(opcode, name, by(operator), feature)),
  ...both('0F DF', 'pandn', andNot),
  ...both('0F F4', 'pmuludq', multiplyEvenUnsigned, 'sse2'),
  only66('0F 38 28', 'pmuldq', multiplyEvenSigned, 'sse4_1'),
  ...both('0F E5', 'pmulhw', multiplyHigh('s'), 'mmx', 'sse2'),
  ...both('0F E4', 'pmulhuw', multiplyHigh('u'), 'sse', 'sse2'),
  ...both('0F F6', 'psadbw', sumOfDifferences, 'sse', 'sse2'),
  ...pack('0F 63', 'packsswb', 'i8x16.narrow_i16x8_s'),
  ...pack('0F 67', 'packuswb', 'i8x16.narrow_i16x8_u'),
  ...pack('0F 6B', 'packssdw', 'i16x8.narrow_i32x4_s'),
  ...unpack('0F 60', 'punpcklbw', 1, false),
  ...unpack('0F 61', 'punpcklwd', 2, false),
  ...unpack('0F 62', 'punpckldq', 4, false),
  ...unpack('0F 68', 'punpckhbw', 1, true),
  ...unpack('0F 69', 'punpckhwd', 2, true),
  ...unpack('0F 6A', 'punpckhdq', 4, true),
  only66('0F 6C', 'punpcklqdq', (a, b) => shuffle(a, b, interleave(8, false, 16)), 'sse2'),
  only66('0F 6D', 'punpckhqdq', (a, b) => shuffle(a, b, interleave(8, true, 16)), 'sse2'),
  ...shiftEncodings,
  { opcode: '66 0F 73 /3', operands: 'Ux Ib', text: byteShift(false), name: 'psrldq', feature: 'sse2' },
  { opcode: '66 0F 73 /7', operands: 'Ux Ib', text: byteShift(true), name: 'pslldq', feature: 'sse2' },
  { opcode: 'NP 0F 70', operands: 'Pq Qq Ib', text: shuffleMmxWords, name: 'pshufw', feature: 'sse' },
  { opcode: '66 0F 70', operands: 'Vx Wx Ib', text: shuffleDwords, name: 'pshufd', feature: 'sse2' },
  { opcode: 'F3 0F 70', operands: 'Vx Wx Ib', text: shuffleWords(true), name: 'pshufhw', feature: 'sse2' },
  { opcode: 'F2 0F 70', operands: 'Vx Wx Ib', text: shuffleWords(false), name: 'pshuflw', feature: 'sse2' },
  { opcode: '66 0F D7', operands: 'Gd Ux', text: moveMask, name: 'pmovmskb', feature: 'sse2' },
  { opcode: 'NP 0F D7', operands: 'Gd Nq', text: moveMmxMask, name: 'pmovmskb', feature: 'sse' },
  { opcode: 'NP 0F C4', operands: 'Pq Edw Ib', text: insertMmxWord, name: 'pinsrw', feature: 'sse' },
  { opcode: '66 0F C4', operands: 'Vx Edw Ib', text: insertElement(16), name: 'pinsrw', feature: 'sse2' },
  { opcode: 'NP 0F C5', operands: 'Gd Nq Ib', text: extractMmxWord, name: 'pextrw', feature: 'sse' },
  { opcode: '66 0F C5', operands: 'Gd Ux Ib', text: extractElement(16), name: 'pextrw', feature: 'sse2' },
  { opcode: '66 0F 3A 20', operands: 'Vx Edb Ib', text: insertElement(8), name: 'pinsrb', feature: 'sse4_1' },
  {
    opcode: '66 0F 3A 22',
    operands: 'Vx Ey Ib',
    text: (m, size, ...operands) => insertElement(size === 64 ? 64 : 32)(m, size, ...operands),
    name: 'pinsrd',
    feature: 'sse4_1',
  },
  { opcode: '66 0F 3A 14', operands: 'Edb Vx Ib', text: extractElement(8), name: 'pextrb', feature: 'sse4_1' },
  { opcode: '66 0F 3A 15', operands: 'Edw Vx Ib', text: extractElement(16), name: 'pextrw', feature: 'sse4_1' },
  {
    opcode: '66 0F 3A 16',
    operands: 'Ey Vx Ib',
    text: (m, size, ...operands) => extractElement(size === 64 ? 64 : 32)(m, size, ...operands),
    name: 'pextrd',
    feature: 'sse4_1',
  },
  ...extensions.flatMap(([digit, suffix, bits, steps]): Encoding[] => [
    { opcode: `66 0F 38 2${digit}`, operands: 'Vx Wx', text: extend(bits, ...steps('s')), name: `pmovsx${suffix}`, feature: 'sse4_1' },
    { opcode: `66 0F 38 3${digit}`, operands: 'Vx Wx', text: extend(bits, ...steps('u')), name: `pmovzx${suffix}`, feature: 'sse4_1' },
  ]),
  { opcode: '66 0F 38 10', operands: 'Vx Wx', text: blendVariable('i8x16.shr_s', 8), name: 'pblendvb', feature: 'sse4_1' },
  { opcode: '66 0F 38 14', operands: 'Vx Wx', text: blendVariable('i32x4.shr_s', 32), name: 'blendvps', feature: 'sse4_1' },
  { opcode: '66 0F 38 15', operands: 'Vx Wx', text: blendVariable('i64x2.shr_s', 64), name: 'blendvpd', feature: 'sse4_1' },
  { opcode: '66 0F 3A 0C', operands: 'Vx Wx Ib', text: blendImmediate(32), name: 'blendps', feature: 'sse4_1' },
  { opcode: '66 0F 3A 0D', operands: 'Vx Wx Ib', text: blendImmediate(64), name: 'blendpd', feature: 'sse4_1' },
  { opcode: '66 0F 3A 0E', operands: 'Vx Wx Ib', text: blendImmediate(16), name: 'pblendw', feature: 'sse4_1' },
  { opcode: '66 0F 38 17', operands: 'Vx Wx', text: test, name: 'ptest', feature: 'sse4_1' },
  ...ssse3Encodings(both, mmxJoined),
  { opcode: '66 0F 38 41', ...splitHelper('packed_minimum_position'), name: 'phminposuw', feature: 'sse4_1' },
  { opcode: '66 0F 3A 42', operands: 'Vx Wx Ib', text: helperImmediate('packed_multiple_differences'), name: 'mpsadbw', feature: 'sse4_1' },
  { opcode: '66 0F 3A 44', operands: 'Vx Wx Ib', text: helperImmediate('packed_carryless'), name: 'pclmulqdq', feature: 'pclmulqdq' },
  // moves
  { opcode: 'NP 0F 6E', operands: 'Pq Ey', text: moveToMmx, name: 'movd', feature: 'mmx' },
  { opcode: 'NP 0F 7E', operands: 'Ey Pq', text: moveFromMmx, name: 'movd', feature: 'mmx' },
  { opcode: '66 0F 6E', operands: 'Vx Ey', text: moveToXmm, name: 'movd', feature: 'sse2' },
  { opcode: '66 0F 7E', operands: 'Ey Vx', text: moveFromXmm, name: 'movd', feature: 'sse2' },
  { opcode: 'NP 0F 6F', operands: 'Pq Qq', text: moveMmx, name: 'movq', feature: 'mmx' },
  { opcode: 'NP 0F 7F', operands: 'Qq Pq', text: storeMmx, name: 'movq', feature: 'mmx' },
  { opcode: 'NP 0F E7', operands: 'Mq Pq', text: storeMmx, name: 'movntq', feature: 'sse' },
  { opcode: 'F3 0F 7E', operands: 'Vx Wq', text: loadLow, name: 'movq', feature: 'sse2' },
  { opcode: '66 0F D6', operands: 'Wq Vx', text: storeLow, name: 'movq', feature: 'sse2' },
  { opcode: 'F2 0F D6', operands: 'Pq Ux', text: xmmToMmx, name: 'movdq2q', feature: 'sse2' },
  { opcode: 'F3 0F D6', operands: 'Vx Nq', text: mmxToXmm, name: 'movq2dq', feature: 'sse2' },
  { opcode: 'NP 0F F7', operands: 'Pq Nq', text: maskedStore(8), name: 'maskmovq', feature: 'sse', addressed: true },
  { opcode: '66 0F F7', operands: 'Vx Ux', text: maskedStore(16), name: 'maskmovdqu', feature: 'sse2', addressed: true },
  { opcode: 'NP 0F 77', text: emms, name: 'emms', feature: 'mmx' },
];
