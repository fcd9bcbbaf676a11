import { VmmError, assert, messageOf } from '../../base/errors.ts';
import * as L from '../../cpu/layout.ts';
import { writeModel } from '../../cpu/models/cpuid.ts';
import { cpuModel } from '../../cpu/models/models.ts';
import type { CpuModel } from '../../cpu/models/models.ts';
import { cpuStateSchema, initState, readCpuState, resetState, startupState, writeCpuState } from '../../cpu/state.ts';
import type { CpuState } from '../../cpu/state.ts';
import * as S from '../../cpu/system-layout.ts';
import type { Vcpu, VcpuExit, VcpuOptions, X86State } from '../accelerator.ts';
import { CpuCore } from './core.ts';
import type { WasmEngine } from './engine.ts';
import { hostImports } from './host-imports.ts';
import type { RegionCompiler } from './region-compiler.ts';
import type { Translator } from './translator.ts';

/** run() looks at the doorbell at least this often, in instructions. */
const DOORBELL_INTERVAL = 100_000;
/** Instructions of a trace at most: what a budget may fall short by. */
const LONGEST_TRACE = 64;

/** Time passes between slices: the host must be asked. */
const LONG_AGO = -(1n << 62n);

/** A processor of the wasm engine. */
export class WasmVcpu implements Vcpu {
  readonly #options: VcpuOptions;
  readonly #model: CpuModel;
  readonly #core: CpuCore;
  readonly #translator: Translator | undefined;
  #running = false;
  /** INIT, SIPI, reset and load while an instruction is being executed wait for its end. */
  readonly #deferred: (() => void)[] = [];

