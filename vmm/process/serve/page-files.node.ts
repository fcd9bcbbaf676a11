/** The built page, from a folder; nothing outside it, nothing but files of known types. */
import { createReadStream, realpathSync, statSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { extname, join, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.woff': 'font/woff',
  '.ttf': 'font/ttf',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
};

/** vite puts a hash of the contents into these names: they never change. */
const HASHED = /^assets\//;

/** Answers with the file; false where the page has none of that name. */
export async function sendPageFile(response: ServerResponse, folder: string, pathname: string, headOnly: boolean): Promise<boolean> {
  const name = pathname === '/' ? 'index.html' : safeName(pathname);
  const type = name === undefined ? undefined : types[extname(name)];
  if (name === undefined || type === undefined) return false;
  const path = join(folder, name);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isFile() !== true || !realpathSync(path).startsWith(realpathSync(folder) + sep)) return false;
  response.writeHead(200, {
    'content-type': type,
    'content-length': stat.size,
    'cache-control': HASHED.test(name) ? 'max-age=31536000, immutable' : 'no-cache',
  });
  if (headOnly) response.end();
  else await pipeline(createReadStream(path), response);
  return true;
}

/** Plain names only: no dots at the start, no way up. */
function safeName(pathname: string): string | undefined {
  let decoded: string;
  try {
    decoded = decodeURIComponent(pathname);
  } catch {
    return undefined;
  }
  const parts = decoded.split('/').filter((part) => part !== '');
  return parts.length > 0 && parts.every((part) => /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(part)) ? parts.join('/') : undefined;
}
