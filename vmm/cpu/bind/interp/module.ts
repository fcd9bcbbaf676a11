/**
 * The interpreter: a WebAssembly module generated from the instruction texts. `run` is one function with a br_table over the handlers that programs
 * execute most; all other handlers are functions of their own in a table, called from `run` by their number.
 *
 * Imports: memory.core, memory.ram; system.* the helpers; translator.hot_trace(micro-op). Exports: run(); `regions`, the table of translated code that run() enters,
 * and what that code needs: dispatch(), leave(), the table `handlers`.
 */
import { assert } from '../../../base/errors.ts';
import { Label, Local } from '../../../wasm/function-body.ts';
import type { FunctionBody } from '../../../wasm/function-body.ts';
import { ModuleWriter } from '../../../wasm/module-writer.ts';
import {
  HANDLERS_RESERVED,
  HANDLER_CROSSING,
  HANDLER_INVALID,
  HANDLER_RELOOKUP,
  HANDLER_TOO_LONG,
  HANDLER_TRACE_END,
} from '../../decode/form-layout.ts';
import type { Handler } from '../../isa/handlers.ts';
import { helpers } from '../../isa/helpers.ts';
import type { Condition } from '../../isa/machine.ts';
import {
  add,
  and,
  eq,
  fromBit,
  greaterS,
  greaterU,
  isZeroValue,
  lessS,
  lessU,
  low32,
  ne,
  or,
  shl,
  shrS,
  shrU,
  sub,
  toBit,
  xor,
} from '../../isa/value.ts';
import type { Bit, Int } from '../../isa/value.ts';
import { COUNT_MASK, COUNT_SHIFT, FAULT, INTERPRET, RIP_SHIFT, WAY_MASK } from '../../jit/ways-out.ts';
import * as L from '../../layout.ts';
import * as S from '../../system-layout.ts';
import { TRACE_HEAT } from '../../trace-layout.ts';
import * as U from '../../uop.ts';
import type { HandlerContext } from './context.ts';
import { FlagsEmitter } from './flags.ts';
import { InterpreterMachine } from './machine.ts';

/** Longest trace: a trace is entered only with this many instructions left, so that a slice ends exactly where it should (assembly/trace). */
const MAX_TRACE = 64;
const CONDITIONS: readonly Condition[] = ['o', 'no', 'b', 'nb', 'z', 'nz', 'be', 'nbe', 's', 'ns', 'p', 'np', 'l', 'nl', 'le', 'nle'];

/** log2 of JUMP_ENTRY. */
const JUMP_SHIFT = 5;

/** WebAssembly pages a guest memory may have: one module serves machines of every size. */
const RAM_PAGES = { minimum: 1, maximum: 65536 };

export interface InterpreterOptions {
  /** With function names, for profiles and messages. */
  readonly names?: boolean;
}

export function generateInterpreter(handlers: readonly Handler[], options: InterpreterOptions): Uint8Array<ArrayBuffer> {
  return new InterpreterWriter(handlers, options).module();
}

class InterpreterWriter {
  readonly #handlers: readonly Handler[];
  readonly #options: InterpreterOptions;
  readonly #writer = new ModuleWriter();
  readonly #functions = new Map<string, number>();
  #regionTable = 0;
  #regionType = 0;

  constructor(handlers: readonly Handler[], options: InterpreterOptions) {
    this.#handlers = handlers;
    this.#options = options;
  }

