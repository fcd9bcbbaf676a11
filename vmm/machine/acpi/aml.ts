/**
 * ACPI machine language, as far as a PC's DSDT needs it (ACPI 6.4, chapter 20). Each function gives the bytes of one term; terms are nested by passing
 * them on.
 */
export type Aml = Uint8Array;

const ascii = (text: string): number[] => Array.from(text, (char) => char.charCodeAt(0));

export function concat(...parts: readonly (Aml | readonly number[])[]): Aml {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** 20.2.4: the package's length counts itself. */
function pkgLength(content: number): number[] {
  if (content + 1 < 0x40) return [content + 1];
  for (let extra = 1; extra <= 3; extra++) {
    const total = content + 1 + extra;
    if (total < 1 << (4 + 8 * extra))
      return [(extra << 6) | (total & 15), ...Array.from({ length: extra }, (_, index) => (total >>> (4 + 8 * index)) & 0xff)];
  }
  throw new RangeError('AML package too long');
}

function packaged(opcode: readonly number[], ...content: readonly (Aml | readonly number[])[]): Aml {
  const body = concat(...content);
  return concat(opcode, pkgLength(body.length), body);
}

/** 20.2.2: `\_SB.PCI0`, `^LNKA`, `_ADR`; each segment up to four characters, padded with underscores. */
export function path(text: string): Aml {
  const prefix = /^(\\|\^*)/.exec(text)![0];
  const segments = text
    .slice(prefix.length)
    .split('.')
    .filter((segment) => segment !== '');
  const names = segments.flatMap((segment) => ascii(segment.padEnd(4, '_')));
  const lead = segments.length === 0 ? [0x00] : segments.length === 1 ? [] : segments.length === 2 ? [0x2e] : [0x2f, segments.length];
  return concat(ascii(prefix), lead, names);
}

/** 20.2.3: the shortest form of an unsigned integer. */
export function int(value: number): Aml {
  if (value === 0) return Uint8Array.of(0x00);
  if (value === 1) return Uint8Array.of(0x01);
  if (value <= 0xff) return Uint8Array.of(0x0a, value);
  if (value <= 0xffff) return Uint8Array.of(0x0b, value & 0xff, value >>> 8);
  if (value <= 0xffff_ffff) return concat([0x0c], le32(value));
  return concat([0x0e], le32(value % 0x1_0000_0000), le32(Math.floor(value / 0x1_0000_0000)));
}

export const ZERO = int(0);

export function string(text: string): Aml {
  return concat([0x0d], ascii(text), [0]);
}

function buffer(bytes: Aml): Aml {
  return packaged([0x11], int(bytes.length), bytes);
}

export function pack(...elements: readonly Aml[]): Aml {
  return packaged([0x12], [elements.length], ...elements);
}

/** A compressed EISA ID such as PNP0C0F (ACPI 19.6.36): three letters of five bits and four hexadecimal digits, big-endian. */
export function eisaId(id: string): Aml {
  const letters = ascii(id.slice(0, 3)).map((code) => code - 0x40);
  const vendor = (letters[0]! << 10) | (letters[1]! << 5) | letters[2]!;
  const product = Number.parseInt(id.slice(3), 16);
  return concat([0x0c, vendor >>> 8, vendor & 0xff, product >>> 8, product & 0xff]);
}

// -- named objects (20.2.5)

export function name(at: string, object: Aml): Aml {
  return concat([0x08], path(at), object);
}

export function scope(at: string, ...terms: readonly Aml[]): Aml {
  return packaged([0x10], path(at), ...terms);
}

export function device(at: string, ...terms: readonly Aml[]): Aml {
  return packaged([0x5b, 0x82], path(at), ...terms);
}

export function processor(at: string, id: number): Aml {
  return packaged([0x5b, 0x83], path(at), [id, 0, 0, 0, 0, 0]);
}

export function method(at: string, args: number, ...terms: readonly Aml[]): Aml {
  return packaged([0x14], path(at), [args], ...terms);
}

export const PCI_CONFIG = 2;

export function operationRegion(at: string, space: number, offset: number, length: number): Aml {
  return concat([0x5b, 0x80], path(at), [space], int(offset), int(length));
}

/** Fields one after the other, each of `bits`; byte access, no lock, preserve. */
export function byteFields(region: string, fields: readonly (readonly [name: string, bits: number])[]): Aml {
  const list = fields.map(([field, bits]) => concat(path(field), pkgLength(bits - 1)));
  return packaged([0x5b, 0x81], path(region), [0x01], ...list);
}

// -- expressions and statements; a target is a path, a local, an argument or NO_TARGET

const NO_TARGET: Aml = Uint8Array.of(0x00);
export const local = (index: number): Aml => Uint8Array.of(0x60 + index);
export const arg = (index: number): Aml => Uint8Array.of(0x68 + index);

export const store = (value: Aml, target: Aml): Aml => concat([0x70], value, target);
export const and = (a: Aml, b: Aml, target = NO_TARGET): Aml => concat([0x7b], a, b, target);
export const or = (a: Aml, b: Aml, target = NO_TARGET): Aml => concat([0x7d], a, b, target);
export const createDwordField = (source: Aml, byte: number, field: string): Aml => concat([0x8a], source, int(byte), path(field));
export const ifTrue = (condition: Aml, ...terms: readonly Aml[]): Aml => packaged([0xa0], condition, ...terms);
export const ret = (value: Aml): Aml => concat([0xa4], value);

function le16(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff];
}

