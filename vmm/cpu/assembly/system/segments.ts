// Loading segment registers (SDM vol.3 5.6 to 5.8; MOV, LLDT and LTR in vol.2) and the instructions that ask about selectors.
import { CPL, EVENTS, EVENT_SHADOW, SEG_CS, SEG_FS, SEG_GDTR, SEG_GS, SEG_IDTR, SEG_LDTR, SEG_SS, SEG_TR } from '../../layout.ts';
import { SHADOW, SHADOW_SS } from '../../system-layout.ts';
import { TYPE_BUSY, TYPE_CALL_GATE16, TYPE_CALL_GATE32, TYPE_LDT, TYPE_TASK_GATE, TYPE_TSS16, TYPE_TSS16_BUSY, TYPE_TSS32 } from './descriptors';
import { TYPE_TSS32_BUSY, attributes, base, base64, descriptorHigh, dpl, errorOf, fetchDescriptor, fetchUpper, isConforming } from './descriptors';
import { isCode, isNull, isPresent, isReadable, isSystem, isWritableData, limit, markAccessed, probeDescriptor, setBusy, systemType } from './descriptors';
import { ATTR_CODE, ATTR_EXPAND_DOWN, ATTR_MASK, ATTR_P, ATTR_REAL, ATTR_V86, setCpl, setSegment, updateFlat, update_mode } from './mode';
import { CR4_UMIP, VECTOR_GP, VECTOR_NP, VECTOR_SS, cpl, cr4, fault, faulted, gp, isCanonical, isCode64, isLong } from './state';
import { isProtected, isV86, segmentAttributes, segmentBase, segmentLimit, segmentSelector } from './state';

/** What a load in real or virtual-8086 mode does. Real mode leaves limit and D/B as they are: "unreal mode" lives from that. */
export function loadRealSegment(index: i32, selector: i32): void {
  const selector16 = selector & 0xffff;
  if (isV86()) setSegment(index, selector16, u64(selector16) << 4, 0xffff, ATTR_V86);
  else setSegment(index, selector16, u64(selector16) << 4, segmentLimit(index), (segmentAttributes(index) & ~0xff00) | ATTR_REAL);
  if (index == SEG_CS || index == SEG_SS) update_mode();
  else updateFlat();
}

/** An unusable data segment. The base becomes 0, as on Intel processors. */
export function loadNullSegment(index: i32, selector: i32): void {
  setSegment(index, selector & 0xffff, 0, 0, 0);
}

/** MOV Sreg, POP Sreg, LDS.. (SDM vol.2 MOV). CS is not loaded this way. */
export function load_segment(index: i32, selector: i32): void {
  selector &= 0xffff;
  if (!isProtected()) return loadRealSegment(index, selector);
  if (index == SEG_SS) return loadStackSegment(selector);
  if (isNull(selector)) {
    loadNullSegment(index, selector);
    return updateFlat();
  }
  if (!fetchDescriptor(selector, VECTOR_GP, 0)) return;
  const rpl = selector & 3;
  if (!isReadable() || (!isConforming() && (rpl > dpl() || cpl() > dpl()))) return gp(errorOf(selector));
  if (!isPresent()) return fault(VECTOR_NP, errorOf(selector));
  markAccessed(selector);
  if (faulted()) return;
  setSegment(index, selector, base(), limit(), attributes());
  updateFlat();
}

function loadStackSegment(selector: i32): void {
  if (isNull(selector)) {
    // 64-bit code below CPL 3 may run without a stack segment.
    if (!isCode64() || cpl() == 3 || (selector & 3) != cpl()) return gp(0);
    loadNullSegment(SEG_SS, selector);
    return update_mode();
  }
  if (!fetchDescriptor(selector, VECTOR_GP, 0)) return;
  if ((selector & 3) != cpl() || !isWritableData() || dpl() != cpl()) return gp(errorOf(selector));
  if (!isPresent()) return fault(VECTOR_SS, errorOf(selector));
  markAccessed(selector);
  if (faulted()) return;
  setSegment(SEG_SS, selector, base(), limit(), attributes());
  update_mode();
}

/** Loads CS from the descriptor fetched last, with a new privilege level. Modes follow. */
export function loadCodeSegment(selector: i32, level: i32): void {
  setSegment(SEG_CS, (selector & 0xfffc) | level, base(), limit(), attributes());
  setCpl(level);
  update_mode();
}

/** When privilege is lowered, data segments that the new level may not use become null (SDM vol.3 5.8.6). */
export function dropPrivilegedSegments(): void {
  for (let index = 0; index <= SEG_GS; index++) {
    if (index == SEG_CS || index == SEG_SS) continue;
    const cached = segmentAttributes(index);
    // A null segment stays as it is: 64-bit programs keep their FS and GS bases behind null selectors.
    if ((cached & ATTR_P) == 0) continue;
    const conforming = (cached & (ATTR_CODE | ATTR_EXPAND_DOWN)) == (ATTR_CODE | ATTR_EXPAND_DOWN);
    if (!conforming && i32((cached >> 13) & 3) < cpl()) loadNullSegment(index, 0);
  }
  updateFlat();
}

/** After MOV SS and POP SS: interrupts and debug traps wait for one instruction (SDM vol.3 6.8.3). */
export function inhibit_interrupts(): void {
  store<i32>(SHADOW, SHADOW_SS);
  store<i32>(EVENTS, load<i32>(EVENTS) | EVENT_SHADOW);
}

