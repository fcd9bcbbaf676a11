/**
 * Arithmetic flags in translated code. What is known of them while translating is kept here and costs nothing until it is asked for: the operands of
 * the last operation (lazy, in locals LAZY_A and LAZY_R with the meaning they have in core memory), and single flags as expressions not yet computed (pending).
 * Where control flow joins nothing is known: then LAZY_MASK, a local too, says at run time what is lazy, as the interpreter has it.
 */
import { Local } from '../../../wasm/function-body.ts';
import type { FunctionBody } from '../../../wasm/function-body.ts';
import { Node } from '../../../wasm/expression.ts';
import type { Condition, Flag, Size } from '../../isa/machine.ts';
import {
  and,
  bitOf,
  eq,
  greaterU,
  isZeroValue,
  lessS,
  lessU,
  ne,
  notBit,
  or,
  popcnt,
  shl,
  shrU,
  signExtend,
  signOf,
  sub,
  toBit,
  xor,
} from '../../isa/value.ts';
import type { Bit, Int } from '../../isa/value.ts';
import { FLAGS, LAZY_A, LAZY_MASK, LAZY_R, LAZY_SUB } from '../../layout.ts';
import { ALL_FLAGS, FLAG_BITS, FlagsEmitter, RESULT_FLAGS, SIZE_SHIFT, flagMask } from '../interp/flags.ts';
import type { FlagWords } from '../interp/flags.ts';

interface Known {
  /** Flags that follow from a, r and size; the others are pending or stand in FLAGS. */
  readonly lazy: number;
  readonly subtraction: boolean;
  readonly size: Size;
  readonly a: Int;
  readonly r: Int;
  /** The second operand of a subtraction, if it was seen. */
  readonly b: Int | undefined;
  readonly pending: Readonly<Partial<Record<Flag, Bit>>>;
}

/** No flag is pending: most often so. */
const NOTHING: Known['pending'] = {};

/**
 * A point in the translation to come back to. `memory`: nothing was done to them since the region was entered, core memory has them and the locals do not;
 * `joined`: the locals have them.
 */
export type FlagState = Known | 'memory' | 'joined';

export class JitFlags {
  readonly #body: FunctionBody;
  readonly #flags: Local<'i32'>;
  readonly #mask: Local<'i32'>;
  readonly #a: Local<'i64'>;
  readonly #r: Local<'i64'>;
  readonly #dynamic: FlagsEmitter;
  #state: FlagState = 'memory';

