/** Addition, multiplication, division, square root and remainder of double extended values (SDM vol.2 FADD...FPREM1); operands as (exponent word, significand). */
import {
  DE, EXP_BIAS, INTEGER_BIT, ROUND_DOWN, ZE,
  divideWide, invalid, isDenormal, isInfinity, isZero, low, memoryDenormal, multiplyWide, normalizeRoundPack, propagate, propagateOne, raise, roundPack, roundPackTo, roundingControl,
  setInfinity, setZ, setZero, shiftRightJam,
} from './float80.ts';

/** Exponent of a finite non-zero operand after normalisation, its significand in `nSig`. */
let nSig: u64 = 0;
function normalize(exp: u32, sig: u64): i32 {
  const e = <i32>(exp & 0x7fff);
  if (e != 0) {
    nSig = sig;
    return e;
  }
  const shift = <i32>clz(sig);
  nSig = sig << shift;
  return 1 - shift;
}

function noteDenormals(aExp: u32, aSig: u64, bExp: u32, bSig: u64): void {
  if (memoryDenormal || isDenormal(aExp, aSig) || isDenormal(bExp, bSig)) raise(DE);
}

export function add80(aExp: u32, aSig: u64, bExp: u32, bSig: u64): void {
  if (propagate(aExp, aSig, bExp, bSig)) return;
  const aSign = aExp >> 15;
  const bSign = bExp >> 15;
  if (isInfinity(aExp, aSig)) {
    if (isInfinity(bExp, bSig) && aSign != bSign) invalid();
    else {
      noteDenormals(aExp, aSig, bExp, bSig);
      setInfinity(aSign);
    }
    return;
  }
  noteDenormals(aExp, aSig, bExp, bSig);
  if (isInfinity(bExp, bSig)) {
    setInfinity(bSign);
    return;
  }
  const aZero = isZero(aExp, aSig);
  const bZero = isZero(bExp, bSig);
  if (aZero && bZero) {
    setZero(aSign == bSign ? aSign : u32(roundingControl() == ROUND_DOWN));
    return;
  }
  let ea = normalize(aExp, aSig);
  let sa = nSig;
  if (bZero) {
    roundPack(aSign, ea, sa, 0);
    return;
  }
  let eb = normalize(bExp, bSig);
  let sb = nSig;
  if (aZero) {
    roundPack(bSign, eb, sb, 0);
    return;
  }
  let sign = aSign;
  if (ea < eb || (ea == eb && sa < sb)) {
    const e = ea;
    ea = eb;
    eb = e;
    const s = sa;
    sa = sb;
    sb = s;
    sign = bSign;
  }
  // Two extra bits of headroom are not needed: the sum's carry is put back by a one-bit shift, the difference is exact in 128 bits plus sticky.
  sb = shiftRightJam(sb, 0, ea - eb);
  let ext = low;
  if (aSign == bSign) {
    let sum = sa + sb;
    if (sum < sa) {
      ext = (sum << 63) | (ext >> 1) | (ext & 1);
      sum = (sum >> 1) | INTEGER_BIT;
      ea++;
    }
    roundPack(sign, ea, sum, ext);
    return;
  }
  const borrow = u64(ext != 0);
  const difference = sa - sb - borrow;
  ext = -ext;
  if ((difference | ext) == 0) setZero(u32(roundingControl() == ROUND_DOWN));
  else normalizeRoundPack(sign, ea, difference, ext);
}

export function subtract80(aExp: u32, aSig: u64, bExp: u32, bSig: u64): void {
  if (propagate(aExp, aSig, bExp, bSig)) return;
  add80(aExp, aSig, bExp ^ 0x8000, bSig);
}

