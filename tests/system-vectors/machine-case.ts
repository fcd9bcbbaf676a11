/**
 * A case of the system vectors: a tiny machine (1 MiB of RAM, one processor) in a given state, run until it halts. `expect` is what a real processor made of
 * it, recorded through KVM by record.node.ts; the tests run the same case on our engine.
 */

/** One segment register: `attributes` are bits 8..15 and 20..23 of a descriptor's second dword. */
export interface CaseSegment {
  selector: number;
  base: bigint;
  limit: number;
  attributes: number;
}

export interface CaseState {
  gpr: bigint[];
  rip: bigint;
  eflags: number;
  /** es cs ss ds fs gs ldtr tr */
  segments: CaseSegment[];
  gdt: { base: bigint; limit: number };
  idt: { base: bigint; limit: number };
  cr0: bigint;
  cr2: bigint;
  cr3: bigint;
  cr4: bigint;
  efer: bigint;
  dr: bigint[];
}

export interface MachineCase {
  readonly name: string;
  readonly state: CaseState;
  /** MSR number and value, set before the first instruction. */
  readonly msrs: readonly (readonly [index: number, value: bigint])[];
  readonly memory: readonly { readonly address: number; readonly bytes: Uint8Array }[];
}

/** How a case ended. */
export type CaseEnd = 'halt' | 'shutdown' | 'other';

export interface CaseResult {
  readonly end: CaseEnd;
  readonly state: CaseState;
  /** Quadwords of memory that changed: address and new value. */
  readonly memory: readonly (readonly [address: number, value: bigint])[];
}

export const RAM_BYTES = 1 << 20;
