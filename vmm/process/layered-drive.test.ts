/** Layers put on a disk while it is used, one after the other, and the disk taken back to a point of its past. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLayer } from '../snapshot/layers.node.ts';
import { openImage } from '../storage/open.node.ts';
import { createImage } from '../storage/tools/formats.node.ts';
import { LayeredDrive } from './layered-drive.node.ts';

const SIZE = 1 << 20;
const host = { clock: { now: () => 0, sleep: () => Promise.resolve() }, trace: undefined };
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'strate-layers-'));
  mkdirSync(join(folder, 'disks'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A machine's disk, with its layers in a folder below it. */
async function newDrive() {
  await createImage(join(folder, 'disk.img'), 'raw', SIZE);
  const drive = await LayeredDrive.open({ file: join(folder, 'disk.img'), format: 'raw', role: 'disk', readOnly: false }, host);
  let top: { file: string; format: 'raw' | 'qcow2' } = { file: join(folder, 'disk.img'), format: 'raw' };
  const layer = async (name: string) => {
    const file = join(folder, 'disks', `${name}.qcow2`);
    await createLayer(file, { ...top, size: SIZE });
    await drive.prepare(file);
    top = { file, format: 'qcow2' };
    return file;
  };
  return { drive, layer };
}

const put = ({ undo }: LayeredDrive, value: number) => undo.write(4096, new Uint8Array(512).fill(value));
async function get(node: { read(at: number, into: Uint8Array): Promise<void> }): Promise<number> {
  const bytes = new Uint8Array(512);
  await node.read(4096, bytes);
  return bytes[511]!;
}
async function of(file: string): Promise<number> {
  const { node } = await openImage({ file, format: 'qcow2', role: 'disk', readOnly: true, unlocked: true, parentFolders: [folder] });
  const value = await get(node);
  await node.close();
  return value;
}

test('three layers in one run: each frozen one keeps what it had', async () => {
  const { drive, layer } = await newDrive();
  const files: string[] = [];
  for (const [value, name] of ['a', 'b', 'c'].entries()) {
    await put(drive, value + 1);
    files.push(await layer(name));
    drive.freeze();
    expect(await drive.settle()).toBe(true);
  }
  await put(drive, 9);
  expect(await get(drive.undo)).toBe(9);
  expect([await of(files[0]!), await of(files[1]!)]).toEqual([2, 3]);
  await drive.node.close();
});

test('goes back to a point, again and again, by layers that are complete before they are put on', async () => {
  const { drive, layer } = await newDrive();
  for (let time = 0; time < 3; time++) {
    drive.undo.mark(10 * time + 1);
    await put(drive, time + 1);
    drive.undo.mark(10 * time + 2);
    await put(drive, 100 + time);
    const file = await layer(`back${time}`);
    await drive.fillPending(10 * time + 2);
    expect(await of(file)).toBe(time + 1);
    drive.freeze({ always: true });
    drive.undo.wentBack(10 * time + 2);
    await drive.settle();
    expect(await get(drive.undo)).toBe(time + 1);
  }
  await drive.node.close();
});
