/** TFTP (RFC 1350) with option negotiation (RFC 2347, 2348 blksize, 2349 tsize and timeout, 7440 windowsize). */
import { concat, copyOf, fromLatin1, get16, latin1, put16 } from './bytes.ts';

export const TFTP_PORT = 69;
const operations = { read: 1, write: 2, data: 3, ack: 4, error: 5, optionAck: 6 } as const;
export const tftpErrors = { notDefined: 0, notFound: 1, accessViolation: 2, illegalOperation: 4, unknownTransfer: 5, options: 8 } as const;
const MAX_OPTIONS = 16;

export type TftpRepr =
  | { readonly type: 'read' | 'write'; readonly file: string; readonly mode: string; readonly options: readonly TftpOption[] }
  | { readonly type: 'data'; readonly block: number; readonly data: Uint8Array }
  | { readonly type: 'ack'; readonly block: number }
  | { readonly type: 'error'; readonly code: number; readonly message: string }
  | { readonly type: 'optionAck'; readonly options: readonly TftpOption[] };
export interface TftpOption {
  readonly name: string;
  readonly value: string;
}

/** Undefined: damaged. */
export function parseTftp(bytes: Uint8Array): TftpRepr | undefined {
  if (bytes.length < 4) return undefined;
  switch (get16(bytes, 0)) {
    case operations.read:
    case operations.write: {
      const words = strings(bytes.subarray(2));
      if (words === undefined || words.length < 2) return undefined;
      const options = optionsOf(words.slice(2));
      return options && { type: bytes[1] === operations.read ? 'read' : 'write', file: words[0]!, mode: words[1]!.toLowerCase(), options };
    }
    case operations.data:
      return { type: 'data', block: get16(bytes, 2), data: copyOf(bytes.subarray(4)) };
    case operations.ack:
      return { type: 'ack', block: get16(bytes, 2) };
    case operations.error:
      return { type: 'error', code: get16(bytes, 2), message: strings(bytes.subarray(4))?.[0] ?? '' };
    case operations.optionAck: {
      const options = optionsOf(strings(bytes.subarray(2)) ?? ['']);
      return options && { type: 'optionAck', options };
    }
    default:
      return undefined;
  }
}

/** Each ends with a zero byte. */
function strings(bytes: Uint8Array): string[] | undefined {
  if (bytes.at(-1) !== 0) return undefined;
  const words = latin1(bytes).split('\0').slice(0, -1);
  return words.length > 2 + 2 * MAX_OPTIONS ? undefined : words;
}

function optionsOf(words: readonly string[]): TftpOption[] | undefined {
  if (words.length % 2 !== 0) return undefined;
  return Array.from({ length: words.length / 2 }, (_, index) => ({ name: words[2 * index]!.toLowerCase(), value: words[2 * index + 1]! }));
}

export function emitTftp(repr: TftpRepr): Uint8Array {
  const head = new Uint8Array('block' in repr || repr.type === 'error' ? 4 : 2);
  put16(head, 0, operations[repr.type]);
  const words = (...list: readonly string[]) => list.map((word) => fromLatin1(`${word}\0`));
  const options = (list: readonly TftpOption[]) => list.flatMap(({ name, value }) => words(name, value));
  switch (repr.type) {
    case 'read':
    case 'write':
      return concat(head, ...words(repr.file, repr.mode), ...options(repr.options));
    case 'data':
      put16(head, 2, repr.block);
      return concat(head, repr.data);
    case 'ack':
      put16(head, 2, repr.block);
      return head;
    case 'error':
      put16(head, 2, repr.code);
      return concat(head, ...words(repr.message));
    case 'optionAck':
      return concat(head, ...options(repr.options));
  }
}
