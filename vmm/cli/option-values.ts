/** The little languages of option values: `file=a.img,format=raw`, `tcp:host:port`, `shot.png@5`. */
import { VmmError } from '../base/errors.ts';

export function usage(message: string): VmmError {
  return new VmmError('usage', message);
}

/** What can stand before `=`; the first item may be a value that contains one, as in `socket:listen=:5555`. */
const KEY = /^[A-Za-z][\w.-]*$/;

/** `a=1,b=2,c` -> a map; a comma in a value is written twice, as in QEMU. The first item may lack its key when `first` names it. */
export function parsePairs(text: string, option: string, first?: string): Map<string, string[]> {
  const pairs = new Map<string, string[]>();
  const items = splitItems(text);
  items.forEach((item, index) => {
    const equals = item.indexOf('=');
    const bare = equals < 0 || (index === 0 && first !== undefined && !KEY.test(item.slice(0, equals)));
    if (item === '') throw usage(`${option}: there is an empty item in ${JSON.stringify(text)}`);
    const key = bare && index === 0 && first !== undefined ? first : bare ? item : item.slice(0, equals);
    const value = bare ? (key === first && index === 0 ? item : 'on') : item.slice(equals + 1);
    pairs.set(key, [...(pairs.get(key) ?? []), value]);
  });
  return pairs;
}

function splitItems(text: string): string[] {
  const pieces = text.split(',');
  const items = [pieces[0]!];
  for (let at = 1; at < pieces.length; at++) {
    // an empty piece between two others stands for a comma that was written twice
    if (pieces[at] === '' && at + 1 < pieces.length) items.push(`${items.pop()!},${pieces[++at]!}`);
    else items.push(pieces[at]!);
  }
  return items;
}

/** Takes one value out of `pairs`; what is left at the end was not understood. */
export function take(pairs: Map<string, string[]>, key: string, option: string): string | undefined {
  const values = pairs.get(key);
  pairs.delete(key);
  if (values !== undefined && values.length > 1) throw usage(`${option}: ${key} is given twice`);
  return values?.[0];
}

export function refuseRest(pairs: Map<string, string[]>, option: string, known: string): void {
  const [key] = pairs.keys();
  if (key !== undefined) throw usage(`${option}: there is no ${key}; known are ${known}`);
}

export function parseSwitch(text: string | undefined, name: string): boolean | undefined {
  if (text === undefined) return undefined;
  if (['on', 'yes', 'true', '1'].includes(text)) return true;
  if (['off', 'no', 'false', '0'].includes(text)) return false;
  throw usage(`${name} must be on or off, not ${JSON.stringify(text)}`);
}

export function parseInteger(text: string, option: string, low: number, high: number): number {
  const value = /^(0[xX][0-9a-fA-F]+|[0-9]+)$/.test(text) ? Number(text) : NaN;
  if (!(value >= low && value <= high)) throw usage(`${option} must be a whole number from ${low} to ${high}, not ${JSON.stringify(text)}`);
  return value;
}

export function parseSeconds(text: string, option: string): number {
  const value = /^[0-9]*\.?[0-9]+$/.test(text) ? Number(text) : NaN;
  if (!(value > 0 && value <= 1e8)) throw usage(`${option} must be a number of seconds, not ${JSON.stringify(text)}`);
  return value;
}

const units: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** `10G`, `512M`, `1474560` -> bytes */
export function parseSize(text: string, option: string): number {
  const match = /^([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim());
  const bytes = match === null ? NaN : Number(match[1]) * units[match[2]!.toLowerCase()]!;
  if (!(bytes >= 512 && bytes <= 2 ** 46)) throw usage(`${option} must be a size such as 10G or 512M, not ${JSON.stringify(text)}`);
  return Math.ceil(bytes / 512) * 512;
}

/** `HOST:PORT`, `[::1]:PORT` */
export function parseHostPort(text: string, option: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):([^:]+)$/.exec(text);
  if (match === null) throw usage(`${option} must be HOST:PORT, not ${JSON.stringify(text)}`);
  return { host: match[1] ?? (match[2] === '' ? '127.0.0.1' : match[2]!), port: parseInteger(match[3]!, `${option}: the port`, 0, 65535) };
}

/** Splits off what follows a scheme: `file:a:b` -> [`file`, `a:b`]. */
export function splitScheme(text: string): [scheme: string, rest: string] {
  const colon = text.indexOf(':');
  return colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)];
}