export function selector(index: i32): i32 {
  return segmentSelector(index);
}

// -- system segments

function requirePrivilege0(): bool {
  if (cpl() == 0) return true;
  gp(0);
  return false;
}

/** SGDT, SIDT, SLDT, STR, SMSW: refused above CPL 0 when the system hides them (CR4.UMIP). */
export function check_umip(): void {
  if ((cr4() & CR4_UMIP) != 0 && cpl() > 0) gp(0);
}

function loadTable(index: i32, tableLimit: i32, tableBase: u64): void {
  if (!requirePrivilege0()) return;
  if (isCode64() && !isCanonical(tableBase)) return gp(0);
  setSegment(index, 0, tableBase, u32(tableLimit) & 0xffff, 0);
}

export function lgdt(tableLimit: i32, tableBase: u64): void {
  loadTable(SEG_GDTR, tableLimit, tableBase);
}

export function lidt(tableLimit: i32, tableBase: u64): void {
  loadTable(SEG_IDTR, tableLimit, tableBase);
}

export function lldt(value: i32): void {
  if (!requirePrivilege0()) return;
  value &= 0xffff;
  if (isNull(value)) return setSegment(SEG_LDTR, value, 0, 0, 0);
  if (value & 4) return gp(errorOf(value));
  loadLdt(value, VECTOR_GP);
}

/** LDTR from a selector known to name the GDT. `vector` is what a wrong descriptor raises: #GP, in a task switch #TS. */
export function loadLdt(value: i32, vector: i32): void {
  if (!fetchDescriptor(value, vector, 0)) return;
  if (!isSystem() || systemType() != TYPE_LDT) return fault(vector, errorOf(value));
  if (!isPresent()) return fault(vector == VECTOR_GP ? VECTOR_NP : vector, errorOf(value));
  if (isLong()) {
    if (!fetchUpper(value, vector)) return;
    if (!isCanonical(base64())) return gp(errorOf(value));
  }
  setSegment(SEG_LDTR, value, isLong() ? base64() : base(), limit(), attributes());
}

export function ltr(value: i32): void {
  if (!requirePrivilege0()) return;
  value &= 0xffff;
  if (isNull(value)) return gp(0);
  if (value & 4) return gp(errorOf(value));
  if (!fetchDescriptor(value, VECTOR_GP, 0)) return;
  const type = systemType();
  if (!isSystem() || (type != TYPE_TSS32 && (type != TYPE_TSS16 || isLong()))) return gp(errorOf(value));
  if (!isPresent()) return fault(VECTOR_NP, errorOf(value));
  if (isLong()) {
    if (!fetchUpper(value, VECTOR_GP)) return;
    if (!isCanonical(base64())) return gp(errorOf(value));
  }
  const tssBase = isLong() ? base64() : base();
  const tssLimit = limit();
  const tssAttributes = attributes() | (TYPE_BUSY << 8);
  setBusy(value, true);
  if (!faulted()) setSegment(SEG_TR, value, tssBase, tssLimit, tssAttributes);
}

// -- questions about selectors; none of them faults for what it finds

const ALLOWED: u64 = 1 << 63;

/** Whether the program may know about the descriptor: fetched, and privileged enough. */
function isVisible(value: i32): bool {
  value &= 0xffff;
  if (isNull(value) || !probeDescriptor(value)) return false;
  if (isConforming() && isCode()) return true;
  return dpl() >= cpl() && dpl() >= (value & 3);
}

function hasLimit(type: u32): bool {
  if (isLong()) return type == TYPE_LDT || type == TYPE_TSS32 || type == TYPE_TSS32_BUSY;
  return type == TYPE_TSS16 || type == TYPE_LDT || type == TYPE_TSS16_BUSY || type == TYPE_TSS32 || type == TYPE_TSS32_BUSY;
}

/** Access rights as LAR loads them (bits 8..15, 20..23), bit 63 set if they may be known. */
export function lar(value: i32): u64 {
  if (!isVisible(value)) return 0;
  const type = systemType();
  const gate = type == TYPE_CALL_GATE32 || (!isLong() && (type == TYPE_CALL_GATE16 || type == TYPE_TASK_GATE));
  if (isSystem() && !gate && !hasLimit(type)) return 0;
  return ALLOWED | u64(descriptorHigh & ATTR_MASK);
}

/** The limit in bytes, bit 63 set if it may be known. */
export function lsl(value: i32): u64 {
  if (!isVisible(value) || (isSystem() && !hasLimit(systemType()))) return 0;
  return ALLOWED | u64(limit());
}

export function verr(value: i32): i32 {
  return isVisible(value) && isReadable() ? 1 : 0;
}

export function verw(value: i32): i32 {
  return isVisible(value) && isWritableData() ? 1 : 0;
}

// -- FS and GS bases (RDFSBASE..)

export function write_segment_base(index: i32, value: u64): void {
  if (!isCanonical(value)) return gp(0);
  setBase(index, value);
}

/** Base alone: WRFSBASE, the MSRs. Selector, limit and type stay. */
export function setBase(index: i32, value: u64): void {
  setSegment(index, segmentSelector(index), value, segmentLimit(index), segmentAttributes(index));
}

export function read_segment_base(index: i32): u64 {
  return index == SEG_FS || index == SEG_GS ? segmentBase(index) : 0;
}
