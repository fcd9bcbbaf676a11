import type { DriveState } from '../ata/drive-state.ts';

/* Frame information structures (Serial ATA 3.1, 10.5). */

const H2D_REGISTER = 0x27;
const D2H_REGISTER = 0x34;
const PIO_SETUP = 0x5f;
const SET_DEVICE_BITS = 0xa1;
const FIS_INTERRUPT = 0x40;
const FIS_TO_HOST = 0x20;
const FIS_COMMAND = 0x80;

export const COMMAND_FIS_BYTES = 20;

export interface CommandFis {
  /** False: it updates the device control register. */
  readonly command: boolean;
  readonly portMultiplier: number;
  readonly control: number;
  readonly code: number;
  readonly device: number;
  readonly task: { features: number; count: number; low: number; mid: number; high: number };
  readonly previous: { features: number; count: number; low: number; mid: number; high: number };
}

/** The register FIS in a command table, undefined if it is none. */
export function parseCommandFis(fis: Uint8Array): CommandFis | undefined {
  if (fis[0] !== H2D_REGISTER) return undefined;
  return {
    command: (fis[1]! & FIS_COMMAND) !== 0,
    portMultiplier: fis[1]! & 0xf,
    control: fis[15]!,
    code: fis[2]!,
    device: fis[7]!,
    task: { features: fis[3]!, count: fis[12]!, low: fis[4]!, mid: fis[5]!, high: fis[6]! },
    previous: { features: fis[11]!, count: fis[13]!, low: fis[8]!, mid: fis[9]!, high: fis[10]! },
  };
}

function taskFis(type: number, flags: number, { status, error, task, previous, device }: DriveState): Uint8Array {
  const fis = new Uint8Array(20);
  fis.set([
    type,
    flags,
    status,
    error,
    task.low,
    task.mid,
    task.high,
    device,
    previous.low,
    previous.mid,
    previous.high,
    0,
    task.count,
    previous.count,
  ]);
  return fis;
}

export function d2hRegisterFis(drive: DriveState, interrupt: boolean): Uint8Array {
  return taskFis(D2H_REGISTER, interrupt ? FIS_INTERRUPT : 0, drive);
}

/** `drive` as it was when the block began; `endStatus`: after it. */
export function pioSetupFis(drive: DriveState, toHost: boolean, interrupt: boolean, endStatus: number, length: number): Uint8Array {
  const fis = taskFis(PIO_SETUP, (interrupt ? FIS_INTERRUPT : 0) | (toHost ? FIS_TO_HOST : 0), drive);
  fis[15] = endStatus;
  fis[16] = length & 0xff;
  fis[17] = length >> 8;
  return fis;
}

/** `done`: queued commands that are completed, by tag. */
export function setDeviceBitsFis(status: number, error: number, done: number): Uint8Array {
  const fis = new Uint8Array(8);
  fis.set([SET_DEVICE_BITS, FIS_INTERRUPT, status & 0x77, error]);
  new DataView(fis.buffer).setUint32(4, done >>> 0, true);
  return fis;
}
