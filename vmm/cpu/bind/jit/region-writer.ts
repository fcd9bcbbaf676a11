/**
 * A region as one WebAssembly function: registers in locals, control flow as blocks and loops (jit/graph.ts), one common way out. It returns 0 when RIP is
 * to be looked up, 1 when the instruction at RIP must be interpreted first; a known next region is entered by a tail call instead.
 */
import { Label } from '../../../wasm/function-body.ts';
import type { FunctionBody, Local } from '../../../wasm/function-body.ts';
import { HANDLERS_RESERVED } from '../../decode/form-layout.ts';
import type { Handler } from '../../isa/handlers.ts';
import { add, and, eq, lessS, ne, or, shrU, sub, toBit, truncate } from '../../isa/value.ts';
import type { Bit, Int } from '../../isa/value.ts';
import { analyseFlow } from '../../jit/graph.ts';
import type { FlowGraph } from '../../jit/graph.ts';
import { isDirect } from '../../jit/region.ts';
import type { Block, Region } from '../../jit/region.ts';
import { FAULT, INTERPRET, LOOK_UP, LOOK_UP_THERE, wayOut } from '../../jit/ways-out.ts';
import * as L from '../../layout.ts';
import { TRACE_HEAT } from '../../trace-layout.ts';
import * as U from '../../uop.ts';
import { SSE_UNAVAILABLE, inliningOf } from './inlining.ts';
import { JitMachine } from './machine.ts';
import type { RegionHost, Transfer } from './machine.ts';

const LOOP = 0x03;
const INDEX_SHIFT = 12 - 5;
const INDEX_MASK = (L.TLB_ENTRIES - 1) * L.TLB_ENTRY;
/** A displacement, or a RIP computed at run time. */
type Destination = number | (() => Int);

/** What the module around it provides, as function, type and table numbers. */
export interface RegionImports {
  function(helper: string): number;
  /** Looks RIP up and goes there: () -> i32. */
  readonly dispatch: number;
  /** Does what a way out says, and goes on: (way out, what is left, RIP of the region's first page) -> i32. */
  readonly leave: number;
  /** Tells the translator that a region has been entered often: (first micro-op). */
  readonly hotTrace: number;
  /** The interpreter's functions for instructions: (micro-op) -> next, by handler number. */
  readonly handlerType: number;
  readonly handlerTable: number;
}

export function writeRegion(body: FunctionBody, region: Region, handlers: readonly Handler[], imports: RegionImports): void {
  new RegionWriter(body, region, handlers, imports).write();
}

class RegionWriter implements RegionHost {
  readonly #body: FunctionBody;
  readonly #region: Region;
  readonly #handlers: readonly Handler[];
  readonly #imports: RegionImports;
  readonly #flow: FlowGraph;
  readonly #code: DataView;
  /** Where each block's micro-ops begin in the region's code. */
  readonly #codeAt: readonly number[];
  readonly #machine: JitMachine;
  /** General registers whose locals are used, and changed. */
  #used = 0;
  #changed = 0;
  #vectorsUsed = 0;
  #vectorsChanged = 0;
  #usesSse = false;
  /** Most instructions executed between two looks at what is left. */
  #longest = 0;
  /** The ways out: with flags that core memory has not, and with those it has. */
  readonly #leave = new Label();
  readonly #leaveClean = new Label();
  readonly #kept: Local[] = [];
  /** Locals with the target of a return, while it is compared. */
  #held: readonly Local[] = [];
  readonly #exit: Local<'i64'>;
  readonly #blockLabels = new Map<number, Label>();
  readonly #loopLabels = new Map<number, Label>();
  // -- the instruction being written
  #block: Block;
  #instruction = 0;
  /** Its micro-op in the region's code. */
  #at = 0;

