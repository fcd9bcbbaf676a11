/**
 * The core memory: one private WebAssembly memory per vCPU that holds everything of a CPU but guest RAM. Guest addresses cannot reach it (RAM is a
 * second memory). This file is read by TypeScript *and* by the AssemblyScript compiler: only integer constants, nothing else.
 *
 * Sizes: GPRs and RIP are i64; in 32- and 16-bit modes the upper halves are kept as the processor keeps them (32-bit writes zero-extend).
 */

// -- general registers: RAX RCX RDX RBX RSP RBP RSI RDI R8..R15, 8 bytes each. A micro-op names a register by its byte offset (AH = RAX + 1).
export const GPR = 0x000;
export const RAX = 0x00;
export const RCX = 0x08;
export const RDX = 0x10;
export const RBX = 0x18;
export const RSP = 0x20;
export const RBP = 0x28;
export const RSI = 0x30;
export const RDI = 0x38;
/** Always zero: the base or index of an address that has none. */
export const ZERO = 0x80;
/** The RIP value that belongs to offset 0 of the page being executed; RIP of a micro-op = RIP_PAGE + its page offset. Base of RIP-relative addresses. */
export const RIP_PAGE = 0x88;
/** RIP_PAGE + 4096: base of RIP-relative addresses with a positive displacement, so that the folded displacement fits in 32 bits. */
export const RIP_NEXT_PAGE = 0x90;
/** RIP at an instruction boundary: valid outside the dispatch loop and whenever a helper is called that can fault or jump. */
export const RIP = 0x98;

// -- flags. Arithmetic flags are lazy: those in LAZY_MASK follow from LAZY_A and LAZY_R, the others stand in FLAGS.
/** EFLAGS: system flags, the reserved bits, and the arithmetic flags not named in LAZY_MASK. */
export const FLAGS = 0xa0; // i32
/** Which of CF PF AF ZF SF OF are lazy (their EFLAGS bits) | operand size 8, 16, 32, 64 << 16 | LAZY_SUB. */
export const LAZY_MASK = 0xa4; // i32
/** First source operand, zero-extended. */
export const LAZY_A = 0xa8; // i64
/** Result, zero-extended. CF = R < A (add) or A < B (sub), with B = R - A or A - R. */
export const LAZY_R = 0xb0; // i64
export const LAZY_SUB = 0x1000000;

// -- faults: a helper that faults sets FAULT_VECTOR and returns; generated code tests it after every call that can fault.
/** Vector of the pending exception, -1 if none. */
export const FAULT_VECTOR = 0xb8; // i32
/** Error code to push; -1 if the vector has none. */
export const FAULT_ERROR = 0xbc; // i32

// -- execution control
/** Base of the TLB in force (privilege, SMAP, AC): TLB + index * TLB_STRIDE. */
export const TLB_PTR = 0xc0; // i32
/** Mask of the stack pointer: 0xFFFF, 0xFFFFFFFF or -1. */
export const STACK_MASK = 0xc8; // i64
/** Mask of linear addresses: 0xFFFFFFFF outside 64-bit mode, -1 in it. */
export const LINEAR_MASK = 0xd0; // i64
/** Decoding mode: MODE_* bits. */
export const MODE = 0xd8; // i32
export const MODE_CODE32 = 1; // CS.D
export const MODE_CODE64 = 2; // CS.L in long mode
export const MODE_PROTECTED = 4; // CR0.PE and not virtual-8086
export const MODE_V86 = 8;
export const MODE_LONG = 16; // EFER.LMA
export const MODE_STACK32 = 32; // SS.B
/**
 * Protected mode, CS.D and SS.B set, and ES, CS, SS and DS have base 0 and no limit below 4 GiB (SEG_REACH >= 0xFFFFFFFF for the data segments): 32-bit
 * offsets in them are linear addresses. Never with MODE_CODE64.
 */
