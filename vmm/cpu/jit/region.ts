/**
 * What is translated together: the decoded code reachable from one instruction by direct branches, calls among them, as basic blocks. Plain data, so that it
 * can be sent to the thread that translates; micro-ops are copies, their addresses in the code cache are kept for the helpers that want them.
 *
 * Places in a region are displacements: linear addresses relative to the page of its first instruction. Other pages take part while the TLB has them for the
 * same linear distance, which translated code asks whenever it crosses.
 */
import { HANDLERS_RESERVED, HANDLER_CROSSING, HANDLER_TRACE_END } from '../decode/form-layout.ts';
import type { Handler } from '../isa/handlers.ts';
import {
  CODE_PAGES,
  MODE_CODE32,
  MODE_CODE64,
  MODE_FLAT,
  RIP_PAGE,
  TLB_ADDEND,
  TLB_CODE,
  TLB_ENTRIES,
  TLB_ENTRY,
  TLB_EXEC,
  TLB_PTR,
  TRACE_HASH,
  TRACE_HASH_ENTRIES,
  TRACE_HASH_ENTRY,
  TRACE_HASH_PAIR,
} from '../layout.ts';
import { TRACE_COUNT, TRACE_HEAT, TRACE_HOT, TRACE_KEY, TRACE_MODE, TRACE_NEXT, TRACE_TRANSLATED } from '../trace-layout.ts';
import { UOP_HANDLER, UOP_IMMEDIATE, UOP_INDEX, UOP_LENGTH, UOP_PAGE_OFFSET, UOP_SIZE } from '../uop.ts';

const MAX_TRACES = 48;
const MAX_INSTRUCTIONS = 500;
/** Returns compare their target with at most so many call sites. */
const MAX_RETURN_SITES = 6;
/** Traces with so few instructions are in narrow regions too, whoever else has them: to leave and come back costs more. */
const SMALL = 8;
/** So many wide regions have a trace and no more, unless it is small. What everybody calls would be compiled again with every caller. */
const MAX_COPIES = 3;
/** A trace takes part if it was entered this often, or began the region. */
const LEAST_ENTRIES = TRACE_HOT / 16;

/** A run of instructions that is entered at its first and left after its last. */
export interface Block {
  /** Displacement of the page. */
  readonly page: number;
  /** Displacement of the first instruction. */
  readonly start: number;
  /** Displacement behind the last one. */
  readonly end: number;
  /** Address of the first micro-op in the code cache; the others follow. */
  readonly uops: number;
  readonly count: number;
  /** Instructions before the first in the trace it was taken from. */
  readonly index: number;
  /** Index of the block at the target of the direct branch that ends this one; -1 if it is not in the region, or there is none. */
  readonly taken: number;
  /** The last instruction is a near return. */
  readonly returns: boolean;
  /** The first instruction ends in the next page, which must be where `pages` has it. */
  readonly crosses: boolean;
  /** Index of the block that follows when the last instruction does not branch; -1 if it is not in the region. */
  readonly next: number;
}

export interface Region {
  /** RAM offset of the first instruction. */
  readonly key: number;
  readonly mode: number;
  /**
   * Narrow regions leave out what other regions have, but for the smallest pieces, and count their entries; wide ones take in what they reach. So most code is translated once, and compiled
   * twice, with more around it, only where it is executed very often.
   */
  readonly wide: boolean;
  /** Block 0 is the entry. */
  readonly blocks: readonly Block[];
  /** RAM offsets of the pages, by displacement. */
  readonly pages: ReadonlyMap<number, number>;
  /** Blocks at which calls within the region return; a return compares its target with them. */
  readonly returnSites: readonly number[];
  /** The first micro-ops of all traces that the blocks were taken from, the entry's first. */
  readonly traces: readonly number[];
  /** The micro-ops of all blocks, one block behind the other. */
  readonly code: Uint8Array;
}

/** Address of the hash entry of a trace, 0 if the hash does not have it; the same function as in assembly/trace/cache.ts. */
export function traceHashEntry(core: DataView, key: number, mode: number): number {
  const pair = TRACE_HASH + ((key ^ (key >>> 13) ^ (mode << 9)) & (TRACE_HASH_ENTRIES / 2 - 1)) * TRACE_HASH_PAIR;
  for (const entry of [pair, pair + TRACE_HASH_ENTRY]) {
    if (core.getInt32(entry, true) === (key | 0) && core.getInt32(entry + 4, true) === mode) return entry;
  }
  return 0;
}

/** First micro-op of the trace that begins at a RAM offset, 0 if there is none. */
export function findTrace(core: DataView, key: number, mode: number): number {
  const entry = traceHashEntry(core, key, mode);
  if (entry !== 0) return core.getInt32(entry + 8, true);
  for (let trace = core.getInt32(CODE_PAGES + (key >>> 12) * 4, true); trace !== 0; trace = core.getInt32(trace + TRACE_NEXT, true)) {
    if (core.getInt32(trace + TRACE_KEY, true) === (key | 0) && core.getInt32(trace + TRACE_MODE, true) === mode) return trace + UOP_SIZE;
  }
  return 0;
}

