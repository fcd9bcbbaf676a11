/**
 * MMX shares the x87 registers (SDM vol.1 9.5, vol.3 12): every MMX instruction sets TOP to 0 and marks all registers in use; writing one sets
 * its sign and exponent to ones.
 */
import { CR0, FSW, FTW } from '../../layout.ts';
import { raise_numeric_error } from '../system/control.ts';
import { fault } from '../system/state.ts';

const ES: u32 = 0x80;
const VECTOR_UD: i32 = 6;
const VECTOR_NM: i32 = 7;

export function mmx_begin(): void {
  if (load<u64>(CR0) & 4) {
    fault(VECTOR_UD, -1);
    return;
  }
  if (load<u64>(CR0) & 8) {
    fault(VECTOR_NM, -1);
    return;
  }
  if (load<u32>(FSW) & ES) raise_numeric_error();
}

export function mmx_empty(): void {
  store<u32>(FSW, load<u32>(FSW) & ~0x3800);
  store<u32>(FTW, 0);
}
