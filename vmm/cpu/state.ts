/**
 * The architectural state of a processor as plain data, and its places in core memory. It is what a saved machine holds and what accelerators exchange,
 * so it names what the manuals name and nothing of the engine's own (lazy flags, TLBs, decoded code).
 */
import { z } from 'zod';
import * as L from './layout.ts';
import { cpuidLeaves } from './models/cpuid.ts';
import type { CpuModel } from './models/models.ts';
import * as S from './system-layout.ts';

export const CPU_STATE_VERSION = 1;

const u64 = z
  .bigint()
  .min(0n)
  .max((1n << 64n) - 1n);
const unsigned = (bits: number) =>
  z
    .int()
    .min(0)
    .max(2 ** bits - 1);
const exactly = <T extends z.ZodType>(length: number, item: T) => z.array(item).length(length);
const blob = (length: number) =>
  z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length === length, { error: `expected ${length} bytes` });

/** Names of the segment registers and table registers, in the order of SEG_*. */
export const segmentNames = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr', 'gdtr', 'idtr'] as const;
const segmentSchema = z.strictObject({
  selector: unsigned(16),
  base: u64,
  /** In bytes, granularity applied. */
  limit: unsigned(32),
  /** Bits 8..15 and 20..23 of a descriptor's second dword. */
  attributes: unsigned(24),
});

/** 64-bit registers by name and place; all but the general ones. */
const words = {
  rip: L.RIP,
  cr0: L.CR0,
  cr2: L.CR2,
  cr3: L.CR3,
  cr4: L.CR4,
  cr8: L.CR8,
  xcr0: L.XCR0,
  efer: L.EFER,
  star: S.MSR_STAR,
  lstar: S.MSR_LSTAR,
  cstar: S.MSR_CSTAR,
  sfmask: S.MSR_SFMASK,
  kernelGsBase: S.MSR_KERNEL_GS_BASE,
  sysenterCs: S.MSR_SYSENTER_CS,
  sysenterEsp: S.MSR_SYSENTER_ESP,
  sysenterEip: S.MSR_SYSENTER_EIP,
  pat: S.MSR_PAT,
  tscAux: S.MSR_TSC_AUX,
  miscEnable: S.MSR_MISC_ENABLE,
  /** Time stamp counter minus guest time in its ticks. */
  tscOffset: S.TSC_OFFSET,
  tscAdjust: S.MSR_TSC_ADJUST,
  mtrrDefType: S.MSR_MTRR_DEF_TYPE,
  mcgStatus: S.MSR_MCG_STATUS,
  mcgCtl: S.MSR_MCG_CTL,
  microcode: S.MSR_MICROCODE,
  debugCtl: S.MSR_DEBUGCTL,
  featureControl: S.MSR_FEATURE_CONTROL,
  fip: L.FIP,
  fdp: L.FDP,
} as const;

/** Arrays of 64-bit registers. */
const arrays = {
  gpr: [L.GPR, 16],
  dr: [L.DR, 8],
  pdpte: [S.PDPTE, 4],
  mtrrPhys: [S.MSR_MTRR_PHYS, 16],
  mtrrFix: [S.MSR_MTRR_FIX, 11],
  mcBanks: [S.MSR_MC_BANKS, 16],
} as const;

/** 32-bit words, with the bits a value may have. */
const dwords = {
  fcw: [L.FCW, 16],
  fsw: [L.FSW, 16],
  ftw: [L.FTW, 8],
  fop: [L.FOP, 11],
  fcs: [L.FCS, 16],
  fds: [L.FDS, 16],
  mxcsr: [L.MXCSR, 16],
  cpl: [L.CPL, 2],
  activity: [S.ACTIVITY, 2],
  nmiBlocked: [S.NMI_BLOCKED, 1],
  interruptLine: [S.INTERRUPT_LINE, 1],
  pendingTraps: [S.PENDING_TRAPS, 16],
  stepping: [S.STEPPING, 2],
} as const;

const X87_BYTES = 8 * 16;
const VECTOR_BYTES = 16 * L.XMM_STRIDE;

type Keys<T> = keyof T & string;
const shape = <K extends string, T extends z.ZodType>(keys: readonly K[], of: (key: K) => T) =>
  Object.fromEntries(keys.map((key) => [key, of(key)])) as Record<K, T>;
const keysOf = <T extends object>(value: T) => Object.keys(value) as Keys<T>[];