/** A relative branch whose target is its displacement: not one that is cut to 16 bits in wider code. */
export function isDirect(handler: Handler, mode: number): boolean {
  const relative = handler.effects.jumps && handler.operands.some((operand) => operand.kind === 'relative');
  if (!relative) return false;
  if (mode & MODE_CODE64) return handler.size === 64;
  return handler.size === (mode & MODE_CODE32 ? 32 : 16);
}

const isCall = ({ effects, operands }: Handler): boolean => effects.jumps && effects.stack && operands.length > 0;
const isReturn = ({ effects, operands }: Handler): boolean => effects.jumps && effects.stack && operands.length === 0;

interface Draft {
  readonly page: number;
  readonly start: number;
  end: number;
  readonly uops: number;
  count: number;
  readonly index: number;
  readonly crosses: boolean;
  target: number;
  falls: boolean;
  calls: boolean;
  returns: boolean;
}

const OUTSIDE = -1;
const NOWHERE = Number.MIN_SAFE_INTEGER;

/** The region that begins with the trace whose first micro-op is `first`, which is being executed: RIP_PAGE and the TLB in force are its. */
export function formRegion(core: DataView, handlers: readonly Handler[], first: number, wide: boolean): Region {
  return new RegionFormer(core, handlers, first, wide).form();
}

class RegionFormer {
  readonly #core: DataView;
  readonly #handlers: readonly Handler[];
  readonly #first: number;
  readonly #wide: boolean;
  readonly #key: number;
  readonly #mode: number;
  readonly #ripPage: bigint;
  readonly #pages = new Map<number, number>();
  /** First micro-ops by the displacement the trace begins at, nearest first. */
  readonly #traces = new Map<number, number>();
  #instructions = 0;

  constructor(core: DataView, handlers: readonly Handler[], first: number, wide: boolean) {
    this.#core = core;
    this.#handlers = handlers;
    this.#first = first;
    this.#wide = wide;
    this.#key = core.getInt32(first - UOP_SIZE + TRACE_KEY, true) >>> 0;
    this.#mode = core.getInt32(first - UOP_SIZE + TRACE_MODE, true);
    this.#ripPage = core.getBigUint64(RIP_PAGE, true);
  }

