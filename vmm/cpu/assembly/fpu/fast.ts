/**
 * The common case of x87 arithmetic: everything masked, to nearest, extended precision, normal operands and a normal result. 64-bit significands are added,
 * multiplied, divided and rounded exactly with integers. What is not that is declined, with nothing changed, and left to arithmetic.ts.
 */
import { FCW, FPU_REGS, FSW, FTW } from '../../layout.ts';
import { INTEGER_BIT, divideWide, low, multiplyWide } from './float80.ts';

const PE: u32 = 0x20;
const C1: u32 = 0x200;
const TOP: u32 = 0x3800;
const EXP_MASK: u32 = 0x7fff;
const SIGN: u32 = 0x8000;
/** No result: an operand, the result or the control word is not of the common case. Otherwise a result's PE and C1. */
export const DECLINED: u32 = 0x80000000;

/** FCW: masks, rounding and precision as FNINIT leaves them. */
// @ts-ignore: decorator
@inline
export function isUsualControl(): bool {
  return (load<u32>(FCW) & 0xf3f) == 0x33f;
}

/** The same but for precision, which stores do not ask. */
// @ts-ignore: decorator
@inline
export function isUsualStore(): bool {
  return (load<u32>(FCW) & 0xc3f) == 0x3f;
}

// @ts-ignore: decorator
@inline
export function isNormal(exp: u32, sig: u64): bool {
  return (exp & EXP_MASK) - 1 < 0x7ffe && <i64>sig < 0;
}

/** Rounds sig.ext, `sig` normalised, to nearest and stores the value at `at`. */
// @ts-ignore: decorator
@inline
function pack(at: usize, sign: u32, exp: u32, sig: u64, ext: u64): u32 {
  let flags: u32 = 0;
  if (ext != 0) {
    flags = PE;
    if (ext > INTEGER_BIT || (ext == INTEGER_BIT && (sig & 1) != 0)) {
      flags = PE | C1;
      if (++sig == 0) {
        sig = INTEGER_BIT;
        exp++;
      }
    }
  }
  if (exp - 1 >= 0x7ffe) return DECLINED;
  store<u64>(at, sig);
  store<u64>(at, sign | exp, 8);
  return flags;
}

function add(at: usize, aExp: u32, aSig: u64, bExp: u32, bSig: u64): u32 {
  let ea = aExp & EXP_MASK;
  let eb = bExp & EXP_MASK;
  let sign = aExp & SIGN;
  const opposite = (aExp ^ bExp) & SIGN;
  if (ea < eb || (ea == eb && aSig < bSig)) {
    const e = ea;
    ea = eb;
    eb = e;
    const s = aSig;
    aSig = bSig;
    bSig = s;
    sign = bExp & SIGN;
  }
  const gap = ea - eb;
  let ext: u64 = 0;
  if (gap != 0) {
    if (gap < 64) {
      ext = bSig << (64 - gap);
      bSig >>= gap;
    } else {
      ext = gap == 64 ? bSig : gap < 128 ? (bSig >> (gap - 64)) | u64(bSig << (128 - gap) != 0) : 1;
      bSig = 0;
    }
  }
  if (opposite == 0) {
    let sum = aSig + bSig;
    if (sum < aSig) {
      ext = (sum << 63) | (ext >> 1) | (ext & 1);
      sum = (sum >> 1) | INTEGER_BIT;
      ea++;
    }
    return pack(at, sign, ea, sum, ext);
  }
  let difference = aSig - bSig - u64(ext != 0);
  ext = -ext;
  if (<i64>difference >= 0) {
    if (difference == 0) {
      if (ext == 0) {
        store<u64>(at, 0);
        store<u64>(at, 0, 8);
        return 0;
      }
      difference = ext;
      ext = 0;
      ea -= 64;
    }
    const shift = <u32>clz(difference);
    if (shift != 0) {
      difference = (difference << shift) | (ext >> (64 - shift));
      ext <<= shift;
      ea -= shift;
    }
  }
  return pack(at, sign, ea, difference, ext);
}

function multiply(at: usize, aExp: u32, aSig: u64, bExp: u32, bSig: u64): u32 {
  let exp = (aExp & EXP_MASK) + (bExp & EXP_MASK) - 0x3ffe;
  let hi = multiplyWide(aSig, bSig);
  let lo = low;
  if (<i64>hi >= 0) {
    hi = (hi << 1) | (lo >> 63);
    lo <<= 1;
    exp--;
  }
  return pack(at, (aExp ^ bExp) & SIGN, exp, hi, lo);
}

function divide(at: usize, aExp: u32, aSig: u64, bExp: u32, bSig: u64): u32 {
  let exp = (aExp & EXP_MASK) - (bExp & EXP_MASK) + 0x3ffe;
  let lo: u64 = 0;
  if (aSig >= bSig) {
    lo = aSig << 63;
    aSig >>= 1;
    exp++;
  }
  const quotient = divideWide(aSig, lo, bSig);
  const remainder = low;
  // only its relation to half a unit matters
  const rest = bSig - remainder;
  const ext: u64 = remainder == 0 ? 0 : remainder > rest ? INTEGER_BIT | 1 : remainder == rest ? INTEGER_BIT : 1;
  return pack(at, (aExp ^ bExp) & SIGN, exp, quotient, ext);
}

