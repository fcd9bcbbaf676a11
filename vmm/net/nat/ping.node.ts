/**
 * Echo requests without privilege: sockets of type SOCK_DGRAM with protocol ICMP, which Linux and macOS give to whom they let (ping_group_range). Node
 * has none, so they are had from the C library where node:ffi is there.
 */
import { functionsOf } from '../../base/ffi.node.ts';
import type { IpAddress } from '../wire/address.ts';
import { put16 } from '../wire/bytes.ts';
import type { NetTime } from './host.ts';

export interface Pings {
  ping(to: IpAddress, data: Uint8Array, reply: (data: Uint8Array) => void): boolean;
}

// Linux, sys/socket.h and netinet/in.h
const AF = { 4: 2, 6: 10 } as const;
const SOCK_DGRAM_NONBLOCK_CLOEXEC = 2 | 0o4000 | 0o2000000;
const PROTOCOL = { 4: 1, 6: 58 } as const;
const ECHO = { 4: { request: 8, reply: 0 }, 6: { request: 128, reply: 129 } } as const;
const SOCKADDR = { 4: 16, 6: 28 } as const;
const HEADER = 8;
const POLL = 5;
const PATIENCE = 3000;

export function openPings(time: NetTime): Pings | undefined {
  if (process.platform !== 'linux') return undefined;
  const libc = functionsOf('libc.so.6', {
    socket: { arguments: ['int32', 'int32', 'int32'], return: 'int32' },
    connect: { arguments: ['int32', 'buffer', 'int32'], return: 'int32' },
    send: { arguments: ['int32', 'buffer', 'uint64', 'int32'], return: 'int64' },
    recv: { arguments: ['int32', 'buffer', 'uint64', 'int32'], return: 'int64' },
    close: { arguments: ['int32'], return: 'int32' },
  });
  if (libc === undefined) return undefined;
  const call = (name: string, ...args: unknown[]) => Number(libc[name]!(...args));
  return {
    ping(to, data, reply) {
      const version = to.length === 4 ? 4 : 6;
      const fd = call('socket', AF[version], SOCK_DGRAM_NONBLOCK_CLOEXEC, PROTOCOL[version]);
      if (fd < 0) return false;
      const address = new Uint8Array(SOCKADDR[version]);
      new DataView(address.buffer).setUint16(0, AF[version], true);
      address.set(to, version === 4 ? 4 : 8);
      // The kernel fills in identifier and checksum.
      const request = new Uint8Array(HEADER + data.length);
      request[0] = ECHO[version].request;
      put16(request, 6, 1);
      request.set(data, HEADER);
      if (call('connect', fd, address, address.length) < 0 || call('send', fd, request, BigInt(request.length), 0) < 0) {
        call('close', fd);
        return true; // no route: as if nobody answered
      }
      const answer = new Uint8Array(65536);
      const until = time.now() + PATIENCE;
      const look = () => {
        const length = call('recv', fd, answer, BigInt(answer.length), 0);
        if (length >= HEADER && answer[0] === ECHO[version].reply) {
          call('close', fd);
          reply(answer.slice(HEADER, length));
        } else if (time.now() < until) time.after(POLL, look);
        else call('close', fd);
      };
      look();
      return true;
    },
  };
}
