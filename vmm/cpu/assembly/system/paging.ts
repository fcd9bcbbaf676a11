// The page walk (SDM vol.3 chapter 4): four paging modes, permissions, accessed and dirty bits, page-fault error codes.
import { CR2, TLB_SMAP, TLB_USER } from '../../layout.ts';
import { COUNT_PAGE_WALKS, FEATURE_1_EDX, FEATURE_81_EDX, PAGING_32, PAGING_LONG, PAGING_MODE, PAGING_OFF, PAGING_PAE } from '../../system-layout.ts';
import { PDPTE, PHYSICAL_RESERVED, WALK_LOG } from '../../system-layout.ts';
import { gateA20, readPhysical, setEntryBits } from './physical';
import { CR0_PG, CR0_WP, CR4_PAE, CR4_PGE, CR4_PSE, CR4_SMEP, EFER_LMA, EFER_NXE, VECTOR_PF } from './state';
import { cr0, cr3, cr4, efer, fault, hasFeature } from './state';

export const ACCESS_READ: i32 = 0;
export const ACCESS_WRITE: i32 = 1;
export const ACCESS_EXEC: i32 = 2;

const ENTRY_P: u64 = 1 << 0;
const ENTRY_W: u64 = 1 << 1;
const ENTRY_U: u64 = 1 << 2;
const ENTRY_A: u64 = 1 << 5;
const ENTRY_D: u64 = 1 << 6;
const ENTRY_PS: u64 = 1 << 7;
const ENTRY_G: u64 = 1 << 8;
const ENTRY_NX: u64 = 1 << 63;
const ADDRESS_MASK: u64 = 0x000ffffffffff000;

const ERROR_P = 1 << 0;
const ERROR_W = 1 << 1;
const ERROR_U = 1 << 2;
const ERROR_RSVD = 1 << 3;
const ERROR_I = 1 << 4;

// -- results of a walk that succeeded
/** Physical page number of the 4 KiB page, A20 applied. */
export let walkFrame: u64 = 0;
export let walkWritable: bool = false;
export let walkUser: bool = false;
export let walkNoExecute: bool = false;
export let walkDirty: bool = false;
export let walkGlobal: bool = false;
/** 0: a 4 KiB page, 1: 2 or 4 MiB, 2: 1 GiB. */
export let walkLarge: i32 = 0;

/** Recomputes PAGING_MODE: after changes of CR0.PG, CR4.PAE, EFER.LMA. */
export function updatePagingMode(): void {
  let mode = PAGING_OFF;
  if (cr0() & CR0_PG) mode = (efer() & EFER_LMA) != 0 ? PAGING_LONG : (cr4() & CR4_PAE) != 0 ? PAGING_PAE : PAGING_32;
  store<i32>(PAGING_MODE, mode);
}

function pageFault(linear: u64, access: i32, set: i32, error: i32): bool {
  if (access == ACCESS_WRITE) error |= ERROR_W;
  if (set == TLB_USER) error |= ERROR_U;
  // SDM vol.3 4.7: I/D is only reported where instruction fetches can be told apart.
  if (access == ACCESS_EXEC && ((cr4() & CR4_SMEP) != 0 || ((cr4() & CR4_PAE) != 0 && (efer() & EFER_NXE) != 0))) error |= ERROR_I;
  store<u64>(CR2, linear);
  fault(VECTOR_PF, error);
  return false;
}

// The levels of the walk under way, for setting accessed bits once it is known to succeed.
let depth: i32 = 0;

function readEntry(address: u64, wide: bool): u64 {
  address = gateA20(address);
  const entry = readPhysical(address, wide ? 8 : 4);
  const log = WALK_LOG + (depth++ << 4);
  store<u64>(log, address);
  store<u64>(log, entry, 8);
  return entry;
}

/** Bits that must be zero in every entry of 8 bytes. */
function reservedBits(long: bool): u64 {
  let reserved = load<u64>(PHYSICAL_RESERVED);
  if (!long) reserved |= 0x7ff0000000000000; // PAE: 62..52 too
  if ((efer() & EFER_NXE) == 0) reserved |= ENTRY_NX;
  return reserved;
}

