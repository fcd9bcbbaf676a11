/** Comparisons (SDM vol.1 8.3.6, vol.2 FCOM, FUCOM, FCOMI, FXAM). */
import { FSW } from '../../layout.ts';
import { fromF32, fromF64, fromI64 } from './convert.ts';
import { DE, IE, begin, isDenormal, isInfinity, isNaN80, isSignalling, isUnsupported, isZero, memoryDenormal, raise, setZ, setZero, zExp, zSig } from './float80.ts';
import { isNormal } from './fast.ts';
import { expOfSt, finish, finishKeepingC1, isEmpty, mayStore, popStack, sigOfSt, stackUnderflow } from './stack.ts';

const C0: u32 = 0x100;
const C1: u32 = 0x200;
const C2: u32 = 0x400;
const C3: u32 = 0x4000;

/** C3 C2 C0 as ZF PF CF: 0 greater, 1 less, 0x40 equal, 0x45 unordered. Raises IE, DE. */
function compare(aExp: u32, aSig: u64, bExp: u32, bSig: u64, quiet: bool): u32 {
  if (isNormal(aExp, aSig) && isNormal(bExp, bSig) && !memoryDenormal) {
    const sign = aExp >> 15;
    if (sign != bExp >> 15) return sign;
    if (aExp == bExp && aSig == bSig) return 0x40;
    return u32(aExp < bExp || (aExp == bExp && aSig < bSig)) ^ sign;
  }
  if (isUnsupported(aExp, aSig) || isUnsupported(bExp, bSig)) {
    raise(IE);
    return 0x45;
  }
  const aNaN = isNaN80(aExp, aSig);
  const bNaN = isNaN80(bExp, bSig);
  if (aNaN || bNaN) {
    if (!quiet || isSignalling(aExp, aSig) || isSignalling(bExp, bSig)) raise(IE);
    return 0x45;
  }
  if (memoryDenormal || isDenormal(aExp, aSig) || isDenormal(bExp, bSig)) raise(DE);
  if (isZero(aExp, aSig) && isZero(bExp, bSig)) return 0x40;
  const aSign = aExp >> 15;
  if (aSign != bExp >> 15) return aSign;
  // a pseudo-denormal has the exponent 1
  const ea = (aExp & 0x7fff) == 0 ? 1 : aExp & 0x7fff;
  const eb = (bExp & 0x7fff) == 0 ? 1 : bExp & 0x7fff;
  if (isZero(aExp, aSig) || isZero(bExp, bSig)) return u32(isZero(aExp, aSig)) ^ aSign;
  if (ea == eb && aSig == bSig) return 0x40;
  // denormals carry their leading zeros, so equal exponents compare by significand
  const less = ea < eb || (ea == eb && aSig < bSig);
  return u32(less) ^ aSign;
}

function setCondition(result: u32): void {
  const codes = (result & 1 ? C0 : 0) | (result & 4 ? C2 : 0) | (result & 0x40 ? C3 : 0);
  store<u32>(FSW, (load<u32>(FSW) & ~(C0 | C2 | C3)) | codes);
}

function compareWithZ(quiet: bool, pops: u32): void {
  const exp = zExp;
  const sig = zSig;
  let go = true;
  if (isEmpty(0)) {
    go = stackUnderflow();
    if (go) setCondition(0x45);
  } else {
    const result = compare(expOfSt(0), sigOfSt(0), exp, sig, quiet);
    go = mayStore();
    setCondition(result);
  }
  if (go) for (let i: u32 = 0; i < pops; i++) popStack();
  finish();
}

/** FCOM FCOMP FCOMPP (quiet 0), FUCOM... (quiet 1): ST(0) with ST(i). */
export function fpu_compare(i: u32, quiet: u32, pops: u32): void {
  begin();
  if (isEmpty(i)) {
    const go = stackUnderflow();
    if (go) {
      setCondition(0x45);
      for (let n: u32 = 0; n < pops; n++) popStack();
    }
    finish();
    return;
  }
  setZ(expOfSt(i), sigOfSt(i));
  compareWithZ(quiet != 0, pops);
}

export function fpu_compare_f32(bits: u32, pops: u32): void {
  begin();
  fromF32(bits);
  compareWithZ(false, pops);
}

export function fpu_compare_f64(bits: u64, pops: u32): void {
  begin();
  fromF64(bits);
  compareWithZ(false, pops);
}

export function fpu_compare_integer(value: i64, pops: u32): void {
  begin();
  fromI64(value);
  compareWithZ(false, pops);
}

export function fpu_test(): void {
  begin();
  setZero(0);
  compareWithZ(false, 0);
}

/** FCOMI FCOMIP FUCOMI FUCOMIP: ZF PF CF as in EFLAGS; all ones of them when unordered. -1 when an unmasked exception keeps the flags. */
export function fpu_compare_flags(i: u32, quiet: u32, pops: u32): i32 {
  begin();
  let result: i32 = 0x45;
  let go: bool;
  if (isEmpty(0) || isEmpty(i)) go = stackUnderflow();
  else {
    result = <i32>compare(expOfSt(0), sigOfSt(0), expOfSt(i), sigOfSt(i), quiet != 0);
    go = mayStore();
  }
  if (go && pops) popStack();
  finishKeepingC1();
  return go ? result : -1;
}

/** FXAM (SDM vol.2 table 3-37): class of ST(0) in C3 C2 C0, sign in C1. */
export function fpu_examine(): void {
  const exp = expOfSt(0);
  const sig = sigOfSt(0);
  let codes: u32 = 0;
  if (isEmpty(0)) codes = C3 | C0;
  else if (isUnsupported(exp, sig)) codes = 0;
  else if (isNaN80(exp, sig)) codes = C0;
  else if (isInfinity(exp, sig)) codes = C2 | C0;
  else if (isZero(exp, sig)) codes = C3;
  else if (isDenormal(exp, sig)) codes = C3 | C2;
  else codes = C2;
  if (exp >> 15) codes |= C1;
  store<u32>(FSW, (load<u32>(FSW) & ~(C0 | C1 | C2 | C3)) | codes);
}
