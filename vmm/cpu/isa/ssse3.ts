/** SSSE3 (SDM vol.1 12.5): horizontal sums, signs, shuffles and alignments of packed integers. */
import type { Encoding } from './encoding.ts';
import type { Text } from './machine.ts';
import type { Int, Vector } from './value.ts';
import { op, shuffle, toBit, vector } from './value.ts';
import type { Binary } from './sse-integer.ts';
import { beginMmx, beginSse, fromHalves, low64, readMmx, splat64, writeMmx } from './vector.ts';

type Both = (opcode: string, name: string, f: Binary, mmxFeature: string, sseFeature: string, mmxText?: Text) => Encoding[];
type Joined = (f: (joined: Vector) => Int) => Text;

const IDENTITY = vector(0x0f0e0d0c0b0a09080706050403020100n);
const ZERO = vector(0n);
const splatByte = (value: number): Vector => op('i8x16.splat', value);

// -- PHADD, PHSUB: the even and the odd elements of both operands, put together

/** Byte numbers of every second element of `size` bytes out of `width`. */
const everySecond = (size: number, odd: boolean, width: 16 | 32): number[] =>
  Array.from({ length: width / 2 / size }, (_, i) => i * 2 * size + (odd ? size : 0)).flatMap((at) => Array.from({ length: size }, (_, b) => at + b));

type Combine = 'i16x8.add' | 'i32x4.add' | 'i16x8.add_sat_s' | 'i16x8.sub' | 'i32x4.sub' | 'i16x8.sub_sat_s';

function horizontal(both: Both, joined: Joined, opcode: string, name: string, operator: Combine): Encoding[] {
  const size = operator.startsWith('i16') ? 2 : 4;
  const [even, odd] = [everySecond(size, false, 32), everySecond(size, true, 32)];
  const wide: Binary = (a, b) => op(operator, shuffle(a, b, even), shuffle(a, b, odd));
  // MMX: both operands stand in one vector.
  const narrow = (v: Vector): Int => low64(op(operator, shuffle(v, v, even), shuffle(v, v, odd)));
  return both(opcode, name, wide, 'ssse3', 'ssse3', joined(narrow));
}

// -- the rest

/** PSIGN: negated where the second operand is negative, zero where it is zero. */
const sign =
  (shape: 'i8x16' | 'i16x8' | 'i32x4'): Binary =>
  (a, b) => {
    const negative = op(`${shape}.lt_s`, b, ZERO);
    return op('v128.andnot', op(`${shape}.sub`, op('v128.xor', a, negative), negative), op(`${shape}.eq`, b, ZERO));
  };

/** PMADDUBSW: unsigned bytes of the first by signed bytes of the second operand, pairs summed with saturation. */
const multiplyAddBytes: Binary = (a, b) => {
  const even = op('i16x8.mul', op('v128.and', a, op('i16x8.splat', 0xff)), op('i16x8.shr_s', op('i16x8.shl', b, 8), 8));
  const odd = op('i16x8.mul', op('i16x8.shr_u', a, 8), op('i16x8.shr_s', b, 8));
  return op('i16x8.add_sat_s', even, odd);
};

/** PMULHRSW: wasm's instruction saturates -1 * -1, the processor wraps it. */
const multiplyRound: Binary = (a, b) => {
  const lowest = op('i16x8.splat', 0x8000);
  const both = op('v128.and', op('i16x8.eq', a, lowest), op('i16x8.eq', b, lowest));
  return op('v128.xor', op('i16x8.q15mulr_sat_s', a, b), both);
};

/** PSHUFB: an index with its top bit set gives 0, as swizzle does for all beyond 15. */
const shuffleBytes: Binary = (a, b) => op('i8x16.swizzle', a, op('v128.and', b, splatByte(0x8f)));
const shuffleMmxBytes: Text = (m, _size, to, from) => {
  beginMmx(m);
  const b = readMmx(m, from);
  const indices = op('v128.and', splat64(b), splatByte(0x87));
  writeMmx(m, to, low64(op('i8x16.swizzle', splat64(readMmx(m, to)), indices)));
};

/** PALIGNR: the operands side by side, shifted right by bytes. */
const align: Text = (m, _size, to, from, imm) => {
  beginSse(m);
  const b = m.readVector(from, 'aligned');
  const a = m.readVector(to);
  const indices = m.let(op('i8x16.add_sat_u', IDENTITY, op('i8x16.splat', toBit(m.read(imm)))));
  const upper = op('i8x16.swizzle', a, op('i8x16.sub', indices, splatByte(16)));
  m.writeVector(to, op('v128.or', op('i8x16.swizzle', b, indices), upper));
};
const alignMmx: Text = (m, _size, to, from, imm) => {
  beginMmx(m);
  const b = readMmx(m, from);
  const indices = op('i8x16.add_sat_u', IDENTITY, op('i8x16.splat', toBit(m.read(imm))));
  writeMmx(m, to, low64(op('i8x16.swizzle', fromHalves(b, readMmx(m, to)), indices)));
};

export function ssse3Encodings(both: Both, joined: Joined): Encoding[] {
  const row = (digit: string, name: string, f: Binary, mmxText?: Text) => both(`0F 38 ${digit}`, name, f, 'ssse3', 'ssse3', mmxText);
  return [
    ...row('1C', 'pabsb', (_a, b) => op('i8x16.abs', b)),
    ...row('1D', 'pabsw', (_a, b) => op('i16x8.abs', b)),
    ...row('1E', 'pabsd', (_a, b) => op('i32x4.abs', b)),
    ...row('00', 'pshufb', shuffleBytes, shuffleMmxBytes),
    ...horizontal(both, joined, '0F 38 01', 'phaddw', 'i16x8.add'),
    ...horizontal(both, joined, '0F 38 02', 'phaddd', 'i32x4.add'),
    ...horizontal(both, joined, '0F 38 03', 'phaddsw', 'i16x8.add_sat_s'),
    ...horizontal(both, joined, '0F 38 05', 'phsubw', 'i16x8.sub'),
    ...horizontal(both, joined, '0F 38 06', 'phsubd', 'i32x4.sub'),
    ...horizontal(both, joined, '0F 38 07', 'phsubsw', 'i16x8.sub_sat_s'),
    ...row('04', 'pmaddubsw', multiplyAddBytes),
    ...row('08', 'psignb', sign('i8x16')),
    ...row('09', 'psignw', sign('i16x8')),
    ...row('0A', 'psignd', sign('i32x4')),
    ...row('0B', 'pmulhrsw', multiplyRound),
    { opcode: 'NP 0F 3A 0F', operands: 'Pq Qq Ib', text: alignMmx, name: 'palignr', feature: 'ssse3' },
    { opcode: '66 0F 3A 0F', operands: 'Vx Wx Ib', text: align, name: 'palignr', feature: 'ssse3' },
  ];
}
