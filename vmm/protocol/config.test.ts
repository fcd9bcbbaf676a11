import fc from 'fast-check';
import { VmmError } from '../base/errors.ts';
import { checkConfig, parseConfig, type VmConfigInput } from './config.ts';
import { migrateConfig } from './config-migrate.ts';
import { issueLine } from './issues.ts';

const id = '6f1d0a52-6a5e-4c7b-9f5e-0d0c5f3f8a11';
const linesOf = (data: unknown): string[] => {
  const check = checkConfig(data);
  return check.ok ? [] : check.issues.map(issueLine);
};
const withDrives = (drives: VmConfigInput['drives']) => ({ id, name: 'x', drives });

describe('defaults', () => {
  it('needs an id and a name only', () => {
    const config = parseConfig({ id, name: 'DOS' });
    expect(config).toMatchObject({
      schema: 1,
      memory: 256,
      accel: 'wasm',
      cpu: { model: 'qemu64', count: 1 },
      boot: { order: 'acdn' },
      drives: [],
      time: 'real',
    });
  });

  it('is stable: a parsed configuration parses to itself', () => {
    const config = parseConfig(
      withDrives([{ file: 'a.img' }, { media: 'cdrom' }, { bus: 'floppy', file: 'f.img' }, { bus: 'virtio', file: 'v.img' }]),
    );
    expect(parseConfig(JSON.parse(JSON.stringify(config)))).toEqual(config);
  });
});

describe('drives', () => {
  it('puts disks first, CDs on the secondary channel, and names them by place', () => {
    const { drives } = parseConfig(withDrives([{ media: 'cdrom' }, { file: 'a' }, { file: 'b' }, { bus: 'floppy' }, { media: 'cdrom' }]));
    expect(drives.map(({ id: name, slot }) => `${name} ${slot}`)).toEqual(['hdc 2', 'hda 0', 'hdb 1', 'fda 0', 'hdd 3']);
  });

  it('makes CDs read-only', () => {
    expect(parseConfig(withDrives([{ media: 'cdrom', file: 'x.iso', format: 'iso' }])).drives[0]?.readOnly).toBe(true);
  });

  it.each<[VmConfigInput['drives'], string]>([
    [
      [
        { file: 'a', slot: 0 },
        { file: 'b', slot: 0 },
      ],
      'drives[1].slot: hda is already used by drives[0]',
    ],
    [[{ file: 'a', slot: 4 }], 'drives[0].slot: the ide bus has slots 0 to 3'],
    [[{}], 'drives[0].file: a hard disk needs an image file'],
    [[{ bus: 'floppy', media: 'cdrom' }], 'drives[0].media: a floppy drive cannot hold a CD'],
    [[{ file: 'x', format: 'iso' }], 'drives[0].format: an iso image needs media=cdrom'],
    [Array.from({ length: 5 }, () => ({ file: 'a' })), 'drives[4].bus: all 4 slots of the ide bus are taken'],
    [
      [
        { file: 'a', id: 'x' },
        { file: 'b', id: 'x' },
      ],
      'drives[1].id: x is used twice',
    ],
  ])('refuses %j', (drives, message) => {
    expect(linesOf(withDrives(drives))).toEqual([message]);
  });
});

it.each([
  [{ id, name: 'x', memory: 0 }, ['memory: must be at least 1']],
  [{ id, name: 'x', memory: 'lots' }, ['memory: must be a number']],
  [{ id, name: 'x', colour: 'red' }, ['colour: there is no such setting']],
  [{ id, name: 'x', cpu: { cores: 2 } }, ['cpu.cores: there is no such setting']],
  [{ id, name: 'x', accel: 'hvf' }, ['accel: must be wasm, interp, kvm or none']],
  [{ id, name: 'x', boot: { order: 'cc' } }, ['boot.order: must be some of the letters a, c, d and n, each once']],
  [{ id, name: '\u001b[2J' }, ['name: must be one line without control characters']],
  [{ id, name: '  ' }, ['name: must not be empty']],
  [{ id }, ['name: is missing']],
  [{ id, name: 'x', serial: [{ backend: 'stdio' }, { backend: 'stdio' }] }, ['serial[1]: stdio is already used by serial[0]']],
  [{ id, name: 'x', serial: [{ backend: 'stdio' }], debugcon: { backend: 'stdio' } }, ['debugcon: stdio is already used by serial[0]']],
  [{ id, name: 'x', nics: [{}, {}] }, ['nics[1].id: net0 is used twice']],
  [{ id, name: 'x', nics: [{ mac: '01:00:00:00:00:00' }] }, ['nics[0].mac: must be a unicast MAC address such as 52:54:00:12:34:56']],
  [{ id, name: 'x', rtc: 'yesterday' }, ['rtc: must be utc, local or a date such as 2000-01-31T12:00:00Z']],
  [{ schema: 99 }, ['schema: version 99 was written by a later Strate; this one knows up to 1. Update Strate to open it']],
  [[], ['must be an object']],
  ['no', ['must be an object']],
])('says what is wrong with %j', (data, lines) => {
  expect(linesOf(data)).toEqual(lines);
});

it('throws all lines at once', () => {
  expect(() => parseConfig({ id, name: 'x', memory: -1, colour: 1 })).toThrow(
    new VmmError('invalid', 'memory: must be at least 1\ncolour: there is no such setting'),
  );
});

it('migrates step by step and refuses what it cannot', () => {
  const steps = {
    1: (old: Record<string, unknown>) => ({ ...old, ram: old['memory'] }),
    2: (old: Record<string, unknown>) => ({ ...old, done: true }),
  };
  expect(migrateConfig({ schema: 1, memory: 5 }, 3, steps)).toEqual({ ok: true, data: { schema: 3, memory: 5, ram: 5, done: true } });
  expect(migrateConfig({ schema: 1 }, 3, {})).toEqual({ ok: false, message: 'version 1 can no longer be read' });
});

it('never throws on hostile data', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.object(), (value, object) => {
      checkConfig(value);
      const check = checkConfig({ id, name: 'x', ...object });
      if (check.ok) expect(checkConfig(check.config).ok).toBe(true);
    }),
  );
});
