// Segment descriptors (SDM vol.3 3.4.5): read from GDT or LDT into `descriptorLow` and `descriptorHigh`, looked at with the functions below.
import { SEG_GDTR, SEG_LDTR } from '../../layout.ts';
import { readSystem, writeSystem } from './access';
import { ATTR_CODE, ATTR_DB, ATTR_EXPAND_DOWN, ATTR_G, ATTR_L, ATTR_MASK, ATTR_P, ATTR_S, ATTR_WRITABLE } from './mode';
import { fault, faulted, isLong, segmentAttributes, segmentBase, segmentLimit } from './state';

/** The two dwords of the descriptor fetched last. */
export let descriptorLow: u32 = 0;
export let descriptorHigh: u32 = 0;
/** Third dword of a 16-byte system descriptor: base bits 63..32 or offset bits 63..32. */
export let descriptorUpper: u32 = 0;

// -- system types (SDM vol.3 table 3-2)
export const TYPE_TSS16: u32 = 1;
export const TYPE_LDT: u32 = 2;
export const TYPE_TSS16_BUSY: u32 = 3;
export const TYPE_CALL_GATE16: u32 = 4;
export const TYPE_TASK_GATE: u32 = 5;
export const TYPE_INTERRUPT_GATE16: u32 = 6;
export const TYPE_TRAP_GATE16: u32 = 7;
export const TYPE_TSS32: u32 = 9;
export const TYPE_TSS32_BUSY: u32 = 11;
export const TYPE_CALL_GATE32: u32 = 12; // 64-bit in long mode
export const TYPE_INTERRUPT_GATE32: u32 = 14;
export const TYPE_TRAP_GATE32: u32 = 15;
/** In a TSS descriptor's type. */
export const TYPE_BUSY: u32 = 2;

/** Selector without RPL, as error codes carry it. */
export function errorOf(selector: i32): i32 {
  return selector & 0xfffc;
}
export function isNull(selector: i32): bool {
  return (selector & 0xfffc) == 0;
}

/** Linear address of the descriptor, or -1 if `bytes` of it do not lie within the table. */
function addressOf(selector: i32, bytes: u32): u64 {
  const table = (selector & 4) != 0 ? SEG_LDTR : SEG_GDTR;
  if (table == SEG_LDTR && (segmentAttributes(SEG_LDTR) & ATTR_P) == 0) return u64.MAX_VALUE;
  const offset = u32(selector & 0xfff8);
  if (offset + bytes - 1 > segmentLimit(table)) return u64.MAX_VALUE;
  return segmentBase(table) + u64(offset);
}

/** Reads a descriptor. False: outside its table; nothing is raised (LAR, LSL, VERR). Or a page fault is pending. */
export function probeDescriptor(selector: i32): bool {
  const address = addressOf(selector, 8);
  if (address == u64.MAX_VALUE) return false;
  const value = readSystem(address, 8);
  if (faulted()) return false;
  descriptorLow = u32(value);
  descriptorHigh = u32(value >> 32);
  return true;
}

/** Reads a descriptor; outside its table is `vector`(selector | ext). False: a fault is pending. */
export function fetchDescriptor(selector: i32, vector: i32, ext: i32): bool {
  if (probeDescriptor(selector)) return true;
  if (!faulted()) fault(vector, errorOf(selector) | ext);
  return false;
}

/** The upper half of a 16-byte descriptor of long mode; its type field must be 0. False: a fault is pending. */
export function fetchUpper(selector: i32, vector: i32): bool {
  const address = addressOf(selector, 16);
  if (address == u64.MAX_VALUE) {
    fault(vector, errorOf(selector));
    return false;
  }
  const value = readSystem(address + 8, 8);
  if (faulted()) return false;
  if ((u32(value >> 32) & 0x1f00) != 0) {
    fault(vector, errorOf(selector));
    return false;
  }
  descriptorUpper = u32(value);
  return true;
}

// -- fields of the descriptor fetched last
export function attributes(): u32 {
  return descriptorHigh & ATTR_MASK;
}
export function dpl(): i32 {
  return (descriptorHigh >> 13) & 3;
}
export function systemType(): u32 {
  return (descriptorHigh >> 8) & 15;
}
export function isPresent(): bool {
  return (descriptorHigh & ATTR_P) != 0;
}
export function isSystem(): bool {
  return (descriptorHigh & ATTR_S) == 0;
}
export function isCode(): bool {
  return (descriptorHigh & (ATTR_S | ATTR_CODE)) == (ATTR_S | ATTR_CODE);
}
export function isConforming(): bool {
  return (descriptorHigh & (ATTR_CODE | ATTR_EXPAND_DOWN)) == (ATTR_CODE | ATTR_EXPAND_DOWN);
}
export function isWritableData(): bool {
  return (descriptorHigh & (ATTR_S | ATTR_CODE | ATTR_WRITABLE)) == (ATTR_S | ATTR_WRITABLE);
}
/** Data, or code that may be read. */
export function isReadable(): bool {
  return (descriptorHigh & ATTR_S) != 0 && ((descriptorHigh & ATTR_CODE) == 0 || (descriptorHigh & ATTR_WRITABLE) != 0);
}
/** 64-bit code segment. */
export function isLongCode(): bool {
  return isLong() && (descriptorHigh & ATTR_L) != 0;
}
/** L and D both set is reserved in long mode. */
export function isBadLongCode(): bool {
  return isLong() && (descriptorHigh & (ATTR_L | ATTR_DB)) == (ATTR_L | ATTR_DB);
}
export function base(): u64 {
  return u64((descriptorLow >> 16) | ((descriptorHigh & 0xff) << 16) | (descriptorHigh & 0xff000000));
}
export function base64(): u64 {
  return base() | (u64(descriptorUpper) << 32);
}
/** In bytes, granularity applied. */
export function limit(): u32 {
  const raw = (descriptorLow & 0xffff) | (descriptorHigh & 0xf0000);
  return (descriptorHigh & ATTR_G) != 0 ? (raw << 12) | 0xfff : raw;
}

// -- fields of a gate
export function gateSelector(): i32 {
  return i32(descriptorLow >> 16);
}
export function gateOffset(): u32 {
  return (descriptorLow & 0xffff) | (descriptorHigh & 0xffff0000);
}

/** Sets the accessed bit in memory and in the fetched copy. */
export function markAccessed(selector: i32): void {
  if (descriptorHigh & 0x100) return;
  descriptorHigh |= 0x100;
  const address = addressOf(selector, 8) + 5;
  writeSystem(address, 1, readSystem(address, 1) | 1);
}

/** Sets or clears the busy bit of a TSS descriptor. */
export function setBusy(selector: i32, busy: bool): void {
  const address = addressOf(selector, 8) + 5;
  const access = readSystem(address, 1);
  if (faulted()) return;
  writeSystem(address, 1, busy ? access | TYPE_BUSY : access & ~u64(TYPE_BUSY));
}
