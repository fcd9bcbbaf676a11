import { SECTOR_BYTES } from '../../../base/disk-backend.ts';
import type { AtaDisk } from './disk.ts';
import { identifyDisk } from './identify.ts';
import { logPage } from './logs.ts';
import { AtaError, Command, Feature } from './registers.ts';
import { smart } from './smart.ts';

export interface DiskCommand {
  readonly name: string;
  /** Uses the 48-bit task file. */
  readonly extended?: boolean;
  /** Writes are durable when the command completes, whatever the write cache is set to. */
  readonly fua?: boolean;
  /** false: leaves the drive in the power mode it is in. */
  readonly wakes?: false;
  readonly run: (disk: AtaDisk) => void;
  /** Goes on when the command's parameter data have come. */
  readonly received?: (disk: AtaDisk, data: Uint8Array) => void;
}

const EXTENDED = { extended: true } as const;
const FUA = { fua: true } as const;

function pio(name: string, direction: 'in' | 'out', form: { extended?: boolean } = {}): DiskCommand {
  return { name, ...form, run: (disk) => disk.move(direction, form.extended === true, 1) };
}

function multiple(name: string, direction: 'in' | 'out', form: { extended?: boolean; fua?: boolean } = {}): DiskCommand {
  return {
    name,
    ...form,
    run(disk): void {
      if (disk.state.multiple === 0) disk.fail(AtaError.ABRT);
      else disk.move(direction, form.extended === true, disk.state.multiple);
    },
  };
}

function dma(name: string, direction: 'in' | 'out', form: { extended?: boolean; fua?: boolean } = {}): DiskCommand {
  return { name, ...form, run: (disk) => disk.move(direction, form.extended === true, 0) };
}

/** READ VERIFY: the medium of an image is readable where it is at all. */
function verify(name: string, form: { extended?: boolean } = {}): DiskCommand {
  return {
    name,
    ...form,
    run(disk): void {
      if (disk.range(form.extended === true) === undefined) disk.fail(AtaError.IDNF);
      else disk.ok();
    },
  };
}

function power(name: string, mode: 'idle' | 'standby' | 'sleep'): DiskCommand {
  return {
    name,
    wakes: false,
    run(disk): void {
      disk.state.power = mode;
      if (mode === 'idle') disk.ok();
      else disk.flush(); // 6.10: the cache is written before the drive spins down
    },
  };
}

/** 8.8: FFh active or idle, 80h idle, 00h standby. */
const checkPowerMode: DiskCommand = {
  name: 'CHECK POWER MODE',
  wakes: false,
  run(disk): void {
    disk.state.task.count = { active: 0xff, idle: 0x80, standby: 0, sleep: 0 }[disk.state.power];
    disk.ok();
  },
};

/** Any other drive that reads this answers with its own registers; ours is alone in that. */
const nativeMax = (extended: boolean): DiskCommand => ({
  name: extended ? 'READ NATIVE MAX ADDRESS EXT' : 'READ NATIVE MAX ADDRESS',
  run(disk): void {
    const last = extended ? disk.capacity - 1 : Math.min(disk.capacity, 0x1000_0000) - 1;
    const { task, previous } = disk.state;
    [task.low, task.mid, task.high] = [last & 0xff, (last >>> 8) & 0xff, (last >>> 16) & 0xff];
    const high = Math.floor(last / 0x100_0000);
    if (extended) [previous.low, previous.mid, previous.high] = [high & 0xff, (high >>> 8) & 0xff, (high >>> 16) & 0xff];
    else disk.state.device = (disk.state.device & 0xf0) | high;
    disk.ok();
  },
});

const initializeDeviceParameters: DiskCommand = {
  name: 'INITIALIZE DEVICE PARAMETERS',
  run(disk): void {
    const sectors = disk.state.task.count;
    if (sectors === 0) return disk.fail(AtaError.ABRT);
    disk.state.heads = (disk.state.device & 15) + 1;
    disk.state.sectorsPerTrack = sectors;
    disk.ok();
  },
};

const setMultipleMode: DiskCommand = {
  name: 'SET MULTIPLE MODE',
  run(disk): void {
    const { count } = disk.state.task;
    if (count > 16 || (count & (count - 1)) !== 0) return disk.fail(AtaError.ABRT);
    disk.state.multiple = count;
    disk.ok();
  },
};

