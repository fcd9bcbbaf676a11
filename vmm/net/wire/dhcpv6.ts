/** DHCPv6 (RFC 8415), as far as a stateless server needs it. */
import { copyOf, get16, put16 } from './bytes.ts';

export const DHCPV6_SERVER_PORT = 547;
export const DHCPV6_CLIENT_PORT = 546;

export const dhcpv6Messages = { solicit: 1, advertise: 2, request: 3, reply: 7, informationRequest: 11 } as const;
export const dhcpv6Options = { clientId: 1, serverId: 2, optionRequest: 6, statusCode: 13, dnsServers: 23, domainList: 24 } as const;

export interface Dhcpv6Repr {
  readonly message: number;
  /** 24 bits */
  readonly transaction: number;
  readonly options: readonly { readonly code: number; readonly data: Uint8Array }[];
}

/** Undefined: damaged, or a relay's message. */
export function parseDhcpv6(bytes: Uint8Array): Dhcpv6Repr | undefined {
  if (bytes.length < 4 || bytes[0] === 12 || bytes[0] === 13) return undefined;
  const options: { code: number; data: Uint8Array }[] = [];
  let at = 4;
  while (at < bytes.length) {
    if (at + 4 > bytes.length) return undefined;
    const length = get16(bytes, at + 2);
    if (at + 4 + length > bytes.length) return undefined;
    options.push({ code: get16(bytes, at), data: copyOf(bytes.subarray(at + 4, at + 4 + length)) });
    at += 4 + length;
  }
  return { message: bytes[0]!, transaction: (bytes[1]! << 16) | get16(bytes, 2), options };
}

export function emitDhcpv6(repr: Dhcpv6Repr): Uint8Array {
  const bytes = new Uint8Array(4 + repr.options.reduce((sum, { data }) => sum + 4 + data.length, 0));
  bytes[0] = repr.message;
  bytes[1] = repr.transaction >> 16;
  put16(bytes, 2, repr.transaction);
  let at = 4;
  for (const { code, data } of repr.options) {
    put16(bytes, at, code);
    put16(bytes, at + 2, data.length);
    bytes.set(data, at + 4);
    at += 4 + data.length;
  }
  return bytes;
}