export const MODE_FLAT = 64;
export const CPL = 0xdc; // i32
/** Non-zero: leave the run of translated or interpreted code at the next block boundary and look at what happened (EVENT_*). */
export const EVENTS = 0xe0; // i32
export const EVENT_INTERRUPT = 1; // INTR is asserted (FLAGS.IF decides whether it is taken)
export const EVENT_NMI = 2;
export const EVENT_SMI = 4;
export const EVENT_INIT = 8;
export const EVENT_TRAP = 16; // TF single step or a data breakpoint: #DB after this instruction
export const EVENT_EXIT = 32; // run() must return (budget ended, kick, shutdown, halt)
export const EVENT_SHADOW = 64; // interrupts are held off for one instruction (STI, MOV SS)
/** Why run() returns: EXIT_*. */
export const EXIT_REASON = 0xe4; // i32
export const EXIT_BUDGET = 0;
export const EXIT_HALT = 1;
export const EXIT_KICKED = 2;
export const EXIT_SHUTDOWN = 3; // triple fault
export const EXIT_DEBUG = 4;
/** Instructions retired since power-on at the end of this slice: retired now = SLICE_END - LEFT - those of the running trace, see `instructions()`. */
export const SLICE_END = 0xe8; // i64
/** Instructions left in this slice; kept in a local by generated code and stored before calls of helpers. */
export const LEFT = 0xf0; // i32
/** The micro-op being executed while a helper runs, 0 at an instruction boundary: gives RIP and the exact instruction count. */
export const CURRENT_UOP = 0xf4; // i32
export const A20_MASK = 0xf8; // i32: physical address mask of the lower 32 bits

// -- segment registers: hidden parts, 32 bytes each
export const SEGMENTS = 0x100;
export const SEG_STRIDE = 32;
export const SEG_ES = 0;
export const SEG_CS = 1;
export const SEG_SS = 2;
export const SEG_DS = 3;
export const SEG_FS = 4;
export const SEG_GS = 5;
export const SEG_LDTR = 6;
export const SEG_TR = 7;
export const SEG_GDTR = 8;
export const SEG_IDTR = 9;
export const SEG_BASE = 0; // i64; 0 for ES CS SS DS in 64-bit mode
export const SEG_LIMIT = 8; // i32, in bytes, granularity applied
export const SEG_ATTR = 12; // i32: descriptor bits 8..15 and 20..23 as in the second dword (type S DPL P .. AVL L D G)
export const SEG_SELECTOR = 16; // i32

/**
 * Per segment ES..GS an i64, signed (SEG_REACH + 8 * segment): an access whose last byte lies at an offset <= this one is within the limit and of a permitted type, for reads
 * and for writes. All others ask seg_check. -1 for segments that must always ask (null, read-only, expand-down), 0x7FFF_FFFF_FFFF_FFFF in 64-bit mode.
 */
export const SEG_REACH = 0x240;

/** Counts the times translated code was dropped: code that may have caused it looks whether it may go on. */
export const CODE_DROPS = 0x270; // i32
/** Byte 0 MODE, byte 1 which TLB is in force; from bit 16 that TLB's number of JUMP_GENERATIONS, which changes whenever a jump cached under it may have become wrong. */
export const JUMP_STAMP = 0x278; // i64

// -- control, debug and model-specific registers, i64 each
export const CR0 = 0x280;
export const CR2 = 0x288;
export const CR3 = 0x290;
export const CR4 = 0x298;
export const CR8 = 0x2a0;
export const XCR0 = 0x2a8;
export const DR = 0x2b0; // DR0..DR7
export const EFER = 0x2f0;
export const MSRS = 0x300; // up to 0x7ff, named in assembly/system/msr.ts

// -- x87, MMX and SSE
/** Physical x87 registers R0..R7, 16 bytes each: significand i64 at 0 (MMn), sign and exponent u16 at 8. */
export const FPU_REGS = 0x800;
export const FCW = 0x880; // i32
export const FSW = 0x884; // i32, TOP in bits 11..13
export const FTW = 0x888; // i32: abridged, bit n = physical register n is not empty
export const FOP = 0x88c; // i32
export const FIP = 0x890; // i64
export const FDP = 0x898; // i64
export const FCS = 0x8a0; // i32
export const FDS = 0x8a4; // i32
export const MXCSR = 0x8a8; // i32
/** Not zero: SSE instructions fault, because of CR0.EM, CR0.TS or CR4.OSFXSR (SDM vol.3 13.1). Follows from CR0 and CR4. */
export const SSE_OFF = 0x8ac; // i32
/** What a store of the x87 commits to FSW and FTW once memory was written. */
export const FPU_NEXT_FSW = 0x8b0; // i32
export const FPU_NEXT_FTW = 0x8b4; // i32
/** XMM0..XMM15 in the low 16 bytes of each; stride leaves room for YMM. */
export const XMM = 0x900;
export const XMM_STRIDE = 32;

/** The branch that asked for the lookup, to be linked to what is found; 0 if none. */
export const LINK_FROM = 0xfc; // i32
/** 256 bytes for helpers: instruction bytes, descriptors, operands passed by address. */
export const SCRATCH = 0xb00;

