import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fetchGuest, findGuest, guestConfig, guests, guestSource, listGuests } from './guests.node.ts';
import type { JobControl } from './jobs.ts';
import { completeConfig } from './library.node.ts';

let directory: string;
let path: string | undefined;
const job: JobControl = { signal: new AbortController().signal, progress: () => undefined };
const memtest = findGuest('memtest86+');

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'strate-'));
  mkdirSync(join(directory, 'bin'));
  path = process.env['PATH'];
});
afterEach(() => {
  process.env['PATH'] = path;
  rmSync(directory, { recursive: true });
});

/** Programs of that name come first in PATH. */
function program(name: string, script: string): void {
  writeFileSync(join(directory, 'bin', name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(directory, 'bin', name), 0o755);
  process.env['PATH'] = [join(directory, 'bin'), path].join(delimiter);
}

const source = () => guestSource(join(directory, 'cache'));

it('fetches the package once, without root, into the cache', async () => {
  program('apt-get', `[ "$1" = download ] && echo fetched >> ${directory}/log && : > memtest.deb`);
  program('dpkg-deb', 'mkdir -p "$3/usr/lib/memtest86+" && echo iso > "$3/usr/lib/memtest86+/memtest86+x64.iso"');
  expect(listGuests(source())[0]).toMatchObject({ id: 'memtest86+', cached: false, available: true });
  const files = await fetchGuest(source(), memtest, job);
  expect(files).toHaveLength(1);
  expect(existsSync(files[0]!)).toBe(true);
  await fetchGuest(source(), memtest, job);
  expect(readdirSync(join(directory, 'cache', 'guests'))).toEqual(['memtest86+']);
  expect(listGuests(source())[0]).toMatchObject({ cached: true });
});

it('says plainly what it needs where there is no apt', async () => {
  const none = guestSource(join(directory, 'cache'), '/nowhere');
  expect(listGuests(none)[0]).toMatchObject({
    available: false,
    help: expect.stringContaining('needs apt-get and dpkg-deb (Debian, Ubuntu)') as string,
  });
  await expect(fetchGuest(none, memtest, job)).rejects.toMatchObject({
    kind: 'unsupported',
    message: expect.stringContaining('drop it on the window') as string,
  });
});

it.each([
  [
    'fails',
    'echo "E: Unable to locate package memtest86+" >&2; exit 100',
    /the package memtest86\+ cannot be fetched: Unable to locate package memtest86\+ \(try apt-get update/,
  ],
  ['fetches nothing', 'true', /fetched nothing/],
])('tells what apt said when it %s, and leaves nothing half-done', async (_, script, message) => {
  program('apt-get', script);
  program('dpkg-deb', 'true');
  await expect(fetchGuest(source(), memtest, job)).rejects.toThrow(message);
  expect(readdirSync(join(directory, 'cache', 'guests'))).toEqual([]);
});

it('says when the package of this distribution lacks the file', async () => {
  program('apt-get', ': > memtest.deb');
  program('dpkg-deb', 'mkdir -p "$3"');
  await expect(fetchGuest(source(), memtest, job)).rejects.toThrow('does not contain usr/lib/memtest86+/memtest86+x64.iso');
});

it.each(guests.map((guest) => [guest.id, guest] as const))('the machine of %s is valid and names its files', (_, guest) => {
  const names = guest.files.map((file) => `own-${file.length}`);
  const config = completeConfig(guestConfig(guest, names));
  expect(JSON.stringify(config)).not.toContain('file:');
  for (const name of names) expect(JSON.stringify(config)).toContain(name);
});

it('knows no other guest', () => {
  expect(() => findGuest('windows')).toThrow('there is no guest "windows"; there are memtest86+,');
});
