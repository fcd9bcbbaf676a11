/**
 * A processor of the wasm engine without a machine around it, on which one instruction at a time is run by a binding: the interpreter or the oracle.
 * Guest memory holds the windows of the vectors (64 KiB each) and page tables, or 1.1 MiB for real mode.
 */
import { CpuCore } from '../../vmm/accel/wasm/core.ts';
import { WasmEngine } from '../../vmm/accel/wasm/engine.ts';
import type { EngineBinaries, InterpreterExports } from '../../vmm/accel/wasm/engine.ts';
import { ImmediateCompiler } from '../../vmm/accel/wasm/region-compiler.ts';
import { Translator } from '../../vmm/accel/wasm/translator.ts';
import type { HostImports } from '../../vmm/accel/wasm/host-imports.ts';
import { Oracle } from '../../vmm/cpu/bind/oracle.ts';
import type { Helpers } from '../../vmm/cpu/bind/oracle.ts';
import { writeOpcodeTables } from '../../vmm/cpu/decode/tables.ts';
import * as L from '../../vmm/cpu/layout.ts';
import { writeModel } from '../../vmm/cpu/models/cpuid.ts';
import { cpuModel } from '../../vmm/cpu/models/models.ts';
import { resetState, writeCpuState } from '../../vmm/cpu/state.ts';
import type { CpuState } from '../../vmm/cpu/state.ts';
import { SingleSteps } from './single-steps.ts';
import { UOP_PAGE_OFFSET } from '../../vmm/cpu/uop.ts';
import { GuestMemory, PAGE_READ, PAGE_WRITE, PhysicalMap } from '../../vmm/memory/physical-map.ts';

/** `jit`: each instruction as a region of its own; `regions`: the interpreter with all code translated that was decoded before. */
export type Binding = 'interp' | 'oracle' | 'jit' | 'regions';
export type Mode = 64 | 32 | 16 | 'real';

const WINDOW = 0x10000;
/** Linear addresses of the windows; each lies at its index times WINDOW in guest memory. */
export const WINDOWS = [0x1000_0000n, 0x2000_0000n, 0x3000_0000n, 0x5a5a_0000_0000n];
/** Physical address of the window that a 32-bit address cannot name. */
const HIGH_PHYSICAL = 0x4000_0000;
const PAGE_TABLES = WINDOWS.length * WINDOW;
const REAL_MODE_MEMORY = 0x11_0000;

const CODE = 0x9b00; // present, readable, accessed
const DATA = 0x9300;
const RING_3 = 0x6000;
const LONG = 0x20_0000;
const BIG = 0x40_0000;
const GRANULAR = 0x80_0000;
const CR0_PE = 0x11n;
const CR0_PG_NE = 0x8000_0020n;
const CR4_PAE_OSFXSR = 0x2_0620n; // PAE, OSFXSR, OSXMMEXCPT; PCIDE stays clear
const EFER_LONG = 0xd01n;

const MODEL = 'max';

export class Rig {
  readonly mode: Mode;
  /** Guest memory; the page tables behind the windows are none of the cases' business. */
  readonly ram: Uint8Array;
  readonly core: DataView;
  readonly system: Helpers;
  readonly #base: CpuState;
  readonly #runSlice: () => void;
  /** Traces that may still be asked for. */
  #traces = 0;
  readonly #zeros: Uint8Array;
  readonly #warm: boolean;

