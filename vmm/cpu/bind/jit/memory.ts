/**
 * Guest memory in translated code: the TLB check of bind/interp/memory.ts, but whatever is not a hit leaves the region (a call would cost every register
 * around it), and the interpreter executes that instruction. Instructions that call helpers may not be executed twice: they ask the slow helpers instead.
 */
import type { FunctionBody, Local } from '../../../wasm/function-body.ts';
import type { Size } from '../../isa/machine.ts';
import { add, and, fromBit, greaterS, lessU, low32, shrU, sub, toBit } from '../../isa/value.ts';
import type { Bit, Int, Vector } from '../../isa/value.ts';
import {
  MODE_CODE64,
  MODE_LONG,
  SCRATCH,
  SEGMENTS,
  SEG_FS,
  SEG_REACH,
  SEG_STRIDE,
  TLB_ADDEND,
  TLB_ENTRIES,
  TLB_ENTRY,
  TLB_READ,
  TLB_WRITE,
} from '../../layout.ts';
import type { Addressing } from '../../isa/handlers.ts';
import { CORE, RAM, isCheap } from '../interp/context.ts';

const INDEX_MASK = (TLB_ENTRIES - 1) * TLB_ENTRY;
const INDEX_SHIFT = 12 - 5;

const LOADS = { 8: 'i32.load8_u', 16: 'i32.load16_u', 32: 'i32.load', 64: 'i64.load' } as const;
const STORES = { 8: 'i32.store8', 16: 'i32.store16', 32: 'i32.store', 64: 'i64.store' } as const;

export interface MemoryHost {
  readonly body: FunctionBody;
  readonly mode: number;
  readonly addressing: Addressing;
  readonly tlb: Local<'i32'>;
  /** The instruction calls helpers: it must not leave the region half done. */
  readonly calls: boolean;
  /** Leaves the region, this instruction not executed. */
  leaveUndone(condition: Bit): void;
  callFaulting(name: string, args: readonly (Int | Bit)[], take?: () => void): void;
}

/** A place that was read in order to be written. */
export interface Place {
  readonly at: Bit;
  readonly linear: Int;
  readonly segment: number;
  /** Not 0: by store_slow. Undefined where a miss leaves the region. */
  readonly slow: Local<'i32'> | undefined;
}

export class JitMemory {
  readonly #host: MemoryHost;
  readonly #body: FunctionBody;

  constructor(host: MemoryHost) {
    this.#host = host;
    this.#body = host.body;
  }

