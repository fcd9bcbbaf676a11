import { z } from 'zod';
import type { Region } from '../../bus/bus.ts';
import type { Timer } from '../../bus/clock.ts';
import { defineDevice, type Device } from '../../bus/device.ts';
import type { IrqLine } from '../../bus/irq.ts';
import { bool, bytes, guestTime, u8 } from '../../bus/schema.ts';
import type { Ps2Device } from './ps2-device.ts';
import { BREAK_PREFIX, translate } from './scan-codes.ts';

/* The PS/2 keyboard and auxiliary device controller (IBM PS/2 Technical Reference; Intel UPI-41/42 as IBM programmed it). */

const STATUS_OUTPUT_FULL = 0x01;
const STATUS_SYSTEM = 0x04; // self-test passed
const STATUS_COMMAND = 0x08; // the last write was to port 64h
const STATUS_NOT_INHIBITED = 0x10; // the key lock is open
const STATUS_AUX = 0x20; // the output buffer holds a byte of the auxiliary device

// Controller command byte, RAM byte 0
const CCB_KEYBOARD_INTERRUPT = 0x01;
const CCB_AUX_INTERRUPT = 0x02;
const CCB_SYSTEM = 0x04;
const CCB_KEYBOARD_DISABLED = 0x10;
const CCB_AUX_DISABLED = 0x20;
const CCB_TRANSLATE = 0x40;

const READ_RAM = 0x20; // 20h-3Fh
const WRITE_RAM = 0x60; // 60h-7Fh
const RAM_MASK = 0x1f;
const TEST_PASSWORD = 0xa4;
const LOAD_PASSWORD = 0xa5;
const DISABLE_AUX = 0xa7;
const ENABLE_AUX = 0xa8;
const TEST_AUX = 0xa9;
const SELF_TEST = 0xaa;
const TEST_KEYBOARD = 0xab;
const DISABLE_KEYBOARD = 0xad;
const ENABLE_KEYBOARD = 0xae;
const READ_INPUT_PORT = 0xc0;
const READ_OUTPUT_PORT = 0xd0;
const WRITE_OUTPUT_PORT = 0xd1;
const WRITE_KEYBOARD_BUFFER = 0xd2;
const WRITE_AUX_BUFFER = 0xd3;
const WRITE_AUX = 0xd4;
const DISABLE_A20 = 0xdd;
const ENABLE_A20 = 0xdf;
const READ_TEST_INPUTS = 0xe0;
const PULSE = 0xf0; // F0h-FFh

const SELF_TEST_PASSED = 0x55;
const NO_PASSWORD = 0xf1;
const INPUT_PORT_KEY_LOCK_OPEN = 0x80;

const OUTPUT_PORT_RESET = 0x01; // low resets the processor
const OUTPUT_PORT_A20 = 0x02;
const OUTPUT_PORT_UNUSED = 0xcc; // lines that are pulled up
const OUTPUT_PORT_KEYBOARD_FULL = 0x10; // IRQ 1
const OUTPUT_PORT_AUX_FULL = 0x20; // IRQ 12

/**
 * A byte takes about a millisecond on the wire (11 bits at 10-16.7 kHz). Software depends on it: an INT 9 handler that reads port 60h and then chains
 * to the BIOS, which reads it again, must see the same byte twice.
 */
const BYTE_TIME = 1_000_000;

type Source = 'controller' | 'keyboard' | 'aux';

export interface I8042Options {
  readonly irq1: IrqLine;
  readonly irq12: IrqLine;
  readonly keyboard: Ps2Device;
  readonly mouse: Ps2Device;
  /** The controller's share in A20M#. */
  readonly a20: (enabled: boolean) => void;
  /** Bit 0 of the output port goes low: the processor is reset. */
  readonly resetProcessor: () => void;
}

export interface I8042State {
  /** The controller's RAM; byte 0 is the command byte. */
  ram: Uint8Array;
  /** STATUS_SYSTEM and STATUS_COMMAND. */
  status: number;
  output: number;
  full: boolean;
  source: Source;
  /** A controller's answer that waits for the output buffer to be read. */
  answer: number | null;
  /** The command whose data byte comes next at port 60h; 0 = none. */
  expects: number;
  outputPort: number;
  /** Translation met a break prefix. */
  breaking: boolean;
  /** Before then no device's byte has arrived (guest ns). */
  nextByte: number;
}

export interface I8042 extends Device<I8042State> {
  /** Port 60h and port 64h, one register each. */
  readonly data: Region;
  readonly command: Region;
}

