/** Rounding to single and double precision (SDM vol.1 4.8.3, 4.9.1): memory operands of x87 stores and all results of SSE. */
import { MXCSR } from '../../layout.ts';
import { OE, PE, ROUND_DOWN, ROUND_NEAREST, ROUND_UP, UE, isMasked, low, raise, roundingControl, setRoundedUp, shiftRightJam, target } from './float80.ts';

const FTZ: u32 = 0x8000;

function increments(negative: u32, sig: u64, ext: u64, unit: u64, mode: u32): bool {
  const rest = sig & (unit - 1);
  if ((rest | ext) == 0) return false;
  if (mode == ROUND_NEAREST) {
    const half = unit >> 1;
    if (rest != half) return rest > half;
    return ext != 0 || (sig & unit) != 0;
  }
  if (mode == ROUND_DOWN) return negative != 0;
  return mode == ROUND_UP && negative == 0;
}

/**
 * The IEEE bits of +-sig.ext * 2^(exp - 63), `sig` with its top bit set, in the format of `fractionBits` (23 or 52). Raises OE, UE, PE; when an
 * unmasked overflow or underflow forbids the store the result is 0.
 */
export function roundNarrow(negative: u32, exp: i32, sig: u64, ext: u64, fractionBits: i32): u64 {
  const expBits = fractionBits == 23 ? 8 : 11;
  const sign = <u64>negative << (fractionBits + expBits);
  const maximum: i32 = (1 << expBits) - 1;
  exp += maximum >> 1;
  const mode = roundingControl();
  const dropped = 63 - fractionBits;
  const unit = <u64>1 << dropped;
  let tiny = false;
  if (exp <= 0) {
    // tininess is detected after rounding as if the exponent were unbounded
    tiny = exp < 0 || sig < ~(unit - 1) || !increments(negative, sig, ext, unit, mode);
    if (tiny && !isMasked(UE)) {
      raise(UE);
      if ((sig & (unit - 1)) | ext) raise(PE);
      return 0;
    }
    if (tiny && target != 0 && (load<u32>(MXCSR) & FTZ)) {
      raise(UE | PE);
      return sign;
    }
    sig = shiftRightJam(sig, ext, 1 - exp);
    ext = low;
    exp = 0;
  }
  const rest = (sig & (unit - 1)) | ext;
  const up = increments(negative, sig, ext, unit, mode);
  sig >>= dropped;
  if (up) sig++;
  if (exp == 0) {
    if (sig >> fractionBits) exp = 1;
  } else if (sig >> (fractionBits + 1)) {
    sig >>= 1;
    exp++;
  }
  if (exp >= maximum) {
    raise(OE);
    if (!isMasked(OE)) {
      if (rest != 0) raise(PE);
      return 0;
    }
    const toInfinity = mode == ROUND_NEAREST || mode == (negative ? ROUND_DOWN : ROUND_UP);
    raise(PE);
    setRoundedUp(u32(toInfinity));
    return sign | ((<u64>maximum << fractionBits) - u64(!toInfinity));
  }
  if (rest != 0) {
    raise(tiny ? UE | PE : PE);
    setRoundedUp(u32(up));
  }
  return sign | (<u64>exp << fractionBits) | (sig & ((<u64>1 << fractionBits) - 1));
}
