import { functionsOf } from '../base/ffi.node.ts';

/** Locks of the kernel on parts of files, owned by an open file description. */
export interface FileLocks {
  /** False: somebody else's conflicts. True also where the host has no such locks. */
  lockImage(fd: number, mode: 'read' | 'write'): boolean;
}

// fcntl.h of Linux
const F_OFD_GETLK = 36;
const F_OFD_SETLK = 37;
const F_RDLCK = 0;
const F_UNLCK = 2;
const F_WRLCK = 1;

/*
 * QEMU's block/file-posix.c marks what a program does with an image by read locks on bytes: from 100 on what it does itself, from 200 on what it
 * does not let others do; bit 0 consistent reads, 1 writes, 2 writes of what is there, 3 resizing.
 */
const USED = 100;
const UNSHARED = 200;
const READ = 0;
const CHANGES = [1, 3];

const none: FileLocks = { lockImage: () => true };

function ofdLocks(): FileLocks | undefined {
  if (process.platform !== 'linux') return undefined;
  const functions = functionsOf('libc.so.6', { fcntl: { arguments: ['int32', 'int32', 'buffer'], return: 'int32' } });
  const fcntl = functions?.['fcntl'];
  if (fcntl === undefined) return undefined;
  // struct flock: short type, short whence, off_t start, off_t length, pid_t
  const lock = (fd: number, command: number, type: number, start: number) => {
    const bytes = new Uint8Array(32);
    const view = new DataView(bytes.buffer);
    view.setInt16(0, type, true);
    view.setBigInt64(8, BigInt(start), true);
    view.setBigInt64(16, 1n, true);
    return { failed: fcntl(fd, command, bytes) !== 0, type: view.getInt16(0, true) };
  };
  const takenByOthers = (fd: number, byte: number) => {
    const answer = lock(fd, F_OFD_GETLK, F_WRLCK, byte);
    return !answer.failed && answer.type !== F_UNLCK;
  };
  return {
    lockImage(fd, mode) {
      const used = mode === 'write' ? [READ, ...CHANGES] : [READ];
      const unshared = CHANGES;
      for (const bit of used) if (lock(fd, F_OFD_SETLK, F_RDLCK, USED + bit).failed) return true; // a file system without locks
      for (const bit of unshared) if (lock(fd, F_OFD_SETLK, F_RDLCK, UNSHARED + bit).failed) return true;
      return !used.some((bit) => takenByOthers(fd, UNSHARED + bit)) && !unshared.some((bit) => takenByOthers(fd, USED + bit));
    },
  };
}

export const fileLocks: FileLocks = ofdLocks() ?? none;
