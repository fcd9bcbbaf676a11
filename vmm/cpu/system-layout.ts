/**
 * Words of the core memory that belong to the system part of the CPU (assembly/system): model-specific registers, features of the CPU model,
 * the state of interrupts and traps, private tables. Read by TypeScript and by AssemblyScript: integer constants only. They fill the space that
 * layout.ts leaves at MSRS (0x300..0x7ff) and from SYSTEM_TABLES on.
 */

// -- model-specific registers, i64 each
export const MSR_STAR = 0x300;
export const MSR_LSTAR = 0x308;
export const MSR_CSTAR = 0x310;
export const MSR_SFMASK = 0x318;
export const MSR_KERNEL_GS_BASE = 0x320;
export const MSR_SYSENTER_CS = 0x328;
export const MSR_SYSENTER_ESP = 0x330;
export const MSR_SYSENTER_EIP = 0x338;
export const MSR_PAT = 0x340;
export const MSR_TSC_AUX = 0x348;
export const MSR_MISC_ENABLE = 0x350;
/** Added to the host's count to give the time stamp counter. */
export const TSC_OFFSET = 0x358;
export const MSR_TSC_ADJUST = 0x360;
export const MSR_MTRR_DEF_TYPE = 0x368;
/** PHYSBASE0, PHYSMASK0, PHYSBASE1, ... 8 pairs. */
export const MSR_MTRR_PHYS = 0x370;
/** FIX64K_00000, FIX16K_80000, FIX16K_A0000, FIX4K_C0000 .. FIX4K_F8000: 11. */
export const MSR_MTRR_FIX = 0x3f0;
export const MSR_MCG_STATUS = 0x448;
export const MSR_MCG_CTL = 0x450;
export const MSR_MICROCODE = 0x458;
/** CTL, STATUS, ADDR, MISC of 4 machine-check banks. */
export const MSR_MC_BANKS = 0x460;
export const MSR_DEBUGCTL = 0x4e0;
export const MSR_FEATURE_CONTROL = 0x4e8;
export const MSR_SPEC_CTRL = 0x4f0;
export const MSR_XSS = 0x4f8;
/** The four PDPTE registers of PAE paging (SDM vol.3 4.4.1). */
export const PDPTE = 0x500;

// -- state that is not a register of its own in the manuals, i32 each
/** Whether it executes, and if not, what it waits for. */
export const ACTIVITY = 0x520;
export const ACTIVITY_RUNNING = 0;
export const ACTIVITY_HALTED = 1;
export const ACTIVITY_WAIT_FOR_SIPI = 2;
export const ACTIVITY_SHUTDOWN = 3;
/** NMIs are held off until IRET. */
export const NMI_BLOCKED = 0x524;
/** Level of the INTR wire. */
export const INTERRUPT_LINE = 0x528;
/** DR6 bits of traps that are due after the present instruction. */
export const PENDING_TRAPS = 0x52c;
/** EFLAGS.TF as it was when the instruction under way began: see events.ts. */
export const STEPPING = 0x530;
/** Why EVENT_SHADOW is set: SHADOW_STI or SHADOW_SS (which also holds off debug traps and NMI). */
export const SHADOW = 0x534;
export const SHADOW_STI = 1;
export const SHADOW_SS = 2;

// -- the model: written by the host before the first instruction
export const CR4_VALID = 0x538; // i64: bits of CR4 the model has
export const EFER_VALID = 0x540; // i64
/** Bits 51..MAXPHYADDR: must be zero in PAE and long-mode paging entries. */
export const PHYSICAL_RESERVED = 0x548; // i64
export const TSC_PER_NS = 0x550; // f64
export const CPUID_COUNT = 0x558; // i32: entries of CPUID_TABLE
export const APIC_ID = 0x55c; // i32
/** CPUID feature words: FEATURES + 4 * FEATURE_*. */
export const FEATURES = 0x560;
export const FEATURE_1_EDX = 0;
export const FEATURE_1_ECX = 1;
export const FEATURE_7_EBX = 2;
export const FEATURE_7_ECX = 3;
export const FEATURE_7_EDX = 4;
export const FEATURE_81_EDX = 5; // 8000_0001
export const FEATURE_81_ECX = 6;
export const XCR0_VALID = 0x580; // i64
/** Family of the model: tells what a 486 lacks although no CPUID bit says so (CR4 itself). */
export const FAMILY = 0x588; // i32
/** Vendor behaviour where the manuals differ (SYSRET, null selectors): 0 Intel, 1 AMD. */
export const VENDOR_AMD = 0x58c; // i32

