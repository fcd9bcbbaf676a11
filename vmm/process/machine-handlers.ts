/** The methods of a running machine, on top of its session. */
import { VmmError } from '../base/errors.ts';
import { thumbnail } from '../display/scale.ts';
import type { Surface } from '../display/surface.ts';
import { findText, parsePattern } from '../display/text.ts';
import { encodeSerial } from '../protocol/frames.ts';
import type { Handlers, Session as ClientSession } from '../protocol/server.ts';
import type { MachineStatus } from '../protocol/shared.ts';
import { ProtocolError } from '../protocol/wire.ts';
import type { Drives } from './drives.ts';
import { networkHandlers, type Networks } from './network-handlers.ts';
import type { SerialPort } from './serial-hub.ts';
import type { HostTime, Session } from './session.ts';
import { type ProcessUse, StatsMeter } from './stats.ts';

export interface MachineHost {
  readonly pid: number;
  readonly time: HostTime;
  /** Unix ms */
  wallTime(): number;
  /** When the machine was started. */
  readonly started: ProcessUse;
  use(): ProcessUse;
  encodePng(picture: Surface): Uint8Array;
  base64(bytes: Uint8Array): string;
  /** @throws VmmError `usage` when it is not base64. */
  fromBase64(text: string): Uint8Array;
  /** The last lines of the log. */
  logLines(count: number): string[];
}

type Client = ClientSession<'machine'>;

/** The screen is looked at this often while somebody waits for a text on it, ms. */
const WATCH_SCREEN = 100;
/** A viewer of a serial port that is behind by more is not sent more until it has caught up, bytes. */
const MAX_SERIAL_BEHIND = 1 << 20;

export function machineHandlers(session: Session, drives: Drives, nets: Networks, host: MachineHost): Handlers<'machine'> {
  const started = host.wallTime();
  const meters = new WeakMap<object, StatsMeter>();
  const serialViewers = new WeakMap<Client, Map<number, () => void>>();

  const portOf = (port: number): SerialPort => {
    const found = session.serial[port];
    if (found === undefined) throw new VmmError('not-found', `this machine has no serial port COM${port + 1}; it has ${session.serial.length}`);
    return found;
  };

  const status = (): MachineStatus => {
    const { config } = session;
    return {
      id: config.id,
      name: config.name,
      state: session.state,
      ...(session.reason && { reason: session.reason }),
      ...(session.notice !== undefined && { notice: session.notice }),
      guestTime: session.guestTime / 1e6,
      started,
      pid: host.pid,
      accel: config.accel,
      memory: config.memory,
      cpus: config.cpu.count,
      serialPorts: session.serial.length,
    };
  };

  return {
    'machine.status': async () => {
      if (session.state !== 'running' && session.state !== 'paused') return status();
      await session.ask('counters');
      if (!session.hasDisplay) return status();
      const { surface, text } = (await session.frames.look()).mode;
      return { ...status(), display: { width: surface.width, height: surface.height, text } };
    },
    'machine.config': () => ({ config: { ...session.config } }),
    'machine.pause': () => session.pause(),
    'machine.resume': () => session.resume(),
    'machine.reset': () => session.reset(),
    'machine.powerButton': () => session.powerButton(),
    'machine.powerOff': () => void session.powerOff(), // answers before the process ends
    'machine.stats': async (_, client) => {
      const meter = meters.get(client) ?? new StatsMeter(host.started);
      meters.set(client, meter);
      return meter.sample(await session.ask('counters'), host.use(), host.wallTime(), session.hasDisplay ? session.frames.framesSent : 0);
    },
    'machine.tune': async ({ cpuLimit, throttle }) => {
      if (cpuLimit !== undefined) session.post({ type: 'limit', percent: cpuLimit });
      for (const [drive, limits] of Object.entries(throttle)) await drives.throttle(drive, limits);
    },
    'machine.inspect': () => session.ask('inspect'),
    'machine.log': ({ lines }) => ({ lines: host.logLines(lines) }),

    'screen.screenshot': async ({ maxWidth }) => {
      const { surface, aspect } = (await session.frames.look()).mode;
      const picture = maxWidth === undefined ? surface : thumbnail(surface, aspect, maxWidth);
      return { png: host.base64(host.encodePng(picture)), width: picture.width, height: picture.height };
    },
    'screen.text': async () => {
      const screen = await session.frames.look();
      const text = screen.text();
      if (text === undefined) return { text: false, columns: 0, rows: 0, lines: [] };
      const { columns, rows, lines, cursor } = text;
      return { text: true, columns, rows, lines: lines.map((line) => line.trimEnd()), ...(cursor && { cursor: { ...cursor } }) };
    },
    'screen.wait': async ({ pattern, serial, timeout }, client) => {
      const expression = parsePattern(pattern);
      const line =
        serial === undefined
          ? await waitOnScreen(session, host.time, expression, timeout, client)
          : await waitOnSerial(portOf(serial), host.time, expression, timeout, client);
      if (line !== undefined) return { line };
      throw new ProtocolError(
        'timeout',
        `${JSON.stringify(pattern)} did not appear ${serial === undefined ? 'on the screen' : `on COM${serial + 1}`} within ${timeout} s`,
      );
    },

    'display.subscribe': async ({ credits, maxRate }, client) => {
      await session.frames.subscribe(client, { credits, maxRate });
      client.onClose(() => session.frames.unsubscribe(client));
    },
    'display.credit': ({ frames }, client) => session.frames.credit(client, frames),
    'display.unsubscribe': (_, client) => session.frames.unsubscribe(client),

    'input.key': ({ code, down }, client) => {
      session.input.key(client, code, down);
    },
    'input.releaseAll': (_, client) => session.input.release(client),
    'input.keys': ({ keys }) => session.input.chords(keys),
    'input.type': ({ text, layout }) => session.input.type(text, layout),
    'input.mouse': (movement) => session.input.mouse(movement),
    'input.pointer': (position) => session.input.pointer(position),

    ...networkHandlers(session, nets),

    'media.list': () => ({ drives: drives.list() }),
    'media.insert': async ({ drive, file, readOnly }) => ({ drive: await drives.insert(drive, file, readOnly) }),
    'media.eject': async ({ drive, force }) => ({ drive: await drives.eject(drive, force) }),

    'serial.subscribe': ({ port, backlog }, client) => {
      const viewers = serialViewers.get(client) ?? new Map<number, () => void>();
      serialViewers.set(client, viewers);
      viewers.get(port)?.();
      const stop = portOf(port).listen((data, position) => {
        if (client.buffered < MAX_SERIAL_BEHIND) client.sendBinary(encodeSerial({ port, position, data }));
      }, backlog);
      viewers.set(port, stop);
      client.onClose(stop);
    },
    'serial.unsubscribe': ({ port }, client) => {
      serialViewers.get(client)?.get(port)?.();
      serialViewers.get(client)?.delete(port);
    },
    'serial.write': async ({ port, data, encoding }) => {
      const bytes = encoding === 'base64' ? host.fromBase64(data) : new TextEncoder().encode(data);
      const serial = portOf(port);
      if (!serial.accepts) throw new VmmError('busy', `the guest does not read from COM${port + 1}`);
      await serial.input(bytes);
    },
  };
}

