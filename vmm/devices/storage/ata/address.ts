import { DeviceBits } from './registers.ts';
import type { DiskState } from './disk.ts';

export interface DiskGeometry {
  readonly cylinders: number;
  readonly heads: number;
  /** Per track. */
  readonly sectors: number;
}

/** Sectors, by LBA. */
export interface SectorRange {
  readonly start: number;
  readonly count: number;
}

/** The sectors a task file names: 28-bit LBA or CHS by the LBA bit, or 48-bit LBA (6.2). undefined: a CHS address that cannot be. */
export function addressOf(state: DiskState, extended: boolean): SectorRange | undefined {
  const { task, previous, device } = state;
  const low24 = task.low | (task.mid << 8) | (task.high << 16);
  if (extended) {
    const high24 = previous.low | (previous.mid << 8) | (previous.high << 16);
    return { start: high24 * 0x100_0000 + low24, count: task.count | (previous.count << 8) || 65536 };
  }
  const count = task.count || 256;
  if ((device & DeviceBits.LBA) !== 0) return { start: ((device & 15) << 24) | low24, count };
  const [cylinder, head, sector] = [task.mid | (task.high << 8), device & 15, task.low];
  if (sector === 0 || sector > state.sectorsPerTrack || head >= state.heads) return undefined;
  return { start: (cylinder * state.heads + head) * state.sectorsPerTrack + sector - 1, count };
}

/** Puts the address of a sector and the count of sectors left into the registers, in the form the command used. */
export function setAddress(state: DiskState, sector: number, extended: boolean, left: number): void {
  const { task, previous } = state;
  task.count = left & 0xff;
  if (extended) {
    previous.count = (left >> 8) & 0xff;
    setBytes(task, sector % 0x100_0000);
    setBytes(previous, Math.floor(sector / 0x100_0000) % 0x100_0000);
  } else if ((state.device & DeviceBits.LBA) !== 0) {
    setBytes(task, sector & 0xff_ffff);
    state.device = (state.device & 0xf0) | (Math.floor(sector / 0x100_0000) & 15);
  } else {
    const track = Math.floor(sector / state.sectorsPerTrack);
    const cylinder = Math.floor(track / state.heads);
    task.low = (sector % state.sectorsPerTrack) + 1;
    task.mid = cylinder & 0xff;
    task.high = (cylinder >> 8) & 0xff;
    state.device = (state.device & 0xf0) | (track % state.heads);
  }
}

function setBytes(registers: { low: number; mid: number; high: number }, value: number): void {
  registers.low = value & 0xff;
  registers.mid = (value >> 8) & 0xff;
  registers.high = (value >> 16) & 0xff;
}
