import type { CdUnit } from './cd-unit.ts';
import { CD_BLOCK, MSF_OFFSET, Operation, Sense } from './codes.ts';
import { getConfiguration } from './features.ts';
import { be16, be24, be32, put16, put32, putMsf } from './fields.ts';
import { modeSelect, modeSense } from './mode-pages.ts';
import { rawForm, type RawForm } from './raw-sector.ts';
import { data, done, type CdReply } from './reply.ts';
import { readToc } from './toc.ts';

export interface CdCommand {
  /** Answered even while a unit attention condition waits (MMC-5 4.1.6.1). */
  readonly beforeAttention?: true;
  readonly needsMedium?: true;
  readonly keepsSense?: true;
  readonly run: (unit: CdUnit, cdb: Uint8Array, data: Uint8Array) => CdReply;
  readonly received?: (unit: CdUnit, cdb: Uint8Array, list: Uint8Array) => CdReply;
}

function text(bytes: Uint8Array, at: number, length: number, value: string): void {
  for (let i = 0; i < length; i++) bytes[at + i] = i < value.length ? value.charCodeAt(i) & 0x7f : 0x20;
}

function fromMsf(cdb: Uint8Array, at: number): number {
  return cdb[at]! * 4500 + cdb[at + 1]! * 75 + cdb[at + 2]! - MSF_OFFSET;
}

/** SPC-3 6.27: fixed format, 18 bytes. */
function requestSense(unit: CdUnit, cdb: Uint8Array, out: Uint8Array): CdReply {
  const { sense, information } = unit.state;
  out[0] = information > 0 ? 0xf0 : 0x70;
  out[2] = sense >> 16;
  put32(out, 3, information);
  out[7] = 10;
  out[12] = sense >> 8;
  out[13] = sense;
  unit.clearSense();
  return data(18, cdb[4]!);
}

/** SPC-3 6.4. A packet device of CD type, removable, with unit serial number and device identification pages. */
function inquiry(unit: CdUnit, cdb: Uint8Array, out: Uint8Array): CdReply {
  const allocated = be16(cdb, 3);
  const { vendor = 'STRATE', model = 'CD-ROM', firmware = '1.0', serial = 'ST00000003' } = unit.identity;
  const TYPE_CD = 0x05;
  out[0] = TYPE_CD;
  if ((cdb[1]! & 1) !== 0) {
    out[1] = cdb[2]!;
    switch (cdb[2]) {
      case 0x00:
        out.set([0x00, 0x80, 0x83], 4);
        out[3] = 3;
        return data(7, allocated);
      case 0x80:
        text(out, 4, 20, serial);
        out[3] = 20;
        return data(24, allocated);
      case 0x83:
        out.set([0x02, 0x01, 0, 28], 4); // ASCII, T10 vendor identification
        text(out, 8, 8, vendor);
        text(out, 16, 20, serial);
        out[3] = 32;
        return data(36, allocated);
      default:
        return unit.check(Sense.INVALID_FIELD_IN_CDB);
    }
  }
  if (cdb[2] !== 0) return unit.check(Sense.INVALID_FIELD_IN_CDB);
  out[1] = 0x80; // removable
  out[2] = 0; // ATAPI devices claim no SPC version...
  out[3] = 0x21; // ...and response format 1, ATAPI version 2 (SFF-8020i 9.8.4.1)
  out[4] = 31;
  text(out, 8, 8, vendor);
  text(out, 16, 16, model);
  text(out, 32, 4, firmware);
  return data(36, allocated);
}

/** MMC-5 6.42: LoEj with Start 0 opens, with 1 closes the tray. Power conditions change nothing here. */
function startStop(unit: CdUnit, cdb: Uint8Array): CdReply {
  if (cdb[4]! >> 4 !== 0 || (cdb[4]! & 2) === 0) return done;
  return unit.moveTray((cdb[4]! & 1) === 0) ? done : unit.check(Sense.REMOVAL_PREVENTED);
}

function read(unit: CdUnit, start: number, blocks: number, form: RawForm | 'data' = 'data'): CdReply {
  if (start + blocks > unit.blocks! || start < 0) return unit.check(Sense.LBA_OUT_OF_RANGE);
  if (blocks === 0) return done;
  return { kind: 'read', start, blocks, ...(form === 'data' ? {} : { raw: form }) };
}

/** READ CD (MMC-5 6.20) and READ CD MSF: what of each frame is wanted is in byte 9. Sub-channels are not read from an image. */
function readCd(unit: CdUnit, cdb: Uint8Array, start: number, blocks: number): CdReply {
  const form = rawForm(cdb[1]!, cdb[9]!, cdb[10]!);
  if (form === undefined) return unit.check(Sense.INVALID_FIELD_IN_CDB);
  if (form === 'audio') return unit.check(Sense.ILLEGAL_MODE_FOR_TRACK);
  return form === 'nothing' ? read(unit, start, 0) : read(unit, start, blocks, form);
}

