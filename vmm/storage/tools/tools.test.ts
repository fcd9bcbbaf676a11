import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { thisProcess } from '../image-lock.node.ts';
import { openImage } from '../open.node.ts';
import type { ImageFormat } from '../probe.ts';
import { commitImage, discardImage, parentOption, rebaseImage, trustParent } from './chain.node.ts';
import { checkImage } from './check.node.ts';
import { convertImage, rewriteImage } from './convert.node.ts';
import { createImage } from './formats.node.ts';
import { compareImages, imageInfo, mapImage } from './info.node.ts';
import { resizeImage } from './resize.node.ts';

jest.setTimeout(60_000);

const MIB = 1 << 20;
let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'strate-tools-'))));
afterEach(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

async function writeAt(path: string, format: ImageFormat, offset: number, value: number, length = 512): Promise<void> {
  const { node } = await openImage({ file: path, format, role: 'disk', readOnly: false });
  await node.write(offset, new Uint8Array(length).fill(value));
  await node.close();
}
async function byteAt(path: string, format: ImageFormat, offset: number): Promise<number> {
  const { node } = await openImage({ file: path, format, role: 'disk', readOnly: true });
  const sector = new Uint8Array(512);
  await node.read(offset, sector);
  await node.close();
  return sector[0]!;
}
const message = (work: Promise<unknown>) =>
  work.then(
    () => 'nothing was wrong',
    (error: unknown) => (error as Error).message,
  );

test('a conversion appears when it is complete; a cancelled one leaves nothing', async () => {
  writeFileSync(at('a.raw'), new Uint8Array(8 * MIB).fill(3));
  const abort = new AbortController();
  const cancelled = convertImage(at('a.raw'), at('b.qcow2'), 'qcow2', { signal: abort.signal, onProgress: () => abort.abort() });
  expect(await message(cancelled)).toBe('cancelled');
  expect(readdirSync(folder)).toEqual(['a.raw']);
  await convertImage(at('a.raw'), at('b.qcow2'), 'qcow2', { verify: true });
  expect(await compareImages(at('a.raw'), at('b.qcow2'))).toEqual({ sameSize: true, differsAt: undefined });
  expect(readdirSync(folder)).toEqual(['a.raw', 'b.qcow2']);
  expect(await message(convertImage(at('a.raw'), at('b.qcow2'), 'qcow2'))).toMatch(/b\.qcow2 exists already/);
});

test('discarding a difference brings back what it stands on', async () => {
  await createImage(at('base.qcow2'), 'qcow2', 4 * MIB);
  await writeAt(at('base.qcow2'), 'qcow2', MIB, 1);
  await createImage(at('top.qcow2'), 'qcow2', 4 * MIB, {}, await parentOption(at('top.qcow2'), 'base.qcow2'));
  await writeAt(at('top.qcow2'), 'qcow2', MIB, 2);
  await discardImage(at('top.qcow2'));
  expect(await byteAt(at('top.qcow2'), 'qcow2', MIB)).toBe(1);
  expect(await message(discardImage(at('base.qcow2')))).toMatch(/there is nothing to go back to/);
  expect(readdirSync(folder).sort()).toEqual(['base.qcow2', 'top.qcow2']);
});

test('a difference to an image that was changed since is refused; a copy of both is not', async () => {
  await createImage(at('base.qcow2'), 'qcow2', 4 * MIB);
  await createImage(at('top.qcow2'), 'qcow2', 4 * MIB, {}, await parentOption(at('top.qcow2'), 'base.qcow2'));
  mkdirSync(at('copy'));
  for (const name of ['base.qcow2', 'top.qcow2']) copyFileSync(at(name), at(`copy/${name}`));
  expect(await byteAt(at('copy/top.qcow2'), 'qcow2', 0)).toBe(0);
  await writeAt(at('base.qcow2'), 'qcow2', MIB, 5);
  expect(await message(imageInfo(at('top.qcow2')))).toMatch(/base\.qcow2 was changed since this difference to it was made; put the old one back, or/);
  await trustParent(at('top.qcow2'));
  expect(await byteAt(at('top.qcow2'), 'qcow2', MIB)).toBe(5);
  await writeAt(at('base.qcow2'), 'qcow2', MIB, 6); // in place: only its time tells
  expect(await message(imageInfo(at('top.qcow2')))).toMatch(/was changed since/);
});

test('a chain: info names all of it, map says where data are, commit and rebase keep the contents', async () => {
  await createImage(at('base.qcow2'), 'qcow2', 4 * MIB);
  await writeAt(at('base.qcow2'), 'qcow2', 0, 1);
  await createImage(at('top.qcow2'), 'qcow2', 4 * MIB, {}, await parentOption(at('top.qcow2'), 'base.qcow2'));
  await writeAt(at('top.qcow2'), 'qcow2', MIB, 2);
  expect((await imageInfo(at('top.qcow2'))).map((image) => [image.file, image.format])).toEqual([
    [at('top.qcow2'), 'qcow2'],
    [at('base.qcow2'), 'qcow2'],
  ]);
  const map = await mapImage(at('top.qcow2'));
  expect(map.filter((entry) => entry.kind === 'data').map(({ start, file }) => [start, file])).toEqual([
    [0, at('base.qcow2')],
    [MIB, at('top.qcow2')],
  ]);
  await commitImage(at('top.qcow2'));
  expect(await byteAt(at('base.qcow2'), 'qcow2', MIB)).toBe(2);
  expect((await mapImage(at('top.qcow2'))).some((entry) => entry.file === at('top.qcow2'))).toBe(false);
  await rebaseImage(at('top.qcow2'), undefined);
  rmSync(at('base.qcow2'));
  expect([await byteAt(at('top.qcow2'), 'qcow2', 0), await byteAt(at('top.qcow2'), 'qcow2', MIB)]).toEqual([1, 2]);
});

test('a VDI difference finds its parent by id in its folder, and only the one it was made on', async () => {
  await createImage(at('base.vdi'), 'vdi', 4 * MIB);
  await writeAt(at('base.vdi'), 'vdi', 0, 1);
  await createImage(at('top.vdi'), 'vdi', 4 * MIB, {}, await parentOption(at('top.vdi'), 'base.vdi'));
  await writeAt(at('top.vdi'), 'vdi', MIB + 512, 2);
  expect([await byteAt(at('top.vdi'), 'vdi', 0), await byteAt(at('top.vdi'), 'vdi', MIB + 512)]).toEqual([1, 2]);
  renameSync(at('base.vdi'), at('renamed.vdi'));
  expect((await imageInfo(at('top.vdi'))).map(({ file }) => file)).toEqual([at('top.vdi'), at('renamed.vdi')]);
  await commitImage(at('top.vdi'));
  expect([await byteAt(at('renamed.vdi'), 'vdi', MIB + 512), await byteAt(at('top.vdi'), 'vdi', MIB + 512)]).toEqual([2, 2]);
  await writeAt(at('renamed.vdi'), 'vdi', 0, 3);
  expect(await message(imageInfo(at('top.vdi')))).toMatch(/none in its folder has it: put its parent there, as it was/);
  mkdirSync(at('inner'));
  const elsewhere = { path: '../renamed.vdi', format: 'vdi' as const };
  expect(await message(createImage(at('inner/x.vdi'), 'vdi', MIB, {}, elsewhere))).toMatch(/does not say where its parent is/);
  expect(existsSync(at('inner/x.vdi'))).toBe(false);
});

test('what cannot be repaired is said to be so', async () => {
  await createImage(at('a.vdi'), 'vdi', 4 * MIB);
  const bytes = readFileSync(at('a.vdi'));
  bytes.writeUInt32LE(77, MIB); // block 0 far behind the end
  writeFileSync(at('a.vdi'), bytes);
  const report = await checkImage(at('a.vdi'), 'all');
  expect(report.errors).toEqual([expect.stringMatching(/block 0 lies beyond the end/), expect.stringMatching(/^this cannot be repaired/)]);
  await createImage(at('a.raw'), 'raw', MIB);
  expect(await message(checkImage(at('a.raw'), 'all', { format: 'raw' }))).toMatch(/nothing to repair in a raw image/);
});

test('an image whose parent lies elsewhere, is missing, or is itself, is refused', async () => {
  mkdirSync(at('inner'));
  await createImage(at('outside.qcow2'), 'qcow2', MIB);
  await createImage(at('inner/top.qcow2'), 'qcow2', MIB, {}, { path: '../outside.qcow2', format: 'qcow2' });
  expect(await message(imageInfo(at('inner/top.qcow2')))).toMatch(/lies outside its folder; put both into one folder/);
  const approved = await openImage({ file: at('inner/top.qcow2'), format: 'qcow2', role: 'disk', readOnly: true, parentFolders: [folder] });
  await approved.node.close();
  await createImage(at('lost.qcow2'), 'qcow2', MIB, {}, { path: 'gone.qcow2', format: 'qcow2' });
  expect(await message(imageInfo(at('lost.qcow2')))).toMatch(/is a difference to gone\.qcow2, which does not exist/);
  await createImage(at('self.qcow2'), 'qcow2', MIB, {}, { path: 'self.qcow2', format: 'qcow2' });
  expect(await message(imageInfo(at('self.qcow2')))).toMatch(/runs in a circle/);
});

test.each(['vmdk', 'vhd', 'vhdx'] as const)('%s: a changed parent is noticed', async (format) => {
  await createImage(at('base'), format, 8 * MIB);
  await createImage(at('top'), format, 8 * MIB, {}, await parentOption(at('top'), 'base', format));
  await writeAt(at('top'), format, 0, 7);
  expect(await byteAt(at('top'), format, 0)).toBe(7);
  if (format === 'vhd') return; // records who the parent is, not what it holds
  await writeAt(at('base'), format, 0, 8);
  expect(await message(imageInfo(at('top'), { format }))).toMatch(/is not the image it was made on, or was changed since/);
});

test.each(['raw', 'qcow2', 'vdi', 'vhdx'] as const)('%s: larger keeps everything, smaller has to be meant', async (format) => {
  await createImage(at('disk'), format, 4 * MIB);
  await writeAt(at('disk'), format, 3 * MIB, 5);
  await resizeImage(at('disk'), 200 * MIB, { format });
  expect((await imageInfo(at('disk'), { format }))[0]!.size).toBe(200 * MIB);
  expect(await byteAt(at('disk'), format, 3 * MIB)).toBe(5);
  expect(await message(resizeImage(at('disk'), 2 * MIB, { format }))).toMatch(/say --shrink if that is meant/);
  await resizeImage(at('disk'), 2 * MIB, { format, shrink: true });
  expect((await imageInfo(at('disk'), { format }))[0]!.size).toBe(2 * MIB);
});

test('compact gives space back and changes nothing a guest sees', async () => {
  await createImage(at('disk.qcow2'), 'qcow2', 64 * MIB);
  await writeAt(at('disk.qcow2'), 'qcow2', 0, 1, 32 * MIB);
  await writeAt(at('disk.qcow2'), 'qcow2', MIB, 0, 31 * MIB);
  await rewriteImage(at('disk.qcow2'));
  expect(statSync(at('disk.qcow2')).size).toBeLessThan(2 * MIB);
  expect(await byteAt(at('disk.qcow2'), 'qcow2', 0)).toBe(1);
  expect((await checkImage(at('disk.qcow2'), 'none')).errorCount).toBe(0);
});

test('an image is open for writing once, in all processes; a lock whose owner is gone is taken over', async () => {
  await createImage(at('disk.qcow2'), 'qcow2', MIB);
  const spec = { file: at('disk.qcow2'), format: 'qcow2', role: 'disk', readOnly: false } as const;
  const first = await openImage(spec);
  expect(await message(openImage(spec))).toMatch(/disk\.qcow2 is in use by process \d+; stop it first/);
  expect(await message(openImage({ ...spec, readOnly: true }))).toMatch(/is in use/);
  expect(await message(openImage({ ...spec, discardWrites: true }))).toMatch(/is in use/);
  await first.node.close();
  expect(existsSync(at('disk.qcow2.lock'))).toBe(false);
  const readers = [await openImage({ ...spec, readOnly: true }), await openImage({ ...spec, readOnly: true })];
  for (const { node } of readers) await node.close();

  // A process that opens the image and is killed.
  const program = `const { openImage } = await import(${JSON.stringify(new URL('../open.node.ts', `file://${__filename}`).href)});
    await openImage(${JSON.stringify(spec)}); process.kill(process.pid, 'SIGKILL');`;
  await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]).catch(() => undefined);
  expect(JSON.parse(readFileSync(at('disk.qcow2.lock'), 'utf8'))).toMatchObject({ pid: expect.any(Number) as number });
  const again = await openImage(spec);
  await again.node.close();

  writeFileSync(at('disk.qcow2.lock'), JSON.stringify(thisProcess()));
  expect(await message(openImage(spec))).toMatch(/is in use/);
  // One that had this process's number earlier.
  writeFileSync(at('disk.qcow2.lock'), JSON.stringify({ ...thisProcess(), started: '1' }));
  await (await openImage(spec)).node.close();
});

test('of many processes at once exactly one gets the image', async () => {
  await createImage(at('disk.raw'), 'raw', MIB);
  const spec = { file: at('disk.raw'), format: 'raw', role: 'disk', readOnly: false };
  writeFileSync(at('disk.raw.lock'), JSON.stringify({ pid: 999_999_999, host: 'x', boot: 'y', nonce: 'z' })); // of another computer: alive
  expect(await message(openImage({ ...spec, format: 'raw', role: 'disk' }))).toMatch(/in use by process 999999999 on x/);
  writeFileSync(at('disk.raw.lock'), JSON.stringify({ pid: 1, host: (await import('node:os')).hostname(), boot: 'an earlier one', nonce: 'z' }));
  const program = `const { openImage } = await import(${JSON.stringify(new URL('../open.node.ts', `file://${__filename}`).href)});
    try { await openImage(${JSON.stringify(spec)}); process.stdout.write('mine'); await new Promise((r) => setTimeout(r, 1500)); } catch (e) { process.stdout.write(e.kind); } process.exit();`;
  const runs = await Promise.all(Array.from({ length: 6 }, () => promisify(execFile)(process.execPath, ['--input-type=module', '-e', program])));
  const answers = runs.map((run) => run.stdout).sort();
  expect(answers).toEqual(['busy', 'busy', 'busy', 'busy', 'busy', 'mine']);
}, 30_000);