// -- the TLB's bookkeeping
/** Entries filled since the last flush, per TLB, i32 each. */
export const TLB_LOG_COUNT = 0x907000; // i32 for each set
/** Sizes of large pages filled since the last full flush (tlb.ts); bits of TLB_LARGE_FILTER are set. */
export const TLB_LARGE = 0x59c;
/** Instructions executed when the last STI was over (i64): until there are more, interrupts wait, as with EVENT_SHADOW. */
export const SHADOW_AT = 0x590;
/** Of the page table entries: which bits must be zero, by paging mode; recomputed with CR0, CR4, EFER. */
export const PAGING_MODE = 0x5a0; // i32: PAGING_*
export const PAGING_OFF = 0;
export const PAGING_32 = 1;
export const PAGING_PAE = 2;
export const PAGING_LONG = 3;
/** Counters for --stats, i64 each. */
export const COUNT_PAGE_WALKS = 0x5a8;
export const COUNT_TLB_FLUSHES = 0x5b0;
export const COUNT_INTERRUPTS = 0x5b8;
export const COUNT_EXCEPTIONS = 0x5c0;
/** Instructions that translated code executed; times the interpreter entered it; times it left an instruction to the interpreter. */
export const COUNT_TRANSLATED = 0x7e0;
export const COUNT_ENTRIES = 0x7e8;
export const COUNT_UNDONE = 0x7f0;
/** A slice is over when fewer instructions are left in it: 1, or as many as a trace may have where the budget need not be kept to the instruction. */
export const LEAST_LEFT = 0x7d0; // i32
/** Traces decoded. */
export const COUNT_TRACES = 0x7d8;
/** Bases of ES CS SS DS as loaded, i64 each: SEG_BASE is 0 in 64-bit mode. */
export const SHADOW_BASES = 0x5c8;
/** RAM offset of the dirty map (memory/physical-map.ts): a byte per page. */
export const DIRTY_MAP = 0x5e8; // i32
/** Entries of DIRTY_SLOTS in use. */
export const DIRTY_COUNT = 0x5f0; // i32
/** Level of IGNNE#: x87 exceptions are ignored while CR0.NE is 0. */
export const IGNORE_NUMERIC_ERROR = 0x5ec; // i32
/** A FAULT_VECTOR that is none: the instruction is tried again after events were looked at. */
export const VECTOR_RETRY = 256;

// -- tables
export const SYSTEM_TABLES = 0x1000;
/** CPUID leaves: 24 bytes each: leaf, subleaf (-1: any), EAX, EBX, ECX, EDX. */
export const CPUID_TABLE = 0x1000;
export const CPUID_ENTRY = 24;
export const CPUID_MAX = 128;
/** Sets there are, those of instruction fetch included. */
export const TLB_SETS = 7;
/** Indices (u16) of the entries filled since the last flush, TLB_ENTRIES per set. */
export const TLB_LOG = 0x5c00000;
export const TLB_LOG_STRIDE = 0x4000;
/** Dropped traces by a hash of key and mode, i32 each, 0 = none: what is decoded again to the same length takes their memory. */
export const RECYCLED = 0x5c1c000;
export const RECYCLED_ENTRIES = 4096;
/** A bit per hashed 4 MiB region that had a large page: INVLPG there must look further (4096 bits). */
export const TLB_LARGE_FILTER = 0x5000;
export const TLB_LARGE_FILTER_SIZE = 512;
/** Entries used by the page walk under way: physical address i64, value i64, one pair per level from the root. */
export const WALK_LOG = 0x5200;
/** TLB entries (their addresses, i32 each) with direct stores to dirty-logged pages, and how many: tlb.ts. */
export const DIRTY_SLOTS = 0x5280;
export const DIRTY_SLOTS_MAX = 512;
/** A number for each TLB, i64, 48 bits of it used (JUMP_STAMP). */
export const JUMP_GENERATIONS = 0x5a80;
/** Guest time (f64, ns) as the host last told it, and how many instructions had been executed then (i64; far below 0: ask). */
export const TIME_TOLD = 0x5aa0;
export const TIME_TOLD_AT = 0x5aa8;
export const SYSTEM_TABLES_END = 0x5ab0;

// -- use of the upper bits of TLB_PHYSICAL (physical page numbers have 28 bits: 40-bit addresses)
export const TLB_FRAME_MASK = 0x0fffffff;
export const TLB_GLOBAL = 0x10000000;
export const TLB_LARGE_PAGE = 0x20000000;
/** Stores go straight to a dirty-logged page: its mark is due. */
export const TLB_DIRTY = 0x40000000;
export const TLB_LOGGED = 0x80000000;
/** Lowest 12 bits of a tag, with TLB_OTHER_PAGE: translated and permitted, but the access takes the slow path. */
export const TLB_SLOW = 2;

// -- what guest_log reports (accel/wasm/guest-log.ts has the words); two numbers go with each
export const LOG_TRIPLE_FAULT = 0; // RIP, the third exception's vector
export const LOG_UNKNOWN_MSR_READ = 1; // MSR, RIP
export const LOG_UNKNOWN_MSR_WRITE = 2; // MSR, value
