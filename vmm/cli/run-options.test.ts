import { runOptions } from './run-options.ts';
import { parsePairs, parseSize } from './option-values.ts';
import { newDraft, type RunDraft } from './run-settings.ts';

function draftOf(...args: readonly (readonly [string, string])[]): RunDraft {
  const draft = newDraft();
  for (const [name, value] of args) runOptions.find(({ flags }) => flags.split(' ')[0] === name)!.apply(draft, value);
  return draft;
}

it('has every option of the contract (cli.md)', () => {
  const names = runOptions.map(({ flags }) => flags.split(' ')[0]);
  const contract =
    '--config --memory --cpus --cpu --accel --kernel --initrd --append --module --fda --hda --hdb --hdc --hdd --cdrom --drive --boot --bios --firmware --nic --serial ' +
    '--debugcon --debug-exit --display --screenshot --discard-writes --no-reboot --time --seed --control --qtest --stats --timeout';
  expect(contract.split(' ').filter((name) => !names.includes(name))).toEqual([]);
  expect(new Set(names).size).toBe(names.length);
});

it('describes a machine', () => {
  const { config } = draftOf(
    ['--memory', '0x40'],
    ['--cpus', '2'],
    ['--cpu', '486'],
    ['--accel', 'interp'],
    ['--boot', 'dc'],
    ['--no-reboot', ''],
    ['--seed', '7'],
    ['--time', 'virtual'],
  );
  expect(config).toEqual({
    memory: 64,
    cpu: { count: 2, model: '486' },
    accel: 'interp',
    boot: { order: 'dc' },
    noReboot: true,
    seed: 7,
    time: 'virtual',
  });
});

it('describes a direct boot', () => {
  const draft = draftOf(
    ['--kernel', 'vmlinuz'],
    ['--initrd', 'initrd.gz'],
    ['--append', 'console=ttyS0 quiet'],
    ['--module', 'mod.bin one two'],
    ['--module', 'other'],
  );
  expect(draft.config.kernel).toEqual({
    file: 'vmlinuz',
    initrd: 'initrd.gz',
    append: 'console=ttyS0 quiet',
    modules: [
      { file: 'mod.bin', args: 'one two' },
      { file: 'other', args: '' },
    ],
  });
  expect(draft.files.map(({ path }) => path)).toEqual(['vmlinuz', 'initrd.gz', 'mod.bin', 'other']);
});

it.each([
  ['--fda', 'a.img', { id: 'fda', bus: 'floppy', slot: 0, file: 'a.img' }],
  ['--hdd', 'a.img', { id: 'hdd', bus: 'ide', slot: 3, file: 'a.img' }],
  ['--cdrom', 'a.iso', { id: 'cdrom', bus: 'ide', media: 'cdrom', file: 'a.iso' }],
  [
    '--drive',
    'file=a.img,format=qcow2,if=virtio,index=3,readonly=on,id=data',
    { file: 'a.img', format: 'qcow2', bus: 'virtio', slot: 3, readOnly: true, id: 'data' },
  ],
  ['--drive', 'a,,b.img', { file: 'a,b.img' }],
  ['--drive', 'media=cdrom', { file: null, media: 'cdrom' }],
  ['--drive', 'file=x,throttle.read-bps=1000,throttle.write-iops=5', { file: 'x', throttle: { readBandwidth: 1000, writeOperations: 5 } }],
])('%s %s', (name, value, drive) => {
  expect(draftOf([name, value]).drives).toEqual([{ ...drive, option: name }]);
});

it.each([
  ['stdio', { backend: 'stdio' }],
  ['none', { backend: 'none' }],
  ['pty', { backend: 'pty' }],
  ['file:C:\\log.txt', { backend: 'file', path: 'C:\\log.txt' }],
  ['tcp:localhost:4444', { backend: 'tcp', host: 'localhost', port: 4444, server: false }],
  ['tcp::4444,server,nowait', { backend: 'tcp', host: '127.0.0.1', port: 4444, server: true }],
  ['tcp:[::1]:23', { backend: 'tcp', host: '::1', port: 23, server: false }],
  ['unix:/tmp/s,server', { backend: 'unix', path: '/tmp/s', server: true }],
])('--serial %s', (value, serial) => {
  expect(draftOf(['--serial', value]).config.serial).toEqual([serial]);
});