export function multiply80(aExp: u32, aSig: u64, bExp: u32, bSig: u64): void {
  if (propagate(aExp, aSig, bExp, bSig)) return;
  const sign = (aExp ^ bExp) >> 15;
  const aInfinite = isInfinity(aExp, aSig);
  const bInfinite = isInfinity(bExp, bSig);
  if ((aInfinite && isZero(bExp, bSig)) || (bInfinite && isZero(aExp, aSig))) {
    invalid();
    return;
  }
  noteDenormals(aExp, aSig, bExp, bSig);
  if (aInfinite || bInfinite) {
    setInfinity(sign);
    return;
  }
  if (isZero(aExp, aSig) || isZero(bExp, bSig)) {
    setZero(sign);
    return;
  }
  let exp = normalize(aExp, aSig);
  const sa = nSig;
  exp += normalize(bExp, bSig) - EXP_BIAS + 1;
  const hi = multiplyWide(sa, nSig);
  normalizeRoundPack(sign, exp, hi, low);
}

export function divide80(aExp: u32, aSig: u64, bExp: u32, bSig: u64): void {
  if (propagate(aExp, aSig, bExp, bSig)) return;
  const sign = (aExp ^ bExp) >> 15;
  const aInfinite = isInfinity(aExp, aSig);
  const bInfinite = isInfinity(bExp, bSig);
  const aZero = isZero(aExp, aSig);
  const bZero = isZero(bExp, bSig);
  if ((aInfinite && bInfinite) || (aZero && bZero)) {
    invalid();
    return;
  }
  if (bZero && !aInfinite) {
    raise(ZE);
    setInfinity(sign);
    return;
  }
  noteDenormals(aExp, aSig, bExp, bSig);
  if (aInfinite) {
    setInfinity(sign);
    return;
  }
  if (bInfinite || aZero) {
    setZero(sign);
    return;
  }
  let exp = normalize(aExp, aSig);
  let sa = nSig;
  exp += EXP_BIAS - 1 - normalize(bExp, bSig);
  const sb = nSig;
  let lo: u64 = 0;
  if (sa >= sb) {
    lo = sa << 63;
    sa >>= 1;
    exp++;
  }
  const quotient = divideWide(sa, lo, sb);
  let remainder = low;
  // 64 more quotient bits, the last of them sticky
  const more = divideWide(remainder, 0, sb);
  remainder = low;
  normalizeRoundPack(sign, exp, quotient, more | u64(remainder != 0));
}

export function squareRoot80(exp: u32, sig: u64): void {
  if (propagateOne(exp, sig)) return;
  const sign = exp >> 15;
  if (isZero(exp, sig)) {
    setZ(exp, sig);
    return;
  }
  if (sign) {
    invalid();
    return;
  }
  if (isInfinity(exp, sig)) {
    setZ(exp, sig);
    return;
  }
  if (isDenormal(exp, sig)) raise(DE);
  const e = normalize(exp, sig) - EXP_BIAS;
  // radicand in [1/4, 1) as a 128-bit fraction: an even exponent is halved exactly
  let hi = nSig;
  let lo: u64 = 0;
  if ((e & 1) == 0) {
    lo = hi << 63;
    hi >>= 1;
  }
  // digit by digit: 64 result bits from 128 radicand bits, the remainder decides rounding
  let root: u64 = 0;
  let remHi: u64 = 0;
  let remLo: u64 = 0;
  for (let i = 0; i < 64; i++) {
    remHi = (remHi << 2) | (remLo >> 62);
    remLo = (remLo << 2) | (hi >> 62);
    hi = (hi << 2) | (lo >> 62);
    lo <<= 2;
    const trialHi = root >> 62;
    const trialLo = (root << 2) | 1;
    root <<= 1;
    if (remHi > trialHi || (remHi == trialHi && remLo >= trialLo)) {
      const borrow = u64(remLo < trialLo);
      remLo -= trialLo;
      remHi -= trialHi + borrow;
      root |= 1;
    }
  }
  // more than half a unit is left exactly when the remainder exceeds the root
  let ext: u64 = 0;
  if ((remHi | remLo) != 0) ext = remHi != 0 || remLo > root ? INTEGER_BIT | 1 : 1;
  roundPack(0, (e >> 1) + EXP_BIAS, root, ext);
}

