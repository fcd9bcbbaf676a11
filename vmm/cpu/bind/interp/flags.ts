/**
 * Arithmetic flags as code over FLAGS, LAZY_MASK, LAZY_A and LAZY_R (layout.ts): setting them is three stores, reading one decides at run time whether
 * it is lazy. A logical operation is stored as r - 0 = r, whose CF, OF and AF are clear.
 */
import type { FunctionBody, Local } from '../../../wasm/function-body.ts';
import type { Condition, Flag, Size } from '../../isa/machine.ts';
import { and, bitOf, eq, fromBit, greaterU, isZeroValue, lessS, lessU, ne, notBit, or, popcnt, shl, shrU, sub, toBit, xor } from '../../isa/value.ts';
import type { Bit, Int } from '../../isa/value.ts';
import { FLAGS, LAZY_A, LAZY_MASK, LAZY_R, LAZY_SUB } from '../../layout.ts';

export const FLAG_BITS: Readonly<Record<Flag, number>> = { cf: 0, pf: 2, af: 4, zf: 6, sf: 7, of: 11, df: 10 };
export const flagMask = (...flags: Flag[]): number => flags.reduce((bits, flag) => bits | (1 << FLAG_BITS[flag]), 0);
export const ALL_FLAGS = flagMask('cf', 'pf', 'af', 'zf', 'sf', 'of');
export const RESULT_FLAGS = flagMask('pf', 'zf', 'sf');
export const SIZE_SHIFT = 16;

/** Where the four words are: core memory, or locals of translated code. */
export interface FlagWords {
  load(word: typeof FLAGS | typeof LAZY_MASK): Bit;
  loadLong(word: typeof LAZY_A | typeof LAZY_R): Int;
  store(word: typeof FLAGS | typeof LAZY_MASK, value: Bit): void;
  storeLong(word: typeof LAZY_A | typeof LAZY_R, value: Int): void;
}

export function flagsInMemory(body: FunctionBody): FlagWords {
  return {
    load: (word) => body.load('i32.load', 0, word),
    loadLong: (word) => body.load('i64.load', 0, word),
    store: (word, value) => body.store('i32.store', 0, value, word),
    storeLong: (word, value) => body.store('i64.store', 0, value, word),
  };
}

export class FlagsEmitter {
  readonly #body: FunctionBody;
  readonly #words: FlagWords;

  constructor(body: FunctionBody, words: FlagWords = flagsInMemory(body)) {
    this.#body = body;
    this.#words = words;
  }

  // -- writing

  setLazy(lazyMask: number, size: Size, a: Int, r: Int): void {
    this.#words.store(LAZY_MASK, lazyMask | (size << SIZE_SHIFT));
    this.#words.storeLong(LAZY_A, a);
    this.#words.storeLong(LAZY_R, r);
  }

  add(size: Size, a: Int, r: Int): void {
    this.setLazy(ALL_FLAGS, size, a, r);
  }

  sub(size: Size, a: Int, r: Int): void {
    this.setLazy(ALL_FLAGS | LAZY_SUB, size, a, r);
  }

  logic(size: Size, r: Int): void {
    this.setLazy(ALL_FLAGS | LAZY_SUB, size, r, r);
  }

  /** All but CF. */
  step(size: Size, a: Int, r: Int, down: boolean): void {
    this.#merge({ cf: this.read('cf') });
    this.setLazy((ALL_FLAGS & ~flagMask('cf')) | (down ? LAZY_SUB : 0), size, a, r);
  }

  result(size: Size, r: Int, rest: { readonly cf?: Bit; readonly of?: Bit; readonly af?: Bit }): void {
    const { cf = this.read('cf'), of = this.read('of'), af = this.read('af') } = rest;
    this.#merge({ cf, of, af });
    this.#words.store(LAZY_MASK, RESULT_FLAGS | (size << SIZE_SHIFT));
    this.#words.storeLong(LAZY_R, r);
  }

  set(flags: Partial<Record<Flag, Bit>>): void {
    this.#merge(flags);
    const lazy = flagMask(...(Object.keys(flags) as Flag[])) & ALL_FLAGS;
    if (lazy !== 0) this.#words.store(LAZY_MASK, and(this.#words.load(LAZY_MASK), ~lazy));
  }

  /** Puts flags into FLAGS; whether they are lazy is not changed. */
  #merge(flags: Partial<Record<Flag, Bit>>): void {
    const names = Object.keys(flags) as Flag[];
    let value: Bit = and(this.#words.load(FLAGS), ~flagMask(...names));
    for (const name of names) value = or(value, shl(flags[name]!, FLAG_BITS[name]));
    this.#words.store(FLAGS, value);
  }

