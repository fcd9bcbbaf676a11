/** Arithmetic and functions on the stack: one instruction each, whole: operands, exceptions, condition codes, stack (SDM vol.1 8.3). */
import { FCW, FSW } from '../../layout.ts';
import { add80, complete, divide80, multiply80, quotientBits, remainder80, squareRoot80, subtract80, undefinedQuotient } from './arithmetic.ts';
import { fromF32, fromF64, fromI64, roundToInteger } from './convert.ts';
import {
  DE, EXP_BIAS, IE, INTEGER_BIT, ZE,
  begin, invalid, isDenormal, isInfinity, isNaN80, isUnsupported, isZero, propagate, propagateOne, raise, roundPackTo, setInfinity, setRoundedUp, setZ, setZero, zExp, zSig,
} from './float80.ts';
import { arithmetic, arithmeticWith, expOfF32, expOfF64, sigOfF32, sigOfF64, squareRoot } from './fast.ts';
import { expOfSt, finish, isEmpty, mayStore, physical, popStack, setTop, sigOfSt, stackUnderflow, writeSt } from './stack.ts';
import { atan80, cos80, exp2m1, outOfRange, sin80, tan80, yl2x, yl2xp1 } from './transcendental.ts';

const C0: u32 = 0x100;
const C1: u32 = 0x200;
const C2: u32 = 0x400;
const C3: u32 = 0x4000;

// -- arithmetic. Operations are numbered as ModRM.reg of D8: 0 add 1 multiply 4 subtract 5 subtract reversed 6 divide 7 divide reversed.

function operate(op: u32, aExp: u32, aSig: u64, bExp: u32, bSig: u64): void {
  if (op == 0) add80(aExp, aSig, bExp, bSig);
  else if (op == 1) multiply80(aExp, aSig, bExp, bSig);
  else if (op == 4) subtract80(aExp, aSig, bExp, bSig);
  else if (op == 5) subtract80(bExp, bSig, aExp, aSig);
  else if (op == 6) divide80(aExp, aSig, bExp, bSig);
  else divide80(bExp, bSig, aExp, aSig);
}

/** ST(to) = ST(to) op ST(from), then pops `pops` registers. */
export function fpu_arithmetic(op: u32, to: u32, from: u32, pops: u32): void {
  if (!arithmetic(op, to, from, pops)) arithmeticSlow(op, to, from, pops);
}

function arithmeticSlow(op: u32, to: u32, from: u32, pops: u32): void {
  begin();
  if (isEmpty(to) || isEmpty(from)) {
    if (stackUnderflow()) {
      writeSt(to);
      if (pops) popStack();
    }
    finish();
    return;
  }
  operate(op, expOfSt(to), sigOfSt(to), expOfSt(from), sigOfSt(from));
  if (mayStore()) {
    writeSt(to);
    if (pops) popStack();
  }
  finish();
}

function arithmeticZ(op: u32): void {
  const exp = zExp;
  const sig = zSig;
  if (isEmpty(0)) {
    if (stackUnderflow()) writeSt(0);
  } else {
    operate(op, expOfSt(0), sigOfSt(0), exp, sig);
    if (mayStore()) writeSt(0);
  }
  finish();
}

export function fpu_arithmetic_f32(op: u32, bits: u32): void {
  if (arithmeticWith(op, expOfF32(bits), sigOfF32(bits))) return;
  begin();
  fromF32(bits);
  arithmeticZ(op);
}

export function fpu_arithmetic_f64(op: u32, bits: u64): void {
  if (arithmeticWith(op, expOfF64(bits), sigOfF64(bits))) return;
  begin();
  fromF64(bits);
  arithmeticZ(op);
}

export function fpu_arithmetic_integer(op: u32, value: i64): void {
  begin();
  fromI64(value);
  if (arithmeticWith(op, zExp, zSig)) return;
  arithmeticZ(op);
}

// -- one-operand functions