/** Low bits of the quotient of the last remainder, and whether the reduction is complete. */
export let quotientBits: u32 = 0;
export let complete: bool = true;
/** There was no quotient: an operand was a NaN or the operation invalid. C0 and C3 keep their values. */
export let undefinedQuotient: bool = false;

/** FPREM (`nearest` false: quotient truncated) and FPREM1 (rounded to nearest): ST0 - Q * ST1. An exponent gap of 64 or more is reduced in steps, C2 says so. */
export function remainder80(aExp: u32, aSig: u64, bExp: u32, bSig: u64, nearest: bool): void {
  quotientBits = 0;
  complete = true;
  undefinedQuotient = true;
  if (propagate(aExp, aSig, bExp, bSig)) return;
  if (isInfinity(aExp, aSig) || isZero(bExp, bSig)) {
    invalid();
    return;
  }
  undefinedQuotient = false;
  noteDenormals(aExp, aSig, bExp, bSig);
  const aSign = aExp >> 15;
  if (isZero(aExp, aSig)) {
    setZ(aExp, aSig);
    return;
  }
  const ea = normalize(aExp, aSig);
  let sa = nSig;
  if (isInfinity(bExp, bSig)) {
    roundExact(aSign, ea, sa);
    return;
  }
  let eb = normalize(bExp, bSig);
  const sb = nSig;
  let gap = ea - eb;
  if (gap < -1 || (gap < 0 && !nearest)) {
    roundExact(aSign, ea, sa);
    return;
  }
  let sign = aSign;
  if (gap >= 64) {
    // SDM: N is between 32 and 63, implementation dependent
    const steps = (gap & 31) | 32;
    complete = false;
    eb = ea - steps;
    gap = steps;
  }
  let q: u64 = 0;
  let hi = u64(0);
  if (gap < 0) {
    // |a| < |b| but more than a quarter of it: FPREM1 may still round the quotient up to 1. Work at the scale of a.
    const doubled = sb; // b = sb * 2^1 at a's exponent
    if (sa > doubled) {
      // a > b/2: remainder a - b = -(2*sb - sa)
      q = 1;
      const hiB = sb >> 63;
      const loB = sb << 1;
      const diffLo = loB - sa;
      hi = hiB - u64(loB < sa);
      sign ^= 1;
      normalizeExact(sign, ea, hi, diffLo);
    } else {
      roundExact(aSign, ea, sa);
    }
    quotientBits = <u32>q;
    return;
  }
  for (let i = gap; i >= 0; i--) {
    q <<= 1;
    if (hi != 0 || sa >= sb) {
      hi -= u64(sa < sb);
      sa -= sb;
      q |= 1;
    }
    if (i > 0) {
      hi = (hi << 1) | (sa >> 63);
      sa <<= 1;
    }
  }
  // now the remainder is sa at exponent eb, 0 <= sa < sb
  if (nearest && complete) {
    const twiceHi = sa >> 63;
    const twice = sa << 1;
    if (twiceHi != 0 || twice > sb || (twice == sb && (q & 1) != 0)) {
      sa = sb - sa;
      sign ^= 1;
      q++;
    }
  }
  quotientBits = <u32>q;
  if (sa == 0) setZero(aSign);
  else normalizeExact(sign, eb, 0, sa);
}

/** Packs a value that needs no rounding but for a denormal result. Precision control does not apply to remainders. */
function roundExact(sign: u32, exp: i32, sig: u64): void {
  normalizeExact(sign, exp, 0, sig);
}

function normalizeExact(sign: u32, exp: i32, hi: u64, sig: u64): void {
  if (hi != 0) {
    sig = (sig >> 1) | (hi << 63);
    exp++;
  }
  const shift = <i32>clz(sig);
  roundPackTo(sign, exp - shift, sig << shift, 0, 0);
}
