/** Executes single instructions as translated regions of one instruction; what a region leaves to the interpreter, the interpreter does. */
import type { CpuCore } from '../../vmm/accel/wasm/core.ts';
import type { InterpreterExports } from '../../vmm/accel/wasm/engine.ts';
import type { Helpers } from '../../vmm/cpu/bind/oracle.ts';
import { translateRegions } from '../../vmm/cpu/bind/jit/module.ts';
import type { Handler } from '../../vmm/cpu/isa/handlers.ts';
import type { Region } from '../../vmm/cpu/jit/region.ts';
import * as L from '../../vmm/cpu/layout.ts';
import { UOP_LENGTH, UOP_PAGE_OFFSET, UOP_SIZE } from '../../vmm/cpu/uop.ts';

/** More than a region of one instruction asks for. */
const PLENTY = 1000;

export class SingleSteps {
  readonly #core: DataView;
  readonly #system: Helpers;
  readonly #handlers: readonly Handler[];
  readonly #imports: WebAssembly.Imports;
  readonly #interpreter: InterpreterExports;
  /** One more trace may be asked for. */
  readonly #again: () => void;
  readonly #regions = new Map<string, () => number>();
  /** Instructions that translated code executed. */
  translated = 0;

  constructor(
    cpu: CpuCore,
    system: Helpers,
    handlers: readonly Handler[],
    ram: WebAssembly.Memory,
    interpreter: InterpreterExports,
    again: () => void,
  ) {
    this.#again = again;
    this.#core = cpu.view;
    this.#system = system;
    this.#handlers = handlers;
    this.#interpreter = interpreter;
    const { dispatch, leave, handlers: table } = interpreter;
    this.#imports = {
      memory: { core: cpu.memory, ram },
      system: cpu.system as unknown as WebAssembly.ModuleImports,
      engine: { dispatch, leave, handlers: table, hot_trace: () => undefined },
    };
  }

  /** LEFT instructions, or up to the first exception. */
  readonly run = (): void => {
    const core = this.#core;
    let left = core.getInt32(L.LEFT, true);
    const end = core.getBigInt64(L.SLICE_END, true);
    while (left > 0) {
      const uop = this.#system['first_trace']!() as number;
      if (uop === 0) return;
      core.setBigInt64(L.SLICE_END, end - BigInt(left) + BigInt(PLENTY), true);
      core.setInt32(L.LEFT, PLENTY, true);
      const interpret = this.#regionOf(uop)();
      const executed = PLENTY - core.getInt32(L.LEFT, true);
      left -= executed;
      this.translated += executed;
      core.setBigInt64(L.SLICE_END, end, true);
      core.setInt32(L.LEFT, left, true);
      if (interpret === 0) continue;
      this.#again();
      core.setInt32(L.LEFT, 1, true);
      core.setBigInt64(L.SLICE_END, end - BigInt(left) + 1n, true);
      this.#interpreter.run();
      left -= 1 - core.getInt32(L.LEFT, true);
      core.setBigInt64(L.SLICE_END, end, true);
      core.setInt32(L.LEFT, left, true);
      if (core.getInt32(L.FAULT_VECTOR, true) >= 0) return;
    }
  };

  #regionOf(uop: number): () => number {
    const core = this.#core;
    const code = new Uint8Array(core.buffer.slice(uop, uop + UOP_SIZE));
    const mode = core.getInt32(L.MODE, true);
    const name = `${mode} ${uop} ${Buffer.from(code).toString('hex')}`;
    const known = this.#regions.get(name);
    if (known) return known;
    const start = core.getUint16(uop + UOP_PAGE_OFFSET, true);
    const block = {
      page: 0,
      start,
      end: start + core.getUint8(uop + UOP_LENGTH),
      uops: uop,
      count: 1,
      index: 0,
      crosses: false,
      taken: -1,
      next: -1,
      returns: false,
    };
    const region: Region = { key: start, mode, wide: true, blocks: [block], pages: new Map([[0, 0]]), returnSites: [], traces: [uop], code };
    const module = new WebAssembly.Module(translateRegions([region], this.#handlers));
    const run = new WebAssembly.Instance(module, this.#imports).exports['r0'] as () => number;
    this.#regions.set(name, run);
    return run;
  }
}
