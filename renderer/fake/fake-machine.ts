import { silentLog } from '../../vmm/base/log.ts';
import type { VmConfig } from '../../vmm/protocol/config.ts';
import { encodeFrame, encodeSerial, type Surface } from '../../vmm/protocol/frames.ts';
import { serve, type Session } from '../../vmm/protocol/server.ts';
import type { DriveStatus, Stats } from '../../vmm/protocol/shared.ts';
import type { VmState } from '../../vmm/protocol/states.ts';
import type { Transport } from '../../vmm/protocol/transport.ts';
import { FakeNetworks } from './fake-network.ts';

/** Draws a text screen; given by the page (canvas) or left out in tests without one. */
export type Painter = (lines: readonly string[], columns: number, rows: number) => Surface;

const COLUMNS = 80;
const ROWS = 25;

/**
 * A machine that is not one: it serves the machine's protocol from memory, echoes what is typed at a DOS-like prompt, and records its input.
 * For component tests and for looking at the interface without a VMM.
 */
export class FakeMachine {
  readonly config: VmConfig;
  state: VmState = 'running';
  /** Every notification and call that touched keys or the mouse, in order. */
  readonly input: { method: string; params: unknown }[] = [];
  lines: string[] = [];
  #sessions = new Map<Session<'machine'>, { watching: boolean; credits: number; fresh: boolean }>();
  #typed = '';
  #sequence = 0;
  #dirty = true;
  #drives: DriveStatus[];
  readonly #painter: Painter | undefined;
  readonly #started = Date.now();
  #instructions = 0;
  readonly #networks: FakeNetworks;