  // -- reading

  /** One flag, 0 or 1, in a local. */
  read(flag: Flag): Bit {
    const result = this.#body.local('i32');
    if (flag === 'df') {
      this.#body.set(result, this.#standing(flag));
      return result.get(1);
    }
    const lazy = this.#words.load(LAZY_MASK);
    this.#body.if(
      and(lazy, 1 << FLAG_BITS[flag]),
      () => this.#body.set(result, this.#computed(flag, lazy)),
      () => this.#body.set(result, this.#standing(flag)),
    );
    return result.get(1);
  }

  #standing(flag: Flag): Bit {
    return and(shrU(this.#words.load(FLAGS), FLAG_BITS[flag]), 1);
  }

  #computed(flag: Flag, lazy: Bit): Bit {
    const r = this.#words.loadLong(LAZY_R);
    switch (flag) {
      case 'zf':
        return isZeroValue(r);
      case 'sf':
        return bitOf(r, sub(and(shrU(fromBit(lazy), BigInt(SIZE_SHIFT)), 0x7fn), 1n));
      case 'pf':
        return xor(and(popcnt(and(toBit(r), 0xff)), 1), 1);
    }
    const a = this.#words.loadLong(LAZY_A);
    const subtracted = ne(and(lazy, LAZY_SUB), 0);
    // A carry leaves a sum below, a borrow leaves a difference above the first operand.
    if (flag === 'cf') return this.#choose(subtracted, greaterU(r, a), lessU(r, a));
    const b = this.#body.local('i64');
    this.#body.if(
      subtracted,
      () => this.#body.set(b, sub(a, r)),
      () => this.#body.set(b, sub(r, a)),
    );
    if (flag === 'af') return bitOf(xor(xor(a, b.get()), r), 4);
    // OF: the operands' signs differ (subtraction) or agree (addition), and the result's differs from the first's.
    const signs = xor(xor(a, b.get()), fromSign(subtracted, this.#body));
    const overflow = this.#body.let('i64', and(signs, xor(a, r)));
    return bitOf(overflow, sub(and(shrU(fromBit(lazy), BigInt(SIZE_SHIFT)), 0x7fn), 1n));
  }

  #choose(condition: Bit, then: Bit, otherwise: Bit): Bit {
    const result: Local<'i32'> = this.#body.local('i32');
    this.#body.if(
      condition,
      () => this.#body.set(result, then),
      () => this.#body.set(result, otherwise),
    );
    return result.get(1);
  }

  /** A condition of Jcc, SETcc, CMOVcc: 0 or 1 (SDM vol.1 appendix B). */
  condition(condition: Condition): Bit {
    switch (condition) {
      case 'o':
        return this.read('of');
      case 'b':
        return this.read('cf');
      case 'z':
        return this.read('zf');
      case 's':
        return this.read('sf');
      case 'p':
        return this.read('pf');
      case 'be':
        return this.#either(this.read('cf'), () => this.read('zf'));
      case 'l':
        return this.#less();
      case 'le':
        return this.#either(this.read('zf'), () => this.#less());
      case 'no':
        return notBit(this.condition('o'));
      case 'nb':
        return notBit(this.condition('b'));
      case 'nz':
        return notBit(this.condition('z'));
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

  #either(first: Bit, second: () => Bit): Bit {
    const result = this.#body.local('i32');
    this.#body.set(result, first);
    this.#body.if(isZeroValue(first), () => this.#body.set(result, second()));
    return result.get(1);
  }

  /** SF != OF. After a subtraction whose flags are all lazy that is a signed comparison of its operands, moved to the top of 64 bits. */
  #less(): Bit {
    const result = this.#body.local('i32');
    const lazy = this.#words.load(LAZY_MASK);
    const needed = flagMask('sf', 'of') | LAZY_SUB;
    this.#body.if(
      eq(and(lazy, needed), needed),
      () => {
        const a = this.#words.loadLong(LAZY_A);
        const r = this.#words.loadLong(LAZY_R);
        const shift = this.#body.let('i64', sub(64n, fromBit(and(shrU(lazy, SIZE_SHIFT), 0x7f))));
        this.#body.set(result, lessS(shl(a, shift), shl(sub(a, r), shift)));
      },
      () => {
        const sf = this.read('sf');
        this.#body.set(result, xor(sf, this.read('of')));
      },
    );
    return result.get(1);
  }
}

/** All ones when the lazy operation was an addition. */
function fromSign(subtracted: Bit, body: FunctionBody): Int {
  return body.let('i64', sub(fromBit(subtracted), 1n));
}
