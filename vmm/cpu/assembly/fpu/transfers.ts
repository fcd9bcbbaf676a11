/** Loads, stores and moves (SDM vol.1 8.3.2). */
import { FCW, FPU_NEXT_FSW, FPU_NEXT_FTW, FSW, FTW, SCRATCH } from '../../layout.ts';
import { bcdTop, fromBcd, fromF32, fromF64, fromI64, toBcd, toF32, toF64, toInteger } from './convert.ts';
import {
  DE, EXP_BIAS, IE, INTEGER_BIT, OE, ROUND_ZERO, UE,
  begin, isSignalling, memoryDenormal, raise, raised, roundingControl, setZ, zExp, zSig,
} from './float80.ts';
import { DECLINED, isUsualStore, narrowed, toF32 as toF32Fast, toF64 as toF64Fast, toInteger as toIntegerFast } from './fast.ts';
import { expOfSt, finish, finishKeepingC1, isEmpty, physical, popStack, pushZ, registerAddress, setTop, sigOfSt, stackUnderflow, writeSt } from './stack.ts';

const C1: u32 = 0x200;
const TOP: u32 = 0x3800;

// -- loads

/** FLD of an IEEE operand: a denormal raises DE, a signalling NaN IE. */
function loadZ(): void {
  if (isSignalling(zExp, zSig)) {
    raise(IE);
    setZ(zExp, zSig | 0x4000000000000000);
  } else if (memoryDenormal && isEmpty(7)) raise(DE); // a stack overflow comes first
  pushZ();
}

export function fpu_load_f32(bits: u32): void {
  begin();
  fromF32(bits);
  loadZ();
}

export function fpu_load_f64(bits: u64): void {
  begin();
  fromF64(bits);
  loadZ();
}

export function fpu_load_integer(value: i64): void {
  begin();
  fromI64(value);
  pushZ();
}

/** FLD m80: no conversion, no exception but of the stack. */
export function fpu_load_extended(sig: u64, exp: u32): void {
  begin();
  setZ(exp & 0xffff, sig);
  pushZ();
}

export function fpu_load_bcd(digits: u64, top: u32): void {
  begin();
  fromBcd(digits, top);
  pushZ();
}

export function fpu_load_register(i: u32): void {
  begin();
  if (isEmpty(i)) {
    if (!stackUnderflow()) {
      finish();
      return;
    }
    // FLD of an empty register reports underflow, not overflow, unless the stack is full as well
  } else setZ(expOfSt(i), sigOfSt(i));
  pushZ();
}

/** FLD1 FLDL2T FLDL2E FLDPI FLDLG2 FLDLN2 FLDZ: constants to 66 bits, rounded as RC says (SDM vol.1 8.3.8). */
export function fpu_load_constant(n: u32): void {
  begin();
  const mode = roundingControl();
  let exp: u32 = EXP_BIAS;
  let sig: u64 = INTEGER_BIT;
  // the significand truncated, and whether rounding to nearest increments it
  let nearestUp: bool = false;
  if (n == 1) {
    exp = 0x4000;
    sig = 0xd49a784bcd1b8afe;
  } else if (n == 2) {
    sig = 0xb8aa3b295c17f0bb;
    nearestUp = true;
  } else if (n == 3) {
    exp = 0x4000;
    sig = 0xc90fdaa22168c234;
    nearestUp = true;
  } else if (n == 4) {
    exp = 0x3ffd;
    sig = 0x9a209a84fbcff798;
    nearestUp = true;
  } else if (n == 5) {
    exp = 0x3ffe;
    sig = 0xb17217f7d1cf79ab;
    nearestUp = true;
  } else if (n == 6) {
    exp = 0;
    sig = 0;
  }
  if (n != 0 && n != 6 && ((mode == 0 && nearestUp) || mode == 2)) sig++;
  setZ(exp, sig);
  pushZ();
}

// -- stores. `fpu_store_*` computes the memory operand (in SCRATCH), tells whether it is to be written, and leaves the status and tags that the instruction
// commits once it was in FPU_NEXT_FSW and FPU_NEXT_FTW.

/** 32- and 64-bit stores are kept back by unmasked overflow and underflow too (SDM vol.1 8.5.4). */
function storable(): u32 {
  const unmasked = raised & ~load<u32>(FCW);
  return u32((unmasked & (IE | OE | UE)) == 0);
}

/** The slow cases' status and tags. */
function end(stored: u32, pops: u32): u32 {
  const status = load<u32>(FSW);
  const tags = load<u32>(FTW);
  if (stored && pops) popStack();
  finish();
  store<u32>(FPU_NEXT_FSW, load<u32>(FSW));
  store<u32>(FPU_NEXT_FTW, load<u32>(FTW));
  store<u32>(FSW, status);
  store<u32>(FTW, tags);
  return stored;
}

/** The fast cases': `flags` of fast.ts. */
// @ts-ignore: decorator
@inline
function endFast(flags: u32, pops: u32): u32 {
  const status = load<u32>(FSW);
  const tags = load<u32>(FTW);
  const top = (status >> 11) & 7;
  store<u64>(SCRATCH, narrowed);
  store<u32>(FPU_NEXT_FSW, (status & ~(C1 | TOP)) | flags | (((top + pops) & 7) << 11));
  store<u32>(FPU_NEXT_FTW, tags & ~(pops << top));
  return 1;
}

