/** MAC addresses are six bytes; IP addresses are four or sixteen, which says their version. */
import { equalBytes, get16, put16 } from './bytes.ts';

export type MacAddress = Uint8Array;
export type IpAddress = Uint8Array;
export type IpVersion = 4 | 6;

export const anyIpv4: IpAddress = new Uint8Array(4);
export const anyIpv6: IpAddress = new Uint8Array(16);
export const broadcastIpv4: IpAddress = Uint8Array.of(255, 255, 255, 255);

export function formatMac(mac: MacAddress): string {
  return [...mac].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** `52:54:00:12:34:56`; undefined when it is none. */
export function parseMac(text: string): MacAddress | undefined {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) return undefined;
  return Uint8Array.from(text.split(':'), (part) => Number.parseInt(part, 16));
}

export function versionOf(address: IpAddress): IpVersion {
  return address.length === 4 ? 4 : 6;
}

export const sameAddress = equalBytes;

/** `bits` of both addresses are the same. */
export function inNetwork(address: IpAddress, network: IpAddress, bits: number): boolean {
  if (address.length !== network.length) return false;
  const whole = bits >> 3;
  for (let index = 0; index < whole; index++) if (address[index] !== network[index]) return false;
  const rest = bits & 7;
  return rest === 0 || (address[whole]! ^ network[whole]!) >> (8 - rest) === 0;
}

/** RFC 1112 6.4, RFC 2464 7: the MAC address that a multicast IP address is sent to. */
export function multicastMac(address: IpAddress): MacAddress {
  return address.length === 4
    ? Uint8Array.of(0x01, 0x00, 0x5e, address[1]! & 0x7f, address[2]!, address[3]!)
    : Uint8Array.of(0x33, 0x33, address[12]!, address[13]!, address[14]!, address[15]!);
}

/** RFC 4291 appendix A: the link-local address made of a MAC. */
export function linkLocalOf(mac: MacAddress): IpAddress {
  return Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, mac[0]! ^ 2, mac[1]!, mac[2]!, 0xff, 0xfe, mac[3]!, mac[4]!, mac[5]!);
}

export function parseIpv4(text: string): IpAddress | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  const parts = match.slice(1).map(Number);
  return parts.every((part) => part < 256) ? Uint8Array.from(parts) : undefined;
}

/** RFC 4291 2.2: eight groups, one run of zeros as `::`, the last two perhaps as an IPv4 address. */
export function parseIpv6(text: string): IpAddress | undefined {
  const tail = /^(.*:)([0-9.]+\.[0-9.]+)$/.exec(text);
  if (tail !== null) {
    const v4 = parseIpv4(tail[2]!);
    return v4 && parseIpv6(`${tail[1]!}${get16(v4, 0).toString(16)}:${get16(v4, 2).toString(16)}`);
  }
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [before, after] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const groups = after === undefined ? before! : [...before!, ...Array<string>(Math.max(0, 8 - before!.length - after.length)).fill('0'), ...after];
  if (groups.length !== 8 || (after !== undefined && before!.length + after.length > 7)) return undefined;
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  const address = new Uint8Array(16);
  groups.forEach((group, index) => put16(address, index * 2, Number.parseInt(group, 16)));
  return address;
}

export function parseIp(text: string): IpAddress | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

export function formatIp(address: IpAddress): string {
  return address.length === 4 ? address.join('.') : formatIpv6(address);
}

/** RFC 5952: lower case, the longest run of two or more zero groups as `::`. */
function formatIpv6(address: IpAddress): string {
  const groups = Array.from({ length: 8 }, (_, index) => get16(address, index * 2));
  let best = { start: 0, length: 1 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const text = (part: readonly number[]) => part.map((group) => group.toString(16)).join(':');
  if (best.length < 2) return text(groups);
  return `${text(groups.slice(0, best.start))}::${text(groups.slice(best.start + best.length))}`;
}

/** A key for maps: cheaper to make than the text, and as unique. */
export function addressKey(address: IpAddress): string {
  let key = '';
  for (let at = 0; at < address.length; at += 2) key += String.fromCharCode(get16(address, at));
  return key;
}