/** a op b to `at`, normal operands; operations as in operations.ts. */
// @ts-ignore: decorator
@inline
function operate(at: usize, op: u32, aExp: u32, aSig: u64, bExp: u32, bSig: u64): u32 {
  if (!isNormal(aExp, aSig) || !isNormal(bExp, bSig)) return DECLINED;
  if (op == 1) return multiply(at, aExp, aSig, bExp, bSig);
  if (op == 0) return add(at, aExp, aSig, bExp, bSig);
  if (op == 4) return add(at, aExp, aSig, bExp ^ SIGN, bSig);
  if (op == 5) return add(at, aExp ^ SIGN, aSig, bExp, bSig);
  return op == 6 ? divide(at, aExp, aSig, bExp, bSig) : divide(at, bExp, bSig, aExp, aSig);
}

// @ts-ignore: decorator
@inline
function address(top: u32, i: u32): usize {
  return FPU_REGS + (((top + i) & 7) << 4);
}

/** ST(to) = ST(to) op ST(from), then pops; false: declined. */
// @ts-ignore: decorator
@inline
export function arithmetic(op: u32, to: u32, from: u32, pops: u32): bool {
  const status = load<u32>(FSW);
  const top = (status >> 11) & 7;
  const tags = load<u32>(FTW);
  if (((tags >> ((top + to) & 7)) & (tags >> ((top + from) & 7)) & 1) == 0 || !isUsualControl()) return false;
  const a = address(top, to);
  const b = address(top, from);
  const flags = operate(a, op, load<u16>(a, 8), load<u64>(a), load<u16>(b, 8), load<u64>(b));
  if (flags == DECLINED) return false;
  if (pops) {
    store<u32>(FTW, tags & ~(1 << top));
    store<u32>(FSW, (status & ~(C1 | TOP)) | flags | (((top + 1) & 7) << 11));
  } else store<u32>(FSW, (status & ~C1) | flags);
  return true;
}

/** ST(0) = ST(0) op z. */
// @ts-ignore: decorator
@inline
export function arithmeticWith(op: u32, exp: u32, sig: u64): bool {
  const status = load<u32>(FSW);
  const top = (status >> 11) & 7;
  if (((load<u32>(FTW) >> top) & 1) == 0 || !isUsualControl()) return false;
  const a = address(top, 0);
  const flags = operate(a, op, load<u16>(a, 8), load<u64>(a), exp, sig);
  if (flags == DECLINED) return false;
  store<u32>(FSW, (status & ~C1) | flags);
  return true;
}

/** Double and single operands: sign and exponent of a normal one, otherwise 0 (declined). */
// @ts-ignore: decorator
@inline
export function expOfF64(bits: u64): u32 {
  const exp = u32(bits >> 52) & 0x7ff;
  return exp - 1 < 0x7fe ? (exp + 0x3c00) | (u32(bits >> 63) << 15) : 0;
}
// @ts-ignore: decorator
@inline
export function sigOfF64(bits: u64): u64 {
  return (bits << 11) | INTEGER_BIT;
}
// @ts-ignore: decorator
@inline
export function expOfF32(bits: u32): u32 {
  const exp = (bits >> 23) & 0xff;
  return exp - 1 < 0xfe ? (exp + 0x3f80) | ((bits >> 31) << 15) : 0;
}
// @ts-ignore: decorator
@inline
export function sigOfF32(bits: u32): u64 {
  return (<u64>bits << 40) | INTEGER_BIT;
}

/** Square root of ST(0). */
// @ts-ignore: decorator
@inline
export function squareRoot(): bool {
  const status = load<u32>(FSW);
  const top = (status >> 11) & 7;
  const at = address(top, 0);
  const exp = <u32>load<u16>(at, 8);
  const sig = load<u64>(at);
  if (((load<u32>(FTW) >> top) & 1) == 0 || !isUsualControl() || !isNormal(exp, sig) || (exp & SIGN) != 0) return false;
  store<u32>(FSW, (status & ~C1) | root(at, exp, sig));
  return true;
}

/**
 * The radicand is hi:lo in [1/4, 1) as a fraction of 2^128, the root a fraction of 2^64. An estimate by f64 has an error below 2^13; one step of Newton,
 * whose quotient fits an f64 exactly enough, leaves at most one unit, which the remainder tells.
 */
