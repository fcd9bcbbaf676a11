// Runs of REP MOVS, STOS, SCAS and CMPS as bulk operations: as many elements as lie in directly accessible pages, but never the last of the repetition, which the
// text does itself. What cannot be done in bulk (a TLB miss, MMIO, a code page, an overlap, DF) moves nothing here and is left to the text, element by element.
import { FLAGS, GPR, LINEAR_MASK, RAX, RCX, RDI, RSI, SEGMENTS, SEG_BASE, SEG_ES, SEG_REACH, SEG_STRIDE, TLB_ADDEND, TLB_ENTRIES, TLB_ENTRY, TLB_PTR, TLB_READ, TLB_WRITE } from '../../layout.ts';
import { ram_copy, ram_fill, ram_load64, ram_store16, ram_store32, ram_store64 } from '../guest-memory';

const FLAG_DF: i32 = 1 << 10;

@inline
function addressMask(addressSize: i32): u64 {
  return addressSize == 64 ? ~(0 as u64) : ((1 as u64) << addressSize) - 1;
}

@inline
function linearOf(segment: i32, offset: u64): u64 {
  return (offset + load<u64>(SEGMENTS + segment * SEG_STRIDE, SEG_BASE)) & load<u64>(LINEAR_MASK);
}

/** Bytes from segment:offset on that are within reach of the segment, before the offset wraps, and in one page. */
function room(segment: i32, offset: u64, mask: u64, linear: u64): u64 {
  let bytes: u64 = 0x1000 - (linear & 0xfff);
  const reach = load<i64>(SEG_REACH + segment * 8);
  // Offsets are signed here as in generated code: in 64-bit mode nothing is beyond reach.
  if (<i64>(offset + bytes - 1) > reach) bytes = <i64>offset > reach ? 0 : <u64>(reach - <i64>offset) + 1;
  const toWrap = mask - offset;
  return toWrap < bytes - 1 ? toWrap + 1 : bytes;
}

/** The TLB entry if its tag at `tag` admits direct accesses, otherwise 0. */
@inline
function directSlot(linear: u64, tag: i32): i32 {
  const slot = load<i32>(TLB_PTR) + (<i32>(linear >> 12) & (TLB_ENTRIES - 1)) * TLB_ENTRY;
  return load<u64>(slot + tag) + 1 == (linear & ~(0xfff as u64)) ? slot : 0;
}

/** Adds to a register of the address size; 32-bit results are zero-extended, 16-bit ones keep the rest. */
@inline
function advance(register: i32, by: u64, addressSize: i32): void {
  const value = load<u64>(GPR + register) + by;
  if (addressSize == 16) store<u16>(GPR + register, <u16>value);
  else store<u64>(GPR + register, value & addressMask(addressSize));
}

/** REP MOVS: (segment of the source, bytes of an element, address size, turns). Returns the elements moved: fewer than `turns`, and than rCX. */
export function copy_run(segment: i32, size: i32, addressSize: i32, turns: i32): i32 {
  const mask = addressMask(addressSize);
  const count = load<u64>(RCX) & mask;
  if (count < 2 || (load<i32>(FLAGS) & FLAG_DF) != 0) return 0;
  const from = load<u64>(RSI) & mask;
  const to = load<u64>(RDI) & mask;
  const source = linearOf(segment, from);
  const destination = linearOf(SEG_ES, to);
  const read = directSlot(source, TLB_READ);
  const write = directSlot(destination, TLB_WRITE);
  if (read == 0 || write == 0) return 0;
  let bytes = min(room(segment, from, mask, source), room(SEG_ES, to, mask, destination));
  const fromRam = <u32>source + load<u32>(read, TLB_ADDEND);
  const toRam = <u32>destination + load<u32>(write, TLB_ADDEND);
  // Element by element, a destination just above the source repeats what was copied: only the part before it is a plain copy.
  if (toRam > fromRam) bytes = min(bytes, <u64>(toRam - fromRam));
  const elements = min(min(bytes / size, count - 1), <u64>(turns - 1));
  if (elements == 0) return 0;
  bytes = elements * size;
  ram_copy(toRam, fromRam, <u32>bytes);
  advance(RSI, bytes, addressSize);
  advance(RDI, bytes, addressSize);
  advance(RCX, -elements, addressSize);
  return <i32>elements;
}