/** FCHS (0), FABS (1): no exception but of the stack. */
export function fpu_sign(absolute: u32): void {
  begin();
  if (isEmpty(0)) {
    if (stackUnderflow()) writeSt(0);
  } else {
    const exp = expOfSt(0);
    setZ(absolute ? exp & 0x7fff : exp ^ 0x8000, sigOfSt(0));
    writeSt(0);
  }
  finish();
}

/** 0 FSQRT 1 FRNDINT 2 F2XM1 3 FSIN 4 FCOS. The last two set C2 and do nothing when the operand is 2^63 or more. */
export function fpu_function(n: u32): void {
  if (n == 0 && squareRoot()) return;
  begin();
  if (n >= 3) store<u32>(FSW, load<u32>(FSW) & ~C2);
  if (isEmpty(0)) {
    if (stackUnderflow()) writeSt(0);
    finish();
    return;
  }
  const exp = expOfSt(0);
  const sig = sigOfSt(0);
  if (n >= 3 && outOfRange(exp) && !isUnsupported(exp, sig)) {
    store<u32>(FSW, load<u32>(FSW) | C2);
    finish();
    return;
  }
  if (n == 0) squareRoot80(exp, sig);
  else if (n == 1) round(exp, sig);
  else if (n == 2) exp2m1(exp, sig);
  else if (n == 3) sin80(exp, sig);
  else cos80(exp, sig);
  if (mayStore()) writeSt(0);
  finish();
}

function round(exp: u32, sig: u64): void {
  if (propagateOne(exp, sig)) return;
  if (isDenormal(exp, sig)) raise(DE);
  if (isInfinity(exp, sig) || isZero(exp, sig)) setZ(exp, sig);
  else roundToInteger(exp, sig);
}

/** 0 FPATAN 1 FYL2X 2 FYL2XP1: ST(1) = f(ST(1), ST(0)), pop. */
export function fpu_function2(n: u32): void {
  begin();
  if (isEmpty(0) || isEmpty(1)) {
    if (stackUnderflow()) {
      writeSt(1);
      popStack();
    }
    finish();
    return;
  }
  const xExp = expOfSt(0);
  const xSig = sigOfSt(0);
  const yExp = expOfSt(1);
  const ySig = sigOfSt(1);
  if (n == 0) atan80(yExp, ySig, xExp, xSig);
  else if (n == 1) yl2x(yExp, ySig, xExp, xSig);
  else yl2xp1(yExp, ySig, xExp, xSig);
  if (mayStore()) {
    writeSt(1);
    popStack();
  }
  finish();
}

/** FSINCOS (cosine on top of the sine) and FPTAN (1.0 on top of the tangent): one operand, two results. */
export function fpu_two_results(tangent: u32): void {
  begin();
  store<u32>(FSW, load<u32>(FSW) & ~C2);
  const empty = isEmpty(0);
  if (empty || !isEmpty(7)) {
    raise(IE | 0x40);
    if (!empty) setRoundedUp(1);
    if (!(load<u32>(FCW) & IE)) {
      finish();
      return;
    }
    setZ(0xffff, 0xc000000000000000);
    writeSt(0);
    setTop(physical(7));
    writeSt(0);
    finish();
    return;
  }
  const exp = expOfSt(0);
  const sig = sigOfSt(0);
  if (outOfRange(exp) && !isUnsupported(exp, sig)) {
    store<u32>(FSW, load<u32>(FSW) | C2);
    finish();
    return;
  }
  let secondExp: u32 = EXP_BIAS;
  let secondSig: u64 = INTEGER_BIT;
  if (!tangent || isNaN80(exp, sig) || isUnsupported(exp, sig) || isInfinity(exp, sig)) {
    cos80(exp, sig);
    secondExp = zExp;
    secondSig = zSig;
  }
  setRoundedUp(0);
  if (tangent) tan80(exp, sig);
  else sin80(exp, sig);
  if (mayStore()) {
    writeSt(0);
    setTop(physical(7));
    setZ(secondExp, secondSig);
    writeSt(0);
  }
  finish();
}