  constructor(engine: WasmEngine, binding: Binding, mode: Mode) {
    this.mode = mode;
    this.#warm = binding === 'jit';
    const memory = new GuestMemory(mode === 'real' ? REAL_MODE_MEMORY : PAGE_TABLES + 8 * 4096);
    const physical = new PhysicalMap(memory);
    this.ram = memory.bytes.subarray(0, mode === 'real' ? REAL_MODE_MEMORY : PAGE_TABLES);
    this.#zeros = new Uint8Array(this.ram.length);
    mapMemory(physical, mode);
    const cpu = new CpuCore(engine, physical, deafHost);
    this.core = cpu.view;
    this.system = cpu.system as unknown as Helpers;
    const model = cpuModel(MODEL);
    writeModel(this.core, model, 0, 1);
    writeOpcodeTables(this.core, engine.instructions, () => true);
    this.#base = modeState(resetState(model, 0), mode);
    this.load({});
    const limited = (next: string) => (): number => {
      const pending = this.core.getInt32(L.FAULT_VECTOR, true) >= 0 && mode !== 'real';
      if (pending || this.#traces-- <= 0) return 0;
      const uop = this.system[next]!() as number;
      if (uop > L.CODE_CACHE) cpu.translator?.hot(uop);
      return uop;
    };
    const system: Helpers = { ...this.system, first_trace: limited('first_trace'), next_trace: limited('next_trace') };
    if (binding === 'oracle') {
      const oracle = new Oracle(this.core, system, engine.instructions.handlers);
      this.#runSlice = () => oracle.run();
    } else {
      const imports = { memory: { core: cpu.memory, ram: memory.memory }, system, translator: { hot_trace: () => {} } };
      const interpreter = new WebAssembly.Instance(engine.interpreter, imports).exports as unknown as InterpreterExports;
      if (binding === 'regions') cpu.translator = translatorOf(cpu, engine, memory.memory, interpreter);
      this.#runSlice = interpreter.run;
      if (binding === 'jit')
        this.#runSlice = new SingleSteps(cpu, system, engine.instructions.handlers, memory.memory, interpreter, () => this.#traces++).run;
    }
    if (mode === 64) writePageTables(memory.bytes);
  }

  /** Replaces the whole state; what is not named is as the mode's beginning. */
  load(changes: Partial<CpuState>): void {
    writeCpuState(this.core, { ...this.#base, ...changes });
    this.system['state_loaded']!();
  }

  /** Executes one instruction, or in real mode at most `budget` of them with exceptions delivered. Returns the vector of the exception it raised, -1 if none. */
  step(budget = 1): number {
    return this.#execute(budget, this.mode === 'real' ? Infinity : 1);
  }

  /** Executes `budget` instructions, or up to the first exception. */
  run(budget: number): number {
    return this.#execute(budget, Infinity);
  }

  #execute(budget: number, traces: number): number {
    const { core } = this;
    this.#traces = traces;
    if (this.#warm) this.#fillTlb();
    core.setBigInt64(L.SLICE_END, BigInt(budget), true);
    core.setInt32(L.LEFT, budget, true);
    this.#runSlice();
    const fault = core.getInt32(L.FAULT_VECTOR, true);
    core.setInt32(L.FAULT_VECTOR, -1, true);
    if (fault >= 0) {
      const offset = core.getUint16(core.getInt32(L.CURRENT_UOP, true) + UOP_PAGE_OFFSET, true);
      core.setBigInt64(L.RIP, core.getBigInt64(L.RIP_PAGE, true) + BigInt(offset), true);
    }
    return fault;
  }

  /** Translated code leaves to the interpreter what the TLB does not have. */
  #fillTlb(): void {
    const last = this.mode === 'real' ? REAL_MODE_MEMORY : WINDOW;
    for (const start of this.mode === 'real' ? [0n] : WINDOWS) {
      if (this.mode !== 64 && start > 0xffff_ffffn) continue;
      for (let page = 0; page < last; page += 4096) {
        this.system['prepare_write']!(start + BigInt(page), 1, L.SEG_DS);
        this.core.setInt32(L.FAULT_VECTOR, -1, true);
      }
    }
  }

  /** Writes a byte as a bus master does: decoded code notices. */
  poke(at: number, byte: number): void {
    this.ram[at] = byte;
    this.system['code_written']!(at, 1);
  }

  /** No byte of the windows is other than 0. */
  isClear(): boolean {
    return Buffer.compare(this.ram, this.#zeros) === 0;
  }

  /** Offset in `ram` of a linear address, undefined if no window holds it. */
  offset(linear: bigint): number | undefined {
    if (this.mode === 'real') return Number(linear);
    const index = WINDOWS.findIndex((start) => linear >= start && linear < start + BigInt(WINDOW));
    return index < 0 ? undefined : index * WINDOW + Number(linear - WINDOWS[index]!);
  }
}

/** For an interpreter other than the processor's own. */
function translatorOf(
  cpu: CpuCore,
  engine: WasmEngine,
  ram: WebAssembly.Memory,
  { dispatch, leave, handlers, regions }: InterpreterExports,
): Translator {
  const imports = {
    memory: { core: cpu.memory, ram },
    system: cpu.system as unknown as WebAssembly.ModuleImports,
    engine: { dispatch, leave, handlers, hot_trace: (first: number) => translator.hot(first) },
  };
  const translator: Translator = new Translator(
    cpu.view,
    engine.instructions.handlers,
    new ImmediateCompiler(engine.instructions.handlers),
    imports,
    regions,
  );
  return translator;
}

const allOnes = (bytes: number): number => (bytes === 4 ? -1 : (1 << (8 * bytes)) - 1);

/** Nothing is connected: reads give all ones. */
const deafHost: HostImports = {
  mmio_read: (_low, _high, bytes) => allOnes(bytes),
  mmio_write: () => {},
  port_read: (_port, bytes) => allOnes(bytes),
  port_write: () => {},
  acknowledge_interrupt: () => 0,
  now_ns: () => 0,
  random_bits: () => 4,
  apic_base_read: () => -1n,
  apic_base_write: () => 0,
  tsc_deadline_read: () => 0n,
  tsc_deadline_write: () => {},
  task_priority_read: () => 0,
  task_priority_write: () => {},
  numeric_error: () => {},
  guest_log: () => {},
  first_write: () => {},
};

export function createEngine(binaries: EngineBinaries): WasmEngine {
  return new WasmEngine(binaries);
}

function mapMemory(physical: PhysicalMap, mode: Mode): void {
  const flags = PAGE_READ | PAGE_WRITE;
  if (mode === 'real') return physical.fill(0, REAL_MODE_MEMORY >> 12, 0, flags);
  physicalWindows().forEach((address, index) => physical.fill(address >>> 12, WINDOW >> 12, index * WINDOW, flags));
  physical.fill(0, 8, PAGE_TABLES, flags);
}

function physicalWindows(): number[] {
  return WINDOWS.map((start) => (start > 0xffff_ffffn ? HIGH_PHYSICAL : Number(start)));
}

/** Four-level tables at physical address 0: PML4, two PDPTs, a page directory for each window with 2 MiB pages. */
function writePageTables(memory: Uint8Array): void {
  const view = new DataView(memory.buffer, PAGE_TABLES);
  const [PRESENT, LARGE] = [0x67n, 0xe7n];
  const set = (table: number, index: bigint, entry: bigint): void => view.setBigUint64(table * 4096 + Number(index & 511n) * 8, entry, true);
  WINDOWS.forEach((linear, i) => {
    const pdpt = linear > 0xffff_ffffn ? 2 : 1;
    const directory = linear > 0xffff_ffffn ? 4 : 3;
    set(0, linear >> 39n, BigInt(pdpt * 4096) | PRESENT);
    set(pdpt, linear >> 30n, BigInt(directory * 4096) | PRESENT);
    set(directory, linear >> 21n, BigInt(physicalWindows()[i]!) | LARGE);
  });
}

function modeState(state: CpuState, mode: Mode): CpuState {
  if (mode === 'real') return { ...state, cr0: 0x10n, dr: [0n, 0n, 0n, 0n, 0n, 0n, 0xffff0ff0n, 0x400n] };
  const flat = { base: 0n, limit: 0xffff_ffff };
  const segment = (attributes: number, base = 0n, limit = 0xffff_ffff) => ({ selector: 0x1b, attributes: attributes | RING_3, base, limit });
  const fs = segment(DATA | BIG | GRANULAR, 0x1000_2000n);
  const gs = segment(DATA | BIG | GRANULAR, 0x1000_4000n);
  const data = segment(DATA | BIG | GRANULAR);
  const common = { cpl: 3, cr0: CR0_PE, cr4: CR4_PAE_OSFXSR & ~0x2_0000n, xcr0: 7n };
  const tables = { ldtr: state.segments.ldtr, tr: state.segments.tr, gdtr: state.segments.gdtr, idtr: state.segments.idtr };
  if (mode === 64) {
    const cs = { ...segment(CODE | LONG | GRANULAR), ...flat };
    const segments = { ...tables, cs, ss: data, ds: data, es: data, fs, gs };
    return { ...state, ...common, cr0: CR0_PE | CR0_PG_NE, cr3: 0n, efer: EFER_LONG, segments };
  }
  const noPaging = { ...state, ...common, cr0: CR0_PE | 0x20n };
  if (mode === 32) return { ...noPaging, segments: { ...tables, cs: segment(CODE | BIG | GRANULAR), ss: data, ds: data, es: data, fs, gs } };
  const small = (attributes: number, base: bigint) => segment(attributes, base, 0xffff);
  const window = small(DATA, WINDOWS[0]!);
  const segments = { ...tables, cs: small(CODE, WINDOWS[2]!), ss: small(DATA, WINDOWS[1]!), ds: window, es: window, fs: window, gs: window };
  return { ...noPaging, segments };
}
