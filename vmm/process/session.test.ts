import type { LogRecord } from '../base/log.ts';
import { createLog } from '../base/log.ts';
import { BLACK } from '../display/surface.ts';
import { type Client, connect } from '../protocol/client.ts';
import { parseConfig } from '../protocol/config.ts';
import { decodeFrame, decodeSerial, kindOf } from '../protocol/frames.ts';
import { serve } from '../protocol/server.ts';
import type { DriveStatus } from '../protocol/shared.ts';
import { transportPair } from '../protocol/transport.ts';
import type { Drives } from './drives.ts';
import { FakeMachine } from './fake-machine.test-support.ts';
import { hostTime, machineHost } from './host.node.ts';
import { forwardEvents, type MachineHost, machineHandlers } from './machine-handlers.ts';
import { noNetworks } from './network-handlers.ts';
import { Session } from './session.ts';

const config = parseConfig({ id: '6f1d0a52-6a5e-4c7b-9f5e-0d0c5f3f8a11', name: 'Test', serial: [{ backend: 'none' }, { backend: 'none' }] });
const noDrives: Drives = {
  list: () => [],
  insert: () => Promise.reject(new Error('no drive')),
  eject: () => Promise.resolve({ id: 'fda' } as DriveStatus),
  throttle: () => Promise.resolve(),
  onChange: () => () => undefined,
};

interface Bench {
  machine: FakeMachine;
  session: Session;
  log: LogRecord[];
  client(): Promise<Client<'machine'>>;
}

function bench(): Bench {
  const machine = new FakeMachine();
  const log: LogRecord[] = [];
  const write = createLog('test', (record) => log.push(record));
  const session = new Session({ config, thread: machine, time: hostTime, log: write, onLog: (record) => log.push(record) });
  session.start();
  const host: MachineHost = {
    ...machineHost((count) => log.slice(-count).map(({ message }) => message)),
    // The real one takes seconds inside jest's sandbox; display/png.test.ts and the tests of the command have it.
    encodePng: ({ width, height, words }) => Buffer.from(`${width}x${height} ${words.some((word) => word !== BLACK) ? 'drawn' : 'black'}`),
  };
  const client = () => {
    const [here, there] = transportPair();
    const served = serve(there, {
      role: 'machine',
      version: '0',
      handlers: machineHandlers(session, noDrives, noNetworks, host),
      stateOf: () => session.state,
      log: write,
    });
    forwardEvents(session, noDrives, served);
    return connect(here, 'machine');
  };
  return { machine, session, log, client };
}

