/**
 * Packed integer instructions that WebAssembly's vector operations do not have, on 16 bytes at addresses in core memory: `to` is the first operand and the
 * destination, `from` the second.
 */

const result = memory.data(16, 16);

// @ts-ignore: decorator
@inline
function put(to: usize, bytes: usize): void {
  memory.copy(to, result, bytes);
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
