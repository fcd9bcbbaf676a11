import { VmmError } from '../../base/errors.ts';

export type SocketAddress = { readonly host: string; readonly port: number } | { readonly path: string };

const LOOPBACK = '127.0.0.1';

/** `HOST:PORT`, `:PORT` (loopback), `[IPV6]:PORT` or `unix:PATH`. */
export function parseSocketAddress(text: string): SocketAddress {
  if (text.startsWith('unix:') && text.length > 5) return { path: text.slice(5) };
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):([0-9]{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65535) throw new VmmError('usage', `a socket network needs HOST:PORT or unix:PATH, not ${JSON.stringify(text)}`);
  return { host: match[1] ?? (match[2] === '' ? LOOPBACK : match[2]!), port };
}

export function describeAddress(address: SocketAddress): string {
  return 'path' in address ? address.path : `${address.host}:${address.port}`;
}