  constructor(body: FunctionBody, region: Region, handlers: readonly Handler[], imports: RegionImports) {
    this.#body = body;
    this.#region = region;
    this.#handlers = handlers;
    this.#imports = imports;
    this.#flow = analyseFlow(region.blocks.map((block) => ({ successors: this.#successors(block) })));
    this.#code = new DataView(region.code.buffer, region.code.byteOffset, region.code.byteLength);
    let at = 0;
    this.#codeAt = region.blocks.map(({ count }) => {
      const start = at;
      at += count * U.UOP_SIZE;
      return start;
    });
    this.#block = region.blocks[0]!;
    this.#survey();
    this.#machine = new JitMachine(body, this, this.#vectorsUsed);
    this.#exit = body.local('i64');
  }

  #successors(block: Block): number[] {
    const after = block.returns ? this.#region.returnSites : [block.taken, block.next];
    return after.filter((node) => node >= 0);
  }

  get mode(): number {
    return this.#region.mode;
  }

  function(helper: string): number {
    return this.#imports.function(helper);
  }

  // -- which registers take part

  #survey(): void {
    for (const node of this.#flow.order) {
      const block = this.#region.blocks[node]!;
      this.#longest += block.count;
      for (let i = 0; i < block.count; i++) {
        const at = this.#codeAt[node]! + i * U.UOP_SIZE;
        const handler = this.#handlers[this.#code.getUint16(at + U.UOP_HANDLER, true) - HANDLERS_RESERVED];
        if (handler && inliningOf(handler).treatment === 'inline') this.#surveyInstruction(handler, at);
      }
    }
  }

  #surveyInstruction(handler: Handler, at: number): void {
    const { effects, operands } = handler;
    this.#used |= effects.registersUsed;
    this.#changed |= effects.registersWritten;
    this.#vectorsUsed |= effects.vectorsUsed;
    this.#vectorsChanged |= effects.vectorsWritten;
    if (effects.helpers.has(SSE_UNAVAILABLE)) this.#usesSse = true;
    for (const { kind, slot, address } of operands) {
      if (address === 'source') this.#used |= 1 << 6;
      else if (address === 'destination') this.#used |= 1 << 7;
      else if (address === 'modrm') {
        for (const field of [U.UOP_BASE, U.UOP_SCALED]) {
          const register = this.#code.getUint8(at + field);
          if (register < L.ZERO) this.#used |= 1 << (register >> 3);
        }
      }
      if (slot < 0) continue;
      const register = this.#code.getUint8(at + U.UOP_REGISTER + slot);
      const written = (effects.operandsWritten >> slot) & 1;
      if (kind === 'reg') {
        this.#used |= 1 << (register >> 3);
        this.#changed |= written << (register >> 3);
      } else if (kind === 'xmm') {
        this.#vectorsUsed |= 1 << register;
        this.#vectorsChanged |= written << register;
      }
    }
  }

  // -- the function

  write(): void {
    const body = this.#body;
    const { left, ripPage } = this.#machine;
    body.set(left, body.load('i32.load', 0, L.LEFT));
    body.if(lessS(left.get(), this.#longest + 1), () => body.return(INTERPRET), undefined, false);
    body.set(ripPage, body.load('i64.load', 0, L.RIP_PAGE));
    // A page that begins below offset 0 of its segment: offsets wrap.
    if ((this.mode & L.MODE_CODE64) === 0) body.if(lessS(ripPage.get(), 0n), () => body.return(INTERPRET), undefined, false);
    if (!this.#region.wide) this.#countEntry();
    body.set(this.#machine.tlb, body.load('i32.load', 0, L.TLB_PTR));
    if (this.#usesSse) {
      body.set(this.#machine.sseOff, body.load('i32.load', 0, L.SSE_OFF));
    }
    this.#fill();
    body.open(this.#leaveClean);
    body.open(this.#leave);
    body.holdLocals();
    this.#tree(0);
    body.unreachable();
    body.end(this.#leave);
    this.#machine.flags.spill();
    body.end(this.#leaveClean);
    this.#spillRegisters();
    body.returnCall(this.#imports.leave, [this.#exit.get(), left.get(), ripPage.get()]);
  }

  /** In the header of the first trace, as the interpreter does. */
  #countEntry(): void {
    const body = this.#body;
    const first = this.#region.traces[0]!;
    const heat = body.let('i32', sub(body.load('i32.load', 0, first - U.UOP_SIZE + TRACE_HEAT) as Bit, 1));
    body.store('i32.store', 0, heat, first - U.UOP_SIZE + TRACE_HEAT);
    body.if(eq(heat, 0), () => body.call(this.#imports.hotTrace, [first]), undefined, false);
  }

  /** Registers from core memory into their locals. */
  #fill(): void {
    const body = this.#body;
    const { gpr, flags } = this.#machine;
    for (let n = 0; n < 16; n++) {
      if ((this.#used >> n) & 1) {
        body.pushLoad('i64.load', 0, L.GPR + n * 8);
        body.popInto(gpr[n]!);
      }
      if ((this.#vectorsUsed >> n) & 1) {
        body.pushLoad('v128.load', 0, L.XMM + n * L.XMM_STRIDE);
        body.popInto(this.#machine.vectorLocal(n)!);
      }
    }
    flags.fill();
  }

  #spillRegisters(): void {
    const body = this.#body;
    for (let n = 0; n < 16; n++) {
      if ((this.#changed >> n) & 1) body.store('i64.store', 0, this.#machine.gpr[n]!.get(), L.GPR + n * 8);
      if ((this.#vectorsChanged >> n) & 1) body.store('v128.store', 0, this.#machine.vectorLocal(n)!.get(), L.XMM + n * L.XMM_STRIDE);
    }
  }

  // -- control flow

  #tree(node: number): void {
    if (!this.#flow.isLoop[node]) return this.#within(node, this.#flow.merges[node]!.length);
    const label = new Label();
    this.#loopLabels.set(node, label);
    this.#machine.flags.join();
    this.#body.begin(LOOP, label, () => this.#within(node, this.#flow.merges[node]!.length));
  }

  /** The block `node`, inside the blocks that end where the first `count` of its merges begin. */
  #within(node: number, count: number): void {
    if (count === 0) return this.#writeBlock(node);
    const merge = this.#flow.merges[node]![count - 1]!;
    const label = new Label();
    this.#blockLabels.set(merge, label);
    this.#body.open(label);
    this.#within(node, count - 1);
    this.#body.end(label);
    this.#machine.flags.state = 'joined';
    this.#tree(merge);
  }

  /** Goes on at `to`, or leaves for a RIP. Flags are as they are at the end of `from`. */
  #edge(from: number, to: number, rip: Destination): void {
    const body = this.#body;
    const { flags } = this.#machine;
    // What was written before may have been another arm, which took the locals that are needed here for its own.
    this.#releaseLocals();
    const kind = this.#flow.kind(from, to);
    if (kind !== 'outside' && this.#region.blocks[from]!.page !== this.#region.blocks[to]!.page) this.#crossTo(this.#region.blocks[to]!.page, rip);
    switch (kind) {
      case 'forward':
        if (!this.#flow.isMerge[to]) return this.#tree(to);
        flags.settle();
        body.br(this.#blockLabels.get(to)!);
        return;
      case 'back': {
        flags.join();
        const due = or(lessS(this.#machine.left.get(), this.#longest + 1), body.load('i32.load', 0, L.EVENTS));
        body.if(due, () => this.#out(rip), undefined, false);
        body.br(this.#loopLabels.get(to)!);
        return;
      }
      case 'outside':
        this.#out(rip);
    }
  }

  /** Leaves unless the page at a displacement is still where it was: the TLB says so. */
  #crossTo(page: number, rip: Destination): void {
    this.#body.if(this.#isElsewhere(page), () => this.#out(rip), undefined, false);
  }

  #isElsewhere(page: number): Bit {
    const body = this.#body;
    const linear = add(this.#machine.ripPage.get(), BigInt.asUintN(64, BigInt(page)));
    const low = toBit(linear);
    const entry = body.let('i32', add(and(shrU(low, INDEX_SHIFT), INDEX_MASK), this.#machine.tlb.get()));
    const moved = ne(sub(this.#region.pages.get(page)! | 0, low), body.load('i32.load', entry, L.TLB_CODE + L.TLB_ADDEND) as Bit);
    const absent = ne(linear, body.load('i64.load', entry, L.TLB_CODE + L.TLB_EXEC) as Int);
    return or(moved, absent);
  }

  #out(rip: Destination): void {
    if (typeof rip === 'number') return this.#goOut(LOOK_UP, 0, rip);
    this.#body.store('i64.store', 0, rip(), L.RIP);
    this.#goOut(LOOK_UP_THERE, 0, 0);
  }

  /** To the way out that suits the flags. What is known of them does not change. */
  #goOut(way: number, count: number, displacement: number): void {
    const body = this.#body;
    const { flags } = this.#machine;
    body.set(this.#exit, wayOut(way, count, displacement));
    if (flags.state === 'memory') body.br(this.#leaveClean);
    else {
      flags.settle();
      body.br(this.#leave);
    }
  }

  #countDown(instructions: number): void {
    const { left } = this.#machine;
    if (instructions > 0) this.#body.set(left, sub(left.get(), instructions));
  }

  #ripAt(offset: number | bigint): Int {
    return add(this.#machine.ripPage.get(), BigInt.asUintN(64, BigInt(offset)));
  }

  // -- a block

  #writeBlock(node: number): void {
    const block = this.#region.blocks[node]!;
    const machine = this.#machine;
    if (block.crosses) {
      this.#releaseLocals();
      this.#body.if(this.#isElsewhere(block.page + 0x1000), () => this.#goOut(INTERPRET, 0, block.start), undefined, false);
    }
    for (let i = 0; i < block.count; i++) {
      const at = this.#codeAt[node]! + i * U.UOP_SIZE;
      const handler = this.#handlers[this.#code.getUint16(at + U.UOP_HANDLER, true) - HANDLERS_RESERVED];
      this.#block = block;
      this.#instruction = i;
      this.#at = at;
      this.#releaseLocals();
      if (!handler) return this.leaveUndone(1);
      const { treatment, calls } = inliningOf(handler);
      machine.begin(handler, this.#code, at, block.page, calls);
      if (treatment === 'leave') return this.leaveUndone(1);
      if (treatment === 'last') return this.#callLast(handler);
      if (treatment === 'call') {
        this.#callHandler(handler);
        continue;
      }
      const drops = calls && handler.effects.stores > 0 ? this.#body.load('i32.load', 0, L.CODE_DROPS) : undefined;
      handler.text(machine, handler.size, ...handler.operands);
      if (machine.over) return;
      machine.finish();
      if (machine.transfer) return this.#transfer(node, handler, machine.transfer);
      if (drops !== undefined) this.#leaveIfDropped(drops);
    }
    this.#countDown(block.count);
    this.#edge(node, block.next, block.end);
  }

  #releaseLocals(): void {
    this.#kept.length = 0;
    for (const local of this.#held) this.#kept.push(local);
    this.#machine.flags.keep(this.#kept);
    this.#body.releaseLocals(this.#kept);
  }

  #transfer(node: number, handler: Handler, transfer: Transfer): void {
    const body = this.#body;
    const block = this.#region.blocks[node]!;
    const machine = this.#machine;
    if (transfer.kind === 'dynamic') {
      this.#countDown(block.count);
      if (block.returns) return this.#returns(node, transfer.target);
      this.#out(() => transfer.target);
      return;
    }
    const displacement = BigInt(block.page) + machine.relativeTarget();
    const direct = isDirect(handler, this.mode);
    const inside = direct && block.taken >= 0 && this.#flow.kind(node, block.taken) !== 'outside';
    const inPage = direct && displacement - BigInt(block.page) >= 0n && displacement - BigInt(block.page) <= 0xfffn;
    const target = (): Int => (direct && this.mode & L.MODE_CODE64 ? this.#ripAt(displacement) : truncate(this.#ripAt(displacement), transfer.size));
    // What the branch may fault on is looked at while it can still be left undone.
    const { condition } = transfer;
    const taken = typeof condition === 'number' ? condition : body.let('i32', condition);
    if (!inPage && !inside) this.#checkTarget(taken, target);
    this.#countDown(block.count);
    // Targets in 16-bit code wrap at 64 KiB.
    const unwrapped = direct && (this.mode & (L.MODE_CODE64 | L.MODE_CODE32)) !== 0;
    const takenEdge = (): void => this.#edge(node, direct ? block.taken : -1, unwrapped ? Number(displacement) : target);
    if (taken === 1) return takenEdge();
    const { flags } = machine;
    const state = flags.state;
    body.if(taken, takenEdge, () => {
      flags.state = state;
      this.#edge(node, block.next, block.end);
    });
  }

  /** To the call sites of the region, if one of them is meant. */
  #returns(node: number, target: Int): void {
    const body = this.#body;
    const { flags } = this.#machine;
    const state = flags.state;
    const meant = body.local('i64');
    body.set(meant, target);
    const offset = body.local('i64');
    body.set(offset, sub(meant.get(), this.#machine.ripPage.get()));
    this.#held = [meant, offset];
    for (const site of this.#region.returnSites) {
      if (this.#flow.kind(node, site) === 'outside') continue;
      body.if(eq(offset.get() as Int, BigInt(this.#region.blocks[site]!.start)), () => this.#edge(node, site, () => meant.get()));
      flags.state = state;
      this.#held = [meant, offset];
    }
    this.#held = [];
    this.#releaseLocals();
    this.#out(() => meant.get());
  }

  #checkTarget(taken: Bit, target: () => Int): void {
    const check = (): void => this.#machine.checkTarget(this.#machine.let(target()));
    if (this.mode & L.MODE_FLAT) return;
    if (taken === 1) check();
    else this.#body.if(taken, check);
  }

  // -- ways out of an instruction

  leaveUndone(condition: Bit): void {
    const body = this.#body;
    const out = (): void => {
      this.#goOut(INTERPRET, this.#instruction, this.#offset);
    };
    if (condition === 0) return;
    if (typeof condition === 'number') out();
    else body.if(condition, out, undefined, false);
  }

  leaveFaulted(): void {
    this.#goOut(FAULT, this.#instruction + 1, 0);
  }

  /** Address of the micro-op in the code cache: helpers find RIP and the instruction count by it. */
  get #uop(): number {
    return this.#block.uops + this.#instruction * U.UOP_SIZE;
  }

  announce(): void {
    const { left } = this.#machine;
    if (this.#region.pages.size > 1) {
      const base = this.#ripAt(this.#block.page);
      this.#body.store('i64.store', 0, base, L.RIP_PAGE);
      this.#body.store('i64.store', 0, add(base, 0x1000n), L.RIP_NEXT_PAGE);
    }
    this.#body.store('i32.store', 0, this.#uop, L.CURRENT_UOP);
    // Helpers take UOP_INDEX, which counts from the start of the trace, off LEFT.
    this.#body.store('i32.store', 0, add(left.get() as Bit, this.#block.index), L.LEFT);
  }

  /** Runs the interpreter's function for the instruction; its result says whether the next one follows. */
  #runHandler(handler: Handler): void {
    const body = this.#body;
    const { flags } = this.#machine;
    if (flags.state !== 'memory') {
      flags.settle();
      flags.spill();
    }
    this.#spillRegisters();
    this.announce();
    body.callIndirect(this.#imports.handlerType, handler.number, [this.#uop], this.#imports.handlerTable);
  }

  #storeLeftAfter(): void {
    this.#body.store('i32.store', 0, sub(this.#machine.left.get() as Bit, this.#instruction + 1), L.LEFT);
  }

  #callLast(handler: Handler): void {
    this.#runHandler(handler);
    this.#body.drop();
    this.#storeLeftAfter();
    this.#body.returnCall(this.#imports.dispatch, []);
  }

  #callHandler(handler: Handler): void {
    const body = this.#body;
    const drops = handler.effects.memory ? body.load('i32.load', 0, L.CODE_DROPS) : undefined;
    this.#runHandler(handler);
    const next = body.pop('i32');
    body.if(
      eq(next, 0),
      () => {
        this.#storeLeftAfter();
        body.return(0);
      },
      undefined,
      false,
    );
    this.#fill();
    if (drops !== undefined) this.#leaveIfDropped(drops);
  }

  /** Translated code was made invalid by what the instruction stored: perhaps this. */
  #leaveIfDropped(drops: Bit): void {
    const body = this.#body;
    body.if(
      ne(drops, body.load('i32.load', 0, L.CODE_DROPS) as Bit),
      () => {
        this.#goOut(LOOK_UP, this.#instruction + 1, this.#offset + this.#code.getUint8(this.#at + U.UOP_LENGTH));
      },
      undefined,
      false,
    );
  }

  /** Displacement of the instruction. */
  get #offset(): number {
    return this.#block.page + this.#code.getUint16(this.#at + U.UOP_PAGE_OFFSET, true);
  }
}
