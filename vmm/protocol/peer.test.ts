import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectSocket, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import { WebSocketServer } from 'ws';
import { VmmError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { type Client, connect } from './client.ts';
import { messagePortTransport } from './message-port.ts';
import type { Role } from './methods.ts';
import { type Handlers, serve, type Session } from './server.ts';
import { socketTransport } from './socket.node.ts';
import type { VmState } from './states.ts';
import { type Transport, transportPair } from './transport.ts';
import { webSocketTransport as browserTransport } from './web-socket.dom.ts';
import { webSocketTransport } from './web-socket.node.ts';
import { ProtocolError } from './wire.ts';

const handlers: Handlers<'machine'> = {
  'machine.pause': () => undefined,
  'machine.log': ({ lines }) => ({ lines: [`${lines} lines`] }),
  'input.type': async ({ text, layout }) => {
    await new Promise(setImmediate);
    if (layout !== 'us') throw new VmmError('usage', `no layout ${layout}`);
    return { typed: text.length, skipped: '' };
  },
  'screen.text': () => {
    throw new TypeError('a bug with /secret/path');
  },
  'media.list': () => ({ drives: 'nonsense' as never }),
};

function serveMachine(transport: Transport, state: VmState = 'running', extra: Handlers<'machine'> = {}): Session<'machine'> {
  return serve(transport, { role: 'machine', version: '1.2.3', handlers: { ...handlers, ...extra }, stateOf: () => state, log: silentLog });
}

async function pair(state?: VmState, extra?: Handlers<'machine'>): Promise<{ client: Client<'machine'>; session: Session<'machine'> }> {
  const [here, there] = transportPair();
  const session = serveMachine(there, state, extra);
  return { client: await connect(here, 'machine'), session };
}

const failure = async (promise: Promise<unknown>): Promise<ProtocolError> => {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ProtocolError);
  return error as ProtocolError;
};

describe('calls', () => {
  it('says hello with what it can do', async () => {
    const { client } = await pair();
    expect(client.hello).toMatchObject({ product: 'strate', version: '1.2.3', role: 'machine' });
    expect(client.hello.capabilities).toContain('machine.pause');
  });

  it('answers, with defaults filled in', async () => {
    const { client } = await pair();
    await expect(client.call('machine.log', {})).resolves.toEqual({ lines: ['200 lines'] });
    await expect(client.call('input.type', { text: 'abc' })).resolves.toEqual({ typed: 3, skipped: '' });
    await expect(client.call('machine.pause', {})).resolves.toEqual({});
  });

  it.each([
    ['an unknown parameter', 'machine.log', { line: 1 }, 'usage', 'machine.log: line: there is no such parameter'],
    ['a bad value', 'machine.log', { lines: 0 }, 'usage', 'machine.log: lines: must be at least 1'],
    ['an error of the handler', 'input.type', { text: 'a', layout: 'xx' }, 'usage', 'no layout xx'],
    ['a bug', 'screen.text', {}, 'internal', 'a bug with /secret/path'],
    ['a method without handler', 'machine.reset', {}, 'unsupported', 'machine.reset is not available yet'],
    ['an unknown method', 'machine.fly', {}, 'unknown-method', 'there is no method machine.fly'],
    ['a name of Object.prototype', 'constructor', {}, 'unknown-method', 'there is no method constructor'],
    ['an answer that is none', 'media.list', {}, 'invalid', "media.list: the server's answer cannot be understood (drives: must be an array)"],
  ])('reports %s', async (_, method, params, kind, message) => {
    const { client } = await pair();
    expect(await failure(client.call(method as 'machine.log', params as never))).toMatchObject({ kind, message });
  });

  it('refuses a call in the wrong state', async () => {
    const { client } = await pair('paused');
    expect(await failure(client.call('machine.pause', {}))).toMatchObject({
      kind: 'state',
      message: 'machine.pause is not possible while the machine is paused; it must be running',
      data: { state: 'paused' },
    });
  });

  it('keeps the order of notifications and calls', async () => {
    const seen: string[] = [];
    const { client } = await pair('running', {
      'input.key': ({ code }) => void seen.push(code),
      'display.unsubscribe': () => void seen.push('call'), // has no `when`
    });
    client.notify('input.key', { code: 'KeyA', down: true });
    const answered = client.call('display.unsubscribe', {});
    client.notify('input.key', { code: 'KeyB', down: true });
    await answered;
    await new Promise(setImmediate);
    expect(seen).toEqual(['KeyA', 'call', 'KeyB']);
  });

  it('refuses a flood of calls', async () => {
    const { client } = await pair('running', { 'machine.reset': () => new Promise<never>(() => undefined) });
    const calls = Array.from({ length: 257 }, () => client.call('machine.reset', {}));
    expect(await failure(calls[256]!)).toMatchObject({ kind: 'busy' });
    client.close();
    await Promise.allSettled(calls);
  });
});

