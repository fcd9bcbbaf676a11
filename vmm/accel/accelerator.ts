import type { VmmError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Bus } from '../bus/bus.ts';
import type { PhysicalMap } from '../memory/physical-map.ts';

/**
 * The architectural state of one x86 processor in a form that every accelerator reads and writes, so that a saved state moves between them. Plain
 * data with a version, as a device's state. Opaque to all but accelerators.
 */
export interface X86State {
  readonly version: number;
}

/** IA32_APIC_BASE and IA32_TSC_DEADLINE belong to the local APIC, RDMSR and WRMSR to the CPU. Values as the MSRs' 64 bits; `false` is #GP(0). */
export interface ApicMsrs {
  read(): bigint;
  write(value: bigint): boolean;
  /** CR8 is the upper half of the task priority register (SDM vol.3 10.8.6). */
  readTaskPriority(): number;
  writeTaskPriority(priority: number): void;
  /** 0 outside TSC-deadline mode, in which writes are ignored, too (SDM vol.3 10.5.4.1). */
  readTscDeadline(): bigint;
  writeTscDeadline(tsc: bigint): void;
}

export interface VcpuOptions {
  /** 0 is the bootstrap processor; it is also the initial APIC ID. */
  readonly index: number;
  /** Number of processors in the machine, for CPUID leaves that tell the topology. */
  readonly count: number;
  /** Name of a CPUID model. The accelerator throws VmmError 'usage' for one it does not have, naming those it has. */
  readonly model: string;
  /** Name of twelve letters in CPUID leaf 4000_0000h, by which guests choose drivers; absent: our own. Models without the leaf keep to themselves. */
  readonly hypervisor?: string;
  /** Guest memory (`physical.memory`) and what lies where. The vCPU subscribes to `onChange` and `onWrite`. */
  readonly physical: PhysicalMap;
  readonly ports: Bus;
  /** For every page whose table entry does not allow the access directly. Accesses never cross a page; 8 bytes are two of 4, low half first. */
  readonly mmio: Bus;
  /** Called when the vCPU takes INTR: the interrupt acknowledge cycle. Returns the vector, 0..255. */
  acknowledgeInterrupt(): number;
  /** Guest time in nanoseconds: the time stamp counter counts it at the model's frequency. */
  now(): number;
  /** 32 random bits for RDRAND and RDSEED. */
  random(): number;
  /**
   * One word in shared memory, non-zero when the machine loop is wanted (input, a control message, a due timer). run() returns 'kicked' as soon as it sees it: after
   * every port or MMIO access, and at least every 100 000 instructions. The loop clears it, never the vCPU.
   */
  readonly doorbell: Int32Array;
  /** Absent when the model has no local APIC. */
  readonly apic?: ApicMsrs;
  /** FERR#: an unmasked x87 exception waits and CR0.NE is 0 (SDM vol.3 8.7.2 of older editions: MS-DOS compatible error reporting). */
  coprocessorError?(pending: boolean): void;
  readonly log: Log;
}

export interface DebugEvent {
  readonly reason: 'breakpoint' | 'watchpoint' | 'step';
  readonly address: bigint;
}

/**
 * Why `run` returned. 'halt': HLT (or the shutdown of a thread waiting for SIPI) and no interrupt is pending; call again when one is. 'kicked': the
 * doorbell. 'shutdown': triple fault. 'error': our own failure, the vCPU cannot go on.
 */
export type VcpuExit = 'budget' | 'halt' | 'kicked' | 'shutdown' | { readonly debug: DebugEvent } | { readonly error: VmmError };

/**
 * One processor. Port and MMIO accesses are made inside `run`, on the calling thread. Nothing here may assume that it is the machine's only vCPU.
 * Methods other than `run` may be called between slices and from inside a bus access that `run` makes.
 */
export interface Vcpu {
  /** Executes at most `budget` instructions; unless `exactly`, some tens more or less are welcome if that is cheaper. */
  run(budget: number, exactly?: boolean): VcpuExit;
  /** Level of INTR. */
  interrupt(pending: boolean): void;
  /** An edge on NMI. */
  nmi(): void;
  /** An edge on SMI#. Absent when the accelerator has no system management mode. */
  smi?(): void;
  /** INIT, and start-up at `vector << 12` (SDM vol.3 8.4.4). A vCPU with index > 0 waits for SIPI after INIT and after power-on. */
  init(): void;
  startup(vector: number): void;
  /** Level of A20M#, inverted: true passes address bit 20. */
  a20(enabled: boolean): void;
  /** Level of IGNNE#. */
  ignoreNumericError?(on: boolean): void;
  /** When (guest ns) the time stamp counter reaches a value, if nobody writes it until then. Absent when the accelerator has no such counter. */
  timeOfTsc?(tsc: bigint): number;
  /** RESET: state as after power-on (SDM vol.3 table 9-1), the time stamp counter included. */
  reset(): void;
  /** Instructions retired since it was created: exact between slices and during bus accesses. Virtual guest time is derived from it. */
  readonly instructions: number;
  /**
   * General register `index` (as instructions number them), low 32 bits, of the instruction whose bus access is being made: hypervisors' back doors pass
   * arguments so. Writing clears the upper half. Absent when the accelerator cannot.
   */
  readGeneral?(index: number): number;
  writeGeneral?(index: number, value: number): void;
  save(): X86State;
  /** Throws VmmError 'invalid' for a state that `load` would refuse; changes nothing. Absent: all are taken. */
  check?(state: X86State): void;
  /** Takes a state of any accelerator. Throws VmmError 'invalid' before anything is changed. */
  load(state: X86State): void;
  /** Counters for `--stats` and the monitor, by name. */
  stats?(): Record<string, number>;
  dispose(): void;
}

export interface Accelerator {
  readonly kind: 'wasm' | 'kvm' | 'none';
  createVcpu(options: VcpuOptions): Vcpu;
}
