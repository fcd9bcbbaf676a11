/** A TAP interface of Linux (Documentation/networking/tuntap.rst): frames in and out of the host's network as reads and writes of one file. */
import { closeSync, constants, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { functionsOf } from '../../base/ffi.node.ts';
import { messageOf, VmmError } from '../../base/errors.ts';

// linux/if_tun.h, linux/if.h, poll.h
const TUNSETIFF = 0x4004_54can;
const IFF_TAP_NO_PI = 0x0002 | 0x1000;
const IFREQ_BYTES = 40;
const IFREQ_FLAGS = 16;
const POLLIN = 1;

/** Opens interface `name` for frames; reads and writes do not wait. @throws VmmError saying what to do */
export function openTap(name: string): number {
  const libc = functionsOf('libc.so.6', { ioctl: { arguments: ['int32', 'uint64', 'buffer'], return: 'int32' } });
  if (process.platform !== 'linux' || libc === undefined) throw new VmmError('unsupported', 'TAP interfaces need Linux and a Node with node:ffi');
  // The kernel would make one for who may; a name that was mistyped should say so instead.
  const known = readFileSync('/proc/net/dev', 'utf8').split('\n'); // short names are moved to the right, long ones are not
  if (!known.some((line) => line.trimStart().startsWith(`${name}:`)))
    throw new VmmError('not-found', `this host has no TAP interface ${name}; make one with: ip tuntap add ${name} mode tap user USER`);
  let fd: number;
  try {
    fd = openSync('/dev/net/tun', constants.O_RDWR | constants.O_NONBLOCK);
  } catch (error) {
    throw new VmmError('host', `TAP interfaces cannot be used: ${messageOf(error)}; is /dev/net/tun there and this user's to open?`, {}, error);
  }
  const request = new Uint8Array(IFREQ_BYTES);
  request.set(new TextEncoder().encode(name));
  new DataView(request.buffer).setUint16(IFREQ_FLAGS, IFF_TAP_NO_PI, true);
  if (libc['ioctl']!(fd, TUNSETIFF, request) === 0) return fd;
  closeSync(fd);
  throw new VmmError('busy', `the interface ${name} cannot be used: it is no TAP interface of this user's, or another program has it`);
}

/** Whether there is something to read within `milliseconds`. The thread sleeps meanwhile. */
export function pollerOf(fd: number): (milliseconds: number) => boolean {
  const libc = functionsOf('libc.so.6', { poll: { arguments: ['buffer', 'uint64', 'int32'], return: 'int32' } })!;
  const entry = new Uint8Array(8);
  const view = new DataView(entry.buffer);
  view.setInt32(0, fd, true);
  view.setInt16(4, POLLIN, true);
  return (milliseconds) => libc['poll']!(entry, 1n, milliseconds) === 1 && (view.getInt16(6, true) & POLLIN) !== 0;
}

/** The next frame, as a part of `buffer`; undefined while there is none. */
export function readFrame(fd: number, buffer: Uint8Array): Uint8Array | undefined {
  try {
    return buffer.subarray(0, readSync(fd, buffer));
  } catch {
    return undefined; // EAGAIN, or the interface is down
  }
}

export function writeFrame(fd: number, frame: Uint8Array): void {
  try {
    writeSync(fd, frame);
  } catch {
    // The interface is down, or its queue full: the frame is lost.
  }
}