function le32(value: number): number[] {
  return [...le16(value & 0xffff), ...le16(value >>> 16)];
}

// -- resource descriptors (ACPI 6.4, 6.4); `resources` closes the list

export function resources(...descriptors: readonly (readonly number[])[]): Aml {
  return buffer(concat(...descriptors, [0x79, 0x00]));
}

/** ISA interrupts, edge-triggered, active high. */
export function irq(...irqs: readonly number[]): number[] {
  return [0x22, ...le16(irqs.reduce((mask, line) => mask | (1 << line), 0))];
}

export function dma(channel: number): number[] {
  return [0x2a, 1 << channel, 0x00];
}

/** A fixed range of ports, 16-bit decoded. */
export function io(base: number, length: number, alignment = 1): number[] {
  return [0x47, 0x01, ...le16(base), ...le16(base), alignment, length];
}

export function memory32Fixed(base: number, length: number, writable = true): number[] {
  return [0x86, 9, 0, writable ? 1 : 0, ...le32(base), ...le32(length)];
}

/** A PCI interrupt, level-triggered, active high as this board's I/O APIC sees it, shareable. Several: the choices of a link device. */
export function interrupt(...lines: readonly number[]): number[] {
  return [0x89, ...le16(2 + 4 * lines.length), 0b1001, lines.length, ...lines.flatMap(le32)];
}

const PRODUCER_FIXED = 0x0c; // minimum and maximum are fixed, positively decoded

export function wordBusNumber(first: number, last: number): number[] {
  return [0x88, ...le16(13), 2, PRODUCER_FIXED, 0, ...le16(0), ...le16(first), ...le16(last), ...le16(0), ...le16(last - first + 1)];
}

export function wordIo(first: number, last: number): number[] {
  return [0x88, ...le16(13), 1, PRODUCER_FIXED, 3, ...le16(0), ...le16(first), ...le16(last), ...le16(0), ...le16(last - first + 1)];
}

/** A window of the memory space that the bridge passes on; `cacheable` for video memory. */
export function dwordMemory(first: number, last: number, cacheable = false): number[] {
  const flags = 1 | (cacheable ? 2 : 0);
  return [0x87, ...le16(23), 0, PRODUCER_FIXED, flags, ...le32(0), ...le32(first), ...le32(last), ...le32(0), ...le32((last - first + 1) >>> 0)];
}
