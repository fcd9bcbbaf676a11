import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { Uploads } from './uploads.node.ts';

let root: string;
beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'strate-'))));
afterEach(() => rmSync(root, { recursive: true }));
const folder = () => readdirSync(join(root, 'uploads'));

it('keeps what it is sent under its own name', async () => {
  const uploads = new Uploads(root);
  const { upload, bytes } = await uploads.receive('../../a:b.img', Readable.from([Buffer.from('hello '), Buffer.from('disk')]), 10);
  expect(bytes).toBe(10);
  const { path, name } = uploads.find(upload);
  expect(name).toBe('a b.img');
  expect(path.startsWith(join(root, 'uploads'))).toBe(true);
  expect(readFileSync(path, 'utf8')).toBe('hello disk');
  uploads.forget(upload);
  expect(() => uploads.find(upload)).toThrow('drop the file again');
});

it.each(['..', '../x', '', 'nothing', '/etc/passwd'])('finds no upload %j', (upload) => {
  expect(() => new Uploads(root).find(upload)).toThrow('no longer there');
});

it('refuses what says it is too large, and cuts off what turns out to be; nothing stays', async () => {
  const uploads = new Uploads(root, { file: 100, reserve: 0 });
  await expect(uploads.receive('x.img', Readable.from([]), 101)).rejects.toMatchObject({
    kind: 'usage',
    message: expect.stringMatching(/^x\.img is larger than/) as string,
  });
  await expect(uploads.receive('x.img', Readable.from([Buffer.alloc(60), Buffer.alloc(60)]), undefined)).rejects.toMatchObject({ kind: 'usage' });
  expect(folder()).toEqual([]);
});

it('leaves room on the disk', async () => {
  const uploads = new Uploads(root, { file: 100, reserve: Number.MAX_SAFE_INTEGER });
  await expect(uploads.receive('x.img', Readable.from([]), 10)).rejects.toMatchObject({
    kind: 'host',
    message: 'there is not enough room on the disk for x.img',
  });
});

it('leaves nothing of an upload that breaks off', async () => {
  const body = new Readable({ read: () => undefined });
  const receiving = new Uploads(root).receive('x.img', body, undefined);
  body.push(Buffer.alloc(1000));
  setTimeout(() => body.destroy(new Error('aborted')), 20);
  await expect(receiving).rejects.toMatchObject({ kind: 'host' });
  expect(folder()).toEqual([]);
});

it('forgets what nobody used', async () => {
  const { upload } = await new Uploads(root).receive('x.img', Readable.from([Buffer.alloc(1)]), 1);
  const old = Date.now() / 1000 - 7 * 3600;
  utimesSync(join(root, 'uploads', upload), old, old);
  new Uploads(root);
  expect(folder()).toEqual([]);
});
