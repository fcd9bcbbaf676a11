/**
 * DNS messages (RFC 1035) as a proxy sees them: queries and answers are passed on as they are; what is read is the header, the question and the
 * addresses of an answer. Written here and not taken from a library, because both sides are hostile: work and depth are bounded.
 */
import { type IpAddress, versionOf } from './address.ts';
import { concat, copyOf, get16, get32, latin1, put16, put32 } from './bytes.ts';

export const DNS_PORT = 53;
export const DNS_HEADER = 12;
export const dnsTypes = { a: 1, cname: 5, aaaa: 28 } as const;
export const dnsCodes = { ok: 0, formatError: 1, serverFailure: 2, nameError: 3, notImplemented: 4, refused: 5 } as const;
const IN = 1;
/** A name has at most 127 labels and 255 bytes; each pointer must lead back, so this many is already too much. */
const MAX_POINTERS = 16;
const MAX_NAME = 255;
/** Records of one message that are looked at. */
const MAX_RECORDS = 64;

export interface DnsQuestion {
  /** Lower case, without the last dot; bytes that are no letters, digits, hyphens or underscores as \ddd. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
}

export interface DnsRepr {
  readonly id: number;
  readonly isResponse: boolean;
  readonly opcode: number;
  readonly truncated: boolean;
  readonly recursionDesired: boolean;
  readonly code: number;
  readonly question: DnsQuestion;
  readonly answers: readonly { readonly name: string; readonly address: IpAddress; readonly ttl: number }[];
}

/** Undefined: damaged, or without exactly one question. */
export function parseDns(bytes: Uint8Array): DnsRepr | undefined {
  if (bytes.length < DNS_HEADER || get16(bytes, 4) !== 1) return undefined;
  const name = readName(bytes, DNS_HEADER);
  if (name === undefined || name.end + 4 > bytes.length) return undefined;
  const flags = get16(bytes, 2);
  return {
    id: get16(bytes, 0),
    isResponse: (flags & 0x8000) !== 0,
    opcode: (flags >> 11) & 15,
    truncated: (flags & 0x0200) !== 0,
    recursionDesired: (flags & 0x0100) !== 0,
    code: flags & 15,
    question: { name: name.text, type: get16(bytes, name.end), class: get16(bytes, name.end + 2) },
    answers: readAnswers(bytes, name.end + 4),
  };
}

/** Stops at the first record that is damaged: what was read before it is still true. */
function readAnswers(bytes: Uint8Array, start: number): DnsRepr['answers'] {
  const answers: { name: string; address: IpAddress; ttl: number }[] = [];
  let at = start;
  for (let left = Math.min(get16(bytes, 6), MAX_RECORDS); left > 0; left--) {
    const name = readName(bytes, at);
    if (name === undefined || name.end + 10 > bytes.length) break;
    const length = get16(bytes, name.end + 8);
    const data = name.end + 10;
    if (data + length > bytes.length) break;
    const type = get16(bytes, name.end);
    if ((type === dnsTypes.a && length === 4) || (type === dnsTypes.aaaa && length === 16))
      answers.push({ name: name.text, address: copyOf(bytes.subarray(data, data + length)), ttl: get32(bytes, name.end + 4) });
    at = data + length;
  }
  return answers;
}

function readName(bytes: Uint8Array, start: number): { readonly text: string; readonly end: number } | undefined {
  const labels: string[] = [];
  let at = start;
  let end: number | undefined;
  let length = 0;
  let pointers = 0;
  for (;;) {
    const size = bytes[at];
    if (size === undefined) return undefined;
    if (size >= 0xc0) {
      const low = bytes[at + 1];
      if (low === undefined || ++pointers > MAX_POINTERS) return undefined;
      const target = ((size & 0x3f) << 8) | low;
      if (target >= at) return undefined;
      end ??= at + 2;
      at = target;
      continue;
    }
    if (size >= 0x40) return undefined;
    if (size === 0) return { text: labels.join('.'), end: end ?? at + 1 };
    length += size + 1;
    if (length > MAX_NAME || at + 1 + size > bytes.length) return undefined;
    labels.push(
      latin1(bytes.subarray(at + 1, at + 1 + size))
        .toLowerCase()
        .replace(/[^a-z0-9_-]/g, escapeByte),
    );
    at += 1 + size;
  }
}

const escapeByte = (character: string) => `\\${character.charCodeAt(0).toString().padStart(3, '0')}`;

/** An answer without records: what a proxy says when there is no server, or when the name is blocked. Takes the query's header and question. */
export function emitDnsFailure(query: Uint8Array, code: number): Uint8Array {
  const name = readName(query, DNS_HEADER)!;
  const bytes = copyOf(query.subarray(0, name.end + 4));
  put16(bytes, 2, 0x8080 | (get16(bytes, 2) & 0x7900) | code);
  put16(bytes, 4, 1);
  bytes.fill(0, 6, DNS_HEADER);
  return bytes;
}

/** Says that the answer does not fit into a datagram: ask again over TCP. */
export function emitDnsTruncated(answer: Uint8Array): Uint8Array {
  const bytes = emitDnsFailure(answer, get16(answer, 2) & 15);
  put16(bytes, 2, get16(bytes, 2) | 0x0200);
  return bytes;
}

/** An answer with addresses, for names that are known here. */
export function emitDnsAnswer(query: Uint8Array, addresses: readonly IpAddress[], ttl: number): Uint8Array {
  const head = emitDnsFailure(query, dnsCodes.ok);
  put16(head, 6, addresses.length);
  const records = addresses.map((address) => {
    const record = new Uint8Array(12 + address.length);
    put16(record, 0, 0xc000 | DNS_HEADER);
    put16(record, 2, versionOf(address) === 4 ? dnsTypes.a : dnsTypes.aaaa);
    put16(record, 4, IN);
    put32(record, 6, ttl);
    put16(record, 10, address.length);
    record.set(address, 12);
    return record;
  });
  return concat(head, ...records);
}
