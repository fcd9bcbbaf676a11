/** TCP segments (RFC 9293) with the options that are in use: MSS, window scale and timestamps (RFC 7323), SACK (RFC 2018). */
import type { IpAddress } from './address.ts';
import { get16, get32, put16, put32 } from './bytes.ts';
import { addBytes, checksumOf, fold, pseudoHeader } from './checksum.ts';
import { ipProtocols } from './ipv4.ts';

export const TCP_HEADER = 20;
const MAX_HEADER = 60;

export const tcpFlags = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32, ece: 64, cwr: 128 } as const;
const kinds = { end: 0, nop: 1, mss: 2, windowScale: 3, sackPermitted: 4, sack: 5, timestamps: 8 } as const;

export interface SackBlock {
  readonly start: number;
  readonly end: number;
}

export interface TcpRepr {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly flags: number;
  /** As on the wire, not scaled. */
  readonly window: number;
  readonly urgent: number;
  readonly mss?: number;
  readonly windowScale?: number;
  readonly sackPermitted?: boolean;
  readonly sack?: readonly SackBlock[];
  readonly timestamp?: { readonly value: number; readonly echo: number };
}

export class TcpPacket {
  readonly bytes: Uint8Array;

  private constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  static of(bytes: Uint8Array): TcpPacket | undefined {
    if (bytes.length < TCP_HEADER) return undefined;
    const header = (bytes[12]! >> 4) * 4;
    return header < TCP_HEADER || header > bytes.length ? undefined : new TcpPacket(bytes);
  }

  get sourcePort(): number {
    return get16(this.bytes, 0);
  }
  get destinationPort(): number {
    return get16(this.bytes, 2);
  }
  get sequence(): number {
    return get32(this.bytes, 4);
  }
  get acknowledgment(): number {
    return get32(this.bytes, 8);
  }
  get headerLength(): number {
    return (this.bytes[12]! >> 4) * 4;
  }
  get flags(): number {
    return this.bytes[13]!;
  }
  get window(): number {
    return get16(this.bytes, 14);
  }
  get urgent(): number {
    return get16(this.bytes, 18);
  }
  get options(): Uint8Array {
    return this.bytes.subarray(TCP_HEADER, this.headerLength);
  }
  get payload(): Uint8Array {
    return this.bytes.subarray(this.headerLength);
  }
  checksumOk(source: IpAddress, destination: IpAddress): boolean {
    return fold(addBytes(pseudoHeader(source, destination, ipProtocols.tcp, this.bytes.length), this.bytes)) === 0xffff;
  }
}

type Options = Pick<TcpRepr, 'mss' | 'windowScale' | 'sackPermitted' | 'sack' | 'timestamp'>;

/** Options of a wrong length are skipped, one that runs out of the header ends the list (RFC 9293 3.1). */
function parseOptions(bytes: Uint8Array): Options {
  const options: { -readonly [K in keyof Options]: Options[K] } = {};
  let at = 0;
  while (at < bytes.length && bytes[at] !== kinds.end) {
    if (bytes[at] === kinds.nop) {
      at++;
      continue;
    }
    const length = bytes[at + 1] ?? 0;
    if (length < 2 || at + length > bytes.length) break;
    const kind = bytes[at];
    if (kind === kinds.mss && length === 4) options.mss = get16(bytes, at + 2);
    else if (kind === kinds.windowScale && length === 3) options.windowScale = bytes[at + 2]!;
    else if (kind === kinds.sackPermitted && length === 2) options.sackPermitted = true;
    else if (kind === kinds.timestamps && length === 10) options.timestamp = { value: get32(bytes, at + 2), echo: get32(bytes, at + 6) };
    else if (kind === kinds.sack && length > 2 && length % 8 === 2) {
      const blocks: SackBlock[] = [];
      for (let block = at + 2; block < at + length; block += 8) blocks.push({ start: get32(bytes, block), end: get32(bytes, block + 4) });
      options.sack = blocks;
    }
    at += length;
  }
  return options;
}