function root(at: usize, exp: u32, sig: u64): u32 {
  const even = (exp & 1) != 0; // the bias is odd
  let hi = sig;
  let lo: u64 = 0;
  if (even) {
    lo = hi << 63;
    hi >>= 1;
  }
  const estimate = <u64>(sqrt<f64>(<f64>hi) * 2147483648.0);
  let r: u64 = estimate >> 63 ? ~(0 as u64) : estimate << 1;
  // remainder hi:lo - r * r, signed 128 bits
  let square = multiplyWide(r, r);
  let remLo = lo - low;
  let remHi = <i64>(hi - square - u64(lo < low));
  const correction = (<f64>remHi * 18446744073709551616.0 + <f64>remLo) / (<f64>r * 2.0);
  const step = <i64>nearest<f64>(correction);
  const next = r + <u64>step;
  // beyond the ends of 64 bits there is nothing
  if (step > 0 && next < r) r = ~(0 as u64);
  else r = next;
  square = multiplyWide(r, r);
  remLo = lo - low;
  remHi = <i64>(hi - square - u64(lo < low));
  while (remHi < 0) {
    // r is too large: (r - 1)^2 = r^2 - 2r + 1
    r--;
    const add = (r << 1) | 1;
    remLo += add;
    remHi += <i64>((r >> 63) + u64(remLo < add));
  }
  while (remHi > 1 || <u64>remHi > r >> 63 || (<u64>remHi == r >> 63 && remLo > r << 1)) {
    // remainder above 2r: r + 1 fits
    const take = (r << 1) | 1;
    const borrow = u64(remLo < take);
    remLo -= take;
    remHi -= <i64>((r >> 63) + borrow);
    r++;
  }
  const exact = (<u64>remHi | remLo) == 0;
  const ext: u64 = exact ? 0 : remHi != 0 || remLo > r ? INTEGER_BIT | 1 : 1;
  return pack(at, 0, <u32>((<i32>exp - 0x3fff) >> 1) + 0x3fff, r, ext);
}

/** The double nearest to ST(0) in `narrowed`; flags, or DECLINED. */
export let narrowed: u64 = 0;

export function toF64(at: usize): u32 {
  const exp = <u32>load<u16>(at, 8);
  const sig = load<u64>(at);
  const e = (exp & EXP_MASK) - 0x3c00;
  const sign = <u64>(exp >> 15) << 63;
  if (e - 1 < 0x7fe && <i64>sig < 0) {
    const rest = sig & 0x7ff;
    // the integer bit adds one to the exponent
    let bits = (sig >> 11) + (<u64>(e - 1) << 52);
    let flags: u32 = 0;
    if (rest != 0) {
      flags = PE;
      if (rest > 0x400 || (rest == 0x400 && (bits & 1) != 0)) {
        bits++;
        flags = PE | C1;
        if (bits >= 0x7ff0000000000000) return DECLINED;
      }
    }
    narrowed = bits | sign;
    return flags;
  }
  if (sig != 0 || (exp & EXP_MASK) != 0) return DECLINED;
  narrowed = sign;
  return 0;
}

export function toF32(at: usize): u32 {
  const exp = <u32>load<u16>(at, 8);
  const sig = load<u64>(at);
  const e = (exp & EXP_MASK) - 0x3f80;
  const sign = (exp >> 15) << 31;
  if (e - 1 < 0xfe && <i64>sig < 0) {
    const rest = sig & 0xffffffffff;
    let bits = u32(sig >> 40) + ((e - 1) << 23);
    let flags: u32 = 0;
    if (rest != 0) {
      flags = PE;
      if (rest > 0x8000000000 || (rest == 0x8000000000 && (bits & 1) != 0)) {
        bits++;
        flags = PE | C1;
        if (bits >= 0x7f800000) return DECLINED;
      }
    }
    narrowed = bits | sign;
    return flags;
  }
  if (sig != 0 || (exp & EXP_MASK) != 0) return DECLINED;
  narrowed = sign;
  return 0;
}

/** ST(0) at `at` as an integer of `bits` in `narrowed`, smaller in magnitude than the largest; `truncate` or to nearest. */
export function toInteger(at: usize, bits: u32, truncate: bool): u32 {
  const exp = <u32>load<u16>(at, 8);
  const sig = load<u64>(at);
  if ((exp & EXP_MASK) == 0 && sig == 0) {
    narrowed = 0;
    return 0;
  }
  const e = <i32>(exp & EXP_MASK) - 0x3fff;
  if (<i64>sig >= 0 || e > <i32>bits - 2) return DECLINED;
  const shift = 63 - e;
  let whole: u64 = 0;
  let rest: u64 = 1;
  if (shift < 64) {
    whole = sig >> shift;
    rest = sig << (64 - shift);
  } else if (shift == 64) rest = sig;
  let flags: u32 = 0;
  if (rest != 0) {
    flags = PE;
    if (!truncate && (rest > INTEGER_BIT || (rest == INTEGER_BIT && (whole & 1) != 0))) {
      flags = PE | C1;
      whole++;
      if (whole >> (bits - 1) != 0) return DECLINED;
    }
  }
  narrowed = (exp & SIGN) != 0 ? 0 - whole : whole;
  return flags;
}
