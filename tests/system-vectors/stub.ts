/** Code that brings a processor from real mode into a case's initial state, for references whose state cannot be set from outside. */
import * as B from './builder.ts';
import type { MachineCase } from './machine-case.ts';

export const STUB = 0x7000;
export const STUB_TABLE = 0x7400;
const STUB_STACK = 0x7c00;
/** The stub's own pages, which no case uses. */
export const STUB_END = 0x8000;

const CR0_PG = 0x80000000n;
const EFER_LMA = 0x400n;
const EFER = 0xc0000080;
const FLAG_VM = 0x20000;
const [ES, CS, SS, DS, FS, GS, LDTR, TR] = [0, 1, 2, 3, 4, 5, 6, 7];
const RSP = 4;

type Bytes = readonly number[];
const word = (value: number): number[] => [value & 0xff, (value >> 8) & 0xff];
const dword = (value: number): number[] => [...word(value), ...word(value >>> 16)];
const quad = (value: bigint): number[] => [...dword(Number(value & 0xffffffffn)), ...dword(Number((value >> 32n) & 0xffffffffn))];

export interface Stub {
  readonly code: Uint8Array;
  /** Operands of LGDT and LIDT, at STUB_TABLE. */
  readonly table: Uint8Array;
  /** What the stub leaves below the case's stack pointer: part of the case's memory from then on. */
  readonly left: readonly { readonly address: number; readonly bytes: Uint8Array }[];
}

export function stubOf(machineCase: MachineCase): Stub {
  const { state } = machineCase;
  const out: number[] = [];
  const emit = (...bytes: (number | Bytes)[]): void => void out.push(...bytes.flat());
  const left: { address: number; bytes: Uint8Array }[] = [];
  if ((state.cr0 & 1n) === 0n) realMode(machineCase, emit);
  else protectedMode(machineCase, emit, () => STUB + out.length, left);
  const table = [...word(state.gdt.limit), ...dword(Number(state.gdt.base)), 0, 0, ...word(state.idt.limit), ...dword(Number(state.idt.base))];
  return { code: Uint8Array.from(out), table: Uint8Array.from(table), left };
}

type Emit = (...bytes: (number | Bytes)[]) => void;

function realMode({ state }: MachineCase, emit: Emit): void {
  const low = state.gpr.map((value) => Number(value & 0xffffffffn));
  emit(0xfa, 0x0f, 0x01, 0x1e, word(STUB_TABLE + 8)); // cli; lidt
  emit(0x66, 0xb8, dword(Number(state.cr0)), 0x0f, 0x22, 0xc0);
  for (let index = 0; index < 8; index++) if (index !== RSP) emit(0x66, 0xb8 + index, dword(low[index]!));
  emit(0x66, 0xbc, dword(STUB_STACK), 0x66, 0x68, dword(state.eflags | 2), 0x66, 0x9d, 0x66, 0xbc, dword(low[RSP]!)); // popfd; mov esp
  emit(0xea, word(Number(state.rip)), word(state.segments[CS]!.selector));
}

function protectedMode({ state, msrs }: MachineCase, emit: Emit, here: () => number, left: { address: number; bytes: Uint8Array }[]): void {
  const { cr0, cr3, cr4, efer, dr } = state;
  const long = (efer & EFER_LMA) !== 0n;
  emit(0xfa, 0x66, 0x0f, 0x01, 0x16, word(STUB_TABLE), 0x66, 0x0f, 0x01, 0x1e, word(STUB_TABLE + 8));
  emit(0x66, 0xb8, dword(Number((cr0 & ~CR0_PG) | 1n)), 0x0f, 0x22, 0xc0);
  emit(0x66, 0xea, dword(here() + 8), word(B.CODE32[0]));
  for (const modrm of [0xd8, 0xc0, 0xe0, 0xe8, 0xd0]) emit(0x66, 0xb8, word(B.DATA32[0]), 0x8e, modrm);
  emit(0xbc, dword(STUB_STACK));
  emit(0x66, 0xb8, word(state.segments[LDTR]!.selector), 0x0f, 0x00, 0xd0);
  if (cr4 !== 0n) emit(0xb8, dword(Number(cr4)), 0x0f, 0x22, 0xe0);
  if (cr3 !== 0n) emit(0xb8, dword(Number(cr3)), 0x0f, 0x22, 0xd8);
  const all: (readonly [number, bigint])[] = [...msrs];
  if (efer !== 0n) all.push([EFER, efer & ~EFER_LMA]);
  for (const [index, value] of all) emit(0xb9, dword(index), 0xb8, dword(Number(value & 0xffffffffn)), 0xba, dword(Number(value >> 32n)), 0x0f, 0x30);
  if ((cr0 & CR0_PG) !== 0n) emit(0xb8, dword(Number(cr0)), 0x0f, 0x22, 0xc0);
  if (long) emit(0xea, dword(here() + 7), word(B.CODE64[0]));
  emit(0x66, 0xb8, word(state.segments[TR]!.selector), 0x0f, 0x00, 0xd8);
  for (let index = 0; index < 4; index++) {
    if (dr[index] !== 0n) emit(long ? [0x48, 0xb8, ...quad(dr[index]!)] : [0xb8, ...dword(Number(dr[index]))], 0x0f, 0x23, 0xc0 | (index << 3));
  }
  emit(0xb8, dword(Number(dr[7])), 0x0f, 0x23, 0xf8);
  if ((state.eflags & FLAG_VM) === 0) {
    const loads: readonly (readonly [number, number])[] = [
      [ES, 0xc0],
      [DS, 0xd8],
      [FS, 0xe0],
      [GS, 0xe8],
    ];
    for (const [index, modrm] of loads) emit(0x66, 0xb8, word(state.segments[index]!.selector), 0x8e, modrm);
  }
  enter({ state }, emit, long, left);
}

/** IRET into the state. */
function enter({ state }: Pick<MachineCase, 'state'>, emit: Emit, long: boolean, left: { address: number; bytes: Uint8Array }[]): void {
  const selectors = state.segments.map(({ selector }) => selector);
  const flags = state.eflags | 2;
  const pointer = Number(state.gpr[RSP]! & 0xffffffffn);
  const registers = (): void => {
    for (let index = 0; index < 8; index++) {
      if (index === RSP) continue;
      emit(long ? [0x48, 0xb8 + index, ...quad(state.gpr[index]!)] : [0xb8 + index, ...dword(Number(state.gpr[index]! & 0xffffffffn))]);
    }
    if (long) for (let index = 8; index < 16; index++) emit(0x49, 0xb0 + index, quad(state.gpr[index]!));
  };
  if (long) {
    for (const value of [BigInt(selectors[SS]!), state.gpr[RSP]!, BigInt(flags), BigInt(selectors[CS]!), state.rip])
      emit(0x48, 0xb8, quad(value), 0x50);
    registers();
    emit(0x48, 0xcf);
    return;
  }
  const push = (value: number): void => emit(0x68, dword(value));
  if ((flags & FLAG_VM) !== 0) for (const index of [GS, FS, DS, ES]) push(selectors[index]!);
  const level = (state.segments[SS]!.attributes >> 13) & 3;
  if (level === 0) {
    // IRET to the same level pops no stack: the frame lies on the case's own.
    emit(0xbc, dword(pointer));
    left.push({ address: pointer - 12, bytes: Uint8Array.from([...dword(Number(state.rip)), ...dword(selectors[CS]!), ...dword(flags)]) });
  } else {
    push(selectors[SS]!);
    push(pointer);
  }
  push(flags);
  push(selectors[CS]!);
  push(Number(state.rip));
  registers();
  emit(0xcf);
}