/** Intel 8042 keyboard controller with PS/2 auxiliary port. */
export const i8042 = defineDevice<I8042State, I8042Options, I8042>({
  type: 'i8042',
  state: {
    version: 1,
    schema: z.strictObject({
      ram: bytes(32),
      status: u8,
      output: u8,
      full: bool,
      source: z.enum(['controller', 'keyboard', 'aux']),
      answer: u8.nullable(),
      expects: u8,
      outputPort: u8,
      breaking: bool,
      nextByte: guestTime,
    }),
  },
  create({ scheduler, log }, options) {
    const { keyboard, mouse } = options;
    const fresh = (): I8042State => {
      const ram = new Uint8Array(32);
      ram[0] = CCB_KEYBOARD_INTERRUPT | CCB_AUX_INTERRUPT; // QEMU's; firmware writes its own before it uses anything
      return {
        ram,
        status: 0,
        output: 0,
        full: false,
        source: 'controller',
        answer: null,
        expects: 0,
        outputPort: OUTPUT_PORT_UNUSED | OUTPUT_PORT_A20 | OUTPUT_PORT_RESET,
        breaking: false,
        nextByte: 0,
      };
    };
    const state = fresh();
    let byteTimer: Timer | undefined;

    const ccb = () => state.ram[0]!;
    const setCcb = (clear: number, set: number) => {
      state.ram[0] = (ccb() & ~clear) | set;
    };

    const updateIrqs = () => {
      const aux = state.source === 'aux';
      options.irq1.set(state.full && !aux && (ccb() & CCB_KEYBOARD_INTERRUPT) !== 0);
      options.irq12.set(state.full && aux && (ccb() & CCB_AUX_INTERRUPT) !== 0);
    };
    const fill = (byte: number, source: Source) => {
      Object.assign(state, { output: byte, full: true, source });
      updateIrqs();
    };
    /** The controller answers a command; a byte that waits in the output buffer is read first. */
    const respond = (byte: number) => {
      if (state.full) state.answer = byte;
      else fill(byte, 'controller');
    };

    /** The next byte of the keyboard that makes it through translation. */
    const readKeyboard = (): number | undefined => {
      while (keyboard.available) {
        const byte = keyboard.read();
        if ((ccb() & CCB_TRANSLATE) === 0) return byte;
        if (byte === BREAK_PREFIX) {
          state.breaking = true;
          continue;
        }
        const code = translate(byte);
        if (!state.breaking) return code;
        state.breaking = false;
        return code | 0x80;
      }
      return undefined;
    };

    /** Fills the output buffer from whoever has something to say: the controller, the keyboard, the auxiliary device. */
    const poll = () => {
      byteTimer?.cancel();
      byteTimer = undefined;
      if (state.full) return;
      if (state.answer !== null) {
        const byte = state.answer;
        state.answer = null;
        fill(byte, 'controller');
        return;
      }
      const keyboardTalks = keyboard.available && (ccb() & CCB_KEYBOARD_DISABLED) === 0;
      const auxTalks = mouse.available && (ccb() & CCB_AUX_DISABLED) === 0;
      if (!keyboardTalks && !auxTalks) return;
      if (scheduler.now() < state.nextByte) {
        byteTimer = scheduler.at(state.nextByte, poll);
        return;
      }
      const key = keyboardTalks ? readKeyboard() : undefined;
      if (key !== undefined) fill(key, 'keyboard');
      else if (auxTalks) fill(mouse.read(), 'aux');
    };
    keyboard.onAvailable = mouse.onAvailable = poll;

    const writeDevice = (device: Ps2Device, byte: number) => {
      // The answer takes its time on the wire, also for hosts that do not look at the status first.
      state.nextByte = Math.max(state.nextByte, scheduler.now() + BYTE_TIME);
      if (device === keyboard) state.breaking = false;
      device.write(byte);
      poll();
    };

    const writeOutputPort = (value: number) => {
      const wasReset = (state.outputPort & OUTPUT_PORT_RESET) === 0;
      state.outputPort = value;
      options.a20((value & OUTPUT_PORT_A20) !== 0);
      if ((value & OUTPUT_PORT_RESET) === 0 && !wasReset) options.resetProcessor();
    };

    const writeData = (value: number) => {
      const { expects } = state;
      state.status &= ~STATUS_COMMAND;
      state.expects = 0;
      if (expects >= WRITE_RAM && expects <= (WRITE_RAM | RAM_MASK)) {
        state.ram[expects & RAM_MASK] = value;
        if (expects === WRITE_RAM) state.status = (state.status & ~STATUS_SYSTEM) | (value & CCB_SYSTEM);
        updateIrqs();
        poll();
        return;
      }
      switch (expects) {
        case LOAD_PASSWORD:
          if (value !== 0) state.expects = LOAD_PASSWORD; // up to and with a zero; there is no password
          break;
        case WRITE_OUTPUT_PORT:
          writeOutputPort(value);
          break;
        case WRITE_KEYBOARD_BUFFER:
          fill(value, 'keyboard');
          break;
        case WRITE_AUX_BUFFER:
          fill(value, 'aux');
          break;
        case WRITE_AUX:
          setCcb(CCB_AUX_DISABLED, 0);
          writeDevice(mouse, value);
          break;
        default:
          setCcb(CCB_KEYBOARD_DISABLED, 0); // sending to the keyboard enables its interface
          writeDevice(keyboard, value);
      }
    };

    const selfTest = () => {
      state.status |= STATUS_SYSTEM;
      setCcb(0, CCB_SYSTEM);
      respond(SELF_TEST_PASSED);
    };

    const COMMANDS: Readonly<Record<number, () => void>> = {
      [TEST_PASSWORD]: () => respond(NO_PASSWORD),
      [LOAD_PASSWORD]: () => (state.expects = LOAD_PASSWORD),
      [DISABLE_AUX]: () => setCcb(0, CCB_AUX_DISABLED),
      [ENABLE_AUX]: () => setCcb(CCB_AUX_DISABLED, 0),
      [TEST_AUX]: () => respond(0),
      [SELF_TEST]: selfTest,
      [TEST_KEYBOARD]: () => respond(0),
      [DISABLE_KEYBOARD]: () => setCcb(0, CCB_KEYBOARD_DISABLED),
      [ENABLE_KEYBOARD]: () => setCcb(CCB_KEYBOARD_DISABLED, 0),
      [READ_INPUT_PORT]: () => respond(INPUT_PORT_KEY_LOCK_OPEN),
      [READ_OUTPUT_PORT]: () => respond(outputPort()),
      [WRITE_OUTPUT_PORT]: () => (state.expects = WRITE_OUTPUT_PORT),
      [WRITE_KEYBOARD_BUFFER]: () => (state.expects = WRITE_KEYBOARD_BUFFER),
      [WRITE_AUX_BUFFER]: () => (state.expects = WRITE_AUX_BUFFER),
      [WRITE_AUX]: () => (state.expects = WRITE_AUX),
      [DISABLE_A20]: () => writeOutputPort(state.outputPort & ~OUTPUT_PORT_A20),
      [ENABLE_A20]: () => writeOutputPort(state.outputPort | OUTPUT_PORT_A20),
      [READ_TEST_INPUTS]: () => respond(0),
    };

    const outputPort = () => {
      const full = !state.full ? 0 : state.source === 'aux' ? OUTPUT_PORT_AUX_FULL : OUTPUT_PORT_KEYBOARD_FULL;
      return (state.outputPort & ~(OUTPUT_PORT_KEYBOARD_FULL | OUTPUT_PORT_AUX_FULL)) | full;
    };

    const writeCommand = (value: number) => {
      state.status |= STATUS_COMMAND;
      state.expects = 0;
      if (value >= READ_RAM && value <= (READ_RAM | RAM_MASK)) respond(state.ram[value & RAM_MASK]!);
      else if (value >= WRITE_RAM && value <= (WRITE_RAM | RAM_MASK)) state.expects = value;
      else if (value >= PULSE) {
        // Low bits of the command are the output port's low bits to pulse; only the reset line means anything.
        if ((value & OUTPUT_PORT_RESET) === 0) options.resetProcessor();
      } else if (COMMANDS[value] !== undefined) COMMANDS[value]();
      else log.guest('i8042: unknown command', { command: value });
      poll();
    };

    return {
      state,
      data: {
        name: 'i8042-data',
        sizes: 1,
        read: () => {
          const byte = state.output; // an empty buffer shows its last byte again
          if (!state.full) return byte;
          state.full = false;
          if (state.source !== 'controller') state.nextByte = scheduler.now() + BYTE_TIME;
          updateIrqs();
          poll();
          return byte;
        },
        write: (_offset, _size, value) => writeData(value),
      },
      command: {
        name: 'i8042-command',
        sizes: 1,
        read: () =>
          state.status | STATUS_NOT_INHIBITED | (state.full ? STATUS_OUTPUT_FULL : 0) | (state.full && state.source === 'aux' ? STATUS_AUX : 0),
        write: (_offset, _size, value) => writeCommand(value),
      },
      reset() {
        Object.assign(state, fresh());
        options.a20(true);
        updateIrqs();
        poll();
      },
      loaded() {
        options.a20((state.outputPort & OUTPUT_PORT_A20) !== 0);
        updateIrqs();
        // The devices may not be loaded yet: they are looked at when all is.
        byteTimer?.cancel();
        byteTimer = scheduler.at(Math.max(state.nextByte, scheduler.now()), poll);
      },
      inspect: () => ({
        'command byte': `${ccb().toString(16)}h`,
        output: state.full ? `${state.output.toString(16)}h from ${state.source}` : 'empty',
        A20: (state.outputPort & OUTPUT_PORT_A20) !== 0 ? 'on' : 'off',
      }),
    };
  },
});