export const cpuStateSchema = z.strictObject({
  version: z.literal(CPU_STATE_VERSION),
  ...shape(keysOf(words), () => u64),
  ...shape(keysOf(arrays), (key) => exactly(arrays[key][1], u64)),
  ...shape(keysOf(dwords), (key) => unsigned(dwords[key][1])),
  /** EFLAGS, arithmetic flags included. */
  eflags: unsigned(32),
  segments: z.strictObject(shape(segmentNames, () => segmentSchema)),
  /** x87 registers R0..R7, 16 bytes each as FXSAVE lays them out (10 used). */
  x87: blob(X87_BYTES),
  /** XMM0..15, 32 bytes each (upper halves: YMM). */
  vectors: blob(VECTOR_BYTES),
  nmiPending: z.boolean(),
  /** One instruction is shielded from interrupts: 0 no, 1 after STI, 2 after MOV SS. */
  shadow: z.int().min(0).max(2),
  a20: z.boolean(),
});
export type CpuState = z.infer<typeof cpuStateSchema>;

/** Reads the state out of core memory. `eflags` is the exported helper get_eflags(). */
export function readCpuState(core: DataView, eflags: number): CpuState {
  const bytes = (at: number, length: number) => new Uint8Array(core.buffer, core.byteOffset + at, length).slice();
  const events = core.getInt32(L.EVENTS, true);
  const state: Record<string, unknown> = {
    version: CPU_STATE_VERSION,
    eflags: eflags >>> 0,
    x87: bytes(L.FPU_REGS, X87_BYTES),
    vectors: bytes(L.XMM, VECTOR_BYTES),
    nmiPending: (events & L.EVENT_NMI) !== 0,
    shadow: (events & L.EVENT_SHADOW) !== 0 ? core.getInt32(S.SHADOW, true) : isBehindSti(core) ? S.SHADOW_STI : 0,
    a20: core.getInt32(L.A20_MASK, true) === -1,
  };
  for (const key of keysOf(words)) state[key] = core.getBigUint64(words[key], true);
  for (const key of keysOf(arrays)) state[key] = Array.from({ length: arrays[key][1] }, (_, i) => core.getBigUint64(arrays[key][0] + 8 * i, true));
  for (const key of keysOf(dwords)) state[key] = core.getUint32(dwords[key][0], true);
  state['segments'] = Object.fromEntries(
    segmentNames.map((name, index) => {
      const at = L.SEGMENTS + index * L.SEG_STRIDE;
      // In 64-bit mode SEG_BASE of these reads 0 whatever was loaded.
      const base = core.getBigUint64(index <= L.SEG_DS ? S.SHADOW_BASES + 8 * index : at + L.SEG_BASE, true);
      const limit = core.getUint32(at + L.SEG_LIMIT, true);
      return [
        name,
        { selector: core.getUint32(at + L.SEG_SELECTOR, true) & 0xffff, base, limit, attributes: core.getUint32(at + L.SEG_ATTR, true) & 0xf0ff00 },
      ];
    }),
  );
  return state as CpuState;
}

/** The last instruction was an STI that let interrupts in. */
function isBehindSti(core: DataView): boolean {
  return core.getBigInt64(S.SHADOW_AT, true) === core.getBigInt64(L.SLICE_END, true) - BigInt(core.getInt32(L.LEFT, true));
}

/** Writes a state that `cpuStateSchema` accepted into core memory; the helper state_loaded() must follow. */
export function writeCpuState(core: DataView, state: CpuState): void {
  const put = (at: number, from: Uint8Array) => {
    new Uint8Array(core.buffer, core.byteOffset + at, from.length).set(from);
  };
  for (const key of keysOf(words)) core.setBigUint64(words[key], state[key], true);
  for (const key of keysOf(arrays)) state[key].forEach((value, i) => core.setBigUint64(arrays[key][0] + 8 * i, value, true));
  for (const key of keysOf(dwords)) core.setUint32(dwords[key][0], state[key], true);
  segmentNames.forEach((name, index) => {
    const at = L.SEGMENTS + index * L.SEG_STRIDE;
    const { selector, base, limit, attributes } = state.segments[name];
    if (index <= L.SEG_DS) core.setBigUint64(S.SHADOW_BASES + 8 * index, base, true);
    core.setBigUint64(at + L.SEG_BASE, base, true);
    core.setUint32(at + L.SEG_LIMIT, limit, true);
    core.setUint32(at + L.SEG_ATTR, attributes, true);
    core.setUint32(at + L.SEG_SELECTOR, selector, true);
  });
  put(L.FPU_REGS, state.x87);
  put(L.XMM, state.vectors);
  core.setBigUint64(L.ZERO, 0n, true);
  core.setUint32(L.FLAGS, (state.eflags & 0x3f7fd5) | 2, true);
  core.setInt32(L.LAZY_MASK, 0, true);
  core.setInt32(L.FAULT_VECTOR, -1, true);
  core.setInt32(S.SHADOW, state.shadow, true);
  core.setBigInt64(S.SHADOW_AT, -1n, true);
  core.setInt32(L.EVENTS, (state.nmiPending ? L.EVENT_NMI : 0) | (state.shadow !== 0 ? L.EVENT_SHADOW : 0), true);
  core.setUint32(L.A20_MASK, state.a20 ? 0xffffffff : 0xffefffff, true);
}