  module(): Uint8Array<ArrayBuffer> {
    const writer = this.#writer;
    writer.importMemory('memory', 'core', { minimum: L.CORE_MEMORY_PAGES, maximum: L.CORE_MEMORY_PAGES });
    writer.importMemory('memory', 'ram', { ...RAM_PAGES, shared: true });
    for (const [name, { params, result }] of Object.entries(helpers)) {
      this.#functions.set(name, writer.importFunction('system', name, params, result ? [result] : []));
    }
    this.#functions.set('hot_trace', writer.importFunction('translator', 'hot_trace', ['i32'], []));
    for (const condition of CONDITIONS) this.#functions.set(`condition ${condition}`, writer.declare(`condition ${condition}`, [], ['i32']));
    const run = writer.declare('run', [], []);
    const dispatch = writer.declare('dispatch', [], ['i32']);
    const leave = writer.declare('leave', ['i64', 'i32', 'i64'], ['i32']);
    const coldType = writer.type(['i32'], ['i32']);
    const table = writer.table({ minimum: HANDLERS_RESERVED + this.#handlers.length, maximum: HANDLERS_RESERVED + this.#handlers.length });

    this.#regionTable = writer.table({ minimum: L.REGION_SLOTS, maximum: L.REGION_SLOTS });
    this.#regionType = writer.type([], ['i32']);

    for (const condition of CONDITIONS) {
      const body = writer.body(this.#function(`condition ${condition}`));
      body.push(new FlagsEmitter(body).condition(condition));
    }
    const hot = this.#handlers.filter((handler) => handler.hot);
    const slots = this.#handlers.map((handler) => (handler.hot ? undefined : this.#coldFunction(handler)));
    this.#run(writer.body(run), hot, coldType);
    this.#dispatchFunction(writer.body(dispatch));
    this.#leaveFunction(writer.body(leave));
    // Handlers inside `run` have an empty slot in the table.
    slots.forEach((index, i) => {
      if (index !== undefined) writer.elements(table, HANDLERS_RESERVED + i, [index]);
    });
    writer.exportFunction('run', run);
    writer.exportFunction('dispatch', dispatch);
    writer.exportFunction('leave', leave);
    writer.exportTable('handlers', table);
    writer.exportTable('regions', this.#regionTable);
    return writer.finish({ names: this.#options.names ?? false });
  }

  #function(name: string): number {
    const index = this.#functions.get(name);
    assert(index !== undefined, `function ${name}`);
    return index;
  }

  // -- handlers that are functions: (micro-op) -> next micro-op, or 0 when RIP must be looked up. The caller has spilled.

  #coldFunction(handler: Handler): number {
    const index = this.#writer.declare(handler.name, ['i32'], ['i32']);
    const body = this.#writer.body(index);
    const uop = body.param(0, 'i32');
    const context: HandlerContext = {
      body,
      uop,
      function: (name) => this.#function(name),
      condition: (condition) => this.#function(`condition ${condition}`),
      spill: () => {},
      next: () => body.return(add(uop.get() as Bit, U.UOP_SIZE)),
      leave: () => body.return(0),
      branch: () => body.return(0),
      lookup: () => body.return(0),
    };
    this.#emit(handler, context);
    // Every way out has returned.
    body.unreachable();
    return index;
  }

  #emit(handler: Handler, context: HandlerContext): void {
    const machine = new InterpreterMachine(context, handler);
    handler.text(machine, handler.size, ...handler.operands);
    machine.finish();
  }

  // -- the dispatch loop

  #run(body: FunctionBody, hot: readonly Handler[], coldType: number): void {
    const uop = body.local('i32');
    const left = body.local('i32');
    const interpret = body.local('i32');
    const labels = { exit: new Label(), again: new Label(), lookup: new Label(), leave: new Label(), dispatch: new Label() };
    body.open(labels.exit);
    body.call(this.#function('first_trace'), []);
    body.set(uop, body.pop('i32'));
    body.brIf(labels.exit, isZeroValue(uop.get()));
    body.set(left, body.load('i32.load', 0, L.LEFT));
    body.begin(LOOP, labels.again, () => {
      body.open(labels.lookup);
      body.open(labels.leave);
      body.begin(LOOP, labels.dispatch, () => this.#dispatch(body, [uop, left, interpret], hot, coldType, labels));
      body.end(labels.leave);
      // The instruction is over: it and those before it in the trace are counted.
      body.set(left, sub(left.get() as Bit, add(body.load('i32.load16_u', uop.get(), U.UOP_INDEX) as Bit, 1)));
      body.end(labels.lookup);
      this.#lookup(body, uop, left, interpret, labels.exit);
      body.br(labels.again);
    });
    body.end(labels.exit);
  }

  #dispatch(
    body: FunctionBody,
    keep: readonly [uop: Local<'i32'>, left: Local<'i32'>, interpret: Local<'i32'>],
    hot: readonly Handler[],
    coldType: number,
    labels: { readonly lookup: Label; readonly leave: Label; readonly dispatch: Label },
  ): void {
    const [uop, left] = keep;
    const context: HandlerContext = {
      body,
      uop,
      function: (name) => this.#function(name),
      condition: (condition) => this.#function(`condition ${condition}`),
      spill: () => {
        body.store('i32.store', 0, uop.get(), L.CURRENT_UOP);
        body.store('i32.store', 0, left.get(), L.LEFT);
      },
      next: () => {
        body.set(uop, add(uop.get() as Bit, U.UOP_SIZE));
        body.br(labels.dispatch);
      },
      leave: () => body.br(labels.leave),
      branch: (wraps) => this.#branch(body, uop, left, wraps, labels),
      lookup: () => body.br(labels.lookup),
    };
    const cold = new Label();
    const targets = new Array<Label>(HANDLERS_RESERVED + this.#handlers.length).fill(cold);
    const reserved = [HANDLER_INVALID, HANDLER_TRACE_END, HANDLER_RELOOKUP, HANDLER_TOO_LONG, HANDLER_CROSSING];
    for (const number of reserved) targets[number] = new Label();
    targets[HANDLER_RELOOKUP] = targets[HANDLER_TRACE_END]!;
    for (const handler of hot) targets[handler.number] = new Label();

    const order = [
      cold,
      targets[HANDLER_INVALID]!,
      targets[HANDLER_TOO_LONG]!,
      targets[HANDLER_TRACE_END]!,
      targets[HANDLER_CROSSING]!,
      ...hot.map((handler) => targets[handler.number]!),
    ];
    for (const label of order) body.open(label);
    body.brTable(body.load('i32.load16_u', uop.get(), U.UOP_HANDLER), targets, cold);

    for (const handler of hot.toReversed()) {
      body.end(targets[handler.number]!);
      body.releaseLocals(keep);
      this.#emit(handler, context);
    }
    body.end(targets[HANDLER_CROSSING]!);
    this.#crossing(body, uop, context, labels.lookup);

    body.end(targets[HANDLER_TRACE_END]!);
    const offset = body.load('i32.load16_u', uop.get(), U.UOP_PAGE_OFFSET);
    body.store('i64.store', 0, add(body.load('i64.load', 0, L.RIP_PAGE) as Int, fromBit(offset)), L.RIP);
    body.set(left, sub(left.get() as Bit, body.load('i32.load16_u', uop.get(), U.UOP_INDEX)));
    body.br(labels.lookup);

    const fault = (vector: number, code: number): void => {
      context.spill();
      body.store('i32.store', 0, vector, L.FAULT_VECTOR);
      body.store('i32.store', 0, code, L.FAULT_ERROR);
      context.leave();
    };
    body.end(targets[HANDLER_TOO_LONG]!);
    fault(13, 0);
    body.end(targets[HANDLER_INVALID]!);
    fault(6, -1);

    body.end(cold);
    context.spill();
    body.callIndirect(coldType, body.load('i32.load16_u', uop.get(), U.UOP_HANDLER), [uop.get()]);
    const next = body.pop('i32');
    body.brIf(labels.leave, isZeroValue(next));
    body.set(uop, next);
    body.br(labels.dispatch);
  }

  /** The instruction that follows goes on in the next page, which must be where it was when it was decoded. */
  #crossing(body: FunctionBody, uop: Local<'i32'>, context: HandlerContext, lookup: Label): void {
    const next = body.let('i64', and(body.load('i64.load', 0, L.RIP_NEXT_PAGE) as Int, body.load('i64.load', 0, L.LINEAR_MASK) as Int));
    const entry = body.let('i32', this.#codeEntry(body, next as Int));
    const moved = ne(
      add(toBit(next), body.load('i32.load', entry, L.TLB_CODE + L.TLB_ADDEND) as Bit),
      body.load('i32.load', uop.get(), U.UOP_IMMEDIATE) as Bit,
    );
    const absent = ne(next as Int, body.load('i64.load', entry, L.TLB_CODE + L.TLB_EXEC) as Int);
    body.if(
      or(moved, absent),
      () => {
        body.call(this.#function('crossed'), [uop.get()]);
        const same = body.pop('i32');
        body.brIf(lookup, isZeroValue(same), false);
      },
      undefined,
      false,
    );
    context.next();
  }

  /** The TLB's entry for instructions at a linear address. */
  #codeEntry(body: FunctionBody, linear: Int): Bit {
    return add(and(toBit(shrU(linear, 7n)), (L.TLB_ENTRIES - 1) * L.TLB_ENTRY), body.load('i32.load', 0, L.TLB_PTR) as Bit);
  }

  /** A taken branch. A link is followed unless events or the end of the slice are near; branches inside the page ask to be linked. */
  #branch(body: FunctionBody, uop: Local<'i32'>, left: Local<'i32'>, wraps: Bit, labels: { readonly lookup: Label; readonly dispatch: Label }): void {
    body.set(left, sub(left.get() as Bit, add(body.load('i32.load16_u', uop.get(), U.UOP_INDEX) as Bit, 1)));
    const link = body.load('i32.load', uop.get(), U.UOP_LINK);
    const due = or(or(lessS(left.get() as Bit, MAX_TRACE), body.load('i32.load', 0, L.EVENTS)), wraps);
    body.if(
      greaterS(link as Bit, 0),
      () => {
        body.brIf(labels.lookup, due, false);
        body.set(uop, link);
        this.#warm(body, link);
        body.br(labels.dispatch);
      },
      () => {
        const target = body.load('i64.load', uop.get(), U.UOP_IMMEDIATE);
        body.if(isZeroValue(or(toBit(shrU(target as Int, 12n)), link)), () => body.store('i32.store', 0, uop.get(), L.LINK_FROM));
        body.br(labels.lookup);
      },
      true,
    );
    body.unreachable();
  }

  /** Counts an entry of the trace that begins with `first`: the translator is told when it is worth its while. */
  #warm(body: FunctionBody, first: Bit): void {
    const trace = body.let('i32', sub(first, U.UOP_SIZE));
    const heat = body.let('i32', sub(body.load('i32.load', trace, TRACE_HEAT) as Bit, 1));
    body.store('i32.store', trace, heat, TRACE_HEAT);
    body.if(isZeroValue(heat), () => body.call(this.#function('hot_trace'), [first]), undefined, false);
  }

  /**
   * RIP to the entry of TRACE_HASH that belongs to it, without a call: TLB_EXEC gives the RAM offset. Anything else (events, faults, the end of the slice, a
   * branch that wants a link, a segment limit inside the page) goes to `slow`. RIP_PAGE is set.
   */
  #find(body: FunctionBody, left: Bit, slow: Label): Bit {
    const load32 = (offset: number): Bit => body.load('i32.load', 0, offset);
    const load64 = (offset: number): Int => body.load('i64.load', 0, offset);
    const busy = or(or(load32(L.EVENTS), lessS(left, MAX_TRACE)), or(load32(L.LINK_FROM), xor(shrU(load32(L.FAULT_VECTOR), 31), 1)));
    body.brIf(slow, busy, false);
    const rip = load64(L.RIP);
    const cs = L.SEGMENTS + L.SEG_CS * L.SEG_STRIDE;
    const linear = body.let('i64', and(add(rip, load64(cs + L.SEG_BASE)), load64(L.LINEAR_MASK)));
    const entry = body.let('i32', this.#codeEntry(body, linear as Int));
    const tag = body.load('i64.load', entry, L.TLB_CODE + L.TLB_EXEC);
    body.brIf(slow, xor(eq(and(linear as Int, 0xffff_ffff_ffff_f000n), tag), 1), false);
    const key = body.let('i32', add(toBit(linear), body.load('i32.load', entry, L.TLB_CODE + L.TLB_ADDEND) as Bit));
    const mode = load32(L.MODE);
    const hash = and(xor(xor(key as Bit, shrU(key as Bit, 13)), shl(mode, 9)), L.TRACE_HASH_ENTRIES / 2 - 1);
    const slot = body.local('i32');
    body.set(slot, shl(hash, 5));
    const differs = (): Bit => {
      const at = body.let('i32', slot.get());
      return or(ne(body.load('i32.load', at, L.TRACE_HASH) as Bit, key), ne(body.load('i32.load', at, L.TRACE_HASH + 4) as Bit, mode));
    };
    body.if(
      differs(),
      () => {
        body.set(slot, add(slot.get() as Bit, L.TRACE_HASH_ENTRY));
        body.brIf(slow, differs(), false);
      },
      undefined,
      false,
    );
    const page = body.let('i64', sub(rip, and(linear as Int, 0xfffn)));
    const limit = fromBit(body.load('i32.load', 0, cs + L.SEG_LIMIT));
    body.if(isZeroValue(and(mode, L.MODE_CODE64)), () => body.brIf(slow, greaterU(low32(add(page as Int, 0xfffn)), limit), false));
    body.store('i64.store', 0, page, L.RIP_PAGE);
    body.store('i64.store', 0, add(page as Int, 0x1000n), L.RIP_NEXT_PAGE);
    return slot.get();
  }

  /** RIP to micro-op. Translated code that begins there is run first, unless it asked for an instruction to be interpreted. */
  #lookup(body: FunctionBody, uop: Local<'i32'>, left: Local<'i32'>, interpret: Local<'i32'>, exit: Label): void {
    body.block((found) => {
      body.loop((again) => {
        body.store('i32.store', 0, left.get(), L.LEFT);
        body.block((slow) => {
          const slot = this.#find(body, left.get(), slow);
          const region = body.load('i32.load', slot, L.TRACE_HASH + L.TRACE_HASH_REGION);
          body.if(and(ne(region as Bit, 0), isZeroValue(interpret.get())), () => {
            body.callIndirect(this.#regionType, region, [], this.#regionTable);
            body.popInto(interpret);
            const before = left.get();
            const count = (word: number, by: Int): void => body.store('i64.store', 0, add(body.load('i64.load', 0, word) as Int, by), word);
            count(S.COUNT_TRANSLATED, fromBit(sub(before, body.load('i32.load', 0, L.LEFT) as Bit)));
            count(S.COUNT_ENTRIES, 1n);
            count(S.COUNT_UNDONE, fromBit(interpret.get()));
            body.set(left, body.load('i32.load', 0, L.LEFT));
            body.br(again);
          });
          const first = body.load('i32.load', slot, L.TRACE_HASH + 8);
          body.brIf(slow, isZeroValue(first), false);
          body.set(uop, first);
          body.if(isZeroValue(interpret.get()), () => this.#warm(body, first));
          body.br(found);
        });
        body.call(this.#function('next_trace'), []);
        body.set(uop, body.pop('i32'));
        body.brIf(exit, isZeroValue(uop.get()), false);
        body.set(left, body.load('i32.load', 0, L.LEFT));
      });
    });
    body.set(interpret, 0);
  }

  /** From translated code to translated code. */
  #dispatchFunction(body: FunctionBody): void {
    const busy = or(body.load('i32.load', 0, L.LINK_FROM), xor(shrU(body.load('i32.load', 0, L.FAULT_VECTOR) as Bit, 31), 1));
    body.if(busy, () => body.return(0), undefined, false);
    this.#goOn(body, body.load('i64.load', 0, L.RIP), body.load('i32.load', 0, L.LEFT));
  }

  /** The end of every region: its way out, what is left, RIP that belongs to its first page. */
  #leaveFunction(body: FunctionBody): void {
    const exit = body.param(0, 'i64');
    const before = body.param(1, 'i32');
    const ripPage = body.param(2, 'i64');
    const low = body.let('i32', toBit(exit.get()));
    const way = body.let('i32', and(low, WAY_MASK));
    const left = body.let('i32', sub(before.get() as Bit, and(shrU(low, COUNT_SHIFT), COUNT_MASK)));
    body.store('i32.store', 0, left, L.LEFT);
    const rip = body.local('i64');
    body.if(
      lessU(way, FAULT),
      () => {
        body.set(rip, and(add(ripPage.get(), shrS(exit.get() as Int, RIP_SHIFT)), body.load('i64.load', 0, L.LINEAR_MASK) as Int));
        body.store('i64.store', 0, rip.get(), L.RIP);
        body.if(way, () => body.return(INTERPRET), undefined, false);
      },
      () => {
        body.if(eq(way, FAULT), () => body.return(0), undefined, false);
        body.set(rip, body.load('i64.load', 0, L.RIP));
      },
      true,
    );
    this.#goOn(body, rip.get(), left);
  }

  /** Enters the region at RIP, by the jump cache or the hash of traces; 0 if the interpreter must. */
  #goOn(body: FunctionBody, rip: Int, left: Bit): void {
    const low = toBit(rip);
    const jump = body.let('i32', shl(and(xor(low, shrU(low, 13)), L.JUMP_ENTRIES - 1), JUMP_SHIFT));
    const stamp = (): Int => body.load('i64.load', 0, L.JUMP_STAMP);
    const enter = (region: Bit): void => body.returnCallIndirect(this.#regionType, region, [], this.#regionTable);
    body.block((slow) => {
      body.brIf(slow, or(body.load('i32.load', 0, L.EVENTS), lessS(left, MAX_TRACE)), false);
      const known = and(eq(body.load('i64.load', jump, L.JUMP_CACHE) as Int, rip), eq(body.load('i64.load', jump, L.JUMP_CACHE + 8) as Int, stamp()));
      body.if(
        known,
        () => {
          const page = body.let('i64', and(rip, ~0xfffn & 0xffff_ffff_ffff_ffffn));
          body.store('i64.store', 0, page, L.RIP_PAGE);
          body.store('i64.store', 0, add(page as Int, 0x1000n), L.RIP_NEXT_PAGE);
          enter(body.load('i32.load', jump, L.JUMP_CACHE + 16));
        },
        undefined,
        true,
      );
      const slot = this.#find(body, left, slow);
      const region = body.let('i32', body.load('i32.load', slot, L.TRACE_HASH + L.TRACE_HASH_REGION));
      body.brIf(slow, isZeroValue(region), false);
      // Where code segments have a base or a limit, RIP alone does not say where it is.
      body.if(and(body.load('i32.load', 0, L.MODE) as Bit, L.MODE_CODE64 | L.MODE_FLAT), () => {
        body.store('i64.store', jump, rip, L.JUMP_CACHE);
        body.store('i64.store', jump, stamp(), L.JUMP_CACHE + 8);
        body.store('i32.store', jump, region, L.JUMP_CACHE + 16);
      });
      enter(region);
    });
    body.return(0);
    body.unreachable();
  }
}

const LOOP = 0x03;