describe('connection', () => {
  it('delivers events, and none to a listener that was removed', async () => {
    const { client, session } = await pair();
    const modes: number[] = [];
    const remove = client.on('display.mode', ({ width }) => modes.push(width));
    session.emit('display.mode', { width: 640, height: 480, text: false });
    await new Promise(setImmediate);
    remove();
    session.emit('display.mode', { width: 800, height: 600, text: false });
    await new Promise(setImmediate);
    expect(modes).toEqual([640]);
  });

  it('fails what is pending when it closes', async () => {
    const { client, session } = await pair('running', { 'machine.reset': () => new Promise<never>(() => undefined) });
    const call = client.call('machine.reset', {});
    let closed = false;
    session.onClose(() => (closed = true));
    session.close('the machine ended');
    expect(await failure(call)).toMatchObject({ kind: 'closed', message: 'the machine ended' });
    await expect(client.closed).resolves.toBe('the machine ended');
    expect(closed).toBe(true);
    expect(await failure(client.call('machine.reset', {}))).toMatchObject({ kind: 'closed' });
  });

  it.each<[string, object, string]>([
    ['another protocol', { protocol: 99, role: 'machine' }, 'speaks protocol 99'],
    ['another role', { protocol: 1, role: 'library' }, 'this is a library server, not a machine'],
  ])('refuses %s', async (_, hello, message) => {
    const [here, there] = transportPair();
    there.send({ hello: { product: 'strate', version: '9', capabilities: [], ...hello } });
    expect((await failure(connect(here, 'machine'))).message).toContain(message);
  });

  it('answers noise with an error and lives on', async () => {
    const [here, there] = transportPair();
    serveMachine(there);
    const answers: unknown[] = [];
    here.start({ message: (message) => answers.push(message), closed: () => undefined });
    for (const noise of [[1], { id: 'x', method: 'y' }, { id: 1 }, { method: 'machine.log', extra: 1 }]) here.send(noise);
    here.send({ id: 5, method: 'machine.log' });
    await new Promise(setImmediate);
    expect(answers).toHaveLength(6);
    expect(answers.at(-1)).toEqual({ id: 5, result: { lines: ['200 lines'] } });
    expect(answers[1]).toMatchObject({ id: null, error: { kind: 'invalid' } });
  });
});

type TransportCase = () => Promise<{ here: Transport; there: Transport; end: () => void }>;

const transports: Record<string, TransportCase> = {
  'a MessagePort': () => {
    const { port1, port2 } = new MessageChannel();
    return Promise.resolve({ here: messagePortTransport(port1 as never), there: messagePortTransport(port2 as never), end: () => undefined });
  },
  'a socket': async () => {
    const directory = mkdtempSync(join(tmpdir(), 'strate-'));
    const path = process.platform === 'win32' ? `\\\\.\\pipe\\strate-test-${process.pid}` : join(directory, 's');
    const server = createServer();
    const accepted = new Promise<Transport>((resolve) => server.once('connection', (socket) => resolve(socketTransport(socket))));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const here = socketTransport(connectSocket(path));
    return {
      here,
      there: await accepted,
      end: () => {
        server.close();
        rmSync(directory, { recursive: true });
      },
    };
  },
  'a WebSocket': async () => {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    const accepted = new Promise<Transport>((resolve) => server.once('connection', (socket) => resolve(webSocketTransport(socket))));
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    const here = browserTransport(new WebSocket(`ws://127.0.0.1:${port}`)); // Node's own client has a browser's interface
    return { here, there: await accepted, end: () => server.close() };
  },
};

describe.each(Object.entries(transports))('over %s', (_, open) => {
  it('carries calls, events and binary messages both ways, then closes', async () => {
    const { here, there, end } = await open();
    const session = serveMachine(there);
    const client = await connect<Role & 'machine'>(here, 'machine');
    await expect(client.call('input.type', { text: 'héllo\n' })).resolves.toMatchObject({ typed: 6 });
    const binary = new Promise<Uint8Array>((resolve) => client.onBinary(resolve));
    const large = new Uint8Array(300_000).map((__, index) => index);
    session.sendBinary(large);
    expect(Buffer.from(await binary).equals(large)).toBe(true);
    const closed = new Promise<void>((resolve) => session.onClose(resolve));
    client.close();
    await Promise.all([closed, client.closed]);
    end();
  });
});
