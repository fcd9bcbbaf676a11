/** The machine thread's side of the messages, on a real board without a processor. */
import { noAccelerator } from '../accel/none.ts';
import type { DiskBackend } from '../base/disk-backend.ts';
import { silentLog } from '../base/log.ts';
import { buildMachine } from '../machine/build.ts';
import { parseConfig } from '../protocol/config.ts';
import { DiskCounts } from './disk-counts.ts';
import { NetCounts } from './net-counts.ts';
import { MachineControl } from './machine-control.ts';
import type { FromMachine } from './machine-messages.ts';

const medium = (size: number): DiskBackend => ({ size, readOnly: true, submit: (_, done) => done('ok'), settle: () => true });

function bench() {
  const config = parseConfig({
    id: '6f1d0a52-6a5e-4c7b-9f5e-0d0c5f3f8a11',
    name: 'x',
    accel: 'none',
    memory: 16,
    serial: [{ backend: 'none' }, { backend: 'none' }],
    debugcon: { backend: 'file', path: 'unused' },
    drives: [
      { id: 'cd', media: 'cdrom' },
      { id: 'fda', bus: 'floppy' },
    ],
  });
  const said: FromMachine[] = [];
  const control = new MachineControl(config.serial.length, {
    say: (message) => said.push(message),
    backend: () => medium(1_474_560),
    counts: new DiskCounts(),
    netCounts: new NetCounts(),
    snapshots: { settle: () => true, freeze: () => undefined, mark: () => undefined, hostTime: () => 0 },
  });
  const bios = new Uint8Array(65536).fill(0x90);
  const built = buildMachine(config, {
    accelerator: noAccelerator,
    hostTime: () => 0,
    wallTime: () => 0,
    localOffset: () => 0,
    random: () => 0,
    log: () => silentLog,
    doorbell: new Int32Array(new SharedArrayBuffer(4)),
    drain: () => undefined,
    events: control.events,
    bios,
    disks: new Map(),
    nets: new Map(),
    nicRoms: new Map(),
    serial: control.serial,
    parallel: control.parallel.write,
    debugcon: control.debugcon.write,
  });
  control.attach(built);
  const ask = (question: 'scanout' | 'counters' | 'inspect' | 'keysTaken') => {
    control.handle({ type: 'ask', id: 7, question });
    const answer = said.findLast((message) => message.type === 'answer');
    return answer?.answer as Record<string, unknown> | undefined;
  };
  return { control, built, said, ask };
}

it('says what it offers and that it runs', () => {
  const { said } = bench();
  expect(said.map((message) => message.type)).toEqual(['ready', 'state']);
  expect(said[0]).toMatchObject({ type: 'ready', display: { memory: expect.any(Uint8Array) as Uint8Array } });
  expect(said[1]).toEqual({ type: 'state', state: 'running' });
});

it('pauses with the reason it is given, and goes on', () => {
  const { control, built, said } = bench();
  control.handle({ type: 'pause', reason: 'io-error', notice: 'the disk is full' });
  expect(built.machine.paused).toBe(true);
  expect(said.at(-1)).toEqual({ type: 'state', state: 'paused', reason: 'io-error', notice: 'the disk is full' });
  control.handle({ type: 'control', action: 'run' });
  expect(said.at(-1)).toEqual({ type: 'state', state: 'running' });
});

it('tells of triple faults, of many ever more rarely', () => {
  const { control, said } = bench();
  for (let i = 0; i < 20; i++) control.events.reset('triple-fault');
  control.events.reset('guest');
  const notices = said.flatMap((message) => (message.type === 'notice' ? [message.message] : []));
  expect(notices).toEqual([
    'the guest caused a triple fault; the machine was reset',
    ...[2, 4, 8, 16].map((times) => `the guest caused a triple fault; the machine was reset (${times} times so far)`),
  ]);
  expect(said.filter((message) => message.type === 'reset')).toHaveLength(21);
});

it('powers off, with the last figures and the last picture before', () => {
  const { control, built, said } = bench();
  control.handle({ type: 'control', action: 'powerOff' });
  expect(built.machine.run()).toEqual({ how: 'powered-off' });
  control.finish();
  expect(said.at(-1)).toMatchObject({ type: 'last', counters: { instructions: 0 }, scanout: { kind: expect.any(String) as string } });
});

it('passes what the guest writes to its ports on in batches', () => {
  const { control, built, said } = bench();
  const { ports } = built.machine.board;
  ports.write(0x3fb, 1, 3); // 8 bits
  for (const byte of Buffer.from('Hi')) ports.write(0x3f8, 1, byte);
  for (const byte of Buffer.from('log')) ports.write(0x402, 1, byte);
  expect(said.some((message) => message.type === 'serial')).toBe(false);
  control.flush();
  expect(said.filter((message) => message.type === 'serial' || message.type === 'debugcon')).toEqual([
    { type: 'serial', port: 0, data: Uint8Array.from(Buffer.from('Hi')) },
    { type: 'debugcon', data: Uint8Array.from(Buffer.from('log')) },
  ]);
});

it('answers questions', () => {
  const { ask } = bench();
  expect(ask('counters')).toMatchObject({ instructions: 0, drives: {} });
  expect(ask('scanout')).toMatchObject({ scanout: { width: expect.any(Number) as number } });
  expect(ask('inspect')?.['devices']).toEqual(
    expect.arrayContaining([expect.objectContaining({ name: 'com1' }), expect.objectContaining({ name: 'vga' })]),
  );
  expect(ask('keysTaken')).toEqual({});
});

it('changes media, but not under a guest that has locked the tray', () => {
  const { control, built, said } = bench();
  const cd = built.parts.cdroms.get('cd')!;
  control.handle({ type: 'insert', drive: 'cd', handle: { drive: 1, size: 1_474_560, readOnly: true } });
  expect(cd.unit.medium?.size).toBe(1_474_560);
  cd.unit.state.locked = true;
  control.handle({ type: 'eject', drive: 'cd', id: 5, force: false });
  expect(said.at(-1)).toEqual({ type: 'answer', id: 5, answer: { opened: false } });
  expect(cd.unit.medium).toBeDefined();
  control.handle({ type: 'eject', drive: 'cd', id: 6, force: true });
  expect(said.findLast((message) => message.type === 'answer')).toEqual({ type: 'answer', id: 6, answer: { opened: true } });
  expect(cd.unit.medium).toBeUndefined();
});

it('speaks qtest', () => {
  const { control, said } = bench();
  for (const line of ['outb 0x70 0x0f', 'inb 0x71', 'clock_step 1000']) control.handle({ type: 'qtest', line });
  expect(said.filter((message) => message.type === 'qtest').map(({ line }) => line)).toEqual(['OK', 'OK 0x0000', 'OK 1000']);
});