const setFeatures: DiskCommand = {
  name: 'SET FEATURES',
  run(disk): void {
    const { state } = disk;
    const { features, count } = state.task;
    switch (features) {
      case Feature.TRANSFER_MODE:
        if (!isTransferMode(count)) return disk.fail(AtaError.ABRT);
        if (count >= 0x20) state.dmaMode = count;
        return disk.ok();
      case Feature.WRITE_CACHE_ON:
        state.writeCache = true;
        return disk.ok();
      case Feature.WRITE_CACHE_OFF:
        state.writeCache = false;
        return disk.flush(); // what is in the cache goes to the medium
      case Feature.READ_LOOK_AHEAD_ON:
      case Feature.READ_LOOK_AHEAD_OFF:
        state.readLookAhead = features === Feature.READ_LOOK_AHEAD_ON;
        return disk.ok();
      case Feature.APM_ON:
        if (count === 0 || count === 0xff) return disk.fail(AtaError.ABRT);
        state.powerManagement = count;
        return disk.ok();
      case Feature.APM_OFF:
        state.powerManagement = 0;
        return disk.ok();
      case Feature.KEEP_SETTINGS:
      case Feature.REVERT_SETTINGS:
        return disk.ok();
      default:
        return disk.fail(AtaError.ABRT);
    }
  },
};

/** Table 45: PIO default, PIO 0-4 with flow control, multiword DMA 0-2, Ultra DMA 0-5. */
export function isTransferMode(value: number): boolean {
  const [kind, mode] = [value >> 3, value & 7];
  return value <= 1 || (kind === 1 && mode <= 4) || (kind === 4 && mode <= 2) || (kind === 8 && mode <= 5);
}

/** ATA8-ACS 7.8: ranges of 48-bit LBA and 16-bit count, little-endian, 64 to a block; a count of 0 is no range. */
const TRIM = 1;
export const MAX_TRIM_BLOCKS = 8;
const dataSetManagement: DiskCommand = {
  name: 'DATA SET MANAGEMENT',
  extended: true,
  run(disk): void {
    const { task, previous } = disk.state;
    const blocks = task.count | (previous.count << 8);
    const able = disk.options.kind !== 'rotating' && (task.features & TRIM) !== 0 && blocks > 0 && blocks <= MAX_TRIM_BLOCKS;
    if (able) disk.receiveByDma(blocks * SECTOR_BYTES);
    else disk.fail(AtaError.ABRT);
  },
  received(disk, data): void {
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    const ranges: { offset: number; length: number }[] = [];
    for (let at = 0; at + 8 <= data.length; at += 8) {
      const start = view.getUint32(at, true) + view.getUint16(at + 4, true) * 2 ** 32;
      const count = view.getUint16(at + 6, true);
      if (count === 0) continue;
      if (start + count > disk.capacity) return disk.fail(AtaError.IDNF);
      ranges.push({ offset: start * SECTOR_BYTES, length: count * SECTOR_BYTES });
    }
    disk.discard(ranges);
  },
};

function readLog(name: string, byDma: boolean): DiskCommand {
  return {
    name,
    extended: true,
    run(disk): void {
      const { task, previous } = disk.state;
      const [address, page, pages] = [task.low, task.mid | (previous.mid << 8), task.count | (previous.count << 8)];
      const data = pages >= 1 && pages <= 16 ? logPage(disk, address, page, pages) : undefined;
      if (data === undefined) disk.fail(AtaError.ABRT);
      else if (byDma) disk.sendByDma(data);
      else disk.send(data);
    },
  };
}

const noMedium = (name: string): DiskCommand => ({ name, run: (disk) => disk.ok() });
const flush = (name: string): DiskCommand => ({ name, run: (disk) => disk.flush() });

const alike = (command: DiskCommand, ...codes: number[]) => Object.fromEntries(codes.map((code) => [code, command]));
const sixteen = (first: number) => Array.from({ length: 16 }, (_, rate) => first + rate);

