/**
 * The file of a saved state: everything but the pages of memory, which lie in the page store. Whatever reads one treats it as hostile.
 *
 *     8 bytes "STRATEST", u32 version, u32 sections
 *     section: 4 letters, u32 bytes, u32 CRC-32 of its data; the data
 *
 * META: what it is (JSON). MACH: devices, processors and time (plain-data.ts, zstd). ROOT: names of the pages that list the names of memory's pages.
 */
import { constants, crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { z } from 'zod';
import { VmmError } from '../base/errors.ts';
import type { SavedMachine } from '../machine/machine.ts';
import { decodePlain, encodePlain } from './plain-data.ts';
import { HASH_BYTES } from './page-index.ts';

const MAGIC = Buffer.from('STRATEST');
export const CONTAINER_VERSION = 1;
const HEADER = 16;
const SECTION = 12;
const MOST_SECTIONS = 16;
/** Caps: of the file, and of what a section unpacks to. */
const LARGEST_FILE = 256 << 20;
const LARGEST_MACHINE = 256 << 20;
const LARGEST_META = 1 << 20;
/** Of the names' names, for the most memory a machine can have. */
const LARGEST_ROOTS = 4096 * HASH_BYTES;

const blockSchema = z.object({
  name: z.string().max(64),
  length: z
    .int()
    .min(1)
    .max(2 ** 32),
});

export const metaSchema = z.object({
  /** Which Strate wrote it. */
  release: z.string().max(64),
  /** Of the machine that was saved. */
  vm: z.uuid(),
  /** Unix ms */
  taken: z.number(),
  /** Guest time, ns */
  guestTime: z
    .number()
    .min(0)
    .max(2 ** 62),
  /** What guest memory consists of, from offset 0 on. */
  blocks: z.array(blockSchema).min(1).max(16),
});
export type SavedMeta = z.output<typeof metaSchema>;

const savedDeviceSchema = z.object({ version: z.int(), state: z.unknown() });
const machineSchema = z.object({
  time: z
    .number()
    .min(0)
    .max(2 ** 62),
  devices: z.record(z.string().max(64), savedDeviceSchema),
  // What a processor's state holds is its accelerator's business (cpu/state.ts).
  vcpus: z
    .array(z.looseObject({ version: z.int() }))
    .min(1)
    .max(64),
  random: z.int().min(0).max(0xffff_ffff).optional(),
});

export interface SavedState {
  readonly meta: SavedMeta;
  readonly machine: SavedMachine;
  readonly roots: Uint8Array;
}

export function encodeContainer({ meta, machine, roots }: SavedState): Uint8Array {
  const packed = zstdCompressSync(encodePlain(machine), { params: { [constants.ZSTD_c_compressionLevel]: 3 } });
  const sections: [string, Uint8Array][] = [
    ['META', Buffer.from(JSON.stringify(meta))],
    ['MACH', packed],
    ['ROOT', roots],
  ];
  const header = Buffer.alloc(HEADER);
  MAGIC.copy(header);
  header.writeUInt32LE(CONTAINER_VERSION, 8);
  header.writeUInt32LE(sections.length, 12);
  const parts: Uint8Array[] = [header];
  for (const [tag, data] of sections) {
    const head = Buffer.alloc(SECTION);
    head.write(tag, 'latin1');
    head.writeUInt32LE(data.length, 4);
    head.writeUInt32LE(crc32(data), 8);
    parts.push(head, data);
  }
  return Buffer.concat(parts);
}

/** @throws VmmError `invalid`, or `unsupported` for one of a later release; `name` is for the message. */
export function decodeContainer(bytes: Uint8Array, name: string): SavedState {
  const damaged = (what: string, cause?: unknown) => new VmmError('invalid', `${name} is damaged: ${what}`, {}, cause);
  if (bytes.length > LARGEST_FILE) throw damaged('it is too large');
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (file.length < HEADER || !file.subarray(0, 8).equals(MAGIC)) throw new VmmError('invalid', `${name} is not a saved state`);
  const version = file.readUInt32LE(8);
  if (version > CONTAINER_VERSION)
    throw new VmmError(
      'unsupported',
      `${name} was written by a later release (container version ${version}); this one reads up to ${CONTAINER_VERSION}`,
    );
  const count = file.readUInt32LE(12);
  if (version === 0 || count > MOST_SECTIONS) throw damaged('its header');
  const sections = new Map<string, Buffer>();
  let at = HEADER;
  for (let index = 0; index < count; index++) {
    if (at + SECTION > file.length) throw damaged('it is cut short');
    const tag = file.toString('latin1', at, at + 4);
    const length = file.readUInt32LE(at + 4);
    const data = file.subarray(at + SECTION, at + SECTION + length);
    if (data.length !== length) throw damaged('it is cut short');
    if (crc32(data) !== file.readUInt32LE(at + 8)) throw damaged(`the checksum of section ${JSON.stringify(tag)} is wrong`);
    sections.set(tag, data);
    at += SECTION + length;
  }
  if (at !== file.length) throw damaged('something follows its end');
  const section = (tag: string, most: number): Buffer => {
    const data = sections.get(tag);
    if (data === undefined || data.length > most) throw damaged(`section ${tag} is missing or too large`);
    return data;
  };
  const meta = metaSchema.safeParse(decodePlain(section('META', LARGEST_META).toString('utf8')));
  if (!meta.success) throw damaged(`META at ${meta.error.issues[0]?.path.join('.') ?? '?'}`);
  let text: string;
  try {
    text = zstdDecompressSync(section('MACH', LARGEST_FILE), { maxOutputLength: LARGEST_MACHINE }).toString('utf8');
  } catch (error) {
    throw damaged('section MACH cannot be unpacked', error);
  }
  const machine = machineSchema.safeParse(decodePlain(text));
  if (!machine.success) throw damaged(`MACH at ${machine.error.issues[0]?.path.join('.') ?? '?'}`);
  const roots = section('ROOT', LARGEST_ROOTS);
  if (roots.length % HASH_BYTES !== 0) throw damaged('section ROOT');
  const { random, ...rest } = machine.data;
  return { meta: meta.data, machine: { ...rest, ...(random !== undefined && { random }) }, roots: Uint8Array.from(roots) };
}