// -- power-on, RESET and INIT (SDM vol.3 table 9-1)

const DATA_SEGMENT = 0x9300; // present, writable, accessed
const LDT_SEGMENT = 0x8200;
const BUSY_TSS = 0x8b00;
const CR0_AFTER_RESET = 0x60000010n; // CD, NW, ET
const CR0_KEPT_BY_INIT = 0x60000000n;
const PAT_DEFAULT = 0x0007040600070406n;
const FAST_STRINGS = 1n;
const MICROCODE_REVISION = 1n << 32n;
const RDX = 2;

/** What RESET makes. `index` > 0: an application processor, which waits for SIPI. The time stamp counter is the caller's (set_time_stamp). */
export function resetState(model: CpuModel, index: number): CpuState {
  const segment = (selector: number, base: bigint, attributes: number) => ({ selector, base, limit: 0xffff, attributes });
  const data = () => segment(0, 0n, DATA_SEGMENT);
  const state: Record<string, unknown> = {
    version: CPU_STATE_VERSION,
    eflags: 2,
    segments: {
      es: data(),
      cs: segment(0xf000, 0xffff0000n, DATA_SEGMENT),
      ss: data(),
      ds: data(),
      fs: data(),
      gs: data(),
      ldtr: segment(0, 0n, LDT_SEGMENT),
      tr: segment(0, 0n, BUSY_TSS),
      gdtr: segment(0, 0n, 0),
      idtr: segment(0, 0n, 0),
    },
    x87: new Uint8Array(X87_BYTES),
    vectors: new Uint8Array(VECTOR_BYTES),
    nmiPending: false,
    shadow: 0,
    a20: true,
  };
  for (const key of keysOf(words)) state[key] = 0n;
  for (const key of keysOf(arrays)) state[key] = Array.from({ length: arrays[key][1] }, () => 0n);
  for (const key of keysOf(dwords)) state[key] = 0;
  const result = state as CpuState;
  result.rip = 0xfff0n;
  result.cr0 = CR0_AFTER_RESET;
  result.xcr0 = 1n;
  result.gpr[RDX] = BigInt(cpuidLeaves(model, 1).find(({ leaf }) => leaf === 1)?.eax ?? 0);
  result.dr[6] = 0xffff0ff0n;
  result.dr[7] = 0x400n;
  result.pat = PAT_DEFAULT;
  result.miscEnable = FAST_STRINGS;
  result.microcode = MICROCODE_REVISION;
  // As after FNINIT, which every firmware but SeaBIOS executes; at power-on real ones have FCW = 0040h.
  result.fcw = 0x37f;
  result.mxcsr = 0x1f80;
  if (index > 0) result.activity = S.ACTIVITY_WAIT_FOR_SIPI;
  return result;
}

/** What INIT makes of a state: as RESET, but caches' mode, x87, vectors, most MSRs and the time stamp counter stay. */
export function initState(model: CpuModel, index: number, before: CpuState): CpuState {
  const fresh = resetState(model, index);
  const { rip, cr2, cr3, cr4, cr8, efer, eflags, gpr, dr, pdpte, segments, activity, nmiBlocked, pendingTraps, stepping, cpl, shadow, nmiPending } =
    fresh;
  const cr0 = (before.cr0 & CR0_KEPT_BY_INIT) | 0x10n;
  const kept = { ...before, cr0, rip, cr2, cr3, cr4, cr8, efer, eflags, gpr, dr, pdpte, segments, activity, nmiBlocked };
  return { ...kept, pendingTraps, stepping, cpl, shadow, nmiPending };
}

/** What SIPI makes of a processor that waits for one: real mode at vector * 4096. */
export function startupState(before: CpuState, vector: number): CpuState {
  const cs = { ...before.segments.cs, selector: vector << 8, base: BigInt(vector) << 12n };
  return { ...before, rip: 0n, segments: { ...before.segments, cs }, activity: S.ACTIVITY_RUNNING };
}
