import type { PhysicalMap } from '../../memory/physical-map.ts';
import { CORE_MEMORY_PAGES, PHYSICAL_PAGES, PHYSICAL_PAGES_COUNT } from '../../cpu/layout.ts';
import { DIRTY_MAP } from '../../cpu/system-layout.ts';
import type { InterpreterExports, WasmEngine } from './engine.ts';
import type { HostImports } from './host-imports.ts';
import type { RegionCompiler } from './region-compiler.ts';
import { Translator } from './translator.ts';

/** Exports of assembly/ that the host calls (assembly/README.md). 64-bit integers are bigint. */
export interface SystemExports {
  initialize(): void;
  state_loaded(): void;
  get_eflags(): number;
  flush_tlb(): void;
  settle_dirty(): void;
  code_written(ramOffset: number, bytes: number): void;
  drop_all_code(): void;
  set_interrupt_line(level: number): void;
  set_nmi(): void;
  set_a20(on: number): void;
  request_exit(reason: number): void;
  set_time_stamp(value: bigint): void;
  instructions(): bigint;
}

/** One vCPU's core memory and its instances of the three modules. */
export class CpuCore {
  readonly memory: WebAssembly.Memory;
  readonly view: DataView;
  readonly system: SystemExports;
  readonly run: () => void;
  readonly interpreter: InterpreterExports;
  translator: Translator | undefined;
  readonly #engine: WasmEngine;
  readonly #memory: { readonly core: WebAssembly.Memory; readonly ram: WebAssembly.Memory };
  readonly #pages: Uint32Array;

  constructor(engine: WasmEngine, physical: PhysicalMap, host: HostImports) {
    this.memory = new WebAssembly.Memory({ initial: CORE_MEMORY_PAGES, maximum: CORE_MEMORY_PAGES });
    this.view = new DataView(this.memory.buffer);
    this.#pages = new Uint32Array(this.memory.buffer, PHYSICAL_PAGES, PHYSICAL_PAGES_COUNT);
    const memory = { core: this.memory, ram: physical.memory.memory };
    const guestMemory = new WebAssembly.Instance(engine.guestMemory, { memory });
    const dropping = {
      translation_dropped: (first: number) => this.translator?.dropped(first),
      translations_dropped: () => this.translator?.droppedAll(),
    };
    const imports = { env: { memory: this.memory }, 'guest-memory': guestMemory.exports, host: { ...host, ...dropping } };
    const system = new WebAssembly.Instance(engine.system, imports);
    this.system = system.exports as unknown as SystemExports;
    const hot = { hot_trace: (first: number) => this.translator?.hot(first) };
    this.#engine = engine;
    this.#memory = memory;
    const interpreter = new WebAssembly.Instance(engine.interpreter, { memory, system: system.exports, translator: hot });
    this.interpreter = interpreter.exports as unknown as InterpreterExports;
    this.run = this.interpreter.run;
    this.view.setUint32(DIRTY_MAP, physical.memory.dirtyOffset, true);
    this.system.initialize();
    this.mapped(physical, 0, physical.table.length);
  }

  /** Hot code is translated from now on. */
  translate(compiler: RegionCompiler): Translator {
    const { dispatch, leave, handlers, regions } = this.interpreter;
    const imports = {
      memory: this.#memory,
      system: this.system as unknown as WebAssembly.ModuleImports,
      engine: { dispatch, leave, handlers, hot_trace: (first: number) => this.translator?.hot(first) },
    };
    this.translator = new Translator(this.view, this.#engine.instructions.handlers, compiler, imports, regions);
    return this.translator;
  }

  /** Takes over a part of the physical page table. Pages beyond what core memory has room for are reached through the MMIO bus. */
  mapped(physical: PhysicalMap, firstPage: number, pageCount: number): void {
    const end = Math.min(firstPage + pageCount, PHYSICAL_PAGES_COUNT, physical.table.length);
    if (firstPage < end) this.#pages.set(physical.table.subarray(firstPage, end), firstPage);
    this.system.flush_tlb();
  }
}
