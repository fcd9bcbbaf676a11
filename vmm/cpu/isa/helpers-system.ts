import type { Helper } from './helpers.ts';

const i32 = 'i32';
const i64 = 'i64';

/** Functions of assembly/system/ that texts call: see assembly/README.md. `segment` is SEG_*, `bytes` 1, 2 or 4, `size` the operand size in bits. */
export const systemHelpers = {
  // -- segment registers
  /** (segment, selector) */
  load_segment: { params: [i32, i32], faults: true, ends: true },
  inhibit_interrupts: { params: [], ends: true },
  /** (segment) also LDTR and TR. */
  selector: { params: [i32], result: i32 },
  /** (selector) Access rights, bit 63 set if they may be known. */
  lar: { params: [i32], result: i64, faults: true },
  /** (selector) Limit, bit 63 set if it may be known. */
  lsl: { params: [i32], result: i64, faults: true },
  verr: { params: [i32], result: i32, faults: true },
  verw: { params: [i32], result: i32, faults: true },
  check_fsgsbase: { params: [], faults: true },
  read_segment_base: { params: [i32], result: i64 },
  write_segment_base: { params: [i32, i64], faults: true },

  // -- tables
  check_umip: { params: [], faults: true },
  /** (limit, base) */
  lgdt: { params: [i32, i64], faults: true },
  lidt: { params: [i32, i64], faults: true },
  lldt: { params: [i32], faults: true },
  ltr: { params: [i32], faults: true },

  // -- far transfers; the last i64 is the address of the next instruction
  /** (selector, offset, size, next) */
  far_jump: { params: [i32, i64, i32, i64], faults: true, jumps: true },
  far_call: { params: [i32, i64, i32, i64], faults: true, jumps: true },
  /** (size, bytes released) */
  far_return: { params: [i32, i32], faults: true, jumps: true },
  interrupt_return: { params: [i32, i64], faults: true, jumps: true, flags: true },
  software_interrupt: { params: [i32, i64], faults: true, jumps: true, flags: true },
  breakpoint_trap: { params: [i64], faults: true, jumps: true, flags: true },
  overflow_trap: { params: [i64], faults: true, jumps: true, flags: true },
  icebp: { params: [i64], faults: true, jumps: true, flags: true },
  syscall: { params: [i64], faults: true, jumps: true, flags: true },
  sysret: { params: [i32], faults: true, jumps: true, flags: true },
  sysenter: { params: [], faults: true, jumps: true, flags: true },
  sysexit: { params: [i32], faults: true, jumps: true, flags: true },
  halt: { params: [i64], faults: true, jumps: true },

  // -- flags
  /** (size) What PUSHF stores. */
  pushf_image: { params: [i32], result: i64, faults: true, flags: true },
  /** (size) Before the pop. */
  popf_check: { params: [i32], faults: true },
  /** (size, value) */
  popf: { params: [i32, i64], faults: true, ends: true, flags: true },
  cli: { params: [], faults: true, flags: true },
  sti: { params: [], faults: true, ends: true, flags: true },

  // -- ports
  /** (segment, offset, bytes) The bytes can be stored. */
  prepare_store: { params: [i32, i64, i32], faults: true },
  /** (port, bytes) IOPL and the I/O permission bitmap. */
  port_check: { params: [i32, i32], faults: true },
  /** (port, bytes) check included */
  port_in: { params: [i32, i32], result: i64, faults: true, ends: true },
  /** (port, bytes, value) check included */
  port_out: { params: [i32, i32, i64], faults: true, ends: true },

  // -- control, debug and model-specific registers
  /** (number) */
  read_control: { params: [i32], result: i64, faults: true },
  write_control: { params: [i32, i64], faults: true, ends: true },
  read_debug: { params: [i32], result: i64, faults: true },
  write_debug: { params: [i32, i64], faults: true, ends: true },
  smsw: { params: [], result: i64 },
  lmsw: { params: [i32], faults: true, ends: true },
  clts: { params: [], faults: true, ends: true },
  /** (segment, offset) */
  invlpg: { params: [i32, i64], faults: true, ends: true },
  /** (type, the descriptor's two quadwords) */
  invpcid: { params: [i64, i64, i64], faults: true, ends: true },
  wbinvd: { params: [], faults: true },
  /** (MSR) */
  rdmsr: { params: [i32], result: i64, faults: true },
  wrmsr: { params: [i32, i64], faults: true, ends: true },
  rdtsc: { params: [], result: i64, faults: true },
  rdtsc_aux: { params: [], result: i64 },
  rdpmc: { params: [i32], result: i64, faults: true },
  cpuid: { params: [], faults: true },
  swapgs: { params: [], faults: true },
  xgetbv: { params: [i32], result: i64, faults: true },
  xsetbv: { params: [i32, i64], faults: true, ends: true },
  /** (0 or 1) STAC, CLAC */
  set_alignment_check: { params: [i32], faults: true, ends: true, flags: true },
  random32: { params: [], result: i32 },
  undefined_opcode: { params: [], faults: true },

  // -- whether x87 and vector registers may be used
  check_fpu: { params: [], faults: true },
  check_wait: { params: [], faults: true },
  check_mmx: { params: [], faults: true },
  check_sse: { params: [], faults: true },
  check_xsave: { params: [], faults: true },
} as const satisfies Record<string, Helper>;