  constructor(engine: WasmEngine, options: VcpuOptions, compiler?: RegionCompiler) {
    this.#options = options;
    this.#model = cpuModel(options.model);
    const { physical, doorbell } = options;
    const host = hostImports(options, () => {
      if (Atomics.load(doorbell, 0) !== 0) this.#core.system.request_exit(L.EXIT_KICKED);
    });
    this.#core = new CpuCore(engine, physical, host);
    if (compiler) this.#translator = this.#core.translate(compiler);
    const { view, system } = this.#core;
    engine.writeTables(view, this.#model);
    writeModel(view, this.#model, options.index, options.count, options.hypervisor);
    physical.onChange((first, count) => {
      this.#core.mapped(physical, first, count);
    });
    physical.onWrite((offset, length) => {
      system.code_written(offset, length);
    });
    this.#replace(resetState(this.#model, options.index));
    system.set_time_stamp(0n);
    view.setBigUint64(S.MSR_TSC_ADJUST, 0n, true);
  }

  run(budget: number, exactly = true): VcpuExit {
    const { view, system, run } = this.#core;
    const least = exactly ? 1 : LONGEST_TRACE;
    view.setInt32(S.LEAST_LEFT, least, true);
    let left = Math.max(budget, least);
    while (left >= least) {
      if (Atomics.load(this.#options.doorbell, 0) !== 0) return 'kicked';
      this.#translator?.poll();
      const slice = Math.min(left, DOORBELL_INTERVAL);
      view.setBigInt64(L.SLICE_END, system.instructions() + BigInt(slice), true);
      view.setInt32(L.LEFT, slice, true);
      view.setBigInt64(S.TIME_TOLD_AT, LONG_AGO, true);
      this.#running = true;
      try {
        run();
      } catch (error) {
        return { error: this.#failure(error) };
      } finally {
        this.#running = false;
        view.setBigInt64(S.TIME_TOLD_AT, LONG_AGO, true);
        // Stores to video memory that the slice made without telling.
        if (view.getInt32(S.DIRTY_COUNT, true) !== 0) system.settle_dirty();
      }
      left -= slice - view.getInt32(L.LEFT, true);
      for (const action of this.#deferred.splice(0)) action();
      const reason = view.getInt32(L.EXIT_REASON, true);
      if (reason === L.EXIT_HALT) return 'halt';
      if (reason === L.EXIT_KICKED) return 'kicked';
      if (reason === L.EXIT_SHUTDOWN) return 'shutdown';
      if (reason === L.EXIT_DEBUG) return { debug: { reason: 'breakpoint', address: view.getBigUint64(L.RIP, true) } };
    }
    return 'budget';
  }

  /** A device threw, or the engine did: nothing the guest could be told. */
  #failure(error: unknown): VmmError {
    if (error instanceof VmmError) return error;
    const rip = `0x${this.#core.view.getBigUint64(L.RIP, true).toString(16)}`;
    return new VmmError('internal', `CPU ${this.#options.index}: ${messageOf(error)}`, { rip }, error);
  }

  interrupt(pending: boolean): void {
    this.#core.system.set_interrupt_line(pending ? 1 : 0);
  }

  nmi(): void {
    this.#core.system.set_nmi();
  }

  init(): void {
    this.#whenStopped(() => {
      this.#replace(initState(this.#model, this.#options.index, this.#read()));
    });
  }

  startup(vector: number): void {
    this.#whenStopped(() => {
      const state = this.#read();
      // A start-up message to a processor that does not wait for one is ignored (SDM vol.3 8.4.4.1).
      if (state.activity === S.ACTIVITY_WAIT_FOR_SIPI) this.#replace(startupState(state, vector & 0xff));
    });
  }

  a20(enabled: boolean): void {
    this.#core.system.set_a20(enabled ? 1 : 0);
  }

  ignoreNumericError(on: boolean): void {
    this.#core.view.setInt32(S.IGNORE_NUMERIC_ERROR, on ? 1 : 0, true);
  }

  reset(): void {
    this.#whenStopped(() => {
      // The wires stay as the board drives them.
      const { a20, interruptLine } = this.#read();
      this.#replace({ ...resetState(this.#model, this.#options.index), a20, interruptLine });
      this.#core.system.set_time_stamp(0n);
      this.#core.view.setBigUint64(S.MSR_TSC_ADJUST, 0n, true);
    });
  }

  timeOfTsc(tsc: bigint): number {
    const { view } = this.#core;
    const counted = BigInt.asIntN(64, tsc - view.getBigUint64(S.TSC_OFFSET, true));
    return Math.max(0, Math.ceil(Number(counted) / view.getFloat64(S.TSC_PER_NS, true)));
  }

  get instructions(): number {
    return Number(this.#core.system.instructions());
  }

  readGeneral(index: number): number {
    return this.#core.view.getUint32(L.GPR + 8 * (index & 7), true);
  }

  writeGeneral(index: number, value: number): void {
    this.#core.view.setBigUint64(L.GPR + 8 * (index & 7), BigInt(value >>> 0), true);
  }

  save(): X86State {
    assert(!this.#running, 'the state is saved between slices');
    return this.#read();
  }

  check(state: X86State): void {
    this.#checked(state);
  }

  load(state: X86State): void {
    const checked = this.#checked(state);
    this.#whenStopped(() => {
      this.#replace(checked);
      // Guest memory was replaced with it.
      this.#core.system.drop_all_code();
      // The local APIC was loaded before, with another offset of the counter.
      const { apic } = this.#options;
      apic?.writeTscDeadline(apic.readTscDeadline());
    });
  }

  #checked(state: X86State): CpuState {
    const checked = cpuStateSchema.safeParse(state);
    if (checked.success) return checked.data;
    const issue = checked.error.issues[0];
    throw new VmmError('invalid', `saved state of CPU ${this.#options.index} is damaged at ${issue?.path.join('.') ?? '?'}: ${issue?.message ?? ''}`);
  }

  stats(): Record<string, number> {
    const count = (at: number) => Number(this.#core.view.getBigUint64(at, true));
    return {
      'page walks': count(S.COUNT_PAGE_WALKS),
      'TLB flushes': count(S.COUNT_TLB_FLUSHES),
      interrupts: count(S.COUNT_INTERRUPTS),
      exceptions: count(S.COUNT_EXCEPTIONS),
      'traces decoded': count(S.COUNT_TRACES),
      'translated instructions executed': count(S.COUNT_TRANSLATED),
      'entries of translated code': count(S.COUNT_ENTRIES),
      'instructions left to the interpreter': count(S.COUNT_UNDONE),
      ...this.#translator?.counters(),
    };
  }

  dispose(): void {
    this.#deferred.length = 0;
  }

  #read(): CpuState {
    return readCpuState(this.#core.view, this.#core.system.get_eflags());
  }

  #replace(state: CpuState): void {
    writeCpuState(this.#core.view, state);
    this.#core.system.state_loaded();
  }

  #whenStopped(action: () => void): void {
    if (!this.#running) {
      action();
      return;
    }
    this.#deferred.push(action);
    this.#core.system.request_exit(L.EXIT_KICKED);
  }
}
