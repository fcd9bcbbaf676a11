/** Conversions between double extended values and the other formats of memory operands (SDM vol.1 4.2, 4.8.3, 8.2). */
import {
  EXP_BIAS, IE, INTEGER_BIT, PE, ROUND_DOWN, ROUND_NEAREST, ROUND_UP,
  isInfinity, isNaN80, isUnsupported, low, raise, roundingControl, setMemoryDenormal, setRoundedUp, setZ, setZero, shiftRightJam, zExp, zSig,
} from './float80.ts';
import { roundNarrow } from './narrow';

/** Single to extended; a signalling NaN stays one. */
export function fromF32(bits: u32): void {
  const sign = bits >> 31;
  const exp = <i32>((bits >> 23) & 0xff);
  const fraction = <u64>(bits & 0x7fffff) << 40;
  unpack(sign, exp, fraction, 0xff, 127);
}

/** Double to extended; a signalling NaN stays one. */
export function fromF64(bits: u64): void {
  const sign = u32(bits >> 63);
  const exp = <i32>((bits >> 52) & 0x7ff);
  const fraction = (bits & 0xfffffffffffff) << 11;
  unpack(sign, exp, fraction, 0x7ff, 1023);
}

function unpack(sign: u32, exp: i32, fraction: u64, maximum: i32, bias: i32): void {
  if (exp == maximum) setZ((sign << 15) | 0x7fff, INTEGER_BIT | fraction);
  else if (exp != 0) setZ((sign << 15) | <u32>(exp - bias + EXP_BIAS), INTEGER_BIT | fraction);
  else if (fraction == 0) setZero(sign);
  else {
    const shift = <i32>clz(fraction);
    setMemoryDenormal(true);
    setZ((sign << 15) | <u32>(1 - bias + EXP_BIAS - shift), fraction << shift);
  }
}

export function fromI64(value: i64): void {
  if (value == 0) {
    setZero(0);
    return;
  }
  const sign = u32(value < 0);
  const magnitude = sign ? <u64>-value : <u64>value;
  const shift = <i32>clz(magnitude);
  setZ((sign << 15) | <u32>(EXP_BIAS + 63 - shift), magnitude << shift);
}

/** An extended value in a narrower IEEE format. Exceptions are raised; unmasked ones mean: do not store. */
function narrow(aExp: u32, aSig: u64, fractionBits: i32): u64 {
  const expBits = fractionBits == 23 ? 8 : 11;
  const sign = <u64>(aExp >> 15) << (fractionBits + expBits);
  const maximum = (<u64>1 << expBits) - 1;
  const quiet = <u64>1 << (fractionBits - 1);
  if (isUnsupported(aExp, aSig)) {
    raise(IE);
    return ((maximum | (<u64>1 << expBits)) << fractionBits) | quiet;
  }
  if (isNaN80(aExp, aSig)) {
    if (!(aSig & 0x4000000000000000)) raise(IE);
    return sign | (maximum << fractionBits) | ((aSig << 1) >> (64 - fractionBits)) | quiet;
  }
  if (isInfinity(aExp, aSig)) return sign | (maximum << fractionBits);
  if (aSig == 0) return sign;
  const exp = <i32>(aExp & 0x7fff);
  const shift = <i32>clz(aSig);
  return roundNarrow(aExp >> 15, (exp == 0 ? 1 : exp) - EXP_BIAS - shift, aSig << shift, 0, fractionBits);
}

export function toF32(exp: u32, sig: u64): u32 {
  return <u32>narrow(exp, sig, 23);
}

export function toF64(exp: u32, sig: u64): u64 {
  return narrow(exp, sig, 52);
}

/** To a signed integer of `bits`; out of range, NaN and unsupported give the integer indefinite and IE. `mode` is the rounding to use. */
export function toInteger(exp: u32, sig: u64, bits: i32, mode: u32): i64 {
  const indefinite = <i64>(<u64>1 << (bits - 1));
  const sign = exp >> 15;
  const e = <i32>(exp & 0x7fff) - EXP_BIAS;
  if (isUnsupported(exp, sig) || e >= 64) {
    raise(IE);
    return indefinite;
  }
  if (sig == 0) return 0;
  let whole: u64;
  let ext: u64;
  if (e == 63) {
    whole = sig;
    ext = 0;
  } else {
    whole = shiftRightJam(sig, 0, min(63 - e, 200));
    ext = low;
  }
  let increment = false;
  if (ext != 0) {
    if (mode == ROUND_NEAREST) increment = ext > INTEGER_BIT || (ext == INTEGER_BIT && (whole & 1) != 0);
    else if (mode == ROUND_DOWN) increment = sign != 0;
    else if (mode == ROUND_UP) increment = sign == 0;
    if (increment) whole++;
    if (increment && whole == 0) {
      raise(IE);
      return indefinite;
    }
  }
  const limit = <u64>1 << (bits - 1);
  if (whole > limit || (whole == limit && sign == 0)) {
    raise(IE);
    return indefinite;
  }
  if (ext != 0) {
    raise(PE);
    setRoundedUp(u32(increment));
  }
  return sign ? <i64>(0 - whole) : <i64>whole;
}

/** FRNDINT. The operand is finite, non-zero and supported. */
export function roundToInteger(exp: u32, sig: u64): void {
  const sign = exp >> 15;
  const e = <i32>(exp & 0x7fff) - EXP_BIAS;
  if (e >= 63) {
    setZ(exp, sig);
    return;
  }
  const whole = shiftRightJam(sig, 0, min(63 - e, 200));
  const ext = low;
  if (ext == 0) {
    setZ(exp, sig);
    return;
  }
  const mode = roundingControl();
  let increment = false;
  if (mode == ROUND_NEAREST) increment = ext > INTEGER_BIT || (ext == INTEGER_BIT && (whole & 1) != 0);
  else if (mode == ROUND_DOWN) increment = sign != 0;
  else if (mode == ROUND_UP) increment = sign == 0;
  raise(PE);
  setRoundedUp(u32(increment));
  const rounded = whole + u64(increment);
  fromI64(<i64>rounded); // at most 2^63: as an unsigned magnitude it needs no sign
  if (rounded == INTEGER_BIT) setZ(EXP_BIAS + 63, INTEGER_BIT);
  setZ(zExp | (sign << 15), zSig);
}

// -- packed decimal: 18 digits, sign in the last byte (SDM vol.1 4.7)

export function fromBcd(digits: u64, top: u32): void {
  let value: u64 = 0;
  for (let shift = 4; shift >= 0; shift -= 4) value = value * 10 + ((top >> shift) & 15);
  for (let shift = 60; shift >= 0; shift -= 4) value = value * 10 + ((digits >> shift) & 15);
  fromI64(<i64>value);
  setZ(zExp | ((top & 0x8000) as u32), zSig);
}

export let bcdTop: u32 = 0;

/** Low 16 digits; sign byte and the two high digits in `bcdTop`. */
export function toBcd(exp: u32, sig: u64): u64 {
  const value = toInteger(exp, sig, 64, roundingControl());
  const sign = exp >> 15;
  let magnitude = value < 0 ? <u64>-value : <u64>value;
  if (magnitude > 999999999999999999) {
    raise(IE);
    setRoundedUp(0);
    bcdTop = 0xffff;
    return 0xc000000000000000;
  }
  let digits: u64 = 0;
  for (let shift = 0; shift < 64; shift += 4) {
    digits |= (magnitude % 10) << shift;
    magnitude /= 10;
  }
  bcdTop = <u32>(magnitude % 10) | (<u32>(magnitude / 10) << 4) | (sign << 15);
  return digits;
}
