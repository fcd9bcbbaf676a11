/** Where the files of a tar archive lie in it: POSIX ustar, with the long names of pax and GNU. */
import { VmmError } from '../../../base/errors.ts';
import { NodeFile } from '../../../storage/node-file.node.ts';

export interface TarEntry {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
}

const BLOCK = 512;
const MOST_ENTRIES = 1000;
const LONGEST_NAME = 1 << 16;

/** @throws VmmError `invalid` for what is no tar archive, or one that is cut short */
export async function tarIndex(file: NodeFile, shownName: string): Promise<TarEntry[]> {
  const total = await file.size();
  const header = new Uint8Array(BLOCK);
  const entries: TarEntry[] = [];
  let longName: string | undefined;
  for (let at = 0; at + BLOCK <= total;) {
    await file.read(at, header);
    if (header.every((byte) => byte === 0)) break;
    if (text(header, 257, 5) !== 'ustar') throw new VmmError('invalid', `${shownName} is not a tar archive`);
    const size = numberOf(header.subarray(124, 136));
    if (size === undefined) throw new VmmError('invalid', `${shownName} is damaged: a file in it has no size`);
    const type = text(header, 156, 1);
    const offset = at + BLOCK;
    if (offset + size > total) throw new VmmError('invalid', `${shownName} is cut short; copy or download it again`);
    if (type === 'L' || type === 'x') {
      const contents = new Uint8Array(Math.min(size, LONGEST_NAME));
      await file.read(offset, contents);
      const all = new TextDecoder().decode(contents);
      longName = type === 'L' ? all.split('\0')[0] : (/^\d+ path=(.*)$/m.exec(all)?.[1] ?? longName);
    } else {
      const prefix = text(header, 345, 155);
      const name = longName ?? (prefix === '' ? text(header, 0, 100) : `${prefix}/${text(header, 0, 100)}`);
      longName = undefined;
      if (type === '0' || type === '') entries.push({ name: name.replace(/^\.\//, ''), offset, size });
      if (entries.length > MOST_ENTRIES) throw new VmmError('invalid', `${shownName} has more than ${MOST_ENTRIES} files in it`);
    }
    at = offset + Math.ceil(size / BLOCK) * BLOCK;
  }
  return entries;
}

function text(bytes: Uint8Array, at: number, length: number): string {
  const field = bytes.subarray(at, at + length);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

/** Octal digits, or (GNU) a big-endian number whose first bit is set. */
function numberOf(field: Uint8Array): number | undefined {
  if ((field[0]! & 0x80) === 0) {
    const digits = text(field, 0, field.length).trim();
    return /^[0-7]*$/.test(digits) ? Number.parseInt(digits || '0', 8) : undefined;
  }
  return field.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0);
}