const commands: Readonly<Record<number, DiskCommand>> = {
  [Command.NOP]: { name: 'NOP', run: (disk) => disk.fail(AtaError.ABRT) },
  [Command.DATA_SET_MANAGEMENT]: dataSetManagement,
  [Command.READ_SECTORS]: pio('READ SECTORS', 'in'),
  [Command.READ_SECTORS_NO_RETRY]: pio('READ SECTORS', 'in'),
  [Command.READ_SECTORS_EXT]: pio('READ SECTORS EXT', 'in', EXTENDED),
  [Command.READ_MULTIPLE]: multiple('READ MULTIPLE', 'in'),
  [Command.READ_MULTIPLE_EXT]: multiple('READ MULTIPLE EXT', 'in', EXTENDED),
  [Command.READ_DMA]: dma('READ DMA', 'in'),
  [Command.READ_DMA_NO_RETRY]: dma('READ DMA', 'in'),
  [Command.READ_DMA_EXT]: dma('READ DMA EXT', 'in', EXTENDED),
  [Command.WRITE_SECTORS]: pio('WRITE SECTORS', 'out'),
  [Command.WRITE_SECTORS_NO_RETRY]: pio('WRITE SECTORS', 'out'),
  [Command.WRITE_VERIFY]: pio('WRITE VERIFY', 'out'),
  [Command.WRITE_SECTORS_EXT]: pio('WRITE SECTORS EXT', 'out', EXTENDED),
  [Command.WRITE_MULTIPLE]: multiple('WRITE MULTIPLE', 'out'),
  [Command.WRITE_MULTIPLE_EXT]: multiple('WRITE MULTIPLE EXT', 'out', EXTENDED),
  [Command.WRITE_MULTIPLE_FUA_EXT]: multiple('WRITE MULTIPLE FUA EXT', 'out', { ...EXTENDED, ...FUA }),
  [Command.WRITE_DMA]: dma('WRITE DMA', 'out'),
  [Command.WRITE_DMA_NO_RETRY]: dma('WRITE DMA', 'out'),
  [Command.WRITE_DMA_EXT]: dma('WRITE DMA EXT', 'out', EXTENDED),
  [Command.WRITE_DMA_FUA_EXT]: dma('WRITE DMA FUA EXT', 'out', { ...EXTENDED, ...FUA }),
  [Command.READ_VERIFY]: verify('READ VERIFY SECTORS'),
  [Command.READ_VERIFY_NO_RETRY]: verify('READ VERIFY SECTORS'),
  [Command.READ_VERIFY_EXT]: verify('READ VERIFY SECTORS EXT', EXTENDED),
  [Command.READ_NATIVE_MAX]: nativeMax(false),
  [Command.READ_NATIVE_MAX_EXT]: nativeMax(true),
  [Command.READ_LOG_EXT]: readLog('READ LOG EXT', false),
  [Command.READ_LOG_DMA_EXT]: readLog('READ LOG DMA EXT', true),
  [Command.EXECUTE_DEVICE_DIAGNOSTIC]: {
    name: 'EXECUTE DEVICE DIAGNOSTIC', // the channel has both devices do it
    run: (disk) => disk.showSignature(),
  },
  [Command.INITIALIZE_DEVICE_PARAMETERS]: initializeDeviceParameters,
  [Command.SET_MULTIPLE_MODE]: setMultipleMode,
  [Command.SET_FEATURES]: setFeatures,
  [Command.IDENTIFY_DEVICE]: { name: 'IDENTIFY DEVICE', wakes: false, run: (disk) => disk.send(identifyDisk(disk)) },
  [Command.SMART]: { name: 'SMART', run: smart },
  [Command.READ_BUFFER]: { name: 'READ BUFFER', run: (disk) => disk.send(disk.state.buffer.slice(0, SECTOR_BYTES)) },
  [Command.WRITE_BUFFER]: { name: 'WRITE BUFFER', run: (disk) => disk.receive(1), received: (disk) => disk.ok() },
  [Command.FLUSH_CACHE]: flush('FLUSH CACHE'),
  [Command.FLUSH_CACHE_EXT]: flush('FLUSH CACHE EXT'),
  [Command.CHECK_POWER_MODE]: checkPowerMode,
  [Command.CHECK_POWER_MODE_ALT]: checkPowerMode,
  ...alike(power('IDLE IMMEDIATE', 'idle'), Command.IDLE_IMMEDIATE, Command.IDLE_IMMEDIATE_ALT),
  ...alike(power('IDLE', 'idle'), Command.IDLE, Command.IDLE_ALT),
  ...alike(power('STANDBY IMMEDIATE', 'standby'), Command.STANDBY_IMMEDIATE, Command.STANDBY_IMMEDIATE_ALT),
  ...alike(power('STANDBY', 'standby'), Command.STANDBY, Command.STANDBY_ALT),
  ...alike(power('SLEEP', 'sleep'), Command.SLEEP, Command.SLEEP_ALT),
  // RECALIBRATE and SEEK had sixteen codes each, one per step rate.
  ...alike(noMedium('RECALIBRATE'), ...sixteen(Command.RECALIBRATE)),
  ...alike(noMedium('SEEK'), ...sixteen(Command.SEEK)),
};

export function commandFor(code: number): DiskCommand | undefined {
  return commands[code];
}
