/**
 * QEMU's machine protocol (docs/interop/qmp-spec of QEMU) over a machine of ours, for scripts that know it: the commands that such scripts use most, each one or two
 * calls of our own protocol. Objects go in and out as lines of JSON.
 */
import { messageOf } from '../base/errors.ts';
import type { Client } from '../protocol/client.ts';
import type { VmState } from '../protocol/states.ts';

export interface QmpHost {
  readonly machine: Pick<Client<'machine'>, 'call' | 'on'>;
  readonly version: string;
  /** One line to the script. */
  write(line: string): void;
  /** Puts a file where the script asked for it. */
  save(path: string, bytes: Uint8Array): void;
  /** Unix ms */
  now(): number;
}

type Arguments = Readonly<Record<string, unknown>>;

class QmpError extends Error {
  readonly class: 'GenericError' | 'CommandNotFound' | 'DeviceNotFound';
  constructor(kind: QmpError['class'], message: string) {
    super(message);
    this.class = kind;
  }
}

/** QEMU's names of keys where ours (protocol/input.ts) are others. */
const keyNames: Readonly<Record<string, string>> = {
  ctrl_r: 'ControlRight',
  alt_r: 'AltRight',
  shift_r: 'ShiftRight',
  meta_l: 'MetaLeft',
  meta_r: 'MetaRight',
  caps_lock: 'CapsLock',
  num_lock: 'NumLock',
  scroll_lock: 'ScrollLock',
  apostrophe: 'Quote',
  grave_accent: 'Backquote',
  bracket_left: 'BracketLeft',
  bracket_right: 'BracketRight',
  dot: 'Period',
  asterisk: 'NumpadMultiply',
  less: 'IntlBackslash',
  equal: 'Equal',
  kp_enter: 'NumpadEnter',
  kp_add: 'NumpadAdd',
  kp_subtract: 'NumpadSubtract',
  kp_multiply: 'NumpadMultiply',
  kp_divide: 'NumpadDivide',
  kp_decimal: 'NumpadDecimal',
};
const ourKey = (name: string) => keyNames[name] ?? name.replace(/^kp_(\d)$/, 'Numpad$1');

const statusOf: Readonly<Record<VmState, string>> = {
  off: 'shutdown',
  saved: 'suspended',
  crashed: 'internal-error',
  starting: 'prelaunch',
  running: 'running',
  paused: 'paused',
  stopping: 'shutdown',
};

function text(args: Arguments, ...names: string[]): string {
  for (const name of names) if (typeof args[name] === 'string') return args[name];
  throw new QmpError('GenericError', `Parameter '${names[0]}' is missing`);
}

export class QmpSession {
  readonly #host: QmpHost;
  #negotiated = false;
  readonly #commands: Readonly<Record<string, (args: Arguments) => Promise<unknown>>>;

