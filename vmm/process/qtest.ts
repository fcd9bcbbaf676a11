/**
 * QEMU's qtest protocol (qemu/system/qtest.c, docs/devel/testing/qtest.rst): a line per command, `OK ...` or `FAIL ...` per answer. It drives a
 * board without a processor: `--accel none --qtest unix:PATH`.
 */
import type { AccessSize, Bus } from '../bus/bus.ts';

/** What is driven. */
export interface QtestBoard {
  readonly ports: Bus;
  /** Physical addresses: memory and registers. */
  readonly space: Bus;
  /** Guest ns */
  now(): number;
  /** The earliest pending timer, guest ns. */
  nextTimer(): number | undefined;
  /** Moves time and fires what falls due, each timer seeing its own deadline as the present. */
  advanceTo(time: number): void;
  /** From now on `listener` hears of the interrupt wires instead of the controllers. */
  interceptIrqs(listener: (irq: number, level: boolean) => void): void;
  setIrq(irq: number, level: boolean): void;
}

/** The interrupt controllers whose inputs can be intercepted, as QEMU's tests name them. All are the ISA wires here. */
const INTERCEPTABLE = /(^|\/)(ioapic|i8259|isa-i8259|pic)(\[\d+\])?$/;
/** One command moves at most so much. */
const MAX_BYTES = 64 << 20;

type Command = (args: readonly string[]) => string;

class Refused extends Error {}

export class Qtest {
  readonly #board: QtestBoard;
  readonly #send: (line: string) => void;
  readonly #commands: ReadonlyMap<string, Command>;

  constructor(board: QtestBoard, send: (line: string) => void) {
    this.#board = board;
    this.#send = send;
    this.#commands = this.#table();
  }

  command(line: string): void {
    const [name = '', ...args] = line.trim().split(/\s+/);
    if (name === '') return;
    const command = this.#commands.get(name);
    if (command === undefined) return this.#send(`FAIL Unknown command '${name}'`);
    try {
      const answer = command(args);
      this.#send(answer === '' ? 'OK' : `OK ${answer}`);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.#send(`FAIL ${error.message}`);
    }
  }

  #table(): Map<string, Command> {
    const commands = new Map<string, Command>();
    const { ports, space } = this.#board;
    const sizes = [
      ['b', 1],
      ['w', 2],
      ['l', 4],
    ] as const;
    for (const [letter, size] of sizes) {
      commands.set(`out${letter}`, ([port, value]) => {
        ports.write(number(port, 0xffff), size, (number(value) & mask(size)) >>> 0);
        return '';
      });
      commands.set(`in${letter}`, ([port]) => `0x${hex(ports.read(number(port, 0xffff), size), 4)}`);
      commands.set(`write${letter}`, ([address, value]) => {
        space.write(number(address), size, (number(value) & mask(size)) >>> 0);
        return '';
      });
      commands.set(`read${letter}`, ([address]) => `0x${hex(space.read(number(address), size), 16)}`);
    }
    commands.set('writeq', ([address, value]) => {
      const whole = big(value);
      const at = number(address);
      space.write(at, 4, Number(whole & 0xffff_ffffn));
      space.write(at + 4, 4, Number((whole >> 32n) & 0xffff_ffffn));
      return '';
    });
    commands.set('readq', ([address]) => {
      const at = number(address);
      return `0x${hex(space.read(at + 4, 4), 8)}${hex(space.read(at, 4), 8)}`;
    });
    commands.set('read', ([address, length]) => `0x${Array.from(this.#readBytes(number(address), bytes(length)), (byte) => hex(byte, 2)).join('')}`);
    commands.set('write', ([address, length, data]) => this.#writeBytes(number(address), fromHex(data, bytes(length))));
    commands.set('memset', ([address, length, value]) => this.#writeBytes(number(address), new Uint8Array(bytes(length)).fill(number(value, 0xff))));
    commands.set('b64read', ([address, length]) =>
      btoa(Array.from(this.#readBytes(number(address), bytes(length)), (byte) => String.fromCharCode(byte)).join('')),
    );
    commands.set('b64write', ([address, length, data]) => {
      const decoded = fromBase64(data ?? '');
      if (decoded.length !== bytes(length)) throw new Refused('the data has another length');
      return this.#writeBytes(number(address), decoded);
    });
    commands.set('endianness', () => 'little');
    commands.set('clock_step', ([step]) => {
      const now = this.#board.now();
      this.#board.advanceTo(step === undefined ? (this.#board.nextTimer() ?? now) : now + number(step));
      return String(this.#board.now());
    });
    commands.set('clock_set', ([time]) => {
      if (number(time) < this.#board.now()) throw new Refused('time cannot go back');
      this.#board.advanceTo(number(time));
      return String(this.#board.now());
    });
    for (const name of ['irq_intercept_in', 'irq_intercept_out']) {
      commands.set(name, ([path = '']) => {
        if (!INTERCEPTABLE.test(path)) throw new Refused(`Unknown device '${path}'; ioapic and i8259 can be intercepted`);
        this.#board.interceptIrqs((irq, level) => this.#send(`IRQ ${level ? 'raise' : 'lower'} ${irq}`));
        return '';
      });
    }
    commands.set('set_irq_in', ([path = '', , irq, level]) => {
      if (!INTERCEPTABLE.test(path)) throw new Refused(`Unknown device '${path}'`);
      this.#board.setIrq(number(irq, 15), number(level) !== 0);
      return '';
    });
    return commands;
  }

  #readBytes(address: number, length: number): Uint8Array {
    const into = new Uint8Array(length);
    for (let at = 0; at < length; at++) into[at] = this.#board.space.read(address + at, 1);
    return into;
  }

  #writeBytes(address: number, from: Uint8Array): string {
    from.forEach((byte, at) => this.#board.space.write(address + at, 1, byte));
    return '';
  }
}

/** strtoull with base 0: decimal, 0x hexadecimal, 0 octal. */
function big(text: string | undefined): bigint {
  if (text === undefined) throw new Refused('a number is missing');
  const normal = /^0[0-7]+$/.test(text) ? `0o${text.slice(1)}` : text;
  if (!/^(0[xX][0-9a-fA-F]+|0o[0-7]+|[0-9]+)$/.test(normal)) throw new Refused(`not a number: ${text}`);
  return BigInt(normal);
}

function number(text: string | undefined, most = Number.MAX_SAFE_INTEGER): number {
  const value = Number(big(text) & 0xffff_ffff_ffff_ffffn);
  if (value > most) throw new Refused(`${text ?? ''} is out of range`);
  return value;
}

function bytes(text: string | undefined): number {
  const length = number(text, MAX_BYTES);
  if (length === 0) throw new Refused('nothing to transfer');
  return length;
}

/** Shorter data is filled up with zeros, as QEMU does. */
function fromHex(text: string | undefined, length: number): Uint8Array {
  const match = /^0x((?:[0-9a-fA-F]{2})*)$/.exec(text ?? '');
  if (match === null) throw new Refused('data must be 0x and pairs of hexadecimal digits');
  const into = new Uint8Array(length);
  for (let at = 0; at < Math.min(length, match[1]!.length / 2); at++) into[at] = parseInt(match[1]!.slice(at * 2, at * 2 + 2), 16);
  return into;
}

function fromBase64(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    throw new Refused('the data is not base64');
  }
}

function mask(size: AccessSize): number {
  return size === 4 ? -1 : (1 << (size * 8)) - 1;
}

function hex(value: number, digits: number): string {
  return (value >>> 0).toString(16).padStart(digits, '0');
}