/** FPREM (0), FPREM1 (1). */
export function fpu_remainder(nearest: u32): void {
  begin();
  if (isEmpty(0) || isEmpty(1)) {
    if (stackUnderflow()) writeSt(0);
    finish();
    store<u32>(FSW, load<u32>(FSW) & ~C2);
    return;
  }
  remainder80(expOfSt(0), sigOfSt(0), expOfSt(1), sigOfSt(1), nearest != 0);
  const go = mayStore();
  if (go) writeSt(0);
  const q = quotientBits;
  setRoundedUp(0);
  finish();
  if (undefinedQuotient) {
    store<u32>(FSW, load<u32>(FSW) & ~(C1 | C2));
    return;
  }
  let codes: u32 = 0;
  if (!complete) codes = C2;
  else codes = (q & 4 ? C0 : 0) | (q & 2 ? C3 : 0) | (q & 1 ? C1 : 0);
  store<u32>(FSW, (load<u32>(FSW) & ~(C0 | C1 | C2 | C3)) | codes);
}

/** FSCALE: ST(0) * 2^trunc(ST(1)). */
export function fpu_scale(): void {
  begin();
  if (isEmpty(0) || isEmpty(1)) {
    if (stackUnderflow()) writeSt(0);
    finish();
    return;
  }
  scale(expOfSt(0), sigOfSt(0), expOfSt(1), sigOfSt(1));
  if (mayStore()) writeSt(0);
  finish();
}

function scale(aExp: u32, aSig: u64, bExp: u32, bSig: u64): void {
  if (propagate(aExp, aSig, bExp, bSig)) return;
  const sign = aExp >> 15;
  if (isInfinity(bExp, bSig)) {
    if (bExp >> 15) {
      if (isInfinity(aExp, aSig)) invalid();
      else {
        if (isDenormal(aExp, aSig)) raise(DE);
        setZero(sign);
      }
    } else if (isZero(aExp, aSig)) invalid();
    else {
      if (isDenormal(aExp, aSig)) raise(DE);
      setInfinity(sign);
    }
    return;
  }
  if (isDenormal(aExp, aSig) || isDenormal(bExp, bSig)) raise(DE);
  if (isInfinity(aExp, aSig) || isZero(aExp, aSig)) {
    setZ(aExp, aSig);
    return;
  }
  const e = <i32>(bExp & 0x7fff) - EXP_BIAS;
  let n: i32 = 0;
  if (e >= 0) n = e > 16 ? 0x10000 : <i32>(bSig >> (63 - e));
  if (bExp >> 15) n = -n;
  const exp = <i32>(aExp & 0x7fff);
  const shift = <i32>clz(aSig);
  roundPackTo(sign, (exp == 0 ? 1 : exp) - shift + n, aSig << shift, 0, 0);
}

/** FXTRACT: the exponent replaces ST(0), the significand is pushed. */
export function fpu_extract(): void {
  begin();
  const empty = isEmpty(0);
  if (empty || !isEmpty(7)) {
    raise(IE | 0x40);
    if (!empty) setRoundedUp(1);
    if (load<u32>(FCW) & IE) {
      setZ(0xffff, 0xc000000000000000);
      writeSt(0);
      setTop(physical(7));
      writeSt(0);
    }
    finish();
    return;
  }
  const exp = expOfSt(0);
  const sig = sigOfSt(0);
  let secondExp = exp;
  let secondSig = sig;
  if (propagateOne(exp, sig)) {
    secondExp = zExp;
    secondSig = zSig;
  } else if (isInfinity(exp, sig)) setInfinity(0);
  else if (isZero(exp, sig)) {
    raise(ZE);
    setInfinity(1);
  } else {
    const e = <i32>(exp & 0x7fff);
    if (e == 0) raise(DE);
    const shift = <i32>clz(sig);
    fromI64(<i64>((e == 0 ? 1 : e) - EXP_BIAS - shift));
    secondExp = (exp & 0x8000) | EXP_BIAS;
    secondSig = sig << shift;
  }
  if (mayStore()) {
    writeSt(0);
    setTop(physical(7));
    setZ(secondExp, secondSig);
    writeSt(0);
  }
  finish();
}
