import { VmmError } from '../../base/errors.ts';

/** An ELF image's loadable part (System V ABI, chapters 4 and 5). Addresses are physical. */
export interface ElfImage {
  readonly segments: readonly { readonly address: number; readonly memorySize: number; readonly data: Uint8Array }[];
  readonly notes: readonly { readonly owner: string; readonly type: number; readonly data: Uint8Array }[];
  /** e_entry as a physical address. */
  readonly entry: number;
}

const MAGIC = 0x464c_457f;
const CLASS_32 = 1;
const CLASS_64 = 2;
const LITTLE_ENDIAN = 1;
const MACHINE_386 = 3;
const MACHINE_X86_64 = 62;
const SEGMENT_LOAD = 1;
const SEGMENT_NOTE = 4;
const MAX_SEGMENTS = 256;
const PHYSICAL_LIMIT = 0x1_0000_0000;

interface Header {
  readonly type: number;
  readonly offset: number;
  readonly virtual: number;
  readonly physical: number;
  readonly fileSize: number;
  readonly memorySize: number;
}

/** Reads an x86 ELF file; undefined if it is not one at all. Throws VmmError 'invalid' when it is damaged or for another processor. */
export function parseElf(name: string, data: Uint8Array): ElfImage | undefined {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (data.length < 52 || view.getUint32(0, true) !== MAGIC) return undefined;
  const damaged = (what: string): VmmError => new VmmError('invalid', `${name}: the ELF image is damaged (${what})`);
  const wide = data[4] === CLASS_64;
  if ((!wide && data[4] !== CLASS_32) || data[5] !== LITTLE_ENDIAN) throw damaged('class or byte order');
  if (wide && data.length < 64) throw damaged('truncated header');
  const machine = view.getUint16(18, true);
  if (machine !== MACHINE_386 && machine !== MACHINE_X86_64)
    throw new VmmError('invalid', `${name} is an ELF image for another processor (machine ${machine})`);
  const word = (at: number): number => (wide ? Number(view.getBigUint64(at, true)) : view.getUint32(at, true));

  const tableAt = word(wide ? 32 : 28);
  const entrySize = view.getUint16(wide ? 54 : 42, true);
  const count = view.getUint16(wide ? 56 : 44, true);
  if (count > MAX_SEGMENTS || entrySize < (wide ? 56 : 32) || tableAt + count * entrySize > data.length) throw damaged('program headers');

  const headers = Array.from({ length: count }, (_, index): Header => {
    const at = tableAt + index * entrySize;
    const type = view.getUint32(at, true);
    if (wide) {
      return { type, offset: word(at + 8), virtual: word(at + 16), physical: word(at + 24), fileSize: word(at + 32), memorySize: word(at + 40) };
    }
    return { type, offset: word(at + 4), virtual: word(at + 8), physical: word(at + 12), fileSize: word(at + 16), memorySize: word(at + 20) };
  });
  const content = ({ offset, fileSize }: Header): Uint8Array => {
    if (offset + fileSize > data.length) throw damaged('a segment lies beyond the end of the file');
    return data.subarray(offset, offset + fileSize);
  };

  const loadable = headers.filter(({ type, memorySize }) => type === SEGMENT_LOAD && memorySize > 0);
  for (const { physical, fileSize, memorySize } of loadable) {
    if (fileSize > memorySize || physical + memorySize > PHYSICAL_LIMIT) throw damaged('a segment does not fit below 4 GiB');
  }
  const entry = word(24);
  const home = loadable.find(({ virtual, memorySize }) => virtual <= entry && entry < virtual + memorySize);
  return {
    segments: loadable.map((header) => ({ address: header.physical, memorySize: header.memorySize, data: content(header) })),
    notes: headers.filter(({ type }) => type === SEGMENT_NOTE).flatMap((header) => parseNotes(content(header))),
    entry: home === undefined ? entry : entry - home.virtual + home.physical,
  };
}

function parseNotes(data: Uint8Array): { owner: string; type: number; data: Uint8Array }[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const align = (value: number): number => (value + 3) & ~3;
  const notes = [];
  for (let at = 0; at + 12 <= data.length;) {
    const nameSize = view.getUint32(at, true);
    const dataSize = view.getUint32(at + 4, true);
    const nameAt = at + 12;
    const dataAt = nameAt + align(nameSize);
    if (nameSize > data.length || dataSize > data.length || dataAt + dataSize > data.length) break;
    const owner = new TextDecoder().decode(data.subarray(nameAt, nameAt + nameSize)).replace(/\0.*$/s, '');
    notes.push({ owner, type: view.getUint32(at + 8, true), data: data.subarray(dataAt, dataAt + dataSize) });
    at = dataAt + align(dataSize);
  }
  return notes;
}