export function parseTcp(packet: TcpPacket): TcpRepr {
  const fields = {
    sourcePort: packet.sourcePort,
    destinationPort: packet.destinationPort,
    sequence: packet.sequence,
    acknowledgment: packet.acknowledgment,
    flags: packet.flags,
    window: packet.window,
    urgent: packet.urgent,
  };
  return packet.headerLength === TCP_HEADER ? fields : { ...fields, ...parseOptions(packet.options) };
}

/** Sequences of these are padded with NOPs in front, as Linux lays them out: each option's data is then aligned. */
function optionsLength(repr: TcpRepr): number {
  let length = 0;
  if (repr.mss !== undefined) length += 4;
  if (repr.timestamp !== undefined) length += repr.sackPermitted ? 10 : 12;
  if (repr.sackPermitted) length += repr.timestamp === undefined ? 4 : 2;
  if (repr.windowScale !== undefined) length += 4;
  if (repr.sack !== undefined) length += 4 + 8 * repr.sack.length;
  return length;
}

export function tcpLength(repr: TcpRepr): number {
  return TCP_HEADER + optionsLength(repr);
}

/** SACK blocks that fit beside the other options. */
export function sackRoom(withTimestamp: boolean): number {
  return withTimestamp ? 3 : 4;
}

/** Writes the header of a segment whose payload is in `bytes` from `tcpLength` on. */
export function emitTcp(repr: TcpRepr, bytes: Uint8Array, source: IpAddress, destination: IpAddress): void {
  const header = emitTcpHeader(repr, bytes);
  const sum = addBytes(pseudoHeader(source, destination, ipProtocols.tcp, bytes.length), bytes, 0, header);
  put16(bytes, 16, checksumOf(addBytes(sum, bytes, header)));
}

/** Without a checksum (0): for who fills it in from a sum of the payload that is already known. */
export function emitTcpHeader(repr: TcpRepr, bytes: Uint8Array): number {
  const header = tcpLength(repr);
  if (header > MAX_HEADER) throw new RangeError('TCP options do not fit into a header');
  put16(bytes, 0, repr.sourcePort);
  put16(bytes, 2, repr.destinationPort);
  put32(bytes, 4, repr.sequence);
  put32(bytes, 8, repr.acknowledgment);
  bytes[12] = (header / 4) << 4;
  bytes[13] = repr.flags;
  put16(bytes, 14, repr.window);
  put16(bytes, 16, 0);
  put16(bytes, 18, repr.urgent);
  emitOptions(repr, bytes);
  return header;
}

function emitOptions(repr: TcpRepr, bytes: Uint8Array): void {
  let at = TCP_HEADER;
  const option = (kind: number, length: number) => {
    bytes[at] = kind;
    bytes[at + 1] = length;
    at += length;
    return at - length + 2;
  };
  const nops = (count: number) => {
    for (; count > 0; count--) bytes[at++] = kinds.nop;
  };
  if (repr.mss !== undefined) put16(bytes, option(kinds.mss, 4), repr.mss);
  if (repr.sackPermitted) {
    if (repr.timestamp === undefined) nops(2);
    option(kinds.sackPermitted, 2);
  }
  if (repr.timestamp !== undefined) {
    if (!repr.sackPermitted) nops(2);
    const data = option(kinds.timestamps, 10);
    put32(bytes, data, repr.timestamp.value);
    put32(bytes, data + 4, repr.timestamp.echo);
  }
  if (repr.windowScale !== undefined) {
    nops(1);
    bytes[option(kinds.windowScale, 3)] = repr.windowScale;
  }
  if (repr.sack !== undefined) {
    nops(2);
    let data = option(kinds.sack, 2 + 8 * repr.sack.length);
    for (const { start, end } of repr.sack) {
      put32(bytes, data, start);
      put32(bytes, data + 4, end);
      data += 8;
    }
  }
}
