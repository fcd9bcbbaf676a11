/**
 * The translator of one processor: takes what the interpreter finds hot, has it compiled, puts the result where the interpreter looks for it, and takes it away when
 * the code it was made from changes.
 */
import type { Handler } from '../../cpu/isa/handlers.ts';
import { findTrace, formRegion, traceHashEntry } from '../../cpu/jit/region.ts';
import type { Region } from '../../cpu/jit/region.ts';
import { CODE_PAGES, REGION_SLOTS, TRACE_HASH_REGION } from '../../cpu/layout.ts';
import { REGION_HOT, TRACE_COUNT, TRACE_HEAT, TRACE_HOT, TRACE_NEXT, TRACE_REGION, TRACE_TRANSLATED } from '../../cpu/trace-layout.ts';
import { LINK_LOOK_UP, UOP_LINK, UOP_SIZE } from '../../cpu/uop.ts';
import type { RegionCompiler } from './region-compiler.ts';

/** Translated code that is in use. */
interface Installed {
  readonly key: number;
  readonly mode: number;
  readonly wide: boolean;
  readonly slot: number;
  /** First micro-op of its first trace. */
  readonly first: number;
  readonly traces: readonly number[];
}

/** Asked for and not yet there. */
interface Pending {
  readonly region: Region;
  readonly wide: boolean;
  /** A trace that it was made from was dropped meanwhile. */
  stale: boolean;
}

export interface TranslatorStats {
  regions: number;
  instructions: number;
  bytes: number;
  dropped: number;
  /** Times that all decoded code was dropped. */
  emptied: number;
}

export class Translator {
  readonly stats: TranslatorStats = { regions: 0, instructions: 0, bytes: 0, dropped: 0, emptied: 0 };
  readonly #core: DataView;
  readonly #handlers: readonly Handler[];
  readonly #compiler: RegionCompiler;
  readonly #imports: WebAssembly.Imports;
  readonly #table: WebAssembly.Table;
  readonly #forgetJumps: () => void;
  readonly #freeSlots: number[] = [];
  #nextSlot = 1;
  readonly #installed = new Map<string, Installed>();
  readonly #pending = new Map<string, Pending>();
  /** What was made from a trace, by its first micro-op. */
  readonly #byTrace = new Map<number, Set<Installed | Pending>>();
  readonly #waiting: Region[] = [];

  /** `imports`: the modules that bind/jit/module.ts names; `regions`: the interpreter's table. */
  constructor(core: DataView, handlers: readonly Handler[], compiler: RegionCompiler, imports: WebAssembly.Imports, regions: WebAssembly.Table) {
    this.#core = core;
    this.#handlers = handlers;
    this.#compiler = compiler;
    this.#imports = imports;
    this.#table = regions;
    this.#forgetJumps = imports['system']!['forget_jumps'] as () => void;
  }

  counters(): Record<string, number> {
    const { regions, instructions, bytes, dropped, emptied } = this.stats;
    return {
      'translated regions': regions,
      'translated instructions': instructions,
      'translated bytes': bytes,
      'dropped regions': dropped,
      'code cache emptied': emptied,
      'regions in use': this.#installed.size,
    };
  }