it.each([
  ['user', { id: 'net0', backend: { type: 'user' } }],
  [
    'user,model=rtl8139,hostfwd=tcp::2222-:22,hostfwd=udp:127.0.0.1:53-10.0.2.15:53',
    {
      id: 'net0',
      backend: { type: 'user' },
      model: 'rtl8139',
      forwards: [
        { protocol: 'tcp', hostPort: 2222, guestPort: 22 },
        { protocol: 'udp', hostAddress: '127.0.0.1', hostPort: 53, guestAddress: '10.0.2.15', guestPort: 53 },
      ],
    },
  ],
  [
    'internal:lab,mac=52:54:00:00:00:01,pcap=x.pcap',
    { id: 'net0', backend: { type: 'internal', name: 'lab' }, mac: '52:54:00:00:00:01', pcap: 'x.pcap' },
  ],
  ['socket:listen=:5555', { id: 'net0', backend: { type: 'socket', mode: 'listen', address: ':5555' } }],
])('--nic %s', (value, nic) => {
  expect(draftOf(['--nic', value]).config.nics).toEqual([nic]);
});

it('describes this run', () => {
  const draft = draftOf(
    ['--screenshot', 'a.png'],
    ['--screenshot', 'b.PNG@2.5'],
    ['--stats', '-'],
    ['--timeout', '30'],
    ['--control', '/c'],
    ['--qtest', 'unix:/q'],
  );
  expect(draft).toMatchObject({ screenshots: [{ file: 'a.png' }, { file: 'b.PNG', at: 2.5 }], stats: '-', timeout: 30, control: '/c', qtest: '/q' });
});

it.each([
  ['--memory', 'lots', '--memory must be a whole number from 1 to 3072, not "lots"'],
  ['--memory', '0', '--memory must be a whole number'],
  ['--memory', '-1', '--memory must be a whole number'],
  ['--cpus', '99', '--cpus must be a whole number from 1 to 8'],
  ['--accel', 'hvf', '--accel must be wasm, interp, kvm or none, not "hvf"'],
  ['--time', 'warp', '--time must be real or virtual, not "warp"'],
  ['--seed', '4294967296', '--seed must be'],
  ['--timeout', 'soon', '--timeout must be a number of seconds, not "soon"'],
  ['--timeout', '0', '--timeout must be'],
  ['--display', 'hologram', '--display must be none, window, browser or terminal'],
  ['--serial', 'carrier-pigeon', '--serial must be stdio, file:F, pty, tcp:HOST:PORT, unix:PATH, pipe:PATH or none, not "carrier-pigeon"'],
  ['--serial', 'tcp:host', '--serial tcp: must be HOST:PORT, not "host"'],
  ['--serial', 'tcp:host:99999', '--serial tcp:: the port must be'],
  ['--serial', 'unix:/x,client', 'there is no client for unix'],
  ['--serial', 'file:', 'names no file'],
  ['--debugcon', 'tcp:x', '--debugcon must be stdio, file:F or none'],
  ['--screenshot', 'a.jpg', '--screenshot must name a .png file, not "a.jpg"'],
  ['--drive', 'file=a,speed=9', '--drive: there is no speed; known are file, format,'],
  ['--drive', 'file=a,file=b', '--drive: file is given twice'],
  ['--drive', 'file=a,,', undefined],
  ['--drive', 'file=a,readonly=maybe', '--drive: readonly must be on or off, not "maybe"'],
  ['--drive', 'file=a,index=x', '--drive: index must be a whole number'],
  ['--qtest', '/tmp/q', '--qtest must be unix:PATH'],
  ['--nic', 'wifi', '--nic must be user, internal:NAME'],
  ['--nic', 'user,hostfwd=22', '--nic: hostfwd must be as in tcp:127.0.0.1:2222-:22'],
  ['--nic', 'internal:x,hostfwd=tcp::1-:1', 'hostfwd needs the user network'],
  ['--nic', 'socket:x', '--nic socket: must be listen='],
])('%s %s is refused in one line', (name, value, message) => {
  if (message === undefined) {
    expect(draftOf([name, value]).drives[0]?.file).toBe('a,');
    return;
  }
  let error: Error | undefined;
  try {
    draftOf([name, value]);
  } catch (caught) {
    error = caught as Error;
  }
  expect(error).toMatchObject({ kind: 'usage', message: expect.stringContaining(message) as string });
  expect(error?.message).not.toContain('\n');
});

it('a PC has four serial ports', () => {
  const five = Array.from({ length: 5 }, () => ['--serial', 'none'] as const);
  expect(() => draftOf(...five)).toThrow('a PC has 4 serial ports');
});

it('reads pairs and sizes', () => {
  expect(parsePairs('a=1,b=x,,y,c', '--o')).toEqual(
    new Map([
      ['a', ['1']],
      ['b', ['x,y']],
      ['c', ['on']],
    ]),
  );
  expect(() => parsePairs('a=1,', '--o')).toThrow('empty item');
  expect(['512', '1k', '10G', '1.5 MiB', '20gb'].map((text) => parseSize(text, '--disk'))).toEqual([
    512,
    1024,
    10 * 2 ** 30,
    1.5 * 2 ** 20,
    20 * 2 ** 30,
  ]);
  for (const text of ['', '0', 'ten', '-5G', '1X']) expect(() => parseSize(text, '--disk')).toThrow('--disk must be a size such as 10G');
});