export function fpu_store_f32(pops: u32): u32 {
  if (!isEmpty(0) && isUsualStore()) {
    const flags = toF32Fast(registerAddress(0));
    if (flags != DECLINED) return endFast(flags, pops);
  }
  begin();
  if (isEmpty(0)) {
    store<u64>(SCRATCH, 0xffc00000);
    return end(u32(stackUnderflow()), pops);
  }
  store<u64>(SCRATCH, toF32(expOfSt(0), sigOfSt(0)));
  return end(storable(), pops);
}

export function fpu_store_f64(pops: u32): u32 {
  if (!isEmpty(0) && isUsualStore()) {
    const flags = toF64Fast(registerAddress(0));
    if (flags != DECLINED) return endFast(flags, pops);
  }
  begin();
  if (isEmpty(0)) {
    store<u64>(SCRATCH, 0xfff8000000000000);
    return end(u32(stackUnderflow()), pops);
  }
  store<u64>(SCRATCH, toF64(expOfSt(0), sigOfSt(0)));
  return end(storable(), pops);
}

/** FIST FISTP (truncate 0), FISTTP (1) to `bits` 16, 32, 64. */
export function fpu_store_integer(bits: i32, truncate: u32, pops: u32): u32 {
  const control = load<u32>(FCW) & 0xc3f;
  if (!isEmpty(0) && (control == 0x3f || control == 0xc3f || (truncate && (control & 0x3f) == 0x3f))) {
    const flags = toIntegerFast(registerAddress(0), bits, truncate != 0 || control == 0xc3f);
    if (flags != DECLINED) return endFast(flags, pops);
  }
  begin();
  if (isEmpty(0)) {
    store<u64>(SCRATCH, <u64>1 << (bits - 1));
    return end(u32(stackUnderflow()), pops);
  }
  store<i64>(SCRATCH, toInteger(expOfSt(0), sigOfSt(0), bits, truncate ? ROUND_ZERO : roundingControl()));
  return end(storable(), pops);
}

export function fpu_store_extended(pops: u32): u32 {
  begin();
  if (isEmpty(0)) {
    const go = stackUnderflow();
    store<u64>(SCRATCH, zSig);
    store<u64>(SCRATCH, zExp, 8);
    return end(u32(go), pops);
  }
  store<u64>(SCRATCH, sigOfSt(0));
  store<u64>(SCRATCH, expOfSt(0), 8);
  return end(1, pops);
}

export function fpu_store_bcd(pops: u32): u32 {
  begin();
  if (isEmpty(0)) {
    store<u64>(SCRATCH, 0xc000000000000000);
    store<u64>(SCRATCH, 0xffff, 8);
    return end(u32(stackUnderflow()), pops);
  }
  const exp = expOfSt(0);
  const sig = sigOfSt(0);
  store<u64>(SCRATCH, toBcd(exp, sig));
  store<u64>(SCRATCH, raised & IE ? 0xffff : bcdTop, 8);
  if (raised & IE) store<u64>(SCRATCH, 0xc000000000000000);
  return end(storable(), pops);
}

/** FST ST(i), FSTP ST(i). */
export function fpu_store_register(i: u32, pops: u32): void {
  begin();
  if (isEmpty(0)) {
    if (!stackUnderflow()) {
      finish();
      return;
    }
  } else setZ(expOfSt(0), sigOfSt(0));
  writeSt(i);
  if (pops) popStack();
  finish();
}

// -- register moves and the stack

export function fpu_exchange(i: u32): void {
  begin();
  if (isEmpty(0) || isEmpty(i)) {
    const go = stackUnderflow();
    if (go) {
      if (isEmpty(0)) writeSt(0);
      if (isEmpty(i)) writeSt(i);
    } else {
      finish();
      return;
    }
  }
  const exp = expOfSt(0);
  const sig = sigOfSt(0);
  setZ(expOfSt(i), sigOfSt(i));
  writeSt(0);
  setZ(exp, sig);
  writeSt(i);
  finish();
}

/** FCMOVcc with its condition true or false; empty registers are an underflow in either case. */
export function fpu_move(i: u32, condition: u32): void {
  begin();
  if (isEmpty(0) || isEmpty(i)) {
    if (stackUnderflow()) writeSt(0);
    finish();
    return;
  }
  if (condition) {
    setZ(expOfSt(i), sigOfSt(i));
    writeSt(0);
  }
  finishKeepingC1();
}

export function fpu_free(i: u32, pops: u32): void {
  store<u32>(FTW, load<u32>(FTW) & ~(1 << physical(i)));
  if (pops) popStack();
}

/** FINCSTP (+1), FDECSTP (-1): tags stay with the physical registers. */
export function fpu_rotate(by: i32): void {
  setTop(physical(0) + by);
  store<u32>(FSW, load<u32>(FSW) & ~C1);
}
