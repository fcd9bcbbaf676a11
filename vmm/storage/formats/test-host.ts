import { codecs } from './codecs.node.ts';
import type { FormatHost } from './format.ts';
import { MemoryFile } from '../memory-file.ts';

/** A host for format tests: files in memory, by name. */
export function testHost(files: Record<string, MemoryFile> = {}): FormatHost {
  let count = 0;
  return {
    codecs,
    open: (name) => {
      const file = files[name];
      return file === undefined ? Promise.reject(new Error(`no file ${name}`)) : Promise.resolve(file);
    },
    uuid: () => Uint8Array.from({ length: 16 }, (_, at) => (++count * 31 + at) & 0xff),
    time: () => 1_700_000_000,
  };
}