/** Sends a client what the machine tells without being asked. */
export function forwardEvents(session: Session, drives: Drives, client: Client): void {
  const stops = [
    session.on('state', (state) => client.emit('machine.state', state)),
    session.on('notice', (notice) => client.emit('machine.notice', notice)),
    session.on('reset', ({ by }) => client.emit('machine.reset', { by })),
    session.on('mode', (mode) => client.emit('display.mode', mode)),
    session.on('leds', ({ scroll, num, caps }) => client.emit('keyboard.leds', { scroll, num, caps })),
    session.on('pointerMode', ({ absolute }) => client.emit('pointer.mode', { absolute })),
    session.on('network', (change) => client.emit('network.changed', change)),
    session.on('ended', (end) => client.emit('machine.ended', end)),
    drives.onChange((drive) => client.emit('media.changed', { drive })),
  ];
  client.onClose(() => {
    for (const stop of stops) stop();
    session.input.release(client);
  });
}

/** The first line that matches; undefined when the time is over or the client has gone. */
async function waitOnScreen(session: Session, time: HostTime, pattern: RegExp, seconds: number, client: Client): Promise<string | undefined> {
  const end = time.now() + seconds * 1000;
  const gone = new AbortController();
  client.onClose(() => gone.abort());
  for (;;) {
    const screen = (await session.frames.look()).text();
    const match = screen === undefined ? undefined : findText(screen, pattern);
    if (match !== undefined) return match.line;
    if (gone.signal.aborted || time.now() >= end) return undefined;
    await new Promise<void>((resolve) => time.after(WATCH_SCREEN, resolve));
  }
}

/** Looks at what is in the backlog, then at what comes. */
function waitOnSerial(port: SerialPort, time: HostTime, pattern: RegExp, seconds: number, client: Client): Promise<string | undefined> {
  return new Promise((resolve) => {
    const decoder = new TextDecoder();
    let line = '';
    const over = new AbortController();
    const finish = (found: string | undefined) => {
      over.abort();
      cancel();
      resolve(found);
    };
    const look = (data: Uint8Array) => {
      const lines = (line + decoder.decode(data, { stream: true })).split(/\r?\n/);
      const found = lines.find((one) => pattern.test(one));
      line = (lines.at(-1) ?? '').slice(-4096);
      if (found !== undefined) finish(found);
    };
    const cancel = time.after(seconds * 1000, () => finish(undefined));
    client.onClose(() => finish(undefined));
    const stop = port.listen(look, Infinity); // looks at the backlog at once
    if (over.signal.aborted) stop();
    else over.signal.addEventListener('abort', stop);
  });
}