  constructor(host: QmpHost) {
    this.#host = host;
    const { machine } = host;
    const does =
      (...methods: ('machine.pause' | 'machine.resume' | 'machine.reset' | 'machine.powerButton' | 'machine.powerOff')[]) =>
      async () => {
        for (const method of methods) await machine.call(method, {});
        return {};
      };
    this.#commands = {
      'query-version': () => Promise.resolve(this.#version),
      'query-commands': () => Promise.resolve(['qmp_capabilities', ...Object.keys(this.#commands)].map((name) => ({ name }))),
      'query-name': async () => ({ name: (await machine.call('machine.status', {})).name }),
      'query-status': async () => {
        const { state } = await machine.call('machine.status', {});
        return { status: statusOf[state], running: state === 'running', singlestep: false };
      },
      'query-block': async () => {
        const { drives } = await machine.call('media.list', {});
        return drives.map(({ id, file, format, readOnly, removable }) => ({
          device: id,
          qdev: id,
          type: 'unknown',
          removable,
          locked: false,
          ...(file !== null && { inserted: { file, drv: format, ro: readOnly, device: id } }),
        }));
      },
      stop: does('machine.pause'),
      cont: does('machine.resume'),
      system_reset: does('machine.reset'),
      system_powerdown: does('machine.powerButton'),
      quit: does('machine.powerOff'),
      'send-key': (args) => this.#sendKey(args),
      screendump: async (args) => {
        if (args['format'] !== 'png') throw new QmpError('GenericError', "screendump writes PNG only: give format 'png'");
        const { png } = await machine.call('screen.screenshot', {});
        host.save(text(args, 'filename'), Uint8Array.fromBase64(png));
        return {};
      },
      eject: async (args) => {
        await machine.call('media.eject', { drive: text(args, 'id', 'device'), force: args['force'] === true });
        return {};
      },
      'blockdev-change-medium': async (args) => {
        await machine.call('media.insert', { drive: text(args, 'id', 'device'), file: text(args, 'filename') });
        return {};
      },
    };
    machine.on('machine.state', ({ state }) => {
      const event = { running: 'RESUME', paused: 'STOP', stopping: 'SHUTDOWN' }[state as string];
      if (event !== undefined) this.#event(event, event === 'SHUTDOWN' ? { guest: false, reason: 'host-qmp-quit' } : undefined);
    });
    machine.on('machine.reset', ({ by }) =>
      this.#event('RESET', { guest: by !== 'user', reason: by === 'user' ? 'host-qmp-system-reset' : 'guest-reset' }),
    );
    this.#say({ QMP: { version: this.#version, capabilities: [] } });
  }

  get #version(): object {
    const [major = 0, minor = 0, micro = 0] = this.#host.version.split(/[.-]/).map(Number);
    return { qemu: { major, minor, micro }, package: `Strate ${this.#host.version}` };
  }

  /** A line from the script. Resolves when it is answered. */
  async line(line: string): Promise<void> {
    let id: unknown;
    try {
      const request = parse(line);
      ({ id } = request);
      this.#say({ return: await this.#perform(request.execute, request.arguments), ...(id !== undefined && { id }) });
    } catch (error) {
      const kind = error instanceof QmpError ? error.class : 'GenericError';
      this.#say({ error: { class: kind, desc: messageOf(error) }, ...(id !== undefined && { id }) });
    }
  }

  async #perform(command: string, args: Arguments): Promise<unknown> {
    if (command === 'qmp_capabilities') {
      if (this.#negotiated) throw new QmpError('CommandNotFound', 'Capabilities negotiation is already complete, command ignored');
      this.#negotiated = true;
      return {};
    }
    if (!this.#negotiated) throw new QmpError('CommandNotFound', "Expecting capabilities negotiation with 'qmp_capabilities'");
    const found = Object.hasOwn(this.#commands, command) ? this.#commands[command] : undefined;
    if (found === undefined) throw new QmpError('CommandNotFound', `The command ${command} has not been found`);
    return found(args);
  }

  async #sendKey({ keys }: Arguments): Promise<object> {
    const names = Array.isArray(keys) ? keys.map((key: unknown) => (key as { type?: unknown; data?: unknown } | null) ?? {}) : [];
    if (names.length === 0) throw new QmpError('GenericError', "Parameter 'keys' is missing");
    const chord = names.map(({ type, data }) => {
      if (type !== 'qcode' || typeof data !== 'string') throw new QmpError('GenericError', 'keys are given by name: {"type": "qcode", "data": NAME}');
      return ourKey(data);
    });
    await this.#host.machine.call('input.keys', { keys: [chord.join('+')] });
    return {};
  }

  #event(event: string, data?: object): void {
    if (!this.#negotiated) return;
    const now = this.#host.now();
    const timestamp = { seconds: Math.floor(now / 1000), microseconds: (now % 1000) * 1000 };
    this.#say({ timestamp, event, ...(data !== undefined && { data }) });
  }

  #say(message: object): void {
    this.#host.write(JSON.stringify(message));
  }
}

function parse(line: string): { readonly execute: string; readonly arguments: Arguments; readonly id: unknown } {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new QmpError('GenericError', 'Invalid JSON syntax');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new QmpError('GenericError', 'QMP input must be a JSON object');
  const { execute, arguments: args, id } = value as { execute?: unknown; arguments?: unknown; id?: unknown };
  if (typeof execute !== 'string') throw new QmpError('GenericError', "QMP input lacks member 'execute'");
  return { execute, arguments: typeof args === 'object' && args !== null ? (args as Arguments) : {}, id };
}
