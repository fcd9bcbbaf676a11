import type { CdUnit } from './cd-unit.ts';
import { Sense } from './codes.ts';
import { be16, put16 } from './fields.ts';
import { data, done, type CdReply } from './reply.ts';

/** Kilobytes per second of a 40x drive. */
const SPEED = 7056;

interface ModePage {
  readonly code: number;
  readonly body: (unit: CdUnit) => Uint8Array;
  /** Which bits MODE SELECT may change. */
  readonly changeable?: readonly number[];
  readonly select?: (unit: CdUnit, body: Uint8Array) => void;
}

function body(length: number, fill: (bytes: Uint8Array) => void): Uint8Array {
  const bytes = new Uint8Array(length);
  fill(bytes);
  return bytes;
}

/** MMC-5 7. Page bodies start after the two bytes of code and length. */
const pages: readonly ModePage[] = [
  {
    code: 0x01, // read/write error recovery
    body: (unit) => body(6, (bytes) => bytes.set([unit.state.errorRecovery, unit.state.retries])),
    changeable: [0xff, 0xff],
    select(unit, bytes) {
      unit.state.errorRecovery = bytes[0]!;
      unit.state.retries = bytes[1]!;
    },
  },
  { code: 0x0d, body: () => body(6, (bytes) => bytes.set([0, 0x0d, 0, 60, 0, 75])) }, // CD-ROM parameters: seconds, frames
  {
    code: 0x0e, // CD audio control: no audio, full volume on both ports
    body: () => body(14, (bytes) => bytes.set([0x04, 0, 0, 0, 0, 75, 1, 0xff, 2, 0xff])),
  },
  { code: 0x1a, body: () => body(10, () => undefined) }, // power condition
  {
    code: 0x2a, // capabilities and mechanical status (MMC-3 6.3.11)
    body: (unit) =>
      body(20, (bytes) => {
        bytes[0] = 0x3b; // reads CD-R, CD-RW, method 2, DVD-ROM, DVD-R
        bytes[2] = 0x70; // multi-session, mode 2 forms 1 and 2
        bytes[3] = 0;
        bytes[4] = 0x20 | 0x08 | 0x01 | (unit.state.locked ? 0x02 : 0); // tray, can eject, can lock, locked
        put16(bytes, 6, SPEED);
        put16(bytes, 8, 2); // volume levels
        put16(bytes, 10, 2048); // buffer, KB
        put16(bytes, 12, SPEED);
      }),
  },
];

const ALL = 0x3f;
/** The page control field: 0 current, 1 changeable, 2 default, 3 saved. */
const CHANGEABLE = 1;
const SAVED = 3;

/** Medium type (SFF-8020i table 66): 01h a 120 mm data CD, 70h no disc, 71h door open; DVDs have none. */
function mediumType(unit: CdUnit): number {
  if (unit.state.trayOpen) return 0x71;
  if (unit.blocks === undefined) return 0x70;
  return unit.isDvd ? 0 : 0x01;
}

export function modeSense(unit: CdUnit, cdb: Uint8Array, out: Uint8Array, form: 6 | 10): CdReply {
  const [control, code] = [cdb[2]! >> 6, cdb[2]! & 0x3f];
  if (control === SAVED) return unit.check(Sense.SAVING_NOT_SUPPORTED);
  const wanted = pages.filter((page) => code === ALL || page.code === code);
  if (wanted.length === 0) return unit.check(Sense.INVALID_FIELD_IN_CDB);
  let at = form === 6 ? 4 : 8;
  for (const page of wanted) {
    const bytes = page.body(unit);
    if (control === CHANGEABLE) {
      bytes.fill(0);
      bytes.set(page.changeable ?? []);
    }
    out[at] = page.code;
    out[at + 1] = bytes.length;
    out.set(bytes, at + 2);
    at += 2 + bytes.length;
  }
  if (form === 6) {
    out[0] = at - 1;
    out[1] = mediumType(unit);
    return data(at, cdb[4]!);
  }
  put16(out, 0, at - 2);
  out[2] = mediumType(unit);
  return data(at, be16(cdb, 7));
}

export function modeSelect(unit: CdUnit, list: Uint8Array, form: 6 | 10): CdReply {
  const header = form === 6 ? 4 : 8;
  if (list.length < header) return unit.check(Sense.PARAMETER_LIST_LENGTH);
  const descriptors = form === 6 ? list[3]! : be16(list, 6);
  for (let at = header + descriptors; at + 2 <= list.length;) {
    const page = pages.find((one) => one.code === (list[at]! & 0x3f));
    const length = list[at + 1]!;
    if (page === undefined) return unit.check(Sense.INVALID_FIELD_IN_PARAMETERS);
    if (length !== page.body(unit).length || at + 2 + length > list.length) return unit.check(Sense.PARAMETER_LIST_LENGTH);
    page.select?.(unit, list.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return done;
}
