/** ICMPv6 (RFC 4443) and neighbour discovery (RFC 4861, RDNSS of RFC 8106). */
import type { IpAddress, MacAddress } from './address.ts';
import { copyOf, get16, get32, put16, put32 } from './bytes.ts';
import { addBytes, checksumOf, fold, pseudoHeader } from './checksum.ts';
import { ipProtocols } from './ipv4.ts';

const types = {
  unreachable: 1,
  tooBig: 2,
  timeExceeded: 3,
  echoRequest: 128,
  echoReply: 129,
  routerSolicitation: 133,
  routerAdvertisement: 134,
  neighbourSolicitation: 135,
  neighbourAdvertisement: 136,
} as const;
const names = new Map(Object.entries(types).map(([name, type]) => [type as number, name as keyof typeof types]));
const options = { sourceLink: 1, targetLink: 2, prefix: 3, mtu: 5, rdnss: 25 } as const;

/** RFC 4443 3.1 */
export const unreachableCodesV6 = { noRoute: 0, adminProhibited: 1, address: 3, port: 4 } as const;

export interface PrefixInformation {
  readonly prefix: IpAddress;
  readonly length: number;
  readonly onLink: boolean;
  readonly autonomous: boolean;
  readonly validLifetime: number;
  readonly preferredLifetime: number;
}

export type Icmpv6Repr =
  | { readonly type: 'echoRequest' | 'echoReply'; readonly identifier: number; readonly sequence: number; readonly data: Uint8Array }
  | { readonly type: 'unreachable' | 'timeExceeded'; readonly code: number; readonly original: Uint8Array }
  | { readonly type: 'tooBig'; readonly mtu: number; readonly original: Uint8Array }
  | { readonly type: 'routerSolicitation'; readonly link?: MacAddress }
  | {
      readonly type: 'routerAdvertisement';
      readonly hopLimit: number;
      readonly managed: boolean;
      /** Other configuration (name servers) comes by DHCPv6. */
      readonly otherConfig: boolean;
      /** s */
      readonly lifetime: number;
      readonly link?: MacAddress;
      readonly mtu?: number;
      readonly prefix?: PrefixInformation;
      readonly dns?: { readonly lifetime: number; readonly servers: readonly IpAddress[] };
    }
  | { readonly type: 'neighbourSolicitation'; readonly target: IpAddress; readonly link?: MacAddress }
  | {
      readonly type: 'neighbourAdvertisement';
      readonly target: IpAddress;
      readonly router: boolean;
      readonly solicited: boolean;
      readonly override: boolean;
      readonly link?: MacAddress;
    };

export class Icmpv6Packet {
  readonly bytes: Uint8Array;

  private constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  static of(bytes: Uint8Array): Icmpv6Packet | undefined {
    return bytes.length < 8 ? undefined : new Icmpv6Packet(bytes);
  }

  get type(): number {
    return this.bytes[0]!;
  }
  get code(): number {
    return this.bytes[1]!;
  }
  checksumOk(source: IpAddress, destination: IpAddress): boolean {
    return fold(addBytes(pseudoHeader(source, destination, ipProtocols.icmpv6, this.bytes.length), this.bytes)) === 0xffff;
  }
}

/** Undefined: damaged, or a message nobody here needs. */
export function parseIcmpv6(packet: Icmpv6Packet): Icmpv6Repr | undefined {
  const { bytes, code } = packet;
  const type = names.get(packet.type);
  switch (type) {
    case 'echoRequest':
    case 'echoReply':
      return { type, identifier: get16(bytes, 4), sequence: get16(bytes, 6), data: copyOf(bytes.subarray(8)) };
    case 'unreachable':
    case 'timeExceeded':
      return { type, code, original: copyOf(bytes.subarray(8)) };
    case 'tooBig':
      return { type, mtu: get32(bytes, 4), original: copyOf(bytes.subarray(8)) };
    case 'routerSolicitation': {
      const found = parseOptions(bytes, 8);
      return found && { type, ...linkOf(found.sourceLink) };
    }
    case 'routerAdvertisement': {
      const found = bytes.length < 16 ? undefined : parseOptions(bytes, 16);
      if (found === undefined) return undefined;
      const { mtu, prefix, dns } = found;
      return {
        type,
        hopLimit: bytes[4]!,
        managed: (bytes[5]! & 0x80) !== 0,
        otherConfig: (bytes[5]! & 0x40) !== 0,
        lifetime: get16(bytes, 6),
        ...linkOf(found.sourceLink),
        ...(mtu !== undefined && { mtu }),
        ...(prefix && { prefix }),
        ...(dns && { dns }),
      };
    }
    case 'neighbourSolicitation': {
      const found = bytes.length < 24 ? undefined : parseOptions(bytes, 24);
      return found && { type, target: copyOf(bytes.subarray(8, 24)), ...linkOf(found.sourceLink) };
    }
    case 'neighbourAdvertisement': {
      const found = bytes.length < 24 ? undefined : parseOptions(bytes, 24);
      if (found === undefined) return undefined;
      const flags = { router: (bytes[4]! & 0x80) !== 0, solicited: (bytes[4]! & 0x40) !== 0, override: (bytes[4]! & 0x20) !== 0 };
      return { type, target: copyOf(bytes.subarray(8, 24)), ...flags, ...linkOf(found.targetLink) };
    }
    case undefined:
      return undefined;
  }
}

const linkOf = (link: MacAddress | undefined) => (link === undefined ? {} : { link });

interface Found {
  sourceLink?: MacAddress;
  targetLink?: MacAddress;
  mtu?: number;
  prefix?: PrefixInformation;
  dns?: { lifetime: number; servers: IpAddress[] };
}

