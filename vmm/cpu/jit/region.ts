/**
 * What is translated together: the decoded code reachable from one instruction by direct branches within its page, as basic blocks. Plain data, so that it
 * can be sent to the thread that translates; micro-ops are copies, their addresses in the code cache are kept for the helpers that want them.
 */
import { HANDLERS_RESERVED, HANDLER_TRACE_END } from '../decode/form-layout.ts';
import type { Handler } from '../isa/handlers.ts';
import { CODE_PAGES, MODE_CODE64, TRACE_HASH, TRACE_HASH_ENTRIES, TRACE_HASH_ENTRY } from '../layout.ts';
import { TRACE_COUNT, TRACE_KEY, TRACE_MODE, TRACE_NEXT } from '../trace-layout.ts';
import { UOP_HANDLER, UOP_IMMEDIATE, UOP_INDEX, UOP_LENGTH, UOP_PAGE_OFFSET, UOP_SIZE } from '../uop.ts';

export const MAX_REGION_BLOCKS = 96;
export const MAX_REGION_INSTRUCTIONS = 500;

/** A run of instructions that is entered at its first and left after its last. */
export interface Block {
  /** Offset in the page of the first instruction. */
  readonly start: number;
  /** Offset behind the last one. */
  readonly end: number;
  /** Address of the first micro-op in the code cache; the others follow. */
  readonly uops: number;
  readonly count: number;
  /** Instructions before the first in the trace it was taken from. */
  readonly index: number;
  /** Index of the block at the target of the direct branch that ends this one; -1 if it is not in the region, or there is none. */
  readonly taken: number;
  /** Index of the block that follows when the last instruction does not branch; -1 if it is not in the region. */
  readonly next: number;
}

export interface Region {
  /** RAM offset of the first instruction. */
  readonly key: number;
  readonly mode: number;
  /** Block 0 is the entry. */
  readonly blocks: readonly Block[];
  /** The first micro-ops of all traces that the blocks were taken from. */
  readonly traces: readonly number[];
  /** The micro-ops of all blocks, one block behind the other. */
  readonly code: Uint8Array;
}

/** The decoded code of one processor. */
export class TraceReader {
  readonly #core: DataView;

  constructor(core: DataView) {
    this.#core = core;
  }

  /** First micro-op of the trace that begins at a RAM offset, 0 if there is none. */
  find(key: number, mode: number): number {
    const core = this.#core;
    const entry = traceHashEntry(key, mode);
    if (core.getInt32(entry, true) === (key | 0) && core.getInt32(entry + 4, true) === mode) return core.getInt32(entry + 8, true);
    for (let trace = core.getInt32(CODE_PAGES + (key >>> 12) * 4, true); trace !== 0; trace = core.getInt32(trace + TRACE_NEXT, true)) {
      if (core.getInt32(trace + TRACE_KEY, true) === (key | 0) && core.getInt32(trace + TRACE_MODE, true) === mode) return trace + UOP_SIZE;
    }
    return 0;
  }

  count(first: number): number {
    return this.#core.getInt32(first - UOP_SIZE + TRACE_COUNT, true);
  }
}

/** Address of the hash entry of a trace; the same function as assembly/trace/cache.ts. */
export function traceHashEntry(key: number, mode: number): number {
  return TRACE_HASH + ((key ^ (key >>> 13) ^ (mode << 9)) & (TRACE_HASH_ENTRIES - 1)) * TRACE_HASH_ENTRY;
}

interface Draft {
  start: number;
  end: number;
  uops: number;
  count: number;
  index: number;
  target: number;
  falls: boolean;
}

const OUTSIDE = -1;

