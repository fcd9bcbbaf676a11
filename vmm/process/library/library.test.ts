import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { silentLog } from '../../base/log.ts';
import { type Client, connect } from '../../protocol/client.ts';
import type { JobInfo } from '../../protocol/shared.ts';
import { transportPair } from '../../protocol/transport.ts';
import { FakeLauncher } from './fake-launcher.test-support.ts';
import { Library } from './library.node.ts';
import { serveLibrary } from './library-handlers.node.ts';
import { Store } from './store.node.ts';
import { bootFloppy, isoImage } from './test-images.test-support.ts';
import { Uploads } from './uploads.node.ts';

let root: string;
let outside: string;
let launcher: FakeLauncher;
let library: Library;
let uploads: Uploads;
let client: Client<'library'>;

async function open(): Promise<void> {
  library = new Library({ store: new Store(root), launcher, log: silentLog });
  await library.refresh();
  uploads = new Uploads(root);
  const [here, there] = transportPair();
  serveLibrary(there, { library, uploads, guests: { cache: outside, available: false }, version: '0', log: silentLog });
  client = await connect(here, 'library');
}

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'strate-'));
  outside = mkdtempSync(join(tmpdir(), 'strate-'));
  launcher = new FakeLauncher();
  await open();
});
afterEach(async () => {
  await launcher.stopAll();
  await library.close();
  rmSync(root, { recursive: true });
  rmSync(outside, { recursive: true });
});

const names = async () => (await client.call('vm.list', {})).vms.map(({ name }) => name);
const create = async (name: string, config: object = {}) => (await client.call('vm.create', { config: { name, ...config } })).vm;
const stateOf = async (vm: string) => (await client.call('vm.get', { vm })).vm.state;
const vmsFolder = () => join(root, 'vms');

