/**
 * Packed integer instructions that WebAssembly's vector operations do not have, on `bytes` 8 (MMX) or 16 (SSE) at addresses in core memory: `to` is
 * the first operand and the destination, `from` the second.
 */

const result = memory.data(16, 16);

// @ts-ignore: decorator
@inline
function put(to: usize, bytes: usize): void {
  memory.copy(to, result, bytes);
}

// @ts-ignore: decorator
@inline
function saturate16(x: i32): i16 {
  return <i16>(x > 32767 ? 32767 : x < -32768 ? -32768 : x);
}

/** PHADDW PHADDD PHADDSW PHSUBW PHSUBD PHSUBSW: 1 2 3 5 6 7, the low digit of 0F 38 0x. */
export function packed_horizontal(kind: u32, bytes: usize, to: usize, from: usize): void {
  const subtract = (kind & 4) != 0;
  const form = kind & 3;
  const half = bytes >> 1;
  for (let side: usize = 0; side < 2; side++) {
    const source = side ? from : to;
    if (form == 2) {
      for (let i: usize = 0; i < half; i += 4) {
        const a = load<i32>(source + i * 2);
        const b = load<i32>(source + i * 2, 4);
        store<i32>(result + side * half + i, subtract ? a - b : a + b);
      }
    } else {
      for (let i: usize = 0; i < half; i += 2) {
        const a = <i32>load<i16>(source + i * 2);
        const b = <i32>load<i16>(source + i * 2, 2);
        const x = subtract ? a - b : a + b;
        store<i16>(result + side * half + i, form == 3 ? saturate16(x) : <i16>x);
      }
    }
  }
  put(to, bytes);
}

/** PSIGNB PSIGNW PSIGND: element size 1, 2, 4. */
export function packed_sign(size: u32, bytes: usize, to: usize, from: usize): void {
  for (let i: usize = 0; i < bytes; i += size) {
    if (size == 1) {
      const a = load<i8>(to + i);
      const b = load<i8>(from + i);
      store<i8>(to + i, b < 0 ? <i8>-a : b == 0 ? 0 : a);
    } else if (size == 2) {
      const a = load<i16>(to + i);
      const b = load<i16>(from + i);
      store<i16>(to + i, b < 0 ? <i16>-a : b == 0 ? 0 : a);
    } else {
      const a = load<i32>(to + i);
      const b = load<i32>(from + i);
      store<i32>(to + i, b < 0 ? -a : b == 0 ? 0 : a);
    }
  }
}

/** PMADDUBSW: unsigned bytes of `to` by signed bytes of `from`, pairs summed with saturation. */
export function packed_multiply_add_bytes(bytes: usize, to: usize, from: usize): void {
  for (let i: usize = 0; i < bytes; i += 2) {
    const x = <i32>load<u8>(to + i) * <i32>load<i8>(from + i) + <i32>load<u8>(to + i, 1) * <i32>load<i8>(from + i, 1);
    store<i16>(to + i, saturate16(x));
  }
}

/** PMULHRSW. */
export function packed_multiply_round(bytes: usize, to: usize, from: usize): void {
  for (let i: usize = 0; i < bytes; i += 2) {
    const x = <i32>load<i16>(to + i) * <i32>load<i16>(from + i);
    store<i16>(to + i, <i16>(((x >> 14) + 1) >> 1));
  }
}

/** PMULHW (signed 1), PMULHUW (0). */
export function packed_multiply_high(signed: u32, bytes: usize, to: usize, from: usize): void {
  for (let i: usize = 0; i < bytes; i += 2) {
    if (signed) store<i16>(to + i, <i16>((<i32>load<i16>(to + i) * <i32>load<i16>(from + i)) >> 16));
    else store<u16>(to + i, <u16>((<u32>load<u16>(to + i) * <u32>load<u16>(from + i)) >> 16));
  }
}

/** PSADBW: a 16-bit sum of absolute differences per eight bytes. */
export function packed_sum_differences(bytes: usize, to: usize, from: usize): void {
  for (let i: usize = 0; i < bytes; i += 8) {
    let sum: u64 = 0;
    for (let j: usize = 0; j < 8; j++) {
      const d = <i32>load<u8>(to + i + j) - <i32>load<u8>(from + i + j);
      sum += <u64>(d < 0 ? -d : d);
    }
    store<u64>(to + i, sum);
  }
}

/** MPSADBW. */
export function packed_multiple_differences(to: usize, from: usize, imm: u32): void {
  const first = to + (imm & 4);
  const second = from + ((imm & 3) << 2);
  for (let i: usize = 0; i < 8; i++) {
    let sum: u32 = 0;
    for (let j: usize = 0; j < 4; j++) {
      const d = <i32>load<u8>(first + i + j) - <i32>load<u8>(second + j);
      sum += d < 0 ? -d : d;
    }
    store<u16>(result + i * 2, <u16>sum);
  }
  put(to, 16);
}

/** PHMINPOSUW: the smallest word and its index. */
export function packed_minimum_position(to: usize, from: usize): void {
  let smallest: u32 = load<u16>(from);
  let position: u32 = 0;
  for (let i: u32 = 1; i < 8; i++) {
    const x: u32 = load<u16>(from + i * 2);
    if (x < smallest) {
      smallest = x;
      position = i;
    }
  }
  store<u64>(to, smallest | (position << 16));
  store<u64>(to, 0, 8);
}

/** PCLMULQDQ: carry-less product of the halves that imm bits 0 and 4 select. */
export function packed_carryless(to: usize, from: usize, imm: u32): void {
  const a = load<u64>(to + (imm & 1 ? 8 : 0));
  const b = load<u64>(from + (imm & 16 ? 8 : 0));
  let low: u64 = 0;
  let high: u64 = 0;
  for (let i = 0; i < 64; i++) {
    if ((b >> i) & 1) {
      low ^= a << i;
      if (i) high ^= a >> (64 - i);
    }
  }
  store<u64>(to, low);
  store<u64>(to, high, 8);
}

/** PSHUFB on 8 or 16 bytes. */
export function packed_shuffle_bytes(bytes: usize, to: usize, from: usize): void {
  for (let i: usize = 0; i < bytes; i++) {
    const c: u32 = load<u8>(from + i);
    store<u8>(result + i, c & 0x80 ? 0 : load<u8>(to + (c & (<u32>bytes - 1))));
  }
  put(to, bytes);
}

/** PALIGNR: bytes of to:from shifted right by `count`. */
export function packed_align(bytes: usize, to: usize, from: usize, count: u32): void {
  for (let i: usize = 0; i < bytes; i++) {
    const at = i + count;
    store<u8>(result + i, at < bytes ? load<u8>(from + at) : at < bytes * 2 ? load<u8>(to + at - bytes) : 0);
  }
  put(to, bytes);
}
