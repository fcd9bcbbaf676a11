/**
 * Guest memory as code: linear address, TLB check, then a plain access to guest RAM; whatever is not that goes to a helper (page walks, page crossings,
 * MMIO, code pages). See layout.ts for the TLB.
 */
import type { FunctionBody, Local } from '../../../wasm/function-body.ts';
import type { Addressing } from '../../isa/handlers.ts';
import type { Size } from '../../isa/machine.ts';
import { add, and, atLeastU, fromBit, greaterS, low32, shl, shrU, sub, toBit } from '../../isa/value.ts';
import type { Bit, Int, Vector } from '../../isa/value.ts';
import { LINEAR_MASK, SCRATCH, SEGMENTS, SEG_REACH, TLB_ADDEND, TLB_ENTRIES, TLB_ENTRY, TLB_PTR, TLB_READ, TLB_WRITE } from '../../layout.ts';
import { CORE, RAM, isCheap } from './context.ts';

const INDEX_MASK = (TLB_ENTRIES - 1) * TLB_ENTRY;
/** Linear address bits 12.. to a byte offset in the TLB: TLB_ENTRY is 2 ** 5. */
const INDEX_SHIFT = 12n - 5n;

const LOADS = { 8: 'i32.load8_u', 16: 'i32.load16_u', 32: 'i32.load', 64: 'i64.load' } as const;
const STORES = { 8: 'i32.store8', 16: 'i32.store16', 32: 'i32.store', 64: 'i64.store' } as const;

/** A place that was read in order to be written: in RAM at `at`, or by store_slow if `slow`. */
export interface Place {
  readonly linear: Int;
  readonly segment: Bit;
  readonly at: Local<'i32'>;
  readonly slow: Local<'i32'>;
}

export interface MemoryHost {
  readonly body: FunctionBody;
  readonly addressing: Addressing;
  /** Calls a helper that may fault; leaves the instruction if it did. The result, if any, is on the stack before that: `take` fetches it. */
  callFaulting(name: string, args: readonly (Int | Bit)[], take?: () => void): void;
}

export class MemoryEmitter {
  readonly #host: MemoryHost;
  readonly #body: FunctionBody;

  constructor(host: MemoryHost) {
    this.#host = host;
    this.#body = host.body;
  }

  load(segment: Bit, offset: Int, size: Size): Int {
    const linear = this.#linear(segment, offset, size / 8, false);
    return this.#loadLinear(linear, segment, size);
  }