/** The region that begins with the trace whose first micro-op is `first`. */
export function formRegion(core: DataView, handlers: readonly Handler[], first: number): Region {
  const reader = new TraceReader(core);
  const key = core.getInt32(first - UOP_SIZE + TRACE_KEY, true) >>> 0;
  const mode = core.getInt32(first - UOP_SIZE + TRACE_MODE, true);
  const page = key & ~0xfff;
  const traces = reachable(core, reader, handlers, first, page, mode);
  const drafts: Draft[] = [];
  for (const uops of traces.values()) splitTrace(core, handlers, traces, uops, reader.count(uops), mode, drafts);
  // The entry first, the rest by address: what falls through lies behind.
  const entry = key & 0xfff;
  drafts.sort((a, b) => Number(b.start === entry) - Number(a.start === entry) || a.start - b.start || a.index - b.index);
  const byStart = new Map<number, number>();
  drafts.forEach((draft, i) => {
    if (!byStart.has(draft.start) || draft.index === 0) byStart.set(draft.start, i);
  });
  const blockAt = (offset: number): number => byStart.get(offset) ?? OUTSIDE;
  const following = new Map(drafts.map((draft, i) => [draft.uops, i]));
  const blocks = drafts.map(({ start, end, uops, count, index, target, falls }): Block => {
    // The rest of the same trace is meant, or another trace that begins there.
    const next = !falls ? OUTSIDE : (following.get(uops + count * UOP_SIZE) ?? blockAt(end));
    return { start, end, uops, count, index, taken: target === OUTSIDE ? OUTSIDE : blockAt(target), next };
  });
  const total = blocks.reduce((sum, block) => sum + block.count, 0);
  const code = new Uint8Array(total * UOP_SIZE);
  let at = 0;
  for (const { uops, count } of blocks) {
    code.set(new Uint8Array(core.buffer, core.byteOffset + uops, count * UOP_SIZE), at);
    at += count * UOP_SIZE;
  }
  return { key, mode, blocks, traces: [...traces.values()], code };
}

/** Traces reached by direct branches within the page, by the offset they begin at, nearest first. */
function reachable(
  core: DataView,
  reader: TraceReader,
  handlers: readonly Handler[],
  first: number,
  page: number,
  mode: number,
): Map<number, number> {
  const found = new Map<number, number>([[core.getUint16(first + UOP_PAGE_OFFSET, true), first]]);
  let instructions = reader.count(first);
  for (const [, uops] of found) {
    const consider = (offset: number): void => {
      if (offset < 0 || offset > 0xfff || found.has(offset) || found.size >= MAX_REGION_BLOCKS / 2 || instructions >= MAX_REGION_INSTRUCTIONS) return;
      const trace = reader.find(page + offset, mode);
      if (trace === 0) return;
      found.set(offset, trace);
      instructions += reader.count(trace);
    };
    const count = reader.count(uops);
    for (let i = 0; i < count; i++) {
      const uop = uops + i * UOP_SIZE;
      const handler = handlers[core.getUint16(uop + UOP_HANDLER, true) - HANDLERS_RESERVED];
      if (handler && isDirect(handler, mode)) consider(Number(core.getBigInt64(uop + UOP_IMMEDIATE, true)));
      if (i === count - 1 && handler && !handler.effects.ends) {
        consider(core.getUint16(uop + UOP_PAGE_OFFSET, true) + core.getUint8(uop + UOP_LENGTH));
      }
    }
  }
  return found;
}

/** A relative branch whose target, within the page, is its displacement: not one that is cut to 16 bits in wider code. */
export function isDirect(handler: Handler, mode: number): boolean {
  const relative = handler.effects.jumps && handler.operands.some((operand) => operand.kind === 'relative');
  if (!relative) return false;
  if (mode & MODE_CODE64) return handler.size === 64;
  return handler.size === (mode & 1 ? 32 : 16);
}

/** Cuts a trace into blocks: at its branches, and where another trace of the region begins (which then goes on). */
function splitTrace(
  core: DataView,
  handlers: readonly Handler[],
  traces: ReadonlyMap<number, number>,
  uops: number,
  count: number,
  mode: number,
  drafts: Draft[],
): void {
  let draft: Draft | undefined;
  for (let i = 0; i < count; i++) {
    const uop = uops + i * UOP_SIZE;
    if (core.getUint16(uop + UOP_HANDLER, true) === HANDLER_TRACE_END) return;
    const offset = core.getUint16(uop + UOP_PAGE_OFFSET, true);
    if (i > 0 && traces.has(offset)) return; // falls into it
    if (!draft) {
      draft = { start: offset, end: offset, uops: uop, count: 0, index: core.getUint16(uop + UOP_INDEX, true), target: OUTSIDE, falls: true };
      drafts.push(draft);
    }
    draft.end = offset + core.getUint8(uop + UOP_LENGTH);
    draft.count++;
    const handler = handlers[core.getUint16(uop + UOP_HANDLER, true) - HANDLERS_RESERVED];
    if (!handler) {
      draft.falls = false; // an undefined opcode
      return;
    }
    const { jumps, ends, leaves } = handler.effects;
    if (!jumps && !leaves && !ends) continue;
    if (isDirect(handler, mode)) draft.target = Number(core.getBigInt64(uop + UOP_IMMEDIATE, true));
    draft.falls = !ends;
    draft = undefined;
    if (ends) return;
  }
}
