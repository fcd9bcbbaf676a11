import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig } from '../protocol/config.ts';
import { readConfig, resolveIn, writeConfig, writeFileAtomically } from './vm-folder.node.ts';

const id = '6f1d0a52-6a5e-4c7b-9f5e-0d0c5f3f8a11';
let directory: string;
beforeEach(() => (directory = fs.mkdtempSync(join(tmpdir(), 'strate-'))));
afterEach(() => {
  jest.restoreAllMocks();
  fs.rmSync(directory, { recursive: true });
});

describe('atomic replacement (promises.md D4)', () => {
  const path = () => join(directory, 'config.json');

  it('keeps one previous copy', () => {
    writeConfig(directory, parseConfig({ id, name: 'first' }));
    writeConfig(directory, parseConfig({ id, name: 'second' }));
    writeConfig(directory, parseConfig({ id, name: 'third' }));
    expect(readConfig(path()).name).toBe('third');
    expect(readConfig(`${path()}~`).name).toBe('second');
    expect(fs.readdirSync(directory).sort()).toEqual(['config.json', 'config.json~']);
  });

  it('is for its owner only', () => {
    writeFileAtomically(path(), 'x');
    expect(fs.statSync(path()).mode & 0o777).toBe(0o600);
  });

  // Each step of the replacement fails in turn, as on a full disk or at a power cut; what was there before must still be there, whole.
  it.each(['openSync', 'writeSync', 'fsyncSync', 'renameSync'] as const)('leaves the old file when %s fails', (step) => {
    writeConfig(directory, parseConfig({ id, name: 'old' }));
    jest.spyOn(fs, step).mockImplementation(() => {
      throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
    });
    expect(() => writeConfig(directory, parseConfig({ id, name: 'new' }))).toThrow();
    jest.restoreAllMocks();
    expect(readConfig(path()).name).toBe('old');
  });

  it('has the contents on disk before the name, and the name before it returns', () => {
    const order: string[] = [];
    for (const step of ['writeSync', 'fsyncSync', 'renameSync'] as const) {
      const real = fs[step] as (...args: unknown[]) => unknown;
      jest.spyOn(fs, step as 'fsyncSync').mockImplementation((...args: unknown[]) => {
        order.push(step);
        return real(...args);
      });
    }
    writeFileAtomically(path(), 'contents');
    expect(order).toEqual(['writeSync', 'fsyncSync', 'renameSync', 'fsyncSync']);
  });
});

describe('a configuration file', () => {
  it.each([
    ['that is missing', undefined, 'there is no such file'],
    ['that is not JSON', '{ "name": ', 'is not JSON'],
    [
      'with errors',
      JSON.stringify({ id, name: 'x', memory: 0, colour: 1 }),
      /config\.json: memory: must be at least 1\n.*config\.json: colour: there is no such setting/,
    ],
    ['of a later version', JSON.stringify({ schema: 9 }), 'was written by a later Strate'],
  ])('%s is refused in one clear line', (_, contents, message) => {
    const path = join(directory, 'config.json');
    if (contents !== undefined) fs.writeFileSync(path, contents);
    expect(() => readConfig(path)).toThrow(message);
  });

  it('names files relative to its folder', () => {
    expect(resolveIn('/vms/a', 'disk.img')).toBe('/vms/a/disk.img');
    expect(resolveIn('/vms/a', '/images/cd.iso')).toBe('/images/cd.iso');
  });
});
