import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../base/log.ts';
import { type Client, connect } from '../../protocol/client.ts';
import type { JobInfo } from '../../protocol/shared.ts';
import { transportPair } from '../../protocol/transport.ts';
import { openImage } from '../../storage/open.node.ts';
import { createImage } from '../../storage/tools/formats.node.ts';
import { parentOption } from '../../storage/tools/chain.node.ts';
import { FakeLauncher } from './fake-launcher.test-support.ts';
import { Library } from './library.node.ts';
import { serveLibrary } from './library-handlers.node.ts';
import { Store } from './store.node.ts';
import { Uploads } from './uploads.node.ts';

const MIB = 1 << 20;
let root: string;
let library: Library;
let launcher: FakeLauncher;
let client: Client<'library'>;
let vm: string;
let directory: string;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'strate-'));
  launcher = new FakeLauncher();
  library = new Library({ store: new Store(root), launcher, log: silentLog });
  await library.refresh();
  const [here, there] = transportPair();
  serveLibrary(there, { library, uploads: new Uploads(root), guests: { cache: root, available: false }, version: '0', log: silentLog });
  client = await connect(here, 'library');
  const made = await client.call('vm.create', { config: { name: 'dos' }, disks: [{ drive: 'hda', size: 8 * MIB, format: 'qcow2' }] });
  ({ id: vm, directory } = made.vm);
});
afterEach(async () => {
  await launcher.stopAll();
  await library.close();
  rmSync(root, { recursive: true });
});

async function finished({ job }: { job: string }): Promise<JobInfo> {
  await library.jobs.wait(job);
  return (await client.call('jobs.list', {})).jobs.find(({ id }) => id === job)!;
}
async function writeAt(file: string, format: 'qcow2' | 'raw' | 'vmdk', offset: number, value: number): Promise<void> {
  const { node } = await openImage({ file, format, role: 'disk', readOnly: false });
  await node.write(offset, new Uint8Array(512).fill(value));
  await node.close();
}
async function byteAt(file: string, format: 'qcow2' | 'raw' | 'vmdk', offset: number): Promise<number> {
  const { node } = await openImage({ file, format, role: 'disk', readOnly: true });
  const sector = new Uint8Array(512);
  await node.read(offset, sector);
  await node.close();
  return sector[0]!;
}
const disks = async () => (await client.call('disk.list', { vm })).disks;

it('lists the disks of a machine with their chains, also while it runs, and says what is wrong with one', async () => {
  await client.call('disk.create', { vm, drive: 'hdb', size: MIB });
  rmSync(join(directory, 'hdb.qcow2'));
  await client.call('vm.start', { vm });
  const [hda, hdb] = await disks();
  expect(hda).toMatchObject({
    drive: 'hda',
    bus: 'ide',
    format: 'qcow2',
    file: join(directory, 'hda.qcow2'),
    chain: [{ size: 8 * MIB, format: 'qcow2', facts: { 'cluster size': 65536 } }],
  });
  expect(hdb).toMatchObject({ drive: 'hdb', chain: [], problem: expect.stringMatching(/hdb\.qcow2 does not exist/) as string });
  await expect(client.call('disk.compact', { vm, drive: 'hda' })).rejects.toMatchObject({ kind: 'state' });
});

it('checks, compacts, resizes and converts as jobs; the machine uses the converted image', async () => {
  const hda = join(directory, 'hda.qcow2');
  await writeAt(hda, 'qcow2', 4 * MIB, 7);
  expect(await finished(await client.call('disk.check', { vm, drive: 'hda' }))).toMatchObject({
    state: 'done',
    title: 'Check hda of dos',
    result: { errorCount: 0, allocated: 65536 },
  });
  expect(await finished(await client.call('disk.compact', { vm, drive: 'hda' }))).toMatchObject({
    state: 'done',
    result: { before: expect.any(Number) as number },
  });
  expect(await finished(await client.call('disk.resize', { vm, drive: 'hda', size: 4 * MIB }))).toMatchObject({
    state: 'failed',
    error: { message: expect.stringContaining('--shrink') as string },
  });
  expect(await finished(await client.call('disk.resize', { vm, drive: 'hda', size: 16 * MIB }))).toMatchObject({ state: 'done' });
  expect(await finished(await client.call('disk.convert', { vm, drive: 'hda', format: 'vmdk', keep: false }))).toMatchObject({
    state: 'done',
    result: { file: join(directory, 'hda.vmdk') },
  });
  expect([existsSync(hda), await byteAt(join(directory, 'hda.vmdk'), 'vmdk', 4 * MIB)]).toEqual([false, 7]);
  expect((await disks())[0]).toMatchObject({ format: 'vmdk', chain: [{ size: 16 * MIB }] });
  const out = join(root, 'out.raw');
  expect(await finished(await client.call('disk.export', { vm, drive: 'hda', path: out, format: 'raw' }))).toMatchObject({ state: 'done' });
  expect(readFileSync(out)[4 * MIB]).toBe(7);
});

it('merges a difference into what it stands on, unless snapshots need that', async () => {
  const [base, top] = [join(directory, 'hda.qcow2'), join(directory, 'top.qcow2')];
  await createImage(top, 'qcow2', 8 * MIB, {}, await parentOption(top, 'hda.qcow2'));
  await writeAt(top, 'qcow2', MIB, 9);
  await client.call('vm.configure', { vm, changes: { drives: [{ id: 'hda', file: 'top.qcow2', format: 'qcow2' }] } });
  expect((await disks())[0]!.chain.map(({ file }) => file)).toEqual([top, base]);
  mkdirSync(join(directory, 'snapshots'));
  writeFileSync(join(directory, 'snapshots', 'tree.json'), '{"snapshots": {"a": {}}}');
  await expect(client.call('disk.merge', { vm, drive: 'hda' })).rejects.toThrow(/dos has snapshots, which need its disks as they are/);
  rmSync(join(directory, 'snapshots'), { recursive: true });
  expect(await finished(await client.call('disk.merge', { vm, drive: 'hda' }))).toMatchObject({ state: 'done' });
  expect([await byteAt(base, 'qcow2', MIB), await byteAt(top, 'qcow2', MIB)]).toEqual([9, 9]);
});

it('makes a CD of a folder in the machine’s folder', async () => {
  const folder = join(root, 'My files');
  mkdirSync(folder);
  writeFileSync(join(folder, 'read me.txt'), 'hello');
  const job = await finished(await client.call('disk.fromFolder', { vm, path: folder }));
  expect(job).toMatchObject({ state: 'done', result: { file: join(directory, 'My files.iso'), format: 'iso', media: 'cdrom' } });
  expect((await client.call('media.detect', { path: join(directory, 'My files.iso') })).medium).toMatchObject({ kind: 'cdrom', format: 'iso' });
  expect(await finished(await client.call('disk.fromFolder', { vm, path: join(root, 'none') }))).toMatchObject({ state: 'failed' });
});
