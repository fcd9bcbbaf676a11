/** The register stack, its tags, and how an operation's exceptions end up in the status word (SDM vol.1 8.1, 8.5, 8.6). */
import { FCW, FPU_REGS, FSW, FTW } from '../../layout.ts';
import { DE, IE, SF, ZE, isMasked, raise, raised, roundedUp, setDefaultNaN, setRoundedUp, zExp, zSig } from './float80.ts';

const C1: u32 = 0x200;
const ES_B: u32 = 0x8080;
const EXCEPTIONS: u32 = 0x3f;

// @ts-ignore: decorator
@inline
export function physical(i: u32): u32 {
  return ((load<u32>(FSW) >> 11) + i) & 7;
}
// @ts-ignore: decorator
@inline
export function registerAddress(i: u32): usize {
  return FPU_REGS + physical(i) * 16;
}
// @ts-ignore: decorator
@inline
export function isEmpty(i: u32): bool {
  return ((load<u32>(FTW) >> physical(i)) & 1) == 0;
}
// @ts-ignore: decorator
@inline
export function expOfSt(i: u32): u32 {
  return load<u16>(registerAddress(i), 8);
}
// @ts-ignore: decorator
@inline
export function sigOfSt(i: u32): u64 {
  return load<u64>(registerAddress(i));
}

/** Stores z to ST(i) and tags it as in use. */
export function writeSt(i: u32): void {
  const address = registerAddress(i);
  store<u64>(address, zSig);
  store<u16>(address, <u16>zExp, 8);
  store<u32>(FTW, load<u32>(FTW) | (1 << physical(i)));
}

export function setTop(top: u32): void {
  store<u32>(FSW, (load<u32>(FSW) & ~0x3800) | ((top & 7) << 11));
}

export function popStack(): void {
  const top = physical(0);
  store<u32>(FTW, load<u32>(FTW) & ~(1 << top));
  setTop(top + 1);
}

/** Stack underflow: the response of an operation that reads an empty register. True if it is masked: the default NaN stands in z. */
export function stackUnderflow(): bool {
  raise(IE | SF);
  setDefaultNaN();
  return isMasked(IE);
}

/** Merges the operation's exceptions into FSW; C1 tells the direction of rounding or, with SF, overflow of the stack. */
export function finish(): void {
  let status = (load<u32>(FSW) & ~C1) | raised;
  if (roundedUp) status |= C1;
  if (status & ~load<u32>(FCW) & EXCEPTIONS) status |= ES_B;
  store<u32>(FSW, status);
}

/** The same for FCMOV and FCOMI, which leave C1 alone unless the stack underflows. */
export function finishKeepingC1(): void {
  if (load<u32>(FSW) & C1 && !(raised & SF)) setRoundedUp(1);
  finish();
}

/** Whether the destination may be written: no unmasked exception of those found before the operation (SDM vol.1 8.5: IE, DE, ZE leave operands as they were). */
export function mayStore(): bool {
  const unmasked = raised & ~load<u32>(FCW);
  return (unmasked & (IE | DE | ZE)) == 0;
}

/** Recomputes ES and B after FCW or FSW were loaded. */
export function updateSummary(): void {
  const status = load<u32>(FSW);
  store<u32>(FSW, status & ~load<u32>(FCW) & EXCEPTIONS ? status | ES_B : status & ~ES_B);
}

/** Pushes z, or the stack-overflow response. */
export function pushZ(): void {
  if (!isEmpty(7)) {
    raise(IE | SF);
    setRoundedUp(1);
    if (!isMasked(IE)) {
      finish();
      return;
    }
    setDefaultNaN();
  }
  if (mayStore()) {
    setTop(physical(7) as u32);
    writeSt(0);
  }
  finish();
}