  load(segment: number, offset: Int, size: Size): Int {
    const body = this.#body;
    const linear = this.#linear(segment, offset, size / 8, false);
    const entry = this.#entry(linear);
    if (!this.#host.calls) {
      this.#host.leaveUndone(this.#misses(linear, size / 8, entry, TLB_READ));
      return this.#loadAt(this.#ramAddress(linear, entry), size);
    }
    const result = body.local(size === 64 ? 'i64' : 'i32');
    body.if(
      this.#misses(linear, size / 8, entry, TLB_READ),
      () => this.#loadSlow(linear, segment, size, result),
      () => {
        body.pushLoad(LOADS[size], this.#ramAddress(linear, entry), 0, RAM);
        body.popInto(result);
      },
      false,
    );
    return asInt(result, size);
  }

  store(segment: number, offset: Int, size: Size, value: Int): void {
    const body = this.#body;
    const bound = this.#bind(value);
    const linear = this.#linear(segment, offset, size / 8, true);
    const entry = this.#entry(linear);
    const misses = this.#misses(linear, size / 8, entry, TLB_WRITE);
    if (!this.#host.calls) {
      this.#host.leaveUndone(misses);
      this.#storeAt(this.#ramAddress(linear, entry), size, bound);
      return;
    }
    body.if(
      misses,
      () => this.#host.callFaulting('store_slow', [linear, size / 8, segment, bound]),
      () => this.#storeAt(this.#ramAddress(linear, entry), size, bound),
      false,
    );
  }

  loadPlace(segment: number, offset: Int, size: Size): { readonly value: Int; readonly place: Place } {
    const body = this.#body;
    const linear = this.#linear(segment, offset, size / 8, true);
    const entry = this.#entry(linear);
    const misses = this.#misses(linear, size / 8, entry, TLB_WRITE);
    if (!this.#host.calls) {
      this.#host.leaveUndone(misses);
      const at = body.let('i32', this.#ramAddress(linear, entry));
      return { value: this.#loadAt(at, size), place: { at, linear, segment, slow: undefined } };
    }
    const [at, slow] = [body.local('i32'), body.local('i32')];
    const result = body.local(size === 64 ? 'i64' : 'i32');
    body.if(
      misses,
      () => {
        this.#host.callFaulting('prepare_write', [linear, size / 8, segment]);
        this.#loadSlow(linear, segment, size, result);
        body.set(slow, 1);
      },
      () => {
        body.set(at, this.#ramAddress(linear, entry));
        body.set(slow, 0);
        body.pushLoad(LOADS[size], at.get(), 0, RAM);
        body.popInto(result);
      },
      false,
    );
    return { value: asInt(result, size), place: { at: at.get(), linear, segment, slow } };
  }

  storePlace(place: Place, size: Size, value: Int): void {
    if (!place.slow) return this.#storeAt(place.at, size, value);
    const bound = this.#bind(value);
    this.#body.if(
      place.slow.get(1),
      () => this.#host.callFaulting('store_slow', [place.linear, size / 8, place.segment, bound]),
      () => this.#storeAt(place.at, size, bound),
      false,
    );
  }

  loadVector(segment: number, offset: Int): Vector {
    const body = this.#body;
    const linear = this.#linear(segment, offset, 16, false);
    const entry = this.#entry(linear);
    const misses = this.#misses(linear, 16, entry, TLB_READ);
    if (!this.#host.calls) {
      this.#host.leaveUndone(misses);
      return body.load('v128.load', this.#ramAddress(linear, entry), 0, RAM);
    }
    const result = body.local('v128');
    body.if(
      misses,
      () => {
        this.#host.callFaulting('load_block', [linear, 16, segment, SCRATCH]);
        body.set(result, body.load('v128.load', 0, SCRATCH, CORE));
      },
      () => body.set(result, body.load('v128.load', this.#ramAddress(linear, entry), 0, RAM)),
      false,
    );
    return result.get();
  }

  storeVector(segment: number, offset: Int, value: Vector): void {
    const body = this.#body;
    const bound = isCheap(value) ? value : body.let('v128', value);
    const linear = this.#linear(segment, offset, 16, true);
    const entry = this.#entry(linear);
    const misses = this.#misses(linear, 16, entry, TLB_WRITE);
    if (!this.#host.calls) {
      this.#host.leaveUndone(misses);
      body.store('v128.store', this.#ramAddress(linear, entry), bound, 0, RAM);
      return;
    }
    body.if(
      misses,
      () => {
        body.store('v128.store', 0, bound, SCRATCH, CORE);
        this.#host.callFaulting('store_block', [linear, 16, segment, SCRATCH]);
      },
      () => body.store('v128.store', this.#ramAddress(linear, entry), bound, 0, RAM),
      false,
    );
  }

  /** Base added, limit and type checked as far as the mode needs it. */
  #linear(segment: number, offset: Int, bytes: number, write: boolean): Int {
    const body = this.#body;
    const { addressing, mode, calls } = this.#host;
    if (addressing === 'flat64') return this.#bind(offset);
    if (addressing === 'flat32') return this.#bind(low32(offset));
    const base = (): Int => body.load('i64.load', 0, SEGMENTS + segment * SEG_STRIDE);
    // In 64-bit mode only FS and GS have a base, and nothing has a limit (SDM vol.3 3.2.4).
    if (mode & MODE_CODE64) return this.#bind(segment >= SEG_FS ? add(offset, base()) : offset);
    const bound = this.#bind(offset);
    const reach = body.load('i64.load', 0, SEG_REACH + segment * 8);
    const beyond = greaterS(add(bound, BigInt(bytes - 1)), reach as Int);
    if (calls) body.if(beyond, () => this.#host.callFaulting('seg_check', [segment, bound, bytes, write ? 1 : 0]), undefined, false);
    else this.#host.leaveUndone(beyond);
    return this.#bind(low32(add(bound, base())));
  }

  #entry(linear: Int): Bit {
    const index = and(this.#isNarrow(linear) ? shrU(toBit(linear), INDEX_SHIFT) : toBit(shrU(linear, BigInt(INDEX_SHIFT))), INDEX_MASK);
    return this.#body.let('i32', add(index, this.#host.tlb.get()));
  }

  /** All linear addresses are below 4 GiB, those in the TLB too: half of a tag is enough. Not in compatibility mode, whose kernel lives above. */
  #isNarrow(linear: Int): boolean {
    return (this.#host.mode & MODE_LONG) === 0 && (typeof linear === 'bigint' ? linear < 1n << 32n : linear.bits <= 32);
  }

  #misses(linear: Int, bytes: number, entry: Bit, tag: number): Bit {
    const body = this.#body;
    if (this.#isNarrow(linear)) return lessU(sub(body.load('i32.load', entry, tag) as Bit, toBit(linear)), bytes - 0x1001);
    return lessU(sub(body.load('i64.load', entry, tag) as Int, linear), BigInt.asUintN(64, BigInt(bytes - 0x1001)));
  }

  #ramAddress(linear: Int, entry: Bit): Bit {
    return add(toBit(linear), this.#body.load('i32.load', entry, TLB_ADDEND) as Bit);
  }

  #loadAt(address: Bit, size: Size): Int {
    const body = this.#body;
    if (size === 64) return body.load('i64.load', address, 0, RAM);
    return fromBit(body.load(LOADS[size], address, 0, RAM, size));
  }

  #storeAt(address: Bit, size: Size, value: Int): void {
    this.#body.store(STORES[size], address, size === 64 ? value : toBit(value), 0, RAM);
  }

  #loadSlow(linear: Int, segment: number, size: Size, result: Local<'i32' | 'i64'>): void {
    const body = this.#body;
    this.#host.callFaulting('load_slow', [linear, size / 8, segment], () => {
      const value = body.pop('i64', size);
      if (result.type === 'i64') body.set(result as Local<'i64'>, value);
      else body.set(result as Local<'i32'>, toBit(value));
    });
  }

  #bind(value: Int): Int {
    if (isCheap(value)) return value;
    const node = value as Exclude<Int, bigint>;
    if (node.op === 'i64.extend_i32_u') return fromBit(this.#body.let('i32', node.args[0] as Bit, node.bits));
    return this.#body.let('i64', value, node.bits);
  }
}

function asInt(local: Local<'i32' | 'i64'>, size: Size): Int {
  return local.type === 'i64' ? (local as Local<'i64'>).get(size) : fromBit((local as Local<'i32'>).get(size));
}
