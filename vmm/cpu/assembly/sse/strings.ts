/** PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM (SDM vol.2 4.1). */

/** CF ZF SF OF of the last comparison, as EFLAGS bits (AF and PF are 0). */
let flags: u32 = 0;

// @ts-ignore: decorator
@inline
function element(at: usize, i: i32, words: bool, signed: bool): i32 {
  if (words) return signed ? <i32>load<i16>(at + (i << 1)) : <i32>load<u16>(at + (i << 1));
  return signed ? <i32>load<i8>(at + i) : <i32>load<u8>(at + i);
}

function implicitLength(at: usize, words: bool): i32 {
  const count = words ? 8 : 16;
  for (let i = 0; i < count; i++) if (element(at, i, words, false) == 0) return i;
  return count;
}

function explicitLength(value: i64, words: bool): i32 {
  const count: i64 = words ? 8 : 16;
  if (value < 0) value = -value;
  return <i32>(value < 0 || value > count ? count : value);
}

/** IntRes2 of operands of `la` and `lb` valid elements (tables 4-2 to 4-7). */
function aggregate(a: usize, b: usize, la: i32, lb: i32, imm: u32): u32 {
  const words = (imm & 1) != 0;
  const signed = (imm & 2) != 0;
  const count = words ? 8 : 16;
  const all = words ? <u32>0xff : 0xffff;
  const mode = (imm >> 2) & 3;
  let result: u32 = 0;
  for (let j = 0; j < count; j++) {
    let hit = false;
    if (mode == 0) {
      // equal any: element j of b is in the set a
      if (j < lb) for (let i = 0; i < la; i++) if (element(a, i, words, signed) == element(b, j, words, signed)) hit = true;
    } else if (mode == 1) {
      // ranges: pairs of a are bounds
      if (j < lb) {
        const x = element(b, j, words, signed);
        for (let i = 0; i + 1 < la; i += 2) if (x >= element(a, i, words, signed) && x <= element(a, i + 1, words, signed)) hit = true;
      }
    } else if (mode == 2) {
      // equal each: both ended counts as equal
      if (j < la && j < lb) hit = element(a, j, words, signed) == element(b, j, words, signed);
      else hit = j >= la && j >= lb;
    } else {
      // equal ordered: a as a substring at j, as far as b reaches within the register
      hit = true;
      for (let i = 0; i < la && i + j < count; i++) {
        if (i + j >= lb || element(a, i, words, signed) != element(b, i + j, words, signed)) {
          hit = false;
          break;
        }
      }
    }
    if (hit) result |= 1 << j;
  }
  const polarity = (imm >> 4) & 3;
  if (polarity == 1) result ^= all;
  else if (polarity == 3) result ^= ((1 << lb) - 1) & all;
  flags = (result ? 1 : 0) | (lb < count ? 0x40 : 0) | (la < count ? 0x80 : 0) | (result & 1 ? 0x800 : 0);
  return result;
}

function indexOf(result: u32, imm: u32): i32 {
  if (result == 0) return imm & 1 ? 8 : 16;
  return imm & 0x40 ? 31 - <i32>clz<u32>(result) : <i32>ctz<u32>(result);
}

function maskTo(to: usize, result: u32, imm: u32): void {
  if (!(imm & 0x40)) {
    store<u64>(to, result);
    store<u64>(to, 0, 8);
    return;
  }
  const words = (imm & 1) != 0;
  for (let i: u32 = 0; i < 16; i++) store<u8>(to + i, (result >> (words ? i >> 1 : i)) & 1 ? 0xff : 0);
}

/** (first, second, immediate): the index for ECX. Flags by `sse_string_flags`. */
export function sse_implicit_index(a: usize, b: usize, imm: u32): i32 {
  const words = (imm & 1) != 0;
  return indexOf(aggregate(a, b, implicitLength(a, words), implicitLength(b, words), imm), imm);
}

export function sse_implicit_mask(to: usize, a: usize, b: usize, imm: u32): void {
  const words = (imm & 1) != 0;
  maskTo(to, aggregate(a, b, implicitLength(a, words), implicitLength(b, words), imm), imm);
}

/** The lengths are EAX and EDX (or RAX and RDX with REX.W), sign-extended. */
export function sse_explicit_index(a: usize, b: usize, imm: u32, la: i64, lb: i64): i32 {
  const words = (imm & 1) != 0;
  return indexOf(aggregate(a, b, explicitLength(la, words), explicitLength(lb, words), imm), imm);
}

export function sse_explicit_mask(to: usize, a: usize, b: usize, imm: u32, la: i64, lb: i64): void {
  const words = (imm & 1) != 0;
  maskTo(to, aggregate(a, b, explicitLength(la, words), explicitLength(lb, words), imm), imm);
}

export function sse_string_flags(): u32 {
  return flags;
}