/** MMC-5 6.26: sub-channel Q's current position. Nothing is ever playing. */
function readSubChannel(unit: CdUnit, cdb: Uint8Array, out: Uint8Array): CdReply {
  const allocated = be16(cdb, 7);
  out[1] = 0x15; // no audio status to return
  if ((cdb[2]! & 0x40) === 0) return data(4, allocated);
  const format = cdb[3]!;
  if (format === 0 || format > 3) return unit.check(Sense.INVALID_FIELD_IN_CDB);
  out[4] = format;
  if (format === 1) {
    out.set([0x14, 1, 1], 5);
    if ((cdb[1]! & 2) !== 0) putMsf(out, 8, 0);
    put16(out, 2, 12);
    return data(16, allocated);
  }
  put16(out, 2, 20); // no catalogue number, no ISRC
  return data(24, allocated);
}

/** MMC-5 6.6: only the polled form; only media events. */
function getEventStatus(unit: CdUnit, cdb: Uint8Array, out: Uint8Array): CdReply {
  const POLLED = 1;
  const MEDIA = 4;
  const allocated = be16(cdb, 7);
  if ((cdb[1]! & POLLED) === 0) return unit.check(Sense.INVALID_FIELD_IN_CDB);
  out[3] = 1 << MEDIA; // supported classes
  if ((cdb[4]! & (1 << MEDIA)) === 0) {
    out[2] = 0x80; // no event of a class that was asked for
    put16(out, 0, 2);
    return data(4, allocated);
  }
  out[2] = MEDIA;
  put16(out, 0, 6);
  out[4] = unit.state.event;
  out[5] = (unit.state.trayOpen ? 1 : 0) | (unit.blocks !== undefined ? 2 : 0);
  if (allocated > 4) unit.state.event = 0;
  return data(8, allocated);
}

/** MMC-5 6.22: a complete, not erasable disc of one session. */
function readDiscInformation(_unit: CdUnit, cdb: Uint8Array, out: Uint8Array): CdReply {
  put16(out, 0, 32);
  out[2] = 0x0e; // last session complete, disc complete
  out.set([1, 1, 1, 1, 0x20], 3); // first track, sessions, first and last track of the last session; unrestricted use
  out.fill(0xff, 16, 24); // no lead-in, no further lead-out
  return data(34, be16(cdb, 7));
}

/** MMC-5 6.27: the one track. */
function readTrackInformation(unit: CdUnit, cdb: Uint8Array, out: Uint8Array): CdReply {
  const [kind, address] = [cdb[1]! & 3, be32(cdb, 2)];
  const exists = kind === 0 ? address < unit.blocks! : address === 1;
  if (!exists) return unit.check(Sense.INVALID_FIELD_IN_CDB);
  put16(out, 0, 34);
  out.set([1, 1], 2);
  out[5] = 4; // data track
  out[6] = 1; // mode 1
  put32(out, 24, unit.blocks!);
  return data(36, be16(cdb, 7));
}

/** MMC-5 6.23: physical format (layer descriptor) and copyright information of a DVD. */
function readDvdStructure(unit: CdUnit, cdb: Uint8Array, out: Uint8Array): CdReply {
  const allocated = be16(cdb, 8);
  if (!unit.isDvd) return unit.check(Sense.INCOMPATIBLE_MEDIUM);
  switch (cdb[7]) {
    case 0x00: {
      const FIRST = 0x3_0000;
      out.set([0x01, 0x0f, 0x00, 0x10], 4); // DVD-ROM version 1, 120 mm, one layer, embossed
      put32(out, 8, FIRST);
      put32(out, 12, FIRST + unit.blocks! - 1);
      put16(out, 0, 2050);
      return data(2052, allocated);
    }
    case 0x01:
      put16(out, 0, 6);
      return data(8, allocated);
    case 0xff:
      [0x00, 0x01, 0xff].forEach((code, index) => out.set([code, 0x40, 0, 0], 4 + index * 4));
      put16(out, 0, 14);
      return data(16, allocated);
    default:
      return unit.check(Sense.INVALID_FIELD_IN_CDB);
  }
}

