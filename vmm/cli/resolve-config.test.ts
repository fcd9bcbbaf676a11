import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig } from '../protocol/config.ts';
import { resolveRun } from './resolve-config.node.ts';
import { runOptions } from './run-options.ts';
import { newDraft, type RunDraft } from './run-settings.ts';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'strate-'))));
afterEach(() => rmSync(directory, { recursive: true }));

const put = (name: string, contents: string | Uint8Array = new Uint8Array(1024)) => {
  const path = join(directory, name);
  writeFileSync(path, contents);
  return path;
};
const bootable = () => new Uint8Array(1024).fill(1, 0, 3).fill(0x55, 510, 511).fill(0xaa, 511, 512);
const qcow2 = () => Uint8Array.of(0x51, 0x46, 0x49, 0xfb, ...new Uint8Array(1020));

function draftOf(...args: readonly (readonly [string, string])[]): RunDraft {
  const draft = newDraft();
  for (const [name, value] of args) runOptions.find(({ flags }) => flags.split(' ')[0] === name)!.apply(draft, value);
  return draft;
}
const failure = async (draft: RunDraft) => (await resolveRun(draft).catch((error: unknown) => error)) as Error;

it('makes a configuration of nothing', async () => {
  const { config } = await resolveRun(newDraft());
  expect(config).toMatchObject({ name: 'strate run', memory: 256, display: { kind: 'none' }, drives: [] });
});

it('puts drives where their options say', async () => {
  const { config } = await resolveRun(draftOf(['--fda', put('a.img')], ['--hda', put('b.img', bootable())], ['--cdrom', put('c.iso')]));
  expect(config.drives.map(({ id, bus, slot, format, media }) => `${id} ${bus} ${slot} ${format} ${media}`)).toEqual([
    'fda floppy 0 raw disk',
    'hda ide 0 raw disk',
    'cdrom ide 2 iso cdrom',
  ]);
});

describe('formats (promises.md, isolation: what a guest wrote into a raw disk must not decide)', () => {
  it('follow the name of the file', async () => {
    const { config } = await resolveRun(draftOf(['--hda', put('a.qcow2')], ['--hdb', put('b.VMDK')], ['--drive', `file=${put('c.iso', isoLike())}`]));
    expect(config.drives.map(({ format, media }) => `${format} ${media}`)).toEqual(['qcow2 disk', 'vmdk disk', 'iso cdrom']);
  });

  it('are asked for when the contents say otherwise', async () => {
    const path = put('disk.img', qcow2());
    const { message } = await failure(draftOf(['--hda', path]));
    expect(message).toBe(
      `--hda ${path}: it looks like a qcow2 image, but its name does not say so; use --drive file=${path},format=qcow2 (or format=raw)`,
    );
    const { config } = await resolveRun(draftOf(['--drive', `file=${path},format=raw`]));
    expect(config.drives[0]?.format).toBe('raw');
  });

  it('a blank file is a raw disk; a compressed one is not', async () => {
    expect((await resolveRun(draftOf(['--hda', put('blank.img')]))).config.drives[0]?.format).toBe('raw');
    expect((await failure(draftOf(['--hda', put('x.img', Uint8Array.of(0x1f, 0x8b, ...new Uint8Array(2000)))]))).message).toContain(
      'is compressed with gzip',
    );
  });

  it('what nothing is known of is a raw disk, and said to be', async () => {
    const path = put('notes.txt', Buffer.from('remember the milk '.repeat(100)));
    const { config, warnings } = await resolveRun(draftOf(['--hda', path]));
    expect(config.drives[0]?.format).toBe('raw');
    expect(warnings).toEqual([
      `--hda ${path}: no partition table, boot record or image header was found in it, so it is used as a raw disk; if it is one, --drive file=${path},format=raw says so`,
    ]);
    expect((await resolveRun(draftOf(['--drive', `file=${path},format=raw`]))).warnings).toEqual([]);
    expect((await resolveRun(draftOf(['--hda', put('blank.img')]))).warnings).toEqual([]);
  });
});

function isoLike(): Uint8Array {
  const image = new Uint8Array(40 * 2048);
  image[16 * 2048] = 1;
  image.set(Buffer.from('CD001'), 16 * 2048 + 1);
  return image;
}

describe('a configuration file', () => {
  it('is overridden by options; its paths are relative to it, theirs to here', async () => {
    mkdirSync(join(directory, 'vm'));
    const file = put(
      'vm/config.json',
      JSON.stringify({ name: 'mine', memory: 64, cpu: { model: '486' }, drives: [{ file: 'own.img' }, { bus: 'floppy', file: 'f.img' }] }),
    );
    const floppy = put('other.img');
    const resolved = await resolveRun(draftOf(['--config', file], ['--memory', '128'], ['--cpus', '2'], ['--fda', floppy]));
    expect(resolved.directory).toBe(join(directory, 'vm'));
    expect(resolved.config).toMatchObject({ name: 'mine', memory: 128, cpu: { model: '486', count: 2 } });
    expect(resolved.config.drives.map(({ id, file: path }) => `${id} ${path ?? ''}`)).toEqual(['hda own.img', `fda ${floppy}`]);
  });

  it.each([
    ['{ bad', /--config .*c\.json: not JSON/],
    ['{ "memory": 0, "x": 1 }', /--config .*c\.json: memory: must be at least 1\n--config .*c\.json: x: there is no such setting/],
  ])('%s is refused', async (contents, message) => {
    expect((await failure(draftOf(['--config', put('c.json', contents)]))).message).toMatch(message);
  });
});

it('starts from a VM of the library', async () => {
  const base = { config: parseConfig({ id: '6f1d0a52-6a5e-4c7b-9f5e-0d0c5f3f8a11', name: 'x', memory: 32 }), directory };
  const resolved = await resolveRun(draftOf(['--no-reboot', '']), base);
  expect(resolved).toMatchObject({ directory, config: { id: base.config.id, memory: 32, noReboot: true } });
});

it.each<[string, () => RunDraft, RegExp]>([
  ['a missing file', () => draftOf(['--hda', join(directory, 'none.img')]), /^--hda .*none\.img: there is no such file$/],
  ['a folder', () => draftOf(['--cdrom', directory]), /^--cdrom .*: it is a folder$/],
  ['an unknown value', () => draftOf(['--drive', `file=${put('a')},if=scsi`]), /^--drive: drives\[0\]\.bus: must be ide, ahci, virtio or floppy$/],
  [
    'a place that is taken',
    () => draftOf(['--hdc', put('a.img')], ['--drive', `file=${put('b.img')},index=2`]),
    /^--drive: drives\[1\]\.slot: hdc is already used by drives\[0\]$/,
  ],
  ['initrd without kernel', () => draftOf(['--initrd', put('i')]), /^--initrd, --append and --module need --kernel$/],
  ['stdio twice', () => draftOf(['--serial', 'stdio'], ['--debugcon', 'stdio']), /^debugcon: stdio is already used by serial\[0\]$/],
  ['a bad boot order', () => draftOf(['--boot', 'xyz']), /^boot\.order: must be some of the letters/],
])('%s is one clear line', async (_, draft, message) => {
  expect((await failure(draft())).message).toMatch(message);
});