  form(): Region {
    const entry = this.#key & 0xfff;
    this.#pages.set(0, this.#key - entry);
    this.#add(entry, this.#first);
    for (const [start, uops] of this.#traces) this.#follow(start & ~0xfff, uops);
    const drafts: Draft[] = [];
    for (const [start, uops] of this.#traces) this.#split(start & ~0xfff, uops, drafts);
    // The entry first, the rest by address: what falls through lies behind.
    drafts.sort((a, b) => Number(b.start === entry) - Number(a.start === entry) || a.start - b.start || a.index - b.index);
    const byStart = new Map<number, number>();
    drafts.forEach((draft, i) => {
      if (!byStart.has(draft.start) || draft.index === 0) byStart.set(draft.start, i);
    });
    const blockAt = (displacement: number): number => byStart.get(displacement) ?? OUTSIDE;
    const following = new Map(drafts.map((draft, i) => [draft.uops, i]));
    const blocks = drafts.map(({ page, start, end, uops, count, index, crosses, target, falls, returns }): Block => {
      // The rest of the same trace is meant, or another trace that begins there.
      const next = !falls ? OUTSIDE : (following.get(uops + count * UOP_SIZE) ?? blockAt(end));
      return { page, start, end, uops, count, index, crosses, taken: target === NOWHERE ? OUTSIDE : blockAt(target), next, returns };
    });
    return {
      key: this.#key,
      mode: this.#mode,
      wide: this.#wide,
      blocks,
      pages: this.#pages,
      returnSites: returnSitesOf(drafts, blockAt),
      traces: [...this.#traces.values()],
      code: this.#copy(blocks),
    };
  }

  #copy(blocks: readonly Block[]): Uint8Array {
    const core = this.#core;
    const code = new Uint8Array(blocks.reduce((sum, block) => sum + block.count, 0) * UOP_SIZE);
    let at = 0;
    for (const { uops, count } of blocks) {
      code.set(new Uint8Array(core.buffer, core.byteOffset + uops, count * UOP_SIZE), at);
      at += count * UOP_SIZE;
    }
    return code;
  }

  // -- traces

  /** Unless it goes on in a page that is already known to be another. */
  #add(displacement: number, first: number): boolean {
    if (this.#crosses(first)) {
      const [page, physical] = [(displacement & ~0xfff) + 0x1000, this.#core.getUint32(first + UOP_IMMEDIATE, true)];
      if ((this.#pages.get(page) ?? physical) !== physical) return false;
      this.#pages.set(page, physical);
    }
    this.#traces.set(displacement, first);
    this.#instructions += this.#count(first);
    return true;
  }

  #crosses(first: number): boolean {
    return this.#core.getUint16(first + UOP_HANDLER, true) === HANDLER_CROSSING;
  }

  #count(first: number): number {
    return this.#core.getInt32(first - UOP_SIZE + TRACE_COUNT, true);
  }

  #handlerOf(uop: number): Handler | undefined {
    return this.#handlers[this.#core.getUint16(uop + UOP_HANDLER, true) - HANDLERS_RESERVED];
  }

  /** The traces that direct branches of one lead to. */
  #follow(page: number, first: number): void {
    const core = this.#core;
    const count = this.#count(first);
    for (let i = this.#crosses(first) ? 1 : 0; i < count; i++) {
      const uop = first + i * UOP_SIZE;
      const handler = this.#handlerOf(uop);
      if (!handler) return;
      const direct = isDirect(handler, this.#mode);
      if (direct) this.#consider(page + Number(core.getBigInt64(uop + UOP_IMMEDIATE, true)));
      // Behind a call, too: it may return.
      if (i === count - 1 && (!handler.effects.ends || (direct && isCall(handler)))) {
        this.#consider(page + core.getUint16(uop + UOP_PAGE_OFFSET, true) + core.getUint8(uop + UOP_LENGTH));
      }
    }
  }

  #consider(displacement: number): void {
    if (this.#traces.has(displacement) || this.#traces.size >= MAX_TRACES || this.#instructions >= MAX_INSTRUCTIONS) return;
    const page = displacement & ~0xfff;
    if (Math.abs(displacement) > 0x7fff_ffff) return;
    const physical = this.#physical(page);
    if (physical === undefined) return;
    const first = findTrace(this.#core, physical + (displacement & 0xfff), this.#mode);
    if (first === 0 || !this.#takesPart(first - UOP_SIZE)) return;
    if (this.#add(displacement, first)) this.#pages.set(page, physical);
  }

  #takesPart(trace: number): boolean {
    const core = this.#core;
    const translated = core.getInt32(trace + TRACE_TRANSLATED, true);
    if (translated !== 0) return (this.#wide && translated <= MAX_COPIES) || core.getInt32(trace + TRACE_COUNT, true) <= SMALL;
    return TRACE_HOT - core.getInt32(trace + TRACE_HEAT, true) >= LEAST_ENTRIES;
  }

  /** RAM offset of another page, if the TLB has it for execution. Segments with a base or a limit stay in their page. */
  #physical(page: number): number | undefined {
    const known = this.#pages.get(page);
    if (known !== undefined) return known;
    if ((this.#mode & (MODE_CODE64 | MODE_FLAT)) === 0) return undefined;
    const linear = BigInt.asUintN(64, this.#ripPage + BigInt(page));
    const entry = this.#core.getInt32(TLB_PTR, true) + TLB_CODE + Number((linear >> 12n) & BigInt(TLB_ENTRIES - 1)) * TLB_ENTRY;
    if (this.#core.getBigUint64(entry + TLB_EXEC, true) !== linear) return undefined;
    return (Number(linear & 0xffff_ffffn) + this.#core.getInt32(entry + TLB_ADDEND, true)) >>> 0;
  }

  // -- blocks

  /** Cuts a trace into blocks: at its branches, and where another trace of the region begins (which then goes on). */
  #split(page: number, first: number, drafts: Draft[]): void {
    const core = this.#core;
    const count = this.#count(first);
    let draft: Draft | undefined;
    const crosses = this.#crosses(first);
    for (let i = crosses ? 1 : 0; i < count; i++) {
      const uop = first + i * UOP_SIZE;
      if (core.getUint16(uop + UOP_HANDLER, true) === HANDLER_TRACE_END) return;
      const start = page + core.getUint16(uop + UOP_PAGE_OFFSET, true);
      if (i > 0 && !crosses && this.#traces.has(start)) return; // falls into it
      if (!draft) {
        const index = core.getUint16(uop + UOP_INDEX, true);
        draft = { page, start, end: start, uops: uop, count: 0, index, crosses, target: NOWHERE, falls: true, calls: false, returns: false };
        drafts.push(draft);
      }
      draft.end = start + core.getUint8(uop + UOP_LENGTH);
      draft.count++;
      const handler = this.#handlerOf(uop);
      if (!handler) {
        draft.falls = false; // an undefined opcode
        return;
      }
      const { jumps, ends, leaves } = handler.effects;
      if (!jumps && !leaves && !ends) continue;
      if (isDirect(handler, this.#mode)) draft.target = page + Number(core.getBigInt64(uop + UOP_IMMEDIATE, true));
      draft.falls = !ends;
      draft.calls = draft.target !== NOWHERE && isCall(handler);
      draft.returns = isReturn(handler);
      draft = undefined;
      if (ends) return;
    }
  }
}

/** Where calls of the region that stay in it return to. */
function returnSitesOf(drafts: readonly Draft[], blockAt: (displacement: number) => number): number[] {
  if (!drafts.some((draft) => draft.returns)) return [];
  const sites = new Set<number>();
  for (const { calls, target, end } of drafts) if (calls && blockAt(target) !== OUTSIDE && blockAt(end) !== OUTSIDE) sites.add(blockAt(end));
  return [...sites].slice(0, MAX_RETURN_SITES);
}