  constructor(body: FunctionBody) {
    this.#body = body;
    this.#flags = body.local('i32');
    this.#mask = body.local('i32');
    this.#a = body.local('i64');
    this.#r = body.local('i64');
    const words: FlagWords = {
      // Bound: the local may change before the value is used.
      load: (word) => body.let('i32', (word === FLAGS ? this.#flags : this.#mask).get()),
      loadLong: (word) => (word === LAZY_A ? this.#a : this.#r).get(),
      store: (word, value) => body.set(word === FLAGS ? this.#flags : this.#mask, value),
      storeLong: (word, value) => body.set(word === LAZY_A ? this.#a : this.#r, value),
    };
    this.#dynamic = new FlagsEmitter(body, words);
  }

  get #known(): Known | undefined {
    return typeof this.#state === 'object' ? this.#state : undefined;
  }

  /** Locals, of those that come and go, that must keep their values. */
  keep(into: Local[]): void {
    if (!this.#known) return;
    const { a, r, b, pending } = this.#known;
    if (typeof a === 'object') collectLocals(a, into);
    if (typeof r === 'object') collectLocals(r, into);
    if (typeof b === 'object') collectLocals(b, into);
    if (pending === NOTHING) return;
    for (const value of Object.values(pending)) if (typeof value === 'object') collectLocals(value, into);
  }

  // -- between translated code and core memory

  /** EFLAGS itself; what is lazy when it is asked for. */
  fill(): void {
    const body = this.#body;
    body.pushLoad('i32.load', 0, FLAGS);
    body.popInto(this.#flags);
    this.#state = 'memory';
  }

  #fillLazy(): void {
    const body = this.#body;
    body.pushLoad('i32.load', 0, LAZY_MASK);
    body.popInto(this.#mask);
    body.pushLoad('i64.load', 0, LAZY_A);
    body.popInto(this.#a);
    body.pushLoad('i64.load', 0, LAZY_R);
    body.popInto(this.#r);
  }

  /** Before what depends on the flags as they are. */
  #want(): void {
    if (this.#state !== 'memory') return;
    this.#fillLazy();
    this.#state = 'joined';
  }

  /** After `settle`. */
  spill(): void {
    const body = this.#body;
    body.store('i32.store', 0, this.#flags.get(), FLAGS);
    body.store('i32.store', 0, this.#mask.get(), LAZY_MASK);
    body.store('i64.store', 0, this.#a.get(), LAZY_A);
    body.store('i64.store', 0, this.#r.get(), LAZY_R);
  }

  get state(): FlagState {
    return this.#state;
  }
  set state(state: FlagState) {
    this.#state = state;
  }

  /** Makes the locals say all that is known; what is known does not change (for code on the way out). */
  settle(): void {
    if (this.#state === 'memory') this.#fillLazy();
    if (!this.#known) return;
    const { lazy, subtraction, size, pending } = this.#known;
    this.#mergePending(pending);
    this.#body.set(this.#mask, lazy | (size << SIZE_SHIFT) | (subtraction ? LAZY_SUB : 0));
  }

  /** Forgets, for a place that control reaches from elsewhere too. */
  join(): void {
    this.settle();
    this.#state = 'joined';
  }

  #mergePending(pending: Known['pending']): void {
    if (pending === NOTHING) return;
    const names = Object.keys(pending) as Flag[];
    let value: Bit = and(this.#flags.get(), ~flagMask(...names));
    for (const name of names) value = or(value, shl(pending[name]!, FLAG_BITS[name]));
    this.#body.set(this.#flags, value);
  }

  // -- writing

  #lazy(lazy: number, subtraction: boolean, size: Size, a: Int, r: Int, b: Int | undefined, pending: Known['pending']): void {
    this.#body.set(this.#a, a);
    this.#body.set(this.#r, r);
    this.#state = { lazy, subtraction, size, a, r, b, pending };
  }

  add(size: Size, a: Int, r: Int): void {
    this.#lazy(ALL_FLAGS, false, size, a, r, undefined, this.#without(ALL_FLAGS));
  }

  sub(size: Size, a: Int, r: Int, b: Int | undefined): void {
    this.#lazy(ALL_FLAGS, true, size, a, r, b, this.#without(ALL_FLAGS));
  }

  logic(size: Size, r: Int): void {
    this.#lazy(ALL_FLAGS, true, size, r, r, 0n, this.#without(ALL_FLAGS));
  }

  /** All but CF. */
  step(size: Size, a: Int, r: Int, down: boolean): void {
    this.#want();
    const cf = this.#kept('cf');
    const pending = this.#without(ALL_FLAGS & ~1);
    this.#lazy(ALL_FLAGS & ~1, down, size, a, r, down ? 1n : undefined, cf === undefined ? pending : { ...pending, cf });
  }

  result(size: Size, r: Int, rest: { readonly cf?: Bit; readonly of?: Bit; readonly af?: Bit }): void {
    if (rest.cf === undefined || rest.of === undefined || rest.af === undefined) this.#want();
    const pending: Partial<Record<Flag, Bit>> = { ...this.#without(ALL_FLAGS) };
    for (const name of ['cf', 'of', 'af'] as const) {
      const value = rest[name] ?? this.#kept(name);
      if (value !== undefined) pending[name] = value;
    }
    this.#body.set(this.#r, r);
    this.#state = { lazy: RESULT_FLAGS, subtraction: false, size, a: this.#a.get(), r, b: undefined, pending };
  }

  set(flags: Partial<Record<Flag, Bit>>): void {
    this.#want();
    if (!this.#known) {
      this.#dynamic.set(flags);
      return;
    }
    const written = flagMask(...(Object.keys(flags) as Flag[]));
    const known = this.#known;
    this.#state = { ...known, lazy: known.lazy & ~written, pending: { ...known.pending, ...flags } };
  }

  /** Pending flags beyond those of a mask; DF and the like stay. */
  #without(mask: number): Known['pending'] {
    if (!this.#known || this.#known.pending === NOTHING) return NOTHING;
    const left = Object.entries(this.#known.pending).filter(([name]) => (mask & (1 << FLAG_BITS[name as Flag])) === 0);
    return left.length === 0 ? NOTHING : Object.fromEntries(left);
  }

  /** The value of a flag that the next operation leaves alone, undefined if it stands in FLAGS. */
  #kept(flag: Flag): Bit | undefined {
    const known = this.#known;
    if (known) {
      const pending = known.pending[flag];
      if (pending !== undefined) return pending;
      if ((known.lazy & (1 << FLAG_BITS[flag])) === 0) return undefined;
      return this.#bound(this.#computed(known, flag));
    }
    // Only if it is lazy does anything have to be done.
    const body = this.#body;
    body.if(and(this.#mask.get(), 1 << FLAG_BITS[flag]), () => {
      const value = this.#dynamic.read(flag);
      body.set(this.#flags, or(and(this.#flags.get(), ~(1 << FLAG_BITS[flag])), shl(value, FLAG_BITS[flag])));
    });
    return undefined;
  }

  #bound(value: Bit): Bit {
    return typeof value === 'number' ? value : this.#body.let('i32', value, value.bits);
  }

  // -- reading

  read(flag: Flag): Bit {
    if (flag !== 'df') this.#want();
    const known = this.#known;
    if (!known) return this.#dynamic.read(flag);
    const pending = known.pending[flag];
    if (pending !== undefined) return pending;
    if ((known.lazy & (1 << FLAG_BITS[flag])) !== 0) return this.#computed(known, flag);
    return and(shrU(this.#body.let('i32', this.#flags.get()), FLAG_BITS[flag]), 1);
  }

  #computed({ a, r, b, size, subtraction }: Known, flag: Flag): Bit {
    if (subtraction && b === 0n && (flag === 'cf' || flag === 'of' || flag === 'af')) return 0;
    switch (flag) {
      case 'zf':
        return isZeroValue(r);
      case 'sf':
        return signOf(r, size);
      case 'pf':
        return xor(and(popcnt(and(toBit(r), 0xff)), 1), 1);
      case 'cf':
        if (!subtraction) return lessU(r, a);
        return b === undefined ? greaterU(r, a) : lessU(a, b);
      default: {
        const second = b ?? (subtraction ? sub(a, r) : sub(r, a));
        if (flag === 'af') return bitOf(xor(xor(a, second), r), 4);
        const signs = subtraction ? xor(a, second) : xor(a, r);
        return signOf(and(signs, subtraction ? xor(a, r) : xor(second, r)), size);
      }
    }
  }

  /** A condition of Jcc, SETcc, CMOVcc: 0 or 1 (SDM vol.1 appendix B). */
  condition(condition: Condition): Bit {
    this.#want();
    const known = this.#known;
    if (!known) return this.#dynamic.condition(condition);
    const { a, r, b, size, subtraction, lazy } = known;
    const needs = (mask: number): boolean => (lazy & mask) === mask;
    switch (condition) {
      case 'o':
        return this.read('of');
      case 'b':
        return this.read('cf');
      case 'z':
        if (subtraction && b !== undefined && b !== 0n && needs(flagMask('zf'))) return eq(a, b);
        return this.read('zf');
      case 's':
        return this.read('sf');
      case 'p':
        return this.read('pf');
      case 'be':
        if (subtraction && b !== undefined && needs(flagMask('cf', 'zf'))) return b === 0n ? isZeroValue(a) : notBit(lessU(b, a));
        return or(this.read('cf'), this.read('zf'));
      case 'l':
        if (subtraction && needs(flagMask('sf', 'of'))) {
          if (b === 0n) return signOf(r, size);
          return lessS(this.#signed(a, size), this.#signed(b ?? sub(a, r), size));
        }
        return xor(this.read('sf'), this.read('of'));
      case 'le':
        if (subtraction && b !== undefined && needs(flagMask('sf', 'of', 'zf'))) return notBit(lessS(this.#signed(b, size), this.#signed(a, size)));
        return or(this.read('zf'), this.condition('l'));
      case 'nz':
        if (subtraction && b !== undefined && b !== 0n && needs(flagMask('zf'))) return ne(a, b);
        return notBit(this.condition('z'));
      case 'no':
        return notBit(this.condition('o'));
      case 'nb':
        return notBit(this.condition('b'));
      case 'ns':
        return notBit(this.condition('s'));
      case 'np':
        return notBit(this.condition('p'));
      case 'nbe':
        return notBit(this.condition('be'));
      case 'nl':
        return notBit(this.condition('l'));
      case 'nle':
        return notBit(this.condition('le'));
    }
  }

  #signed(value: Int, size: Size): Int {
    return signExtend(value, size);
  }
}

function collectLocals(value: Node, into: Local[]): void {
  if (value.op === 'local') into.push(new Local(value.type, value.immediate as number));
  for (const arg of value.args) if (typeof arg === 'object') collectLocals(arg, into);
}