/** Undefined: an option of length zero, or one that leaves the packet; such messages are dropped (RFC 4861 6.1, 7.1). */
function parseOptions(bytes: Uint8Array, start: number): Found | undefined {
  const found: Found = {};
  let at = start;
  while (at < bytes.length) {
    const length = (bytes[at + 1] ?? 0) * 8;
    if (length === 0 || at + length > bytes.length) return undefined;
    const kind = bytes[at];
    if (kind === options.sourceLink && length === 8) found.sourceLink = copyOf(bytes.subarray(at + 2, at + 8));
    else if (kind === options.targetLink && length === 8) found.targetLink = copyOf(bytes.subarray(at + 2, at + 8));
    else if (kind === options.mtu && length === 8) found.mtu = get32(bytes, at + 4);
    else if (kind === options.prefix && length === 32) {
      found.prefix = {
        length: bytes[at + 2]!,
        onLink: (bytes[at + 3]! & 0x80) !== 0,
        autonomous: (bytes[at + 3]! & 0x40) !== 0,
        validLifetime: get32(bytes, at + 4),
        preferredLifetime: get32(bytes, at + 8),
        prefix: copyOf(bytes.subarray(at + 16, at + 32)),
      };
    } else if (kind === options.rdnss && length >= 24 && length % 16 === 8) {
      const servers: IpAddress[] = [];
      for (let server = at + 8; server < at + length; server += 16) servers.push(copyOf(bytes.subarray(server, server + 16)));
      found.dns = { lifetime: get32(bytes, at + 4), servers };
    }
    at += length;
  }
  return found;
}

export function icmpv6Length(repr: Icmpv6Repr): number {
  const link = 'link' in repr ? 8 : 0;
  switch (repr.type) {
    case 'echoRequest':
    case 'echoReply':
      return 8 + repr.data.length;
    case 'unreachable':
    case 'timeExceeded':
    case 'tooBig':
      return 8 + repr.original.length;
    case 'routerSolicitation':
      return 8 + link;
    case 'neighbourSolicitation':
    case 'neighbourAdvertisement':
      return 24 + link;
    case 'routerAdvertisement':
      return 16 + link + (repr.mtu === undefined ? 0 : 8) + (repr.prefix ? 32 : 0) + (repr.dns ? 8 + 16 * repr.dns.servers.length : 0);
  }
}

/** `bytes` is as long as `icmpv6Length` says. */
export function emitIcmpv6(repr: Icmpv6Repr, bytes: Uint8Array, source: IpAddress, destination: IpAddress): void {
  bytes[0] = types[repr.type];
  bytes[1] = 'code' in repr ? repr.code : 0;
  bytes.fill(0, 2, 8);
  switch (repr.type) {
    case 'echoRequest':
    case 'echoReply':
      put16(bytes, 4, repr.identifier);
      put16(bytes, 6, repr.sequence);
      bytes.set(repr.data, 8);
      break;
    case 'tooBig':
      put32(bytes, 4, repr.mtu);
      bytes.set(repr.original, 8);
      break;
    case 'unreachable':
    case 'timeExceeded':
      bytes.set(repr.original, 8);
      break;
    case 'routerSolicitation':
      emitLink(bytes, 8, options.sourceLink, repr.link);
      break;
    case 'neighbourSolicitation':
      bytes.set(repr.target, 8);
      emitLink(bytes, 24, options.sourceLink, repr.link);
      break;
    case 'neighbourAdvertisement':
      bytes[4] = (repr.router ? 0x80 : 0) | (repr.solicited ? 0x40 : 0) | (repr.override ? 0x20 : 0);
      bytes.set(repr.target, 8);
      emitLink(bytes, 24, options.targetLink, repr.link);
      break;
    case 'routerAdvertisement':
      emitRouterAdvertisement(repr, bytes);
  }
  put16(bytes, 2, checksumOf(addBytes(pseudoHeader(source, destination, ipProtocols.icmpv6, bytes.length), bytes)));
}

function emitRouterAdvertisement(repr: Extract<Icmpv6Repr, { type: 'routerAdvertisement' }>, bytes: Uint8Array): void {
  bytes[4] = repr.hopLimit;
  bytes[5] = (repr.managed ? 0x80 : 0) | (repr.otherConfig ? 0x40 : 0);
  put16(bytes, 6, repr.lifetime);
  bytes.fill(0, 8);
  let at = emitLink(bytes, 16, options.sourceLink, repr.link);
  if (repr.mtu !== undefined) {
    put16(bytes, at, (options.mtu << 8) | 1);
    put32(bytes, at + 4, repr.mtu);
    at += 8;
  }
  if (repr.prefix) {
    const { prefix, length, onLink, autonomous, validLifetime, preferredLifetime } = repr.prefix;
    put16(bytes, at, (options.prefix << 8) | 4);
    bytes[at + 2] = length;
    bytes[at + 3] = (onLink ? 0x80 : 0) | (autonomous ? 0x40 : 0);
    put32(bytes, at + 4, validLifetime);
    put32(bytes, at + 8, preferredLifetime);
    bytes.set(prefix, at + 16);
    at += 32;
  }
  if (repr.dns) {
    put16(bytes, at, (options.rdnss << 8) | (1 + 2 * repr.dns.servers.length));
    put32(bytes, at + 4, repr.dns.lifetime);
    repr.dns.servers.forEach((server, index) => bytes.set(server, at + 8 + 16 * index));
  }
}

function emitLink(bytes: Uint8Array, at: number, kind: number, link: MacAddress | undefined): number {
  if (link === undefined) return at;
  put16(bytes, at, (kind << 8) | 1);
  bytes.set(link, at + 2);
  return at + 8;
}