/** Bits 21..13 of a 4 MiB page's entry carry address bits 39..32 as far as the model has them (SDM vol.3 table 4-4). */
function reservedBits4M(): u64 {
  if (!hasFeature(FEATURE_1_EDX, 17)) return 0x3fe000;
  const beyond = u32(load<u64>(PHYSICAL_RESERVED) >> 32) & 0xff;
  return (u64(beyond) << 13) | 0x200000;
}

/**
 * Translates a linear address for a kind of access through the TLB `set` (TLB_USER: a user access; TLB_SMAP: a supervisor one that must not touch user pages).
 * True: the walk* globals hold the result, accessed and dirty bits are set in memory. False: #PF is pending, CR2 set.
 */
export function walk(linear: u64, access: i32, set: i32): bool {
  const mode = load<i32>(PAGING_MODE);
  if (mode == PAGING_OFF) {
    walkFrame = gateA20(linear) >> 12;
    walkWritable = walkUser = walkDirty = true;
    walkNoExecute = walkGlobal = false;
    walkLarge = 0;
    return true;
  }
  store<u64>(COUNT_PAGE_WALKS, load<u64>(COUNT_PAGE_WALKS) + 1);
  for (;;) {
    depth = 0;
    const error = mode == PAGING_32 ? descend32(linear) : descendWide(linear, mode == PAGING_LONG);
    if (error >= 0) return pageFault(linear, access, set, error);
    if (!permits(access, set)) return pageFault(linear, access, set, ERROR_P);
    if (markUsed(access, mode != PAGING_32)) break;
  }
  walkFrame = gateA20(walkFrame << 12) >> 12;
  return true;
}

/** 32-bit paging (SDM vol.3 4.3). -1, or the error code so far. */
function descend32(linear: u64): i32 {
  const directory = readEntry((cr3() & 0xfffff000) | ((linear >> 20) & 0xffc), false);
  if ((directory & ENTRY_P) == 0) return 0;
  if ((directory & ENTRY_PS) != 0 && (cr4() & CR4_PSE) != 0) {
    if (directory & reservedBits4M()) return ERROR_P | ERROR_RSVD;
    leaf(directory, directory, 1);
    walkFrame = ((directory >> 13) & 0xff) << 20 | ((directory & 0xffc00000) >> 12) | ((linear >> 12) & 0x3ff);
    return -1;
  }
  const page = readEntry((directory & 0xfffff000) | ((linear >> 10) & 0xffc), false);
  if ((page & ENTRY_P) == 0) return 0;
  leaf(page, page & directory, 0);
  walkFrame = (page & 0xfffff000) >> 12;
  return -1;
}

