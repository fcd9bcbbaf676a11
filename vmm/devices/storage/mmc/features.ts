import type { CdUnit } from './cd-unit.ts';
import { Profile } from './codes.ts';
import { be16, put16, put32 } from './fields.ts';
import { data, type CdReply } from './reply.ts';

const PERSISTENT = 2;
const CURRENT = 1;

interface MmcFeature {
  readonly code: number;
  readonly version?: number;
  readonly persistent?: true;
  /** Whether the present medium can use it. */
  readonly current: (profile: number) => boolean;
  readonly body: (unit: CdUnit, profile: number) => readonly number[];
}

const always = () => true;
const withMedium = (profile: number) => profile !== Profile.NONE;

/** MMC-5 5.3, in ascending order of codes. */
const features: readonly MmcFeature[] = [
  {
    code: 0x0000, // profile list
    persistent: true,
    current: always,
    body: (_unit, profile) => [Profile.DVD_ROM, Profile.CD_ROM].flatMap((one) => [one >> 8, one & 0xff, one === profile ? CURRENT : 0, 0]),
  },
  { code: 0x0001, version: 2, persistent: true, current: always, body: () => [0, 0, 0, 2, 1, 0, 0, 0] }, // core: ATAPI; INQUIRY and events
  { code: 0x0002, version: 1, persistent: true, current: always, body: () => [2, 0, 0, 0] }, // morphing: operational change
  { code: 0x0003, persistent: true, current: always, body: () => [0x29, 0, 0, 0] }, // removable medium: tray, eject, lock
  { code: 0x0010, current: withMedium, body: () => [0, 0, 8, 0, 0, 16, 0, 0] }, // random readable: 2048 bytes, 16 blocks
  { code: 0x001e, version: 2, current: (profile) => profile === Profile.CD_ROM, body: () => [0, 0, 0, 0] }, // CD read
  { code: 0x001f, version: 1, current: (profile) => profile === Profile.DVD_ROM, body: () => [0, 0, 0, 0] }, // DVD read
  { code: 0x0100, persistent: true, current: always, body: () => [] }, // power management
  { code: 0x0105, version: 1, persistent: true, current: always, body: () => [0, 0, 0, 0] }, // timeout
  {
    code: 0x0108, // logical unit serial number
    persistent: true,
    current: always,
    body: (unit) => Array.from({ length: 12 }, (_, at) => (unit.identity.serial ?? 'ST00000003').padEnd(12).charCodeAt(at) & 0x7f),
  },
];

/** GET CONFIGURATION (MMC-5 6.5): all features from a code on, the current ones, or one. */
export function getConfiguration(unit: CdUnit, cdb: Uint8Array, out: Uint8Array): CdReply {
  const ONE = 2;
  const kind = cdb[1]! & 3;
  const start = be16(cdb, 2);
  const { profile } = unit;
  let at = 8;
  for (const feature of features) {
    const current = feature.current(profile);
    if (kind === ONE ? feature.code !== start : feature.code < start) continue;
    if (kind === 1 && !current) continue;
    const body = feature.body(unit, profile);
    put16(out, at, feature.code);
    out[at + 2] = ((feature.version ?? 0) << 2) | (feature.persistent === true ? PERSISTENT : 0) | (current ? CURRENT : 0);
    out[at + 3] = body.length;
    out.set(body, at + 4);
    at += 4 + body.length;
  }
  put32(out, 0, at - 4);
  put16(out, 6, profile);
  return data(at, be16(cdb, 7));
}