async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  for (let tries = 0; !(await condition()); tries++) {
    if (tries > 400) throw new Error(`never came true: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

it('finds machines by their notes and by what stood on their screen, private ones by their notes only', async () => {
  const debian = await create('debian', { notes: 'the mail server\nof the Café' });
  const dos = await create('dos');
  const secret = await create('secret', { private: true });
  for (const vm of [dos, secret]) writeFileSync(join(vm.directory, 'screen.txt'), 'C:\\>dir\n Volume in drive C is GAMES\n');
  const search = async (text: string) => (await client.call('vm.search', { text })).hits;
  expect(await search('cafe')).toEqual([{ vm: debian.id, where: 'notes', line: 'of the Café' }]);
  expect(await search('games volume')).toEqual([{ vm: dos.id, where: 'screen', line: 'Volume in drive C is GAMES' }]);
  expect(await search('games server')).toEqual([]);
});

/** Waits for the job that a call began. */
async function finished({ job }: { job: string }): Promise<JobInfo> {
  let found: JobInfo | undefined;
  await until(async () => {
    found = (await client.call('jobs.list', {})).jobs.find(({ id }) => id === job);
    return found !== undefined && found.state !== 'running';
  });
  return found!;
}

describe('making', () => {
  it('a VM needs a name only; it is a folder of that name', async () => {
    const vm = await create('My: DOS/PC');
    expect(vm).toMatchObject({ name: 'My: DOS/PC', state: 'off', memory: 256 });
    expect(readdirSync(vmsFolder())).toEqual(['My DOS PC']);
    expect(statSync(vm.directory).mode & 0o777).toBe(0o700);
  });

  it('two of one name get two folders, and names must be told apart by id', async () => {
    const first = await create('twin');
    await create('twin');
    expect(readdirSync(vmsFolder()).sort()).toEqual(['twin', 'twin 2']);
    await expect(client.call('vm.get', { vm: 'twin' })).rejects.toThrow('2 machines are called "twin"; use the id:');
    await expect(client.call('vm.get', { vm: first.id })).resolves.toMatchObject({ vm: { id: first.id } });
  });

  it('with a new disk that takes no room', async () => {
    const { vm } = await client.call('vm.create', { config: { name: 'big' }, disks: [{ drive: 'hda', size: 8 * 2 ** 30 }] });
    const stat = statSync(join(vm.directory, 'hda.img'));
    expect(stat.size).toBe(8 * 2 ** 30);
    expect(stat.blocks).toBeLessThan(100);
    expect((await client.call('vm.get', { vm: vm.id })).config).toMatchObject({ drives: [{ id: 'hda', slot: 0, file: 'hda.img' }] });
  });

  it('what is wrong is told by field, and nothing is left behind', async () => {
    await expect(create('x', { memory: 0, colour: 1 })).rejects.toMatchObject({
      kind: 'invalid',
      message: 'memory: must be at least 1\ncolour: there is no such setting',
      data: { issues: [{ field: 'memory', message: 'must be at least 1' }, { field: 'colour' }] },
    });
    expect(readdirSync(vmsFolder())).toEqual([]);
  });
});

describe('changing', () => {
  it('replaces fields, takes null back to the default, keeps the rest', async () => {
    const vm = await create('a', { memory: 64, notes: 'hello' });
    await client.call('vm.configure', { vm: vm.id, changes: { memory: 128, notes: null } });
    expect((await client.call('vm.get', { vm: vm.id })).config).toMatchObject({ memory: 128, notes: '', name: 'a' });
    expect(JSON.parse(readFileSync(join(vm.directory, 'config.json~'), 'utf8'))).toMatchObject({ memory: 64 });
  });

  it('tells what waits for the next start', async () => {
    const vm = await create('a');
    await client.call('vm.start', { vm: vm.id });
    await expect(client.call('vm.configure', { vm: vm.id, changes: { memory: 32, notes: 'x', tags: ['t'] } })).resolves.toMatchObject({
      nextStart: ['memory'],
    });
  });

  it('refuses another identity, and nonsense, and changes nothing', async () => {
    const vm = await create('a');
    await expect(client.call('vm.configure', { vm: vm.id, changes: { id: '6f1d0a52-6a5e-4c7b-9f5e-0d0c5f3f8a11' } })).rejects.toThrow(
      'id of a machine cannot be changed',
    );
    await expect(client.call('vm.configure', { vm: vm.id, changes: { accel: 'magic' } })).rejects.toThrow('accel: must be wasm, interp, kvm or none');
    expect((await client.call('vm.get', { vm: vm.id })).config).toMatchObject({ accel: 'wasm' });
  });

  it('renames', async () => {
    const vm = await create('old');
    await client.call('vm.rename', { vm: vm.id, name: 'new' });
    expect(await names()).toEqual(['new']);
  });
});

describe('folders are the truth', () => {
  it('a VM folder that appears, moves in or goes is seen', async () => {
    const vm = await create('a');
    renameSync(vm.directory, join(outside, 'a'));
    await library.refresh();
    expect(await names()).toEqual([]);
    renameSync(join(outside, 'a'), join(vmsFolder(), 'elsewhere'));
    await library.refresh();
    expect((await client.call('vm.list', {})).vms).toMatchObject([{ id: vm.id, name: 'a' }]);
  });

  it('a folder that was copied by hand becomes a machine of its own', async () => {
    const vm = await create('a', { nics: [{ mac: '52:54:00:12:34:56' }] });
    cpSync(vm.directory, join(vmsFolder(), 'copy'), { recursive: true });
    await library.refresh();
    const { vms } = await client.call('vm.list', {});
    expect(new Set(vms.map(({ id }) => id)).size).toBe(2);
    const copy = vms.find(({ directory }) => directory.endsWith('copy'))!;
    expect(vms.find(({ directory }) => directory === vm.directory)!.id).toBe(vm.id);
    expect((await client.call('vm.get', { vm: copy.id })).config['nics']).toMatchObject([
      expect.not.objectContaining({ mac: expect.anything() as string }),
    ]);
  });

  it('one that lies elsewhere can be shown without moving it', async () => {
    const vm = await create('a');
    renameSync(vm.directory, join(outside, 'a'));
    await client.call('vm.open', { directory: join(outside, 'a') });
    expect((await client.call('vm.list', {})).vms).toMatchObject([{ id: vm.id, directory: join(outside, 'a') }]);
    await client.call('vm.delete', { vm: vm.id });
    expect(await names()).toEqual([]);
    expect(existsSync(join(outside, 'a', 'config.json'))).toBe(true);
  });

  it('a damaged one is shown with its problem and can be thrown away', async () => {
    mkdirSync(join(vmsFolder(), 'bad'));
    writeFileSync(join(vmsFolder(), 'bad', 'config.json'), '{ "name"');
    await library.refresh();
    const { vms } = await client.call('vm.list', {});
    expect(vms).toMatchObject([{ name: 'bad', state: 'off', problem: expect.stringContaining('is not JSON') as string }]);
    await expect(client.call('vm.start', { vm: vms[0]!.id })).rejects.toThrow('is not JSON');
    await client.call('vm.delete', { vm: vms[0]!.id });
    expect(await names()).toEqual([]);
  });
});

describe('trash', () => {
  it('gives back what was deleted', async () => {
    const vm = await create('a');
    await client.call('vm.delete', { vm: vm.id });
    expect(await names()).toEqual([]);
    const { vms } = await client.call('trash.list', {});
    expect(vms).toMatchObject([{ name: 'a' }]);
    await expect(client.call('trash.restore', { id: vms[0]!.id })).resolves.toMatchObject({ vm: { id: vm.id, name: 'a' } });
    expect((await client.call('trash.list', {})).vms).toEqual([]);
  });

  it('is emptied for ever', async () => {
    const vm = await create('a');
    await client.call('vm.delete', { vm: vm.id });
    await client.call('trash.purge', {});
    expect(readdirSync(join(root, 'trash'))).toEqual([]);
  });

  it('takes no running machine, and no path', async () => {
    const vm = await create('a');
    await client.call('vm.start', { vm: vm.id });
    await expect(client.call('vm.delete', { vm: vm.id })).rejects.toMatchObject({ kind: 'state' });
    await expect(client.call('trash.purge', { id: '../vms/a' })).rejects.toMatchObject({ kind: 'not-found' });
    expect(existsSync(vm.directory)).toBe(true);
  });
});

describe('life', () => {
  it('starts, pauses, resumes and powers off, and tells of each', async () => {
    const vm = await create('a');
    const states: string[] = [];
    client.on('vm.changed', (event) => states.push(event.vm.state));
    await expect(client.call('vm.start', { vm: vm.id })).resolves.toMatchObject({ vm: { state: 'running' } });
    await expect(client.call('vm.start', { vm: vm.id })).rejects.toMatchObject({ kind: 'state' });
    await client.call('vm.pause', { vm: 'a' });
    expect(await stateOf('a')).toBe('paused');
    await client.call('vm.resume', { vm: 'a' });
    await client.call('vm.powerOff', { vm: 'a' });
    await until(async () => (await stateOf('a')) === 'off');
    expect(states.filter((state, index) => state !== states[index - 1])).toEqual(['starting', 'running', 'paused', 'running', 'stopping', 'off']);
  });

  it('a machine that somebody else started is found, and survives this library', async () => {
    const vm = await create('a');
    await launcher.launch(vm.directory, { paused: true });
    await library.refresh();
    expect(await stateOf('a')).toBe('paused');
    await library.close();
    await open();
    expect(await stateOf('a')).toBe('paused');
  });

  it('says why one does not start, and that it is off', async () => {
    await create('a');
    launcher.problem = 'hda.img: there is no such file';
    await expect(client.call('vm.start', { vm: 'a' })).rejects.toMatchObject({ kind: 'not-found', message: 'hda.img: there is no such file' });
    expect(await stateOf('a')).toBe('off');
  });

  it('shows a process that died as crashed, with what it printed last', async () => {
    const vm = await create('a');
    writeFileSync(join(vm.directory, 'process.log'), 'line\n# FATAL ERROR: Reached heap limit Allocation failed\n');
    writeFileSync(join(vm.directory, 'strate.log'), 'first line\n');
    writeFileSync(join(vm.directory, 'run.json'), JSON.stringify({ pid: 2 ** 22 + 7, process: '', socket: '/nowhere', started: 1 }));
    await library.refresh();
    expect((await client.call('vm.get', { vm: 'a' })).vm).toMatchObject({
      state: 'crashed',
      problem: expect.stringContaining('FATAL ERROR: Reached heap limit') as string,
    });
    expect((await client.call('vm.log', { vm: 'a' })).lines).toContain('first line');
    await client.call('vm.start', { vm: 'a' });
    expect(await stateOf('a')).toBe('running');
  });

  it('shows the thumbnail unless the machine is private', async () => {
    const vm = await create('a');
    writeFileSync(join(vm.directory, 'thumbnail.png'), 'PNG');
    await library.refresh();
    await expect(client.call('vm.thumbnail', { vm: 'a' })).resolves.toEqual({ png: Buffer.from('PNG').toString('base64') });
    await client.call('vm.configure', { vm: 'a', changes: { private: true } });
    await expect(client.call('vm.thumbnail', { vm: 'a' })).resolves.toEqual({ png: null });
  });
});

describe('dropping a file', () => {
  const put = (name: string, contents: Uint8Array) => {
    writeFileSync(join(outside, name), contents);
    return join(outside, name);
  };

  it('makes a VM with a copy of it and starts it', async () => {
    const path = put('freedos.img', bootFloppy('FRDOS5.1'));
    const job = await finished(await client.call('media.import', { path, start: true }));
    expect(job).toMatchObject({ state: 'done', progress: 1 });
    const { vm, config } = await client.call('vm.get', { vm: (job.result as { vm: string }).vm });
    expect(vm).toMatchObject({ name: 'freedos', state: 'running', system: 'freedos' });
    expect(config).toMatchObject({ drives: [{ id: 'fda', file: 'freedos.img' }] });
    expect(readFileSync(join(vm.directory, 'freedos.img')).equals(readFileSync(path))).toBe(true);
  });

  it('can leave the file where it lies', async () => {
    const path = put('live.iso', isoImage());
    const job = await finished(await client.call('media.import', { path, copy: false, name: 'Live', changes: { memory: 99 } }));
    const { vm, config } = await client.call('vm.get', { vm: (job.result as { vm: string }).vm });
    expect(config).toMatchObject({
      memory: 99,
      drives: [
        { id: 'hdc', file: path },
        { id: 'hda', file: 'disk.img' },
      ],
    });
    expect(readdirSync(vm.directory).sort()).toEqual(['config.json', 'disk.img']);
  });

  it('takes an upload over instead of copying it', async () => {
    const { upload } = await uploads.receive('config.json', Readable.from([Buffer.from(bootFloppy())]), undefined);
    await expect(client.call('media.detect', { upload })).resolves.toMatchObject({ medium: { kind: 'floppy' }, config: { name: 'config' } });
    const job = await finished(await client.call('media.import', { upload }));
    const { vm, config } = await client.call('vm.get', { vm: (job.result as { vm: string }).vm });
    expect(config).toMatchObject({ drives: [{ file: 'image-config.json' }] }); // never over a file of the folder's own
    expect(statSync(join(vm.directory, 'image-config.json')).size).toBe(1_474_560);
    expect(readdirSync(join(root, 'uploads'))).toEqual([]);
    await expect(client.call('media.detect', { upload })).rejects.toThrow('no longer there; drop the file again');
  });

  it('leaves nothing behind when it is nothing that runs', async () => {
    const job = await finished(await client.call('media.import', { path: put('letter.txt', Buffer.alloc(3000, 'hello ')) }));
    expect(job).toMatchObject({
      state: 'failed',
      error: { kind: 'invalid', message: expect.stringMatching(/^letter\.txt is not a disk image/) as string },
    });
    expect(readdirSync(vmsFolder())).toEqual([]);
  });

  it('leaves nothing behind when it is cancelled', async () => {
    const path = join(outside, 'big.img');
    writeFileSync(path, bootFloppy());
    const { job } = await client.call('media.import', { path });
    await client.call('jobs.cancel', { job });
    const { state } = await finished({ job });
    expect(['cancelled', 'done']).toContain(state);
    expect(readdirSync(vmsFolder())).toHaveLength(state === 'done' ? 1 : 0);
  });

  it('names the file by path or by upload', async () => {
    await expect(client.call('media.detect', {})).rejects.toThrow('name the file by path or by upload');
    await expect(client.call('media.detect', { upload: '../../etc/passwd' })).rejects.toMatchObject({ kind: 'not-found' });
  });

  it('puts an upload into a drive of a running machine, for the next start, too', async () => {
    const vm = await create('a', { drives: [{ media: 'cdrom', format: 'iso' }] });
    await client.call('vm.start', { vm: vm.id });
    const { upload } = await uploads.receive('tools.iso', Readable.from([Buffer.from(isoImage())]), undefined);
    await client.call('vm.insert', { vm: vm.id, drive: 'hdc', upload });
    expect(launcher.runs.get(vm.directory)!.inserted).toEqual([`hdc ${join(vm.directory, 'tools.iso')}`]);
    expect((await client.call('vm.get', { vm: vm.id })).config).toMatchObject({ drives: [{ id: 'hdc', file: 'tools.iso' }] });
  });
});

describe('a folder of files', () => {
  let folder: string;
  beforeEach(() => {
    folder = join(outside, 'papers');
    mkdirSync(folder);
    writeFileSync(join(folder, 'HELLO.TXT'), 'hello');
  });

  it('becomes the disk of a new machine, with its files', async () => {
    const { result } = await finished(await client.call('media.import', { path: folder }));
    const { vm, config } = await client.call('vm.get', { vm: (result as { vm: string }).vm });
    expect(config).toMatchObject({ name: 'papers', drives: [{ bus: 'ide', file: 'papers.img', format: 'raw' }] });
    const image = readFileSync(join(vm.directory, 'papers.img'));
    expect(image.includes('HELLO   TXT')).toBe(true);
    expect(image.includes('hello')).toBe(true);
    expect(readdirSync(folder)).toEqual(['HELLO.TXT']);
  });

  it('is attached to a machine as a further disk, and put into its drives as a CD or a diskette', async () => {
    const vm = await create('a', {
      drives: [
        { media: 'cdrom', format: 'iso', id: 'hdc', slot: 2 },
        { bus: 'floppy', id: 'fda' },
      ],
    });
    expect(await client.call('vm.attach', { vm: vm.id, path: folder })).toMatchObject({ drive: 'hda', nextStart: false });
    await client.call('vm.insert', { vm: vm.id, drive: 'hdc', path: folder });
    await client.call('vm.insert', { vm: vm.id, drive: 'fda', path: folder });
    const { config } = await client.call('vm.get', { vm: vm.id });
    expect((config as { drives: { id: string; file: string }[] }).drives.map(({ id, file }) => `${id} ${file}`)).toEqual([
      'hdc papers.iso',
      'fda papers 2.img',
      'hda papers.img',
    ]);
    expect(statSync(join(vm.directory, 'papers 2.img')).size).toBe(1_474_560);
    expect(readFileSync(join(vm.directory, 'papers.iso')).subarray(32769, 32774).toString()).toBe('CD001');
  });

  it('that does not fit on a diskette is refused, and nothing is left behind', async () => {
    const vm = await create('a', { drives: [{ bus: 'floppy', id: 'fda' }] });
    writeFileSync(join(folder, 'BIG.BIN'), Buffer.alloc(2_000_000, 1));
    await expect(client.call('vm.insert', { vm: vm.id, drive: 'fda', path: folder })).rejects.toThrow(/diskette|floppy|1\.44/i);
    expect(readdirSync(vm.directory).filter((name) => name.endsWith('.img'))).toEqual([]);
  });
});

it('clones with the disks, under an identity of its own', async () => {
  const { vm } = await client.call('vm.create', {
    config: { name: 'a', nics: [{ mac: '52:54:00:12:34:56' }] },
    disks: [{ drive: 'hda', size: 1 << 20 }],
  });
  writeFileSync(join(vm.directory, 'hda.img'), Buffer.alloc(1 << 20, 7));
  const job = await finished(await client.call('vm.clone', { vm: vm.id }));
  const copy = await client.call('vm.get', { vm: (job.result as { vm: string }).vm });
  expect(copy.vm).toMatchObject({ name: 'a copy' });
  expect(copy.vm.id).not.toBe(vm.id);
  expect(copy.config['nics']).toEqual([expect.not.objectContaining({ mac: expect.anything() as string })]);
  expect(readFileSync(join(copy.vm.directory, 'hda.img')).equals(Buffer.alloc(1 << 20, 7))).toBe(true);
});

it('keeps settings', async () => {
  const told = new Promise((resolve) => client.on('settings.changed', resolve));
  await client.call('settings.set', { settings: { language: 'fr', theme: 'dark' } });
  await expect(told).resolves.toMatchObject({ settings: { language: 'fr' } });
  await client.call('settings.set', { settings: { theme: null } });
  await library.close();
  await open();
  await expect(client.call('settings.get', {})).resolves.toEqual({ settings: { language: 'fr' } });
});

it('knows its host', async () => {
  await expect(client.call('host.info', {})).resolves.toMatchObject({
    library: root,
    platform: process.platform,
    accelerators: expect.arrayContaining(['wasm']) as string[],
  });
});