/** REP STOS: (bytes of an element, address size, turns). The same. */
export function fill_run(size: i32, addressSize: i32, turns: i32): i32 {
  const mask = addressMask(addressSize);
  const count = load<u64>(RCX) & mask;
  if (count < 2 || (load<i32>(FLAGS) & FLAG_DF) != 0) return 0;
  const to = load<u64>(RDI) & mask;
  const destination = linearOf(SEG_ES, to);
  const write = directSlot(destination, TLB_WRITE);
  if (write == 0) return 0;
  const elements = min(min(room(SEG_ES, to, mask, destination) / size, count - 1), <u64>(turns - 1));
  if (elements == 0) return 0;
  const bytes = <u32>elements * size;
  const at = <u32>destination + load<u32>(write, TLB_ADDEND);
  const value = load<u64>(RAX);
  if (size == 1 || isUniform(value, size)) ram_fill(at, <u32>value & 0xff, bytes);
  else {
    if (size == 2) ram_store16(at, <u32>value & 0xffff);
    else if (size == 4) ram_store32(at, <u32>value);
    else ram_store64(at, value);
    // The filled part doubles.
    for (let filled: u32 = size; filled < bytes; filled <<= 1) ram_copy(at + filled, at, min(filled, bytes - filled));
  }
  advance(RDI, bytes, addressSize);
  advance(RCX, -elements, addressSize);
  return <i32>elements;
}

// -- REPE/REPNE SCAS and CMPS: elements that do not stop the repetition are passed over eight bytes at a time; the one that does, or the last, is the text's

/** The element in every place of eight bytes. */
function spread(value: u64, size: i32): u64 {
  if (size == 1) return (value & 0xff) * 0x0101010101010101;
  if (size == 2) return (value & 0xffff) * 0x0001000100010001;
  return size == 4 ? (value & 0xffffffff) * 0x0000000100000001 : value;
}

/** Bytes at the start of eight whose elements do not stop: `difference` is the exclusive or of what is compared, `equal` whether equality stops. */
function passing(difference: u64, size: i32, equal: bool): i32 {
  if (!equal) return difference == 0 ? 8 : (<i32>ctz(difference) >> 3) & -size;
  // the lowest element that is zero (higher ones may be found wrongly, by a borrow)
  const one = spread(1, size);
  const zeros = (difference - one) & ~difference & (one << (size * 8 - 1));
  return zeros == 0 ? 8 : (<i32>ctz(zeros) >> 3) & -size;
}

/** REP SCAS: (bytes of an element, address size, turns, 1: REPNE). Returns the elements passed over: fewer than `turns`, and than rCX. */
export function scan_run(size: i32, addressSize: i32, turns: i32, equal: i32): i32 {
  const mask = addressMask(addressSize);
  const count = load<u64>(RCX) & mask;
  if (count < 2 || (load<i32>(FLAGS) & FLAG_DF) != 0) return 0;
  const to = load<u64>(RDI) & mask;
  const linear = linearOf(SEG_ES, to);
  const slot = directSlot(linear, TLB_READ);
  if (slot == 0) return 0;
  const limit = <i32>min(min(room(SEG_ES, to, mask, linear) / size, count - 1), <u64>(turns - 1)) * size;
  const at = <u32>linear + load<u32>(slot, TLB_ADDEND);
  const wanted = spread(load<u64>(RAX), size);
  let done = 0;
  while (done + 8 <= limit) {
    const step = passing(ram_load64(at + done) ^ wanted, size, equal != 0);
    done += step;
    if (step != 8) break;
  }
  if (done == 0) return 0;
  const elements = done / size;
  advance(RDI, done, addressSize);
  advance(RCX, -(<i64>elements), addressSize);
  return elements;
}

/** REP CMPS: (segment of the source, bytes of an element, address size, turns, 1: REPNE). The same. */
export function compare_run(segment: i32, size: i32, addressSize: i32, turns: i32, equal: i32): i32 {
  const mask = addressMask(addressSize);
  const count = load<u64>(RCX) & mask;
  if (count < 2 || (load<i32>(FLAGS) & FLAG_DF) != 0) return 0;
  const from = load<u64>(RSI) & mask;
  const to = load<u64>(RDI) & mask;
  const first = linearOf(segment, from);
  const second = linearOf(SEG_ES, to);
  const slot = directSlot(first, TLB_READ);
  const other = directSlot(second, TLB_READ);
  if (slot == 0 || other == 0) return 0;
  const bytes = min(room(segment, from, mask, first), room(SEG_ES, to, mask, second));
  const limit = <i32>min(min(bytes / size, count - 1), <u64>(turns - 1)) * size;
  const a = <u32>first + load<u32>(slot, TLB_ADDEND);
  const b = <u32>second + load<u32>(other, TLB_ADDEND);
  let done = 0;
  while (done + 8 <= limit) {
    const step = passing(ram_load64(a + done) ^ ram_load64(b + done), size, equal != 0);
    done += step;
    if (step != 8) break;
  }
  if (done == 0) return 0;
  const elements = done / size;
  advance(RSI, done, addressSize);
  advance(RDI, done, addressSize);
  advance(RCX, -(<i64>elements), addressSize);
  return elements;
}

/** All bytes of the element are the same. */
function isUniform(value: u64, size: i32): bool {
  const mask = size == 8 ? ~(0 as u64) : ((1 as u64) << (size * 8)) - 1;
  return (value & mask) == ((value & 0xff) * 0x0101010101010101 & mask);
}
