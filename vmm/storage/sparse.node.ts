import { functionsOf } from '../base/ffi.node.ts';

/** What a host can do with holes in files, beyond what Node's fs offers. Everything works without it, only larger and slower. */
export interface SparseSupport {
  punch(fd: number, offset: number, length: number): boolean;
  /** `unknown`: this host cannot tell, all may be data. */
  nextData(fd: number, offset: number): { start: number; end: number } | undefined | 'unknown';
  deviceSize(fd: number): number | undefined;
}

const portable: SparseSupport = { punch: () => false, nextData: () => 'unknown', deviceSize: () => undefined };

// linux/fs.h, linux/falloc.h; the numbers are part of the kernel's ABI.
const SEEK_END = 2;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const FALLOC_FL_KEEP_SIZE = 0x01;
const FALLOC_FL_PUNCH_HOLE = 0x02;

function linuxSupport(): SparseSupport | undefined {
  if (process.platform !== 'linux') return undefined;
  const functions = functionsOf('libc.so.6', {
    lseek: { arguments: ['int32', 'int64', 'int32'], return: 'int64' },
    fallocate: { arguments: ['int32', 'int32', 'int64', 'int64'], return: 'int32' },
  });
  if (functions === undefined) return undefined;
  const seek = (fd: number, offset: number, whence: number) => Number(functions['lseek']!(fd, BigInt(offset), whence));
  return {
    punch: (fd, offset, length) =>
      length > 0 && functions['fallocate']!(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, BigInt(offset), BigInt(length)) === 0,
    nextData(fd, offset) {
      const start = seek(fd, offset, SEEK_DATA);
      // ENXIO (nothing but a hole from here on) and EINVAL (a file system that cannot tell) look alike; in a hole SEEK_HOLE works
      if (start < 0) return seek(fd, offset, SEEK_HOLE) >= 0 || offset >= seek(fd, 0, SEEK_END) ? undefined : 'unknown';
      const end = seek(fd, start, SEEK_HOLE);
      return end > start ? { start, end } : 'unknown';
    },
    deviceSize(fd) {
      const size = seek(fd, 0, SEEK_END);
      return size < 0 ? undefined : size;
    },
  };
}

/** This host's abilities. */
export const sparseSupport: SparseSupport = linuxSupport() ?? portable;