  /** The trace has been entered often, or the narrow region that begins with it. */
  hot(first: number): void {
    const wide = this.#core.getInt32(first - UOP_SIZE + TRACE_REGION, true) !== 0;
    const region = formRegion(this.#core, this.#handlers, first, wide);
    const name = nameOf(region);
    if (this.#installed.get(name)?.wide || this.#pending.has(name)) return;
    const pending: Pending = { region, wide, stale: false };
    this.#pending.set(name, pending);
    this.#note(region.traces, pending);
    this.#waiting.push(region);
    if (this.#compiler.immediate) this.poll();
  }

  /** Between slices: sends what has become hot to be compiled, and installs what is ready. */
  poll(): void {
    if (this.#waiting.length > 0) this.#compiler.submit(this.#waiting.splice(0));
    for (let done = this.#compiler.take(); done; done = this.#compiler.take()) {
      const instance = new WebAssembly.Instance(done.module, this.#imports);
      done.regions.forEach((name, i) => {
        this.#install(name, instance.exports[`r${i}`] as () => number);
      });
      this.stats.bytes += done.bytes;
    }
  }

  #install(name: string, code: () => number): void {
    const pending = this.#pending.get(name);
    if (!pending) return;
    this.#pending.delete(name);
    const { region } = pending;
    this.#forget(region.traces, pending);
    if (pending.stale) {
      this.stats.dropped++;
      // The trace that began it may be gone, and its place in the code cache another's: what begins there now may be offered again.
      const trace = findTrace(this.#core, region.key, region.mode);
      if (trace !== 0) this.#core.setInt32(trace - UOP_SIZE + TRACE_HEAT, TRACE_HOT, true);
      return;
    }
    const first = region.traces[0]!;
    const before = this.#installed.get(name);
    if (before) this.#drop(before);
    // Slots are many: when they run out most regions are of programs that are gone, and what is still hot comes back soon.
    if (this.#freeSlots.length === 0 && this.#nextSlot === REGION_SLOTS) for (const installed of [...this.#installed.values()]) this.#drop(installed);
    const slot = this.#freeSlots.pop() ?? this.#nextSlot;
    if (slot === this.#nextSlot) this.#nextSlot++;
    this.#table.set(slot, code);
    this.#core.setInt32(first - UOP_SIZE + TRACE_HEAT, REGION_HOT, true);
    const installed: Installed = { key: region.key, mode: region.mode, wide: region.wide, slot, first, traces: region.traces };
    this.#installed.set(name, installed);
    this.#note(region.traces, installed);
    this.#enter(installed, first);
    this.stats.regions++;
    this.stats.instructions += region.code.length / UOP_SIZE;
  }

  /** Puts the region into the hash, and has branches to its first trace look there. */
  #enter(installed: Installed, first: number): void {
    const core = this.#core;
    const { key, mode, slot } = installed;
    core.setInt32(first - UOP_SIZE + TRACE_REGION, slot, true);
    const entry = traceHashEntry(core, key, mode);
    if (entry !== 0) core.setInt32(entry + TRACE_HASH_REGION, slot, true);
    for (let trace = core.getInt32(CODE_PAGES + (key >>> 12) * 4, true); trace !== 0; trace = core.getInt32(trace + TRACE_NEXT, true)) {
      const end = trace + UOP_SIZE * (core.getInt32(trace + TRACE_COUNT, true) + 1);
      for (let uop = trace + UOP_SIZE; uop < end; uop += UOP_SIZE) {
        if (core.getInt32(uop + UOP_LINK, true) === first) core.setInt32(uop + UOP_LINK, LINK_LOOK_UP, true);
      }
    }
  }

  #note(traces: readonly number[], owner: Installed | Pending): void {
    for (const first of traces) {
      let owners = this.#byTrace.get(first);
      if (!owners) {
        this.#byTrace.set(first, (owners = new Set()));
        this.#core.setInt32(first - UOP_SIZE + TRACE_TRANSLATED, 1, true);
      }
      owners.add(owner);
      if (owner.wide) this.#countWide(first, 1);
    }
  }

  #forget(traces: readonly number[], owner: Installed | Pending): void {
    for (const first of traces) {
      const owners = this.#byTrace.get(first);
      if (owners?.delete(owner) && owner.wide) this.#countWide(first, -1);
      if (owners?.size === 0) this.#byTrace.delete(first);
    }
  }

  #countWide(first: number, change: number): void {
    const at = first - UOP_SIZE + TRACE_TRANSLATED;
    this.#core.setInt32(at, this.#core.getInt32(at, true) + change, true);
  }

  /** The guest wrote where a trace was decoded from. Perhaps in the middle of a region made from it, which will notice by CODE_DROPS. */
  dropped(first: number): void {
    for (const owner of this.#byTrace.get(first) ?? []) this.#drop(owner);
    this.#byTrace.delete(first);
  }

  #drop(owner: Installed | Pending): void {
    if ('region' in owner) {
      owner.stale = true;
      return;
    }
    const core = this.#core;
    this.#forget(owner.traces, owner);
    this.#installed.delete(nameOf(owner));
    const entry = traceHashEntry(core, owner.key, owner.mode);
    if (entry !== 0 && core.getInt32(entry + TRACE_HASH_REGION, true) === owner.slot) core.setInt32(entry + TRACE_HASH_REGION, 0, true);
    core.setInt32(owner.first - UOP_SIZE + TRACE_REGION, 0, true);
    core.setInt32(owner.first - UOP_SIZE + TRACE_HEAT, TRACE_HOT, true);
    this.#forgetJumps();
    this.#table.set(owner.slot, null);
    this.#freeSlots.push(owner.slot);
    this.stats.dropped++;
  }

  /** All decoded code was dropped. */
  droppedAll(): void {
    this.stats.emptied++;
    for (const installed of [...this.#installed.values()]) this.#drop(installed);
    for (const pending of this.#pending.values()) pending.stale = true;
    this.#byTrace.clear();
    // What was not sent off does not come back.
    for (const region of this.#waiting.splice(0)) this.#pending.delete(nameOf(region));
  }
}

export function nameOf({ key, mode }: { readonly key: number; readonly mode: number }): string {
  return `${key.toString(16)}/${mode}`;
}