const until = async (condition: () => boolean): Promise<void> => {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 400) throw new Error(`never came true: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

let current: Bench;
let client: Client<'machine'>;
beforeEach(async () => {
  current = bench();
  client = await current.client();
  await until(() => current.session.state === 'running' && current.session.hasDisplay);
});
afterEach(async () => {
  current.machine.deaf = false;
  await current.session.powerOff();
});

describe('life', () => {
  it('pauses, resumes and tells everybody', async () => {
    const other = await current.client();
    const seen: string[] = [];
    other.on('machine.state', ({ state, reason }) => seen.push(`${state} ${reason ?? ''}`));
    await client.call('machine.pause', {});
    await expect(client.call('machine.status', {})).resolves.toMatchObject({ state: 'paused', reason: 'user' });
    await expect(client.call('machine.pause', {})).rejects.toThrow('not possible while the machine is paused');
    await client.call('machine.resume', {});
    expect(seen).toEqual(['paused user', 'running ']);
  });

  it('says how it ended and fails what waits', async () => {
    const ended = new Promise((resolve) => client.on('machine.ended', resolve));
    current.machine.deaf = true;
    const waiting = client.call('machine.inspect', {});
    current.machine.end({ how: 'debug-exit', status: 7 });
    await expect(waiting).rejects.toThrow('the machine has ended');
    await expect(ended).resolves.toMatchObject({ how: 'debug-exit', status: 7 });
    await expect(current.session.ended).resolves.toEqual({ how: 'debug-exit', status: 7 });
  });

  it('stops a machine thread that does not listen', async () => {
    current.machine.deaf = true;
    await expect(current.session.stop({ how: 'timeout', status: 124 })).resolves.toEqual({ how: 'timeout', status: 124 });
  }, 10_000);

  it('reports a machine thread that dies', async () => {
    current.machine.exit('RangeError: a bug');
    await expect(current.session.ended).resolves.toEqual({ how: 'error', status: 1, message: 'RangeError: a bug' });
  });
});

describe('screen', () => {
  it('is text', async () => {
    current.machine.print(3, 'A:\\> dir');
    const screen = await client.call('screen.text', {});
    expect(screen).toMatchObject({ text: true, columns: 80, rows: 25 });
    expect(screen.lines[3]).toBe('A:\\> dir');
  });

  it('can be waited for', async () => {
    setTimeout(() => current.machine.print(5, 'login: '), 150);
    await expect(client.call('screen.wait', { pattern: '^log+in:', timeout: 5 })).resolves.toEqual({ line: 'login:' });
    await expect(client.call('screen.wait', { pattern: 'never', timeout: 0.2 })).rejects.toMatchObject({ kind: 'timeout' });
    await expect(client.call('screen.wait', { pattern: '(' })).rejects.toMatchObject({ kind: 'usage' });
  });

  it('is a picture, in its own size and smaller', async () => {
    current.machine.print(0, 'X');
    const { png, width, height } = await client.call('screen.screenshot', {});
    expect([Buffer.from(png, 'base64').toString(), width, height]).toEqual(['720x400 drawn', 720, 400]);
    await expect(client.call('screen.screenshot', { maxWidth: 160 })).resolves.toMatchObject({ width: 160, height: 120 });
  });

  it('sends the whole first, then what changed, one frame per credit', async () => {
    const frames: ReturnType<typeof decodeFrame>[] = [];
    client.onBinary((message) => kindOf(message) === 'frame' && frames.push(decodeFrame(message)));
    await client.call('display.subscribe', { maxRate: 120 });
    await until(() => frames.length === 1);
    expect(frames[0]).toMatchObject({ whole: true, width: 720, height: 400, aspect: [4, 3] });
    current.machine.print(2, 'hello');
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(frames).toHaveLength(1);
    client.notify('display.credit', {});
    await until(() => frames.length === 2);
    expect(frames[1]).toMatchObject({ whole: false, sequence: 1 });
    expect(frames[1]!.rectangles).toMatchObject([{ x: 0, y: 32, width: 45, height: 16 }]);
    const asked = current.machine.received.length;
    await client.call('display.unsubscribe', {});
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(current.machine.received.length - asked).toBeLessThan(3);
  });
});

describe('serial ports', () => {
  it('show what was written before, then what comes', async () => {
    current.machine.say({ type: 'serial', port: 1, data: Buffer.from('boot ') });
    await new Promise(setImmediate);
    const got: string[] = [];
    client.onBinary((message) => {
      const { port, position, data } = decodeSerial(message);
      got.push(`${port} ${position} ${Buffer.from(data).toString()}`);
    });
    await client.call('serial.subscribe', { port: 1 });
    await client.call('serial.write', { port: 1, data: 'aGk=', encoding: 'base64' });
    await until(() => got.length === 2);
    expect(got).toEqual(['1 0 boot ', '1 5 hi']);
  });

  it('take long input as fast as the guest reads it', async () => {
    await client.call('serial.write', { port: 0, data: 'x'.repeat(100_000) });
    const parts = current.machine.received.filter((message) => message.type === 'serialInput');
    expect(Math.max(...parts.map(({ data }) => data.length))).toBeLessThanOrEqual(1024);
    expect(parts.reduce((sum, { data }) => sum + data.length, 0)).toBe(100_000);
  });

  it('can be waited for, also for what was there before', async () => {
    current.machine.say({ type: 'serial', port: 0, data: Buffer.from('Debian\r\nlog') });
    current.machine.say({ type: 'serial', port: 0, data: Buffer.from('in: ') });
    await expect(client.call('screen.wait', { pattern: 'Deb', serial: 0, timeout: 5 })).resolves.toEqual({ line: 'Debian' });
    await expect(client.call('screen.wait', { pattern: 'login: $', serial: 0, timeout: 5 })).resolves.toEqual({ line: 'login: ' });
    await expect(client.call('screen.wait', { pattern: 'x', serial: 3, timeout: 5 })).rejects.toThrow('no serial port COM4; it has 2');
  });
});

describe('input', () => {
  it('types with the right keys', async () => {
    await expect(client.call('input.type', { text: 'A:\n漢' })).resolves.toEqual({ typed: 3, skipped: '漢' });
    expect(current.machine.keys).toEqual(['+2a', '+1e', '-1e', '-2a', '+2a', '+27', '-27', '-2a', '+1c', '-1c']);
  });

  it('presses chords', async () => {
    await client.call('input.keys', { keys: ['ctrl+alt+delete'] });
    expect(current.machine.keys).toEqual(['+1d', '+38', '+e053', '-e053', '-38', '-1d']);
    await expect(client.call('input.keys', { keys: ['a', 'hyper+x'] })).rejects.toThrow('"hyper"');
    expect(current.machine.keys).toHaveLength(6);
  });

  it('releases what a client that goes held down', async () => {
    client.notify('input.key', { code: 'ShiftLeft', down: true });
    client.notify('input.key', { code: 'KeyA', down: true });
    client.notify('input.key', { code: 'KeyA', down: false });
    client.notify('input.mouse', { buttons: 1 });
    await until(() => current.machine.keys.length === 3);
    client.close();
    await until(() => current.machine.keys.length === 4);
    expect(current.machine.keys.at(-1)).toBe('-2a');
    expect(current.machine.received.at(-1)).toMatchObject({ type: 'mouse', buttons: 0 });
  });
});

it('measures', async () => {
  await expect(client.call('machine.stats', {})).resolves.toMatchObject({
    instructions: 5e6,
    exits: { 'port 3f8': 3 },
    idle: expect.any(Number) as number,
  });
  await expect(client.call('machine.inspect', {})).resolves.toEqual({ devices: [{ name: 'com1', type: 'uart-16550', values: { irq: 4 } }] });
});

it('passes notices on and keeps them in the log', async () => {
  const noticed = new Promise((resolve) => client.on('machine.notice', resolve));
  current.machine.say({ type: 'notice', level: 'warning', message: 'the guest triple-faulted and was reset' });
  await expect(noticed).resolves.toMatchObject({ level: 'warning', message: 'the guest triple-faulted and was reset' });
  await expect(client.call('machine.log', {})).resolves.toMatchObject({
    lines: expect.arrayContaining(['the guest triple-faulted and was reset']) as string[],
  });
});
