import { type QmpHost, QmpSession } from './qmp.ts';

type Listener = (data: never) => void;

function world() {
  const calls: [string, object][] = [];
  const lines: Record<string, unknown>[] = [];
  const saved: [string, number][] = [];
  const listeners = new Map<string, Listener>();
  const answers: Record<string, unknown> = {
    'machine.status': { name: 'box', state: 'running' },
    'media.list': { drives: [{ id: 'hdc', file: null, removable: true, readOnly: true }] },
    'screen.screenshot': { png: 'iVBORw==', width: 1, height: 1 },
  };
  const machine = {
    call: (method: string, params: object) => {
      calls.push([method, params]);
      return method === 'media.eject' ? Promise.reject(new Error('there is no drive fdb')) : Promise.resolve(answers[method] ?? {});
    },
    on: (event: string, listener: Listener) => {
      listeners.set(event, listener);
      return () => undefined;
    },
  } as unknown as QmpHost['machine'];
  const session = new QmpSession({
    machine,
    version: '0.1.0',
    write: (line) => lines.push(JSON.parse(line) as Record<string, unknown>),
    save: (path, bytes) => saved.push([path, bytes.length]),
    now: () => 1_500_250,
  });
  const say = async (message: unknown) => {
    await session.line(typeof message === 'string' ? message : JSON.stringify(message));
    return lines.at(-1)!;
  };
  const emit = (event: string, data: object) => listeners.get(event)!(data as never);
  return { calls, lines, saved, say, emit };
}

it('greets, and wants capabilities to be negotiated first', async () => {
  const { lines, say, emit } = world();
  expect(lines).toEqual([{ QMP: { version: { qemu: { major: 0, minor: 1, micro: 0 }, package: 'Strate 0.1.0' }, capabilities: [] } }]);
  expect(await say({ execute: 'query-status', id: 1 })).toMatchObject({ id: 1, error: { class: 'CommandNotFound' } });
  emit('machine.state', { state: 'paused' }); // no event before that
  expect(lines.length).toBe(2);
  expect(await say({ execute: 'qmp_capabilities' })).toEqual({ return: {} });
  expect(await say({ execute: 'qmp_capabilities' })).toMatchObject({ error: { class: 'CommandNotFound' } });
});

it('does what scripts ask for most, and says what goes wrong as QEMU does', async () => {
  const { calls, saved, say } = world();
  await say({ execute: 'qmp_capabilities' });
  expect(await say({ execute: 'query-status', id: 'x' })).toEqual({ return: { status: 'running', running: true, singlestep: false }, id: 'x' });
  expect(await say({ execute: 'query-block' })).toMatchObject({ return: [{ device: 'hdc', removable: true }] });
  for (const execute of ['stop', 'cont', 'system_reset', 'system_powerdown', 'quit']) await say({ execute });
  const keys = ['ctrl', 'alt_r', 'kp_7'].map((data) => ({ type: 'qcode', data }));
  await say({ execute: 'send-key', arguments: { keys } });
  await say({ execute: 'blockdev-change-medium', arguments: { device: 'hdc', filename: '/x.iso' } });
  expect(calls.slice(-7)).toEqual([
    ['machine.pause', {}],
    ['machine.resume', {}],
    ['machine.reset', {}],
    ['machine.powerButton', {}],
    ['machine.powerOff', {}],
    ['input.keys', { keys: ['ctrl+AltRight+Numpad7'] }],
    ['media.insert', { drive: 'hdc', file: '/x.iso' }],
  ]);
  expect(await say({ execute: 'screendump', arguments: { filename: 's.png', format: 'png' } })).toEqual({ return: {} });
  expect(saved).toEqual([['s.png', 4]]);
  expect(await say({ execute: 'eject', arguments: { device: 'fdb' } })).toEqual({ error: { class: 'GenericError', desc: 'there is no drive fdb' } });
});

it('survives what is no request', async () => {
  const { say } = world();
  await say({ execute: 'qmp_capabilities' });
  for (const junk of ['{', '[]', 'null', '{"execute": 1}', { execute: 'toString' }, { execute: 'send-key' }, { execute: 'eject', arguments: 3 }]) {
    expect(await say(junk)).toMatchObject({ error: { class: expect.any(String) as string } });
  }
});

it('tells of what happens', async () => {
  const { say, emit, lines } = world();
  await say({ execute: 'qmp_capabilities' });
  emit('machine.state', { state: 'paused' });
  emit('machine.reset', { by: 'guest' });
  emit('machine.state', { state: 'stopping' });
  expect(lines.slice(-3)).toMatchObject([
    { event: 'STOP', timestamp: { seconds: 1500, microseconds: 250_000 } },
    { event: 'RESET', data: { guest: true } },
    { event: 'SHUTDOWN' },
  ]);
});
