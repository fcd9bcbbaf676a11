import type { CdUnit } from './cd-unit.ts';
import { Sense } from './codes.ts';
import { be16, put16, put32, putMsf } from './fields.ts';
import { data, type CdReply } from './reply.ts';

const LEAD_OUT = 0xaa;
/** ADR 1 (current position), control 4 (data track, copying prohibited). */
const DATA_TRACK = 0x14;

/** READ TOC/PMA/ATIP (MMC-5 6.25): a disc of one session with one data track. */
export function readToc(unit: CdUnit, cdb: Uint8Array, out: Uint8Array): CdReply {
  const msf = (cdb[1]! & 2) !== 0;
  // SFF-8020i drivers put the format into the top bits of the last byte.
  const format = cdb[2]! & 0x0f || cdb[9]! >> 6;
  const allocated = be16(cdb, 7);
  const address = (at: number, block: number) => {
    if (msf) putMsf(out, at, block);
    else put32(out, at, block);
  };
  const finish = (length: number) => {
    put16(out, 0, length - 2);
    out.set([1, 1], 2); // first and last track or session
    return data(length, allocated);
  };

  switch (format) {
    case 0: {
      const first = cdb[6]!;
      if (first > 1 && first !== LEAD_OUT) return unit.check(Sense.INVALID_FIELD_IN_CDB);
      let at = 4;
      if (first <= 1) {
        out.set([0, DATA_TRACK, 1, 0], at);
        address(at + 4, 0);
        at += 8;
      }
      out.set([0, DATA_TRACK, LEAD_OUT, 0], at);
      address(at + 4, unit.blocks!);
      return finish(at + 8);
    }
    case 1: // multi-session: the first track of the last session
      out.set([0, DATA_TRACK, 1, 0], 4);
      address(8, 0);
      return finish(12);
    case 2: {
      // Raw TOC: what the lead-in's Q sub-channel repeats, as points A0h, A1h, A2h and each track. Addresses are MSF always.
      let at = 4;
      const point = (value: number, minute: number, second: number, frame: number) => {
        out.set([1, DATA_TRACK, 0, value, 0, 0, 0, 0, minute, second, frame], at);
        at += 11;
      };
      const time = new Uint8Array(4);
      point(0xa0, 1, 0, 0);
      point(0xa1, 1, 0, 0);
      putMsf(time, 0, unit.blocks!);
      point(0xa2, time[1]!, time[2]!, time[3]!);
      putMsf(time, 0, 0);
      point(1, time[1]!, time[2]!, time[3]!);
      return finish(at);
    }
    default:
      return unit.check(Sense.INVALID_FIELD_IN_CDB);
  }
}