/** Instruction bytes while they are decoded. */
export const FETCH_BUFFER = 0x6000; // 1024 bytes
/** A trace of one instruction that is used once: two micro-ops. */
export const PRIVATE_TRACE = 0x6800;

// -- the opcode tables the decoder reads, written at start by decode/tables.ts
export const OPCODE_TABLES = 0x10000;
export const OPCODE_TABLES_SIZE = 0x50000;

// -- static data of the AssemblyScript module (constant tables; --memoryBase of build/engine.node.ts)
export const STATIC_DATA = 0x60000;
export const STATIC_DATA_SIZE = 0x20000;

// -- TLBs: direct-mapped, index = (linear >> 12) & (TLB_ENTRIES - 1); one for each way of checking permissions
export const TLB = 0x5a00000;
export const TLB_ENTRIES = 8192;
export const TLB_ENTRY = 32;
export const TLB_STRIDE = 0x40000; // TLB_ENTRIES * TLB_ENTRY
export const TLB_SUPERVISOR = 0;
export const TLB_USER = 1;
export const TLB_SMAP = 2; // supervisor that must not touch user pages (CR4.SMAP and not FLAGS.AC)
/** Instruction fetch has TLBs of its own, so that code and data do not displace each other: (TLB of data accesses) + TLB_CODE; only TLB_EXEC counts there. */
export const TLB_CODE = 0x100000;
export const TLB_ALIGN = 3; // CR0.AM and FLAGS.AC at CPL 3: never filled, so every access takes the slow path that checks alignment
/**
 * i64: the last linear address before the page if reads may go straight to RAM, otherwise a tag with TLB_OTHER_PAGE. So an access of n bytes hits if
 * tag - linear is, unsigned, at least n - 0x1001, and the tag of a miss is far from all linear addresses that share the entry.
 */
export const TLB_READ = 0;
export const TLB_WRITE = 8; // i64: the same for writes; not set for pages that hold decoded code
export const TLB_ADDEND = 16; // i32: RAM offset = low 32 bits of linear + addend (wrapping)
export const TLB_PHYSICAL = 20; // i32: physical page number
export const TLB_EXEC = 24; // i64: the linear page address if instructions may be fetched
/** In tags that admit no direct access this bit is other than in the pages that share the entry. */
export const TLB_OTHER_PAGE = 0x2000;
export const TLB_INVALID = 1; // lowest 12 bits of a tag: nothing is known

// -- physical pages: what the bus published (memory/physical-map.ts): bits 31..12 RAM offset, bits 0..2 READ WRITE DIRTY_LOG; 0 = MMIO
export const PAGE_READ = 1;
export const PAGE_WRITE = 2;
export const PAGE_DIRTY_LOG = 4;
/** Set by the CPU: the page holds decoded code. */
export const PAGE_CODE = 8;
export const PHYSICAL_PAGES = 0x100000; // i32 each; 4 GiB + 4 GiB of space: 8 MiB
export const PHYSICAL_PAGES_COUNT = 0x200000;

// -- the decoded-code cache
/**
 * Entries of TRACE_HASH_ENTRY bytes: RAM offset of the first instruction (i32), MODE (i32), first micro-op (i32, 0 = free), number of the translated region that
 * begins there (i32, 0 = none).
 */
export const TRACE_HASH = 0x5600000;
export const TRACE_HASH_ENTRIES = 0x40000;
export const TRACE_HASH_ENTRY = 16;
/** Entries come in pairs, the one used last first. */
export const TRACE_HASH_PAIR = 32;
export const TRACE_HASH_REGION = 12;
/** Regions there may be at once. */
export const REGION_SLOTS = 0x20000;
/** i64 per RAM page: bit n = the 64-byte granule n holds decoded code. */
export const CODE_GRANULES = 0xa00000;
/** i32 per RAM page: the first trace of the page (its header), 0 = none. */
export const CODE_PAGES = 0x1200000;
export const CODE_CACHE = 0x1600000;
export const CODE_CACHE_END = 0x5600000;
/**
 * The jump cache: from RIP straight to translated code, while nothing has changed that could lead elsewhere. Direct-mapped entries of JUMP_ENTRY bytes: RIP (i64), the JUMP_STAMP
 * under which it was entered (i64), number of the translated region (i32). What is in it has an entry in the TLB of instruction fetch, too.
 */
export const JUMP_CACHE = 0x5c20000;
export const JUMP_ENTRIES = 8192;
export const JUMP_ENTRY = 32;
/** Size of the core memory in WebAssembly pages. */
export const CORE_MEMORY_PAGES = 0x5c6;
