import type { Offload } from '../../net/cable/cable.ts';
import { internetChecksum, networkHeader } from '../../net/cable/offload.ts';

/* IP, TCP and UDP in frames as controllers look at them that find the headers themselves. */

const PROTOCOL_TCP = 6;
const PROTOCOL_UDP = 17;
const CHECKSUM_AT = { [PROTOCOL_TCP]: 16, [PROTOCOL_UDP]: 6 } as const;

interface Headers {
  readonly ip: number;
  readonly transport: number;
  /** End of the IP packet. */
  readonly end: number;
  readonly protocol: number;
}

/** An IPv4 packet that is no fragment, undefined for anything else. */
export function ipv4Headers(frame: Uint8Array): Headers | undefined {
  const network = networkHeader(frame);
  if (network?.type !== 0x0800) return undefined;
  const { at } = network;
  const length = (frame[at]! & 15) * 4;
  if (at + 20 > frame.length || frame[at]! >> 4 !== 4 || length < 20 || at + length > frame.length) return undefined;
  if ((frame[at + 6]! & 0x3f) !== 0 || frame[at + 7] !== 0) return undefined;
  return { ip: at, transport: at + length, end: at + ((frame[at + 2]! << 8) | frame[at + 3]!), protocol: frame[at + 9]! };
}

export function ipChecksumGood(frame: Uint8Array, { ip, transport }: Headers): boolean {
  return internetChecksum(frame, ip, transport) === 0;
}

export function putIpChecksum(frame: Uint8Array, { ip, transport }: Headers): void {
  put16(frame, ip + 10, 0);
  put16(frame, ip + 10, internetChecksum(frame, ip, transport));
}

function pseudoSum(frame: Uint8Array, { ip, protocol }: Headers, length: number): number {
  return (~internetChecksum(frame, ip + 12, ip + 20) & 0xffff) + protocol + length;
}

/** Whether the checksum of TCP or UDP is right; undefined where there is none. */
export function transportChecksumGood(frame: Uint8Array, headers: Headers): boolean | undefined {
  const { transport, end, protocol } = headers;
  if ((protocol !== PROTOCOL_TCP && protocol !== PROTOCOL_UDP) || end > frame.length || transport + 8 > end) return undefined;
  if (protocol === PROTOCOL_UDP && frame[transport + 6] === 0 && frame[transport + 7] === 0) return undefined;
  return internetChecksum(frame, transport, end, pseudoSum(frame, headers, end - transport)) === 0;
}

/** Asks the cable to compute the checksum of TCP or UDP, whatever the field holds; with `segment`, to cut the payload of TCP into so many bytes. */
export function transportOffload(frame: Uint8Array, headers: Headers, segment?: number): Offload | undefined {
  const { transport, protocol, ip } = headers;
  if (protocol !== PROTOCOL_TCP && protocol !== PROTOCOL_UDP) return undefined;
  const field = transport + CHECKSUM_AT[protocol];
  if (field + 2 > frame.length) return undefined;
  if (segment !== undefined) {
    put16(frame, ip + 2, frame.length - ip);
    putIpChecksum(frame, headers);
  }
  const sum = pseudoSum(frame, headers, frame.length - transport);
  put16(frame, field, (sum & 0xffff) + (sum >>> 16));
  const offload = { checksumStart: transport, checksumOffset: CHECKSUM_AT[protocol] };
  if (segment === undefined) return offload;
  const length = protocol === PROTOCOL_TCP ? (frame[transport + 12]! >> 4) * 4 : 8;
  return { ...offload, cut: { as: protocol === PROTOCOL_TCP ? 'tcp4' : 'udp', segment, headers: transport + length } };
}

function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}