  constructor(config: VmConfig, painter?: Painter, lines: readonly string[] = []) {
    this.config = config;
    this.#painter = painter;
    this.#networks = new FakeNetworks(config);
    this.lines = [...lines];
    this.#drives = config.drives.map((drive) => ({
      id: drive.id,
      bus: drive.bus,
      media: drive.media,
      removable: drive.bus === 'floppy' || drive.media === 'cdrom',
      file: drive.file,
      format: drive.format,
      readOnly: drive.readOnly,
      ...(drive.file !== null && { size: drive.bus === 'floppy' ? 737_280 : 6_442_450_944 }),
    }));
  }

  serve(transport: Transport): void {
    const record = (method: string) => (params: unknown) => void this.input.push({ method, params });
    const session = serve(transport, {
      role: 'machine',
      version: '0.1.0',
      log: silentLog,
      stateOf: () => this.state,
      handlers: {
        'machine.status': () => ({
          id: this.config.id,
          name: this.config.name,
          state: this.state,
          guestTime: Date.now() - this.#started,
          started: this.#started,
          pid: 4242,
          accel: 'wasm',
          memory: this.config.memory,
          cpus: this.config.cpu.count,
          serialPorts: this.config.serial.length,
          display: { width: 720, height: 400, text: true },
        }),
        'machine.stats': () => this.#stats(),
        'machine.inspect': () => ({
          devices: [
            { name: 'pic0', type: 'i8259', values: { ports: '20h-21h', irr: '01h', imr: 'B8h', isr: '00h' } },
            { name: 'com1', type: 'uart16550', values: { ports: '3F8h-3FFh', irq: 4, lcr: '03h', divisor: 1 } },
            { name: 'ide', type: 'piix3-ide', values: { pci: '00:01.1 8086:7010', bar4: 'C000h', irq: '14, 15' } },
          ],
        }),
        'media.list': () => ({ drives: this.#drives }),
        'media.insert': ({ drive, file }) => ({ drive: this.#setMedium(drive, file) }),
        'media.eject': ({ drive }) => ({ drive: this.#setMedium(drive, null) }),
        'screen.text': () => ({ text: true, columns: COLUMNS, rows: ROWS, lines: this.#page(), cursor: { column: 3, row: 0, visible: true } }),
        'screen.screenshot': () => ({ png: 'iVBORw0KGgo=', width: 720, height: 400 }),
        'display.subscribe': ({ credits }) => {
          this.#sessions.set(session, { watching: true, credits, fresh: true });
          session.emit('display.mode', { width: 720, height: 400, text: true });
          this.#send();
        },
        'display.credit': ({ frames }) => {
          const client = this.#sessions.get(session);
          if (client) client.credits += frames;
          this.#send();
        },
        'display.unsubscribe': () => void this.#sessions.delete(session),
        'input.key': (params) => {
          this.input.push({ method: 'input.key', params });
          if (params.down) this.#key(params.code);
        },
        'input.keys': record('input.keys'),
        'input.releaseAll': record('input.releaseAll'),
        'input.mouse': record('input.mouse'),
        'input.pointer': record('input.pointer'),
        'input.type': (params) => {
          this.input.push({ method: 'input.type', params });
          this.#echo(params.text);
          return { typed: params.text.length, skipped: '' };
        },
        ...this.#networks.handlers,
        'serial.subscribe': ({ port }) => {
          const data = new TextEncoder().encode('\r\n\x1b[1mDebian GNU/Linux 12\x1b[0m debian ttyS0\r\n\r\ndebian login: ');
          session.sendBinary(encodeSerial({ port, position: 0, data }));
        },
        'serial.write': ({ port, data }) => {
          session.sendBinary(encodeSerial({ port, position: 0, data: new TextEncoder().encode(data === '\r' ? '\r\n' : data) }));
        },
      },
    });
    this.#sessions.set(session, { watching: false, credits: 0, fresh: true });
    session.onClose(() => this.#sessions.delete(session));
  }

  /** Tells every client, as the machine's own process would. */
  setState(state: VmState, notice?: string): void {
    this.state = state;
    for (const session of this.#sessions.keys()) session.emit('machine.state', { state, ...(notice !== undefined && { notice }) });
  }

  notice(level: 'info' | 'warning' | 'error', message: string): void {
    for (const session of this.#sessions.keys()) session.emit('machine.notice', { level, message });
  }

  /** The guest writes to a serial port. */
  serialOutput(port: number, text: string): void {
    const data = new TextEncoder().encode(text);
    for (const session of this.#sessions.keys()) session.sendBinary(encodeSerial({ port, position: 0, data }));
  }

  setAbsolute(absolute: boolean): void {
    for (const session of this.#sessions.keys()) session.emit('pointer.mode', { absolute });
  }

  end(): void {
    for (const session of this.#sessions.keys()) session.close('the machine was powered off');
  }

  #setMedium(id: string, file: string | null): DriveStatus {
    const drive = this.#drives.find((known) => known.id === id);
    if (drive === undefined) throw new Error(`there is no drive ${id}`);
    const changed = { ...drive, file };
    this.#drives = this.#drives.map((known) => (known === drive ? changed : known));
    for (const session of this.#sessions.keys()) session.emit('media.changed', { drive: changed });
    return changed;
  }

  #page(): string[] {
    const shown = [...this.lines, `A:\\>${this.#typed}_`].slice(-ROWS);
    return Array.from({ length: ROWS }, (_, row) => (shown[row] ?? '').padEnd(COLUMNS).slice(0, COLUMNS));
  }

  #key(code: string): void {
    const letter = /^Key([A-Z])$/.exec(code)?.[1];
    if (letter !== undefined) this.#typed += letter.toLowerCase();
    else if (code === 'Space') this.#typed += ' ';
    else if (code === 'Backspace') this.#typed = this.#typed.slice(0, -1);
    else if (code === 'Enter') this.#echo('\n');
    this.#changed();
  }

  #echo(text: string): void {
    for (const character of text) {
      if (character !== '\n') this.#typed += character;
      else {
        this.lines.push(`A:\\>${this.#typed}`);
        this.#typed = '';
      }
    }
    this.#changed();
  }

  #changed(): void {
    this.#dirty = true;
    this.#send();
  }

  #send(): void {
    if (this.#painter === undefined) return;
    let surface: Surface | undefined;
    for (const [session, client] of this.#sessions) {
      if (!client.watching || client.credits === 0 || !(client.fresh || this.#dirty)) continue;
      surface ??= this.#painter(this.#page(), COLUMNS, ROWS);
      const whole = { x: 0, y: 0, width: surface.width, height: surface.height };
      client.credits--;
      const header = { sequence: this.#sequence++, whole: client.fresh, aspect: [4, 3] as const, guestTime: Date.now() - this.#started };
      client.fresh = false;
      session.sendBinary(encodeFrame(header, surface, [whole]));
    }
    this.#dirty = false;
  }

  #stats(): Stats {
    const time = Date.now();
    const t = (time - this.#started) / 1000;
    const mips = 168 + 46 * Math.sin(t / 7) + 18 * Math.sin(t * 1.7);
    this.#instructions += mips * 1e6;
    return {
      time,
      instructions: this.#instructions,
      mips,
      hostCpu: 0.34 + 0.2 * Math.sin(t / 5),
      rss: (142 + 6 * Math.sin(t / 11)) * 2 ** 20,
      idle: 0.4,
      framesSent: Math.floor(t * 24),
      exits: { 'ide.command': 4121, 'vga.register': 2210, 'pit.read': 955, 'kbd.status': 402 },
      drives: { hda: { readBytes: t * 1.4e6 + 9e5 * Math.sin(t), writeBytes: t * 3e5, reads: 0, writes: 0 } },
      nics: { net0: { receivedBytes: t * 41_000, sentBytes: t * 12_000 } },
    };
  }
}
