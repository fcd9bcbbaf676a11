// Port I/O and its protection (SDM vol.1 16.5).
import { MODE, MODE_V86, SEG_TR } from '../../layout.ts';
import { port_read, port_write } from '../host';
import { readSystem } from './access';
import { notePortAccess } from './debug';
import { TYPE_TSS32, TYPE_TSS32_BUSY } from './descriptors';
import { cpl, faulted, gp, iopl, segmentAttributes, segmentBase, segmentLimit } from './state';

const IO_MAP_BASE: u32 = 0x66;

/** #GP(0) unless the program may use `bytes` ports from `port` on. */
export function port_check(port: i32, bytes: i32): void {
  const v86 = (load<i32>(MODE) & MODE_V86) != 0;
  if (!v86 && cpl() <= iopl()) return; // real mode: CPL 0
  const type = (segmentAttributes(SEG_TR) >> 8) & 15;
  if ((type != TYPE_TSS32 && type != TYPE_TSS32_BUSY) || segmentLimit(SEG_TR) < IO_MAP_BASE + 1) return gp(0);
  const map = u32(readSystem(segmentBase(SEG_TR) + IO_MAP_BASE, 2));
  if (faulted()) return;
  const at = map + (u32(port & 0xffff) >> 3);
  // Two bytes are always read, so the map ends with a byte of ones.
  if (at + 1 > segmentLimit(SEG_TR)) return gp(0);
  const bits = u32(readSystem(segmentBase(SEG_TR) + u64(at), 2)) >> (port & 7);
  if (!faulted() && (bits & ((1 << bytes) - 1)) != 0) gp(0);
}

/** IN: check included. 1, 2 or 4 bytes. */
export function port_in(port: i32, bytes: i32): u64 {
  port_check(port, bytes);
  if (faulted()) return 0;
  const value = port_read(port & 0xffff, bytes);
  notePortAccess(port & 0xffff, bytes);
  return u64(value);
}

export function port_out(port: i32, bytes: i32, value: u64): void {
  port_check(port, bytes);
  if (faulted()) return;
  port_write(port & 0xffff, bytes, u32(value));
  notePortAccess(port & 0xffff, bytes);
}