/** MMC-5 6.8: the same speed everywhere. */
function getPerformance(unit: CdUnit, cdb: Uint8Array, out: Uint8Array): CdReply {
  const KB_PER_SECOND = 7056;
  if (cdb[10] !== 0) return unit.check(Sense.INVALID_FIELD_IN_CDB);
  put32(out, 0, 20);
  put32(out, 12, KB_PER_SECOND);
  put32(out, 16, Math.max(0, unit.blocks! - 1));
  put32(out, 20, KB_PER_SECOND);
  return data(24, be16(cdb, 8) > 0 ? 24 : 8);
}

const nothing = { run: () => done } as const;
const nothingWithMedium = { needsMedium: true, run: () => done } as const;

export const cdCommands: Readonly<Record<number, CdCommand>> = {
  [Operation.TEST_UNIT_READY]: nothingWithMedium,
  [Operation.REQUEST_SENSE]: { beforeAttention: true, keepsSense: true, run: requestSense },
  [Operation.INQUIRY]: { beforeAttention: true, run: inquiry },
  [Operation.MODE_SENSE_6]: { run: (unit, cdb, out) => modeSense(unit, cdb, out, 6) },
  [Operation.MODE_SENSE_10]: { run: (unit, cdb, out) => modeSense(unit, cdb, out, 10) },
  [Operation.MODE_SELECT_6]: { run: (_unit, cdb) => receive(cdb[4]!), received: (unit, _cdb, list) => modeSelect(unit, list, 6) },
  [Operation.MODE_SELECT_10]: { run: (_unit, cdb) => receive(be16(cdb, 7)), received: (unit, _cdb, list) => modeSelect(unit, list, 10) },
  [Operation.START_STOP_UNIT]: { run: startStop },
  [Operation.PREVENT_ALLOW]: {
    run(unit, cdb) {
      unit.state.locked = (cdb[4]! & 1) !== 0;
      return done;
    },
  },
  [Operation.READ_CAPACITY]: {
    needsMedium: true,
    run(unit, _cdb, out) {
      put32(out, 0, unit.blocks! - 1);
      put32(out, 4, CD_BLOCK);
      return data(8, 8);
    },
  },
  [Operation.READ_10]: { needsMedium: true, run: (unit, cdb) => read(unit, be32(cdb, 2), be16(cdb, 7)) },
  [Operation.READ_12]: { needsMedium: true, run: (unit, cdb) => read(unit, be32(cdb, 2), be32(cdb, 6)) },
  [Operation.READ_CD]: { needsMedium: true, run: (unit, cdb) => readCd(unit, cdb, be32(cdb, 2), be24(cdb, 6)) },
  [Operation.READ_CD_MSF]: {
    needsMedium: true,
    run: (unit, cdb) => readCd(unit, cdb, fromMsf(cdb, 3), Math.max(0, fromMsf(cdb, 6) - fromMsf(cdb, 3))),
  },
  [Operation.SEEK_10]: {
    needsMedium: true,
    run: (unit, cdb) => (be32(cdb, 2) < unit.blocks! ? done : unit.check(Sense.LBA_OUT_OF_RANGE)),
  },
  [Operation.SYNCHRONIZE_CACHE]: nothing,
  [Operation.READ_SUB_CHANNEL]: { needsMedium: true, run: readSubChannel },
  [Operation.READ_TOC]: { needsMedium: true, run: readToc },
  [Operation.READ_HEADER]: {
    needsMedium: true,
    run(unit, cdb, out) {
      const block = be32(cdb, 2);
      if (block >= unit.blocks!) return unit.check(Sense.LBA_OUT_OF_RANGE);
      out[0] = 1; // mode 1
      if ((cdb[1]! & 2) !== 0) putMsf(out, 4, block);
      else put32(out, 4, block);
      return data(8, be16(cdb, 7));
    },
  },
  [Operation.GET_CONFIGURATION]: { beforeAttention: true, run: getConfiguration },
  [Operation.GET_EVENT_STATUS]: { beforeAttention: true, run: getEventStatus },
  [Operation.PAUSE_RESUME]: nothingWithMedium,
  [Operation.STOP_PLAY]: nothingWithMedium,
  [Operation.READ_DISC_INFORMATION]: { needsMedium: true, run: readDiscInformation },
  [Operation.READ_TRACK_INFORMATION]: { needsMedium: true, run: readTrackInformation },
  [Operation.GET_PERFORMANCE]: { needsMedium: true, run: getPerformance },
  [Operation.READ_DVD_STRUCTURE]: { needsMedium: true, run: readDvdStructure },
  [Operation.SET_CD_SPEED]: nothing,
  [Operation.MECHANISM_STATUS]: {
    run(unit, cdb, out) {
      out[1] = unit.state.trayOpen ? 0x10 : 0;
      return data(8, be16(cdb, 8));
    },
  },
};

function receive(length: number): CdReply {
  return length === 0 ? done : { kind: 'receive', length };
}
