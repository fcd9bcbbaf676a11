/** DHCP (RFC 2131, options of RFC 2132, PXE's of RFC 4578). */
import type { IpAddress } from './address.ts';
import { copyOf, fromLatin1, get16, get32, latin1, put16, put32 } from './bytes.ts';

export const DHCP_SERVER_PORT = 67;
export const DHCP_CLIENT_PORT = 68;
const FIXED = 236;
const COOKIE = 0x63825363;
/** BOOTP relays and old clients want no less (RFC 1542 2.1). */
const MINIMUM = 300;

export const dhcpMessages = { discover: 1, offer: 2, request: 3, decline: 4, ack: 5, nak: 6, release: 7, inform: 8 } as const;

export const dhcpOptions = {
  subnetMask: 1,
  router: 3,
  dns: 6,
  hostName: 12,
  domainName: 15,
  mtu: 26,
  requestedAddress: 50,
  leaseTime: 51,
  overload: 52,
  messageType: 53,
  serverId: 54,
  parameterList: 55,
  maxMessageSize: 57,
  renewalTime: 58,
  rebindingTime: 59,
  clientId: 61,
  tftpServer: 66,
  bootFile: 67,
  userClass: 77,
} as const;

export interface Dhcpv4Repr {
  /** 1: from a client, 2: from a server */
  readonly operation: 1 | 2;
  readonly transaction: number;
  readonly seconds: number;
  readonly broadcast: boolean;
  readonly clientAddress: IpAddress;
  readonly yourAddress: IpAddress;
  readonly serverAddress: IpAddress;
  readonly relayAddress: IpAddress;
  /** 16 bytes, of which Ethernet uses six. */
  readonly clientHardware: Uint8Array;
  readonly serverName: string;
  readonly bootFile: string;
  /** In the order of the wire, without pad and end. A code that appears twice is one option in two parts (RFC 3396). */
  readonly options: readonly DhcpOption[];
}
export interface DhcpOption {
  readonly code: number;
  readonly data: Uint8Array;
}

const text = (bytes: Uint8Array) => {
  const end = bytes.indexOf(0);
  return latin1(end < 0 ? bytes : bytes.subarray(0, end));
};

/** Undefined: not a DHCP message over Ethernet. */
export function parseDhcpv4(bytes: Uint8Array): Dhcpv4Repr | undefined {
  if (bytes.length < FIXED + 4 || get32(bytes, FIXED) !== COOKIE) return undefined;
  const operation = bytes[0];
  if ((operation !== 1 && operation !== 2) || bytes[1] !== 1 || bytes[2] !== 6) return undefined;
  const options = parseOptions(bytes.subarray(FIXED + 4));
  if (options === undefined) return undefined;
  return {
    operation,
    transaction: get32(bytes, 4),
    seconds: get16(bytes, 8),
    broadcast: (bytes[10]! & 0x80) !== 0,
    clientAddress: copyOf(bytes.subarray(12, 16)),
    yourAddress: copyOf(bytes.subarray(16, 20)),
    serverAddress: copyOf(bytes.subarray(20, 24)),
    relayAddress: copyOf(bytes.subarray(24, 28)),
    clientHardware: copyOf(bytes.subarray(28, 44)),
    serverName: text(bytes.subarray(44, 108)),
    bootFile: text(bytes.subarray(108, FIXED)),
    options,
  };
}

/** Undefined: an option runs out of the message. Nobody overloads `file` and `sname` in requests; what is there is not looked at. */
function parseOptions(bytes: Uint8Array): DhcpOption[] | undefined {
  const options: DhcpOption[] = [];
  let at = 0;
  while (at < bytes.length && bytes[at] !== 255) {
    if (bytes[at] === 0) {
      at++;
      continue;
    }
    const length = bytes[at + 1];
    if (length === undefined || at + 2 + length > bytes.length) return undefined;
    options.push({ code: bytes[at]!, data: copyOf(bytes.subarray(at + 2, at + 2 + length)) });
    at += 2 + length;
  }
  return options;
}

export function dhcpOption(repr: Dhcpv4Repr, code: number): Uint8Array | undefined {
  return repr.options.find((option) => option.code === code)?.data;
}

export function emitDhcpv4(repr: Dhcpv4Repr): Uint8Array {
  const length = FIXED + 4 + repr.options.reduce((sum, { data }) => sum + 2 + data.length, 0) + 1;
  const bytes = new Uint8Array(Math.max(MINIMUM, length));
  bytes[0] = repr.operation;
  bytes[1] = 1;
  bytes[2] = 6;
  put32(bytes, 4, repr.transaction);
  put16(bytes, 8, repr.seconds);
  bytes[10] = repr.broadcast ? 0x80 : 0;
  bytes.set(repr.clientAddress, 12);
  bytes.set(repr.yourAddress, 16);
  bytes.set(repr.serverAddress, 20);
  bytes.set(repr.relayAddress, 24);
  bytes.set(repr.clientHardware, 28);
  bytes.set(fromLatin1(repr.serverName).subarray(0, 63), 44);
  bytes.set(fromLatin1(repr.bootFile).subarray(0, 127), 108);
  put32(bytes, FIXED, COOKIE);
  let at = FIXED + 4;
  for (const { code, data } of repr.options) {
    bytes[at] = code;
    bytes[at + 1] = data.length;
    bytes.set(data, at + 2);
    at += 2 + data.length;
  }
  bytes[at] = 255;
  return bytes;
}
