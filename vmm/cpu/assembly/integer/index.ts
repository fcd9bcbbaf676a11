// Integer operations too long for a text: 128-bit division, CRC32, PDEP and PEXT.

export { compare_run, copy_run, fill_run, scan_run } from './strings';

let remainder: u64 = 0;

/** Quotient of hi:lo / d for hi < d; the remainder is kept for `divide_remainder` (Knuth 4.3.1, algorithm D, 32-bit digits). */
export function divide_wide(hi: u64, lo: u64, d: u64): u64 {
  if (hi == 0) {
    remainder = lo % d;
    return lo / d;
  }
  const shift = clz(d);
  if (shift) {
    hi = (hi << shift) | (lo >> (64 - shift));
    lo <<= shift;
    d <<= shift;
  }
  const d1 = d >> 32;
  const d0 = d & 0xffffffff;
  let q1 = hi / d1;
  let r = hi - q1 * d1;
  while (q1 > 0xffffffff || q1 * d0 > ((r << 32) | (lo >> 32))) {
    q1--;
    r += d1;
    if (r > 0xffffffff) break;
  }
  const middle = (hi << 32) + (lo >> 32) - q1 * d;
  let q0 = middle / d1;
  r = middle - q0 * d1;
  while (q0 > 0xffffffff || q0 * d0 > ((r << 32) | (lo & 0xffffffff))) {
    q0--;
    r += d1;
    if (r > 0xffffffff) break;
  }
  remainder = ((middle << 32) + (lo & 0xffffffff) - q0 * d) >> shift;
  return (q1 << 32) + q0;
}

/** Remainder of the division before. */
export function divide_remainder(): u64 {
  return remainder;
}

/** CRC32 of `bytes` bytes of value, Castagnoli polynomial, bit-reflected (SDM vol.2 CRC32). */
export function crc32c(crc: u64, value: u64, bytes: i32): u64 {
  let c = <u32>crc;
  for (let i = 0; i < bytes; i++) {
    c ^= <u32>((value >> (i * 8)) & 0xff);
    for (let bit = 0; bit < 8; bit++) c = (c >> 1) ^ (c & 1 ? 0x82f63b78 : 0);
  }
  return c;
}

export function deposit_bits(source: u64, mask: u64): u64 {
  let result: u64 = 0;
  while (mask) {
    const lowest = mask & -mask;
    if (source & 1) result |= lowest;
    source >>= 1;
    mask ^= lowest;
  }
  return result;
}

export function extract_bits(source: u64, mask: u64): u64 {
  let result: u64 = 0;
  let at: u64 = 1;
  while (mask) {
    const lowest = mask & -mask;
    if (source & lowest) result |= at;
    at <<= 1;
    mask ^= lowest;
  }
  return result;
}
