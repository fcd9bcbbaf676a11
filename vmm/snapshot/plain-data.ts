import { VmmError } from '../base/errors.ts';

/*
 * Plain data (numbers, booleans, strings, arrays, objects, byte arrays, big integers) as text: JSON, with what JSON lacks as one-key objects. JSON.parse is safe
 * on hostile text; what it gives is checked by the schemas of those whose data it is.
 */

const BYTES = '$bytes';
const BIG = '$big';
/** No schema of ours goes deeper. */
const DEEPEST = 32;

export function encodePlain(value: unknown): string {
  return JSON.stringify(toJson(value));
}

function toJson(value: unknown): unknown {
  if (typeof value === 'bigint') return { [BIG]: value.toString() };
  if (value instanceof Uint8Array) return { [BYTES]: base64(value) };
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, toJson(child)]));
}

/** @throws VmmError `invalid` */
export function decodePlain(text: string): unknown {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (error) {
    throw new VmmError('invalid', 'the saved state is damaged: a section is not readable', {}, error);
  }
  return fromJson(data, 0);
}

function fromJson(value: unknown, depth: number): unknown {
  if (depth > DEEPEST) throw new VmmError('invalid', 'the saved state is damaged: a section is nested too deeply');
  if (Array.isArray(value)) return value.map((child) => fromJson(child, depth + 1));
  if (typeof value !== 'object' || value === null) return value;
  const record = value as Record<string, unknown>;
  if (typeof record[BYTES] === 'string') return fromBase64(record[BYTES]);
  if (typeof record[BIG] === 'string') {
    if (!/^-?\d{1,40}$/.test(record[BIG])) throw new VmmError('invalid', 'the saved state is damaged: a number is not one');
    return BigInt(record[BIG]);
  }
  // `__proto__` from a file is a name like any other.
  const result = Object.create(null) as Record<string, unknown>;
  for (const [key, child] of Object.entries(record)) result[key] = fromJson(child, depth + 1);
  return { ...result };
}

function base64(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 0x6000) text += btoa(String.fromCharCode(...bytes.subarray(at, at + 0x6000)));
  return text;
}

function fromBase64(text: string): Uint8Array {
  let binary: string;
  try {
    binary = atob(text);
  } catch (error) {
    throw new VmmError('invalid', 'the saved state is damaged: bytes are not readable', {}, error);
  }
  return Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
}