/** PAE (SDM vol.3 4.4) and 4-level paging (4.5). */
function descendWide(linear: u64, long: bool): i32 {
  const reserved = reservedBits(long);
  let rights: u64 = ENTRY_W | ENTRY_U; // what all levels allow; NX is what any level forbids
  let noExecute: u64 = 0;
  let entry: u64;
  if (long) {
    entry = readEntry((cr3() & ADDRESS_MASK) | ((linear >> 36) & 0xff8), true);
    if ((entry & ENTRY_P) == 0) return 0;
    if (entry & (reserved | ENTRY_PS)) return ERROR_P | ERROR_RSVD;
    rights &= entry;
    noExecute |= entry;
    entry = readEntry((entry & ADDRESS_MASK) | ((linear >> 27) & 0xff8), true);
    if ((entry & ENTRY_P) == 0) return 0;
    const huge = (entry & ENTRY_PS) != 0;
    if ((entry & reserved) != 0 || (huge && (!hasFeature(FEATURE_81_EDX, 26) || (entry & 0x3fffe000) != 0))) return ERROR_P | ERROR_RSVD;
    rights &= entry;
    noExecute |= entry;
    if (huge) {
      leaf(entry, rights | (noExecute & ENTRY_NX), 2);
      walkFrame = ((entry & 0x000fffffc0000000) | (linear & 0x3ffff000)) >> 12;
      return -1;
    }
  } else {
    // The PDPTE registers were checked when CR3 was loaded.
    entry = load<u64>(PDPTE + ((u32(linear) >> 30) << 3));
    if ((entry & ENTRY_P) == 0) return 0;
  }
  entry = readEntry((entry & ADDRESS_MASK) | ((linear >> 18) & 0xff8), true);
  if ((entry & ENTRY_P) == 0) return 0;
  const large = (entry & ENTRY_PS) != 0;
  if ((entry & reserved) != 0 || (large && (entry & 0x1fe000) != 0)) return ERROR_P | ERROR_RSVD;
  rights &= entry;
  noExecute |= entry;
  if (large) {
    leaf(entry, rights | (noExecute & ENTRY_NX), 1);
    walkFrame = ((entry & 0x000fffffffe00000) | (linear & 0x1ff000)) >> 12;
    return -1;
  }
  entry = readEntry((entry & ADDRESS_MASK) | ((linear >> 9) & 0xff8), true);
  if ((entry & ENTRY_P) == 0) return 0;
  if (entry & reserved) return ERROR_P | ERROR_RSVD;
  rights &= entry;
  noExecute |= entry;
  leaf(entry, rights | (noExecute & ENTRY_NX), 0);
  walkFrame = (entry & ADDRESS_MASK) >> 12;
  return -1;
}

/** Takes the result from the last entry and the rights that all levels together give. */
function leaf(entry: u64, rights: u64, large: i32): void {
  walkWritable = (rights & ENTRY_W) != 0;
  walkUser = (rights & ENTRY_U) != 0;
  walkNoExecute = (rights & ENTRY_NX) != 0;
  walkDirty = (entry & ENTRY_D) != 0;
  walkGlobal = (entry & ENTRY_G) != 0 && (cr4() & CR4_PGE) != 0;
  walkLarge = large;
}

/** SDM vol.3 4.6.1. */
export function permits(access: i32, set: i32): bool {
  if (set == TLB_USER) {
    if (!walkUser) return false;
    return access == ACCESS_READ || (access == ACCESS_WRITE ? walkWritable : !walkNoExecute);
  }
  if (access == ACCESS_EXEC) return !walkNoExecute && !(walkUser && (cr4() & CR4_SMEP) != 0);
  if (walkUser && set == TLB_SMAP) return false;
  return access == ACCESS_READ || walkWritable || (cr0() & CR0_WP) == 0;
}

/** Accessed bits of all levels, the dirty bit of the last (SDM vol.3 4.8). False: an entry changed meanwhile. */
function markUsed(access: i32, wide: bool): bool {
  for (let level = 0; level < depth; level++) {
    const log = WALK_LOG + (level << 4);
    const entry = load<u64>(log, 8);
    const last = level == depth - 1;
    const bits = last && access == ACCESS_WRITE ? ENTRY_A | ENTRY_D : ENTRY_A;
    if ((entry & bits) == bits) continue;
    if (!setEntryBits(load<u64>(log), wide, entry, bits)) return false;
  }
  if (access == ACCESS_WRITE) walkDirty = true;
  return true;
}

const PDPTE_RESERVED: u64 = 0x1e6; // bits 1, 2, 5..8

/**
 * Loads the four PDPTE registers from the table at `root` (SDM vol.3 4.4.1). False: a reserved bit is set in a present one and nothing was loaded;
 * the caller raises #GP(0).
 */
export function loadPdptes(root: u64): bool {
  const reserved = load<u64>(PHYSICAL_RESERVED) | 0xfff0000000000000 | PDPTE_RESERVED;
  const table = gateA20(root & 0xffffffe0);
  for (let index = 0; index < 4; index++) {
    const entry = readPhysical(table + (index << 3), 8);
    if ((entry & ENTRY_P) != 0 && (entry & reserved) != 0) return false;
  }
  for (let index = 0; index < 4; index++) store<u64>(PDPTE + (index << 3), readPhysical(table + (index << 3), 8));
  return true;
}
