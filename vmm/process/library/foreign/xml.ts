/** XML of other products, read as data: no entities, no document type, bounded. */
import { XMLParser } from 'fast-xml-parser';
import { VmmError } from '../../../base/errors.ts';

export type XmlNode = Readonly<Record<string, unknown>>;

/** Nobody describes a machine in more, characters. */
const MAX_LENGTH = 4 << 20;

/**
 * Attributes have `@` before their names; the text of an element with attributes is `#text`. `removeNSPrefix`: names without their namespace.
 * @throws VmmError `invalid`
 */
export function parseXml(text: string, name: string, options: { readonly removeNSPrefix?: boolean } = {}): XmlNode {
  if (text.length > MAX_LENGTH) throw new VmmError('invalid', `${name} is too long for the description of a machine`);
  if (/<!DOCTYPE/i.test(text)) throw new VmmError('invalid', `${name} has a document type, which no description of a machine has`);
  const parser = new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: '@',
    processEntities: false,
    htmlEntities: false,
    parseTagValue: false,
    parseAttributeValue: false,
    ignoreDeclaration: true,
    trimValues: true,
    ...options,
  });
  try {
    return parser.parse(text) as XmlNode;
  } catch (error) {
    throw new VmmError('invalid', `${name} is not XML that can be read: ${error instanceof Error ? error.message.split('\n')[0] : ''}`, {}, error);
  }
}

/** The element at a path, the first of several. */
export function child(node: unknown, ...path: readonly string[]): XmlNode {
  let at: unknown = node;
  for (const step of path) {
    const next = typeof at === 'object' && at !== null && Object.hasOwn(at, step) ? (at as XmlNode)[step] : undefined;
    at = Array.isArray(next) ? (next as unknown[])[0] : next;
  }
  return typeof at === 'object' && at !== null ? (at as XmlNode) : typeof at === 'string' ? { '#text': at } : {};
}

export function children(node: unknown, name: string): readonly XmlNode[] {
  const value = typeof node === 'object' && node !== null && Object.hasOwn(node, name) ? (node as XmlNode)[name] : undefined;
  const all = value === undefined ? [] : Array.isArray(value) ? (value as unknown[]) : [value];
  return all.map((one) => (typeof one === 'object' && one !== null ? (one as XmlNode) : { '#text': one }));
}

/** The text of an element, or an attribute (`@name`), with the five entities of XML put back. */
export function textOf(node: XmlNode, key = '#text'): string | undefined {
  const value = Object.hasOwn(node, key) ? node[key] : undefined;
  if (typeof value !== 'string') return undefined;
  const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };
  return value.replaceAll(/&(lt|gt|quot|apos|amp);/g, (_, name: string) => entities[name]!);
}
