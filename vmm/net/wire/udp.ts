/** UDP (RFC 768, RFC 8200 8.1). */
import type { IpAddress } from './address.ts';
import { get16, put16 } from './bytes.ts';
import { addBytes, checksumOf, fold, pseudoHeader } from './checksum.ts';
import { ipProtocols } from './ipv4.ts';

export const UDP_HEADER = 8;

export interface UdpRepr {
  readonly sourcePort: number;
  readonly destinationPort: number;
}

export class UdpPacket {
  readonly bytes: Uint8Array;

  private constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  static of(bytes: Uint8Array): UdpPacket | undefined {
    if (bytes.length < UDP_HEADER) return undefined;
    const length = get16(bytes, 4);
    return length < UDP_HEADER || length > bytes.length ? undefined : new UdpPacket(bytes.subarray(0, length));
  }

  get sourcePort(): number {
    return get16(this.bytes, 0);
  }
  get destinationPort(): number {
    return get16(this.bytes, 2);
  }
  get payload(): Uint8Array {
    return this.bytes.subarray(UDP_HEADER);
  }

  /** IPv4 senders may leave it out. */
  checksumOk(source: IpAddress, destination: IpAddress): boolean {
    if (get16(this.bytes, 6) === 0) return source.length === 4;
    return fold(addBytes(pseudoHeader(source, destination, ipProtocols.udp, this.bytes.length), this.bytes)) === 0xffff;
  }
}

export function parseUdp(packet: UdpPacket): UdpRepr {
  return { sourcePort: packet.sourcePort, destinationPort: packet.destinationPort };
}

/** Writes the header of a datagram whose payload is in `bytes` from UDP_HEADER on. */
export function emitUdp(repr: UdpRepr, bytes: Uint8Array, source: IpAddress, destination: IpAddress): void {
  put16(bytes, 0, repr.sourcePort);
  put16(bytes, 2, repr.destinationPort);
  put16(bytes, 4, bytes.length);
  put16(bytes, 6, 0);
  const checksum = checksumOf(addBytes(pseudoHeader(source, destination, ipProtocols.udp, bytes.length), bytes));
  put16(bytes, 6, checksum === 0 ? 0xffff : checksum);
}