  store(segment: Bit, offset: Int, size: Size, value: Int): void {
    const bound = this.#bind(value);
    const linear = this.#linear(segment, offset, size / 8, true);
    const entry = this.#entry(linear);
    this.#body.if(
      this.#hit(linear, size / 8, entry, TLB_WRITE),
      () => this.#storeAt(this.#ramAddress(linear, entry), size, bound),
      () => this.#host.callFaulting('store_slow', [linear, size / 8, segment, bound]),
      true,
    );
  }

  /** The value at a place that will be written: afterwards `storePlace` cannot fault. */
  loadPlace(segment: Bit, offset: Int, size: Size): { readonly value: Int; readonly place: Place } {
    const body = this.#body;
    const linear = this.#linear(segment, offset, size / 8, true);
    const entry = this.#entry(linear);
    const [at, slow] = [body.local('i32'), body.local('i32')];
    const result = body.local(size === 64 ? 'i64' : 'i32');
    body.if(
      this.#hit(linear, size / 8, entry, TLB_WRITE),
      () => {
        body.set(at, this.#ramAddress(linear, entry));
        body.set(slow, 0);
        body.set(result as Local<'i32'>, body.load(LOADS[size], at.get(), 0, RAM) as never);
      },
      () => {
        this.#host.callFaulting('prepare_write', [linear, size / 8, segment]);
        this.#loadSlow(linear, segment, size, result);
        body.set(slow, 1);
      },
      true,
    );
    return { value: asInt(result, size), place: { linear, segment, at, slow } };
  }

  storePlace(place: Place, size: Size, value: Int): void {
    const bound = this.#bind(value);
    this.#body.if(
      place.slow.get(1),
      () => this.#host.callFaulting('store_slow', [place.linear, size / 8, place.segment, bound]),
      () => this.#storeAt(place.at.get(), size, bound),
      false,
    );
  }

  loadVector(segment: Bit, offset: Int): Vector {
    const body = this.#body;
    const linear = this.#linear(segment, offset, 16, false);
    const entry = this.#entry(linear);
    const result = body.local('v128');
    body.if(
      this.#hit(linear, 16, entry, TLB_READ),
      () => body.set(result, body.load('v128.load', this.#ramAddress(linear, entry), 0, RAM)),
      () => {
        this.#host.callFaulting('load_block', [linear, 16, segment, SCRATCH]);
        body.set(result, body.load('v128.load', 0, SCRATCH, CORE));
      },
      true,
    );
    return result.get();
  }

  storeVector(segment: Bit, offset: Int, value: Vector): void {
    const body = this.#body;
    const bound = isCheap(value) ? value : body.let('v128', value);
    const linear = this.#linear(segment, offset, 16, true);
    const entry = this.#entry(linear);
    body.if(
      this.#hit(linear, 16, entry, TLB_WRITE),
      () => body.store('v128.store', this.#ramAddress(linear, entry), bound, 0, RAM),
      () => {
        body.store('v128.store', 0, bound, SCRATCH, CORE);
        this.#host.callFaulting('store_block', [linear, 16, segment, SCRATCH]);
      },
      true,
    );
  }

  /** Base added, limit and type checked as far as the handler's addressing needs it. */
  #linear(segment: Bit, offset: Int, bytes: number, write: boolean): Int {
    const body = this.#body;
    const { addressing } = this.#host;
    if (addressing === 'flat64') return this.#bind(offset);
    if (addressing === 'flat32') return this.#bind(low32(offset));
    const bound = this.#bind(offset);
    const reach = body.load('i64.load', shl(segment, 3), SEG_REACH);
    body.if(
      greaterS(add(bound, BigInt(bytes - 1)), reach as Int),
      () => this.#host.callFaulting('seg_check', [segment, bound, bytes, write ? 1 : 0]),
      undefined,
      false,
    );
    const base = body.load('i64.load', shl(segment, 5), SEGMENTS);
    return body.let('i64', and(add(bound, base), body.load('i64.load', 0, LINEAR_MASK)));
  }

  #entry(linear: Int): Bit {
    const body = this.#body;
    const offset = and(toBit(shrU(linear, INDEX_SHIFT)), INDEX_MASK);
    return body.let('i32', add(offset, body.load('i32.load', 0, TLB_PTR)));
  }

  #hit(linear: Int, bytes: number, entry: Bit, tag: number): Exclude<Bit, number> {
    const stored = this.#body.load('i64.load', entry, tag);
    return atLeastU(sub(stored as Int, linear), BigInt.asUintN(64, BigInt(bytes - 0x1001))) as Exclude<Bit, number>;
  }

  #ramAddress(linear: Int, entry: Bit): Bit {
    return add(toBit(linear), this.#body.load('i32.load', entry, TLB_ADDEND) as Bit);
  }

  #loadLinear(linear: Int, segment: Bit, size: Size): Int {
    const body = this.#body;
    const entry = this.#entry(linear);
    const result = body.local(size === 64 ? 'i64' : 'i32');
    body.if(
      this.#hit(linear, size / 8, entry, TLB_READ),
      () => body.set(result as Local<'i32'>, body.load(LOADS[size], this.#ramAddress(linear, entry), 0, RAM) as never),
      () => this.#loadSlow(linear, segment, size, result),
      true,
    );
    return asInt(result, size);
  }

  #loadSlow(linear: Int, segment: Bit, size: Size, result: Local<'i32' | 'i64'>): void {
    const body = this.#body;
    this.#host.callFaulting('load_slow', [linear, size / 8, segment], () => {
      const value = body.pop('i64', size);
      if (result.type === 'i64') body.set(result as Local<'i64'>, value);
      else body.set(result as Local<'i32'>, toBit(value));
    });
  }

  #storeAt(address: Bit, size: Size, value: Int): void {
    this.#body.store(STORES[size], address, size === 64 ? value : toBit(value), 0, RAM);
  }

  #bind(value: Int): Int {
    if (isCheap(value)) return value;
    // A narrowed value is kept as the i32 it is.
    if (typeof value === 'object' && value.op === 'i64.extend_i32_u') return fromBit(this.#body.let('i32', value.args[0] as never, value.bits));
    return this.#body.let('i64', value, (value as { bits: number }).bits);
  }
}

function asInt(local: Local<'i32' | 'i64'>, size: Size): Int {
  return local.type === 'i64' ? (local as Local<'i64'>).get(size) : fromBit((local as Local<'i32'>).get(size));
}
