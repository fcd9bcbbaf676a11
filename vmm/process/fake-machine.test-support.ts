/** A machine thread for tests: a text screen, an echoing serial port, keys that are remembered. It answers asynchronously, as a worker does. */
import type { Scanout, TextScanout } from '../display/scanout.ts';
import type { FromMachine, MachineThread, Question, RunEnd, ToMachine } from './machine-messages.ts';

const COLUMNS = 80;
const ROWS = 25;
const GLYPH_LINES = 16;
const MEMORY = 1 << 18;
/** In the test layout, text comes first, the font behind it. */
const FONT = 1 << 16;

export class FakeMachine implements MachineThread {
  readonly received: ToMachine[] = [];
  readonly keys: string[] = [];
  readonly memory = new Uint8Array(new SharedArrayBuffer(MEMORY));
  readonly dirty = new Uint8Array(new SharedArrayBuffer(MEMORY >> 12));
  width = 720;
  /** What it does not do, to test patience. */
  deaf = false;
  #handlers: Parameters<MachineThread['start']>[0] | undefined;
  #over = false;

  start(handlers: Parameters<MachineThread['start']>[0]): void {
    this.#handlers = handlers;
    for (let glyph = 0; glyph < 256; glyph++) {
      for (let row = 0; row < GLYPH_LINES; row++) this.memory[FONT + (glyph * 32 + row) * 4] = glyph ^ row;
    }
    this.say({ type: 'ready', display: { memory: this.memory, dirty: this.dirty } });
    this.say({ type: 'state', state: 'running' });
  }

  post(message: ToMachine): void {
    this.received.push(message);
    if (!this.deaf) setImmediate(() => this.#answer(message));
  }

  terminate(): void {
    setImmediate(() => this.exit(undefined));
  }

  say(message: FromMachine): void {
    setImmediate(() => {
      if (!this.#over) this.#handlers?.message(message);
    });
  }

  exit(problem: string | undefined): void {
    this.#over = true;
    this.#handlers?.exited(problem);
  }

  end(end: RunEnd): void {
    this.say({ type: 'ended', end });
  }

  print(row: number, text: string): void {
    Array.from(text).forEach((character, column) => {
      this.memory[(row * COLUMNS + column) * 2] = character.charCodeAt(0);
      this.memory[(row * COLUMNS + column) * 2 + 1] = 7;
    });
    this.dirty[0] = 1;
  }

  #answer(message: ToMachine): void {
    switch (message.type) {
      case 'control':
        if (message.action === 'run') this.say({ type: 'state', state: 'running' });
        else if (message.action === 'reset') this.say({ type: 'reset', by: 'user' });
        else this.end({ how: 'powered-off', status: 0 });
        return;
      case 'pause':
        return this.say({ type: 'state', state: 'paused', reason: message.reason });
      case 'key':
        this.keys.push(`${message.down ? '+' : '-'}${message.key.toString(16)}`);
        return;
      case 'serialInput':
        this.say({ type: 'serial', port: message.port, data: message.data });
        this.say({ type: 'serialTaken', port: message.port, count: message.data.length });
        return;
      case 'eject':
        this.say({ type: 'answer', id: message.id, answer: { opened: message.force } });
        return;
      case 'ask':
        this.say({ type: 'answer', id: message.id, answer: this.#answerTo(message.question) });
    }
  }

  #answerTo(question: Question): object {
    switch (question) {
      case 'scanout':
        return { scanout: this.#scanout() };
      case 'counters':
        return { instructions: 5e6, guestTime: 2e9, idleTime: 1e9, exits: { 'port 3f8': 3 }, drives: {}, nics: {}, accel: {} };
      case 'inspect':
        return { devices: [{ name: 'com1', type: 'uart-16550', values: { irq: 4 } }] };
      case 'keysTaken':
        return {};
      case 'memory':
        return { bytes: new Uint8Array(new SharedArrayBuffer(4096)), blocks: [{ name: 'ram', offset: 0, length: 4096 }], changed: new Uint8Array(1) };
    }
  }

  #scanout(): Scanout {
    const scanout: TextScanout = {
      kind: 'text',
      width: this.width,
      height: ROWS * GLYPH_LINES,
      aspect: [4, 3],
      columns: COLUMNS,
      rows: ROWS,
      cellWidth: 9,
      cellHeight: GLYPH_LINES,
      cells: { base: 0, stride: 2, count: 1 << 14 },
      start: 0,
      pitch: COLUMNS,
      fonts: [FONT, FONT],
      wrap: MEMORY - 1,
      palette: Int32Array.from({ length: 16 }, (_, index) => (0xff << 24) | (index * 0x0f0f0f)),
      blink: 'off',
      lineGraphics: true,
      underline: -1,
      cursor: undefined,
      panX: 0,
      panY: 0,
      split: undefined,
    };
    return scanout;
  }
}
