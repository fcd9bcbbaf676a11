import { z } from 'zod';
import type { Region } from '../../bus/bus.ts';
import type { Timer } from '../../bus/clock.ts';
import { defineDevice, type Device } from '../../bus/device.ts';
import type { IrqLine } from '../../bus/irq.ts';
import { bool, guestTime, integer, u16, u8, upTo } from '../../bus/schema.ts';

/* National Semiconductor PC16550D (data sheet, June 1995). Names and numbers of its section 8. */

const RBR_THR = 0;
const IER = 1;
const IIR_FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;
const SCR = 7;

const IER_RECEIVED = 0x01;
const IER_TRANSMIT_EMPTY = 0x02;
const IER_LINE_STATUS = 0x04;
const IER_MODEM_STATUS = 0x08;

const IIR_NONE = 0x01;
const IIR_MODEM_STATUS = 0x00;
const IIR_TRANSMIT_EMPTY = 0x02;
const IIR_RECEIVED = 0x04;
const IIR_LINE_STATUS = 0x06;
const IIR_TIMEOUT = 0x0c;
const IIR_FIFOS = 0xc0;

const FCR_ENABLE = 0x01;
const FCR_CLEAR_RECEIVER = 0x02;
const FCR_CLEAR_TRANSMITTER = 0x04;
const FCR_TRIGGER_SHIFT = 6;
const TRIGGER_LEVELS = [1, 4, 8, 14] as const;

const LCR_WORD_LENGTH = 0x03; // 5 to 8 bits
const LCR_STOP = 0x04;
const LCR_PARITY = 0x08;
const LCR_BREAK = 0x40;
const LCR_DLAB = 0x80;

const MCR_DTR = 0x01;
const MCR_RTS = 0x02;
const MCR_OUT1 = 0x04;
const MCR_OUT2 = 0x08;
const MCR_LOOP = 0x10;
const MCR_WRITABLE = 0x1f;

const LSR_DATA_READY = 0x01;
const LSR_OVERRUN = 0x02;
const LSR_BREAK = 0x10;
const LSR_ERRORS = 0x1e; // overrun, parity, framing, break
const LSR_TRANSMITTER_EMPTY = 0x60; // THRE and TEMT: what is written has left at once
const LSR_FIFO_ERROR = 0x80;

const MSR_CTS = 0x10;
const MSR_DSR = 0x20;
const MSR_RI = 0x40;
const MSR_DCD = 0x80;
/** What a cable without handshake, or a patient terminal, drives. */
const MSR_CONNECTED = MSR_CTS | MSR_DSR | MSR_DCD;

const FIFO_SIZE = 16;
const BAUD_BASE = 1_843_200 / 16;
const RESET_DIVISOR = 12; // 9600 baud
/** No character is quicker than this (ns), however small the divisor: a paste shall not drown a guest. */
const SHORTEST_CHARACTER = 50_000;

/** The other end of the serial line. */
export interface SerialPeer {
  transmit(byte: number): void;
  /** Modem control outputs and the break condition changed. */
  control?(lines: { readonly dtr: boolean; readonly rts: boolean; readonly brk: boolean }): void;
  /** `receive` takes bytes again, after it refused one. */
  ready?(): void;
}

export interface Uart16550Options {
  readonly irq: IrqLine;
  /** Nothing is connected without it. */
  readonly peer?: SerialPeer;
}

export interface Uart16550State {
  ier: number;
  lcr: number;
  mcr: number;
  scr: number;
  divisor: number;
  fifos: boolean;
  trigger: number;
  /** Error bits of the line status register, cleared by reading it. */
  errors: number;
  /** Modem inputs as the MSR shows them (bits 4-7), and its change bits (0-3). */
  inputs: number;
  deltas: number;
  /** Received: byte | error bits of LSR << 8. One entry without FIFOs. */
  received: number[];
  /** The transmitter-empty interrupt is pending. */
  transmitEmpty: boolean;
  /** Characters wait below the trigger level: when the time-out interrupt comes (guest ns; 0 = none), and whether it has. */
  timeoutAt: number;
  timeout: boolean;
  /** The line's pace: characters taken since it was idle, and when they are through (guest ns). */
  burst: number;
  busyUntil: number;
  /** A byte was refused: `peer.ready` is owed. */
  refused: boolean;
}

export interface Uart16550 extends Device<Uart16550State> {
  /** Eight byte registers. */
  readonly registers: Region;
  /** A byte arrives. False: no room, or more than the line's speed allows; `peer.ready` tells when to try again. Never overruns. */
  receive(byte: number): boolean;
  /** The line is held at space: a null character with break error. */
  receiveBreak(): void;
  /** Levels of the modem inputs. */
  setInputs(inputs: { readonly cts: boolean; readonly dsr: boolean; readonly ri: boolean; readonly dcd: boolean }): void;
}

/** 16550A UART. Output is not slowed to the baud rate; input is paced by it, as drivers bound their work by it. */
export const uart16550 = defineDevice<Uart16550State, Uart16550Options, Uart16550>({
  type: 'uart-16550',
  state: {
    version: 1,
    schema: z.strictObject({
      ier: integer(0, 15),
      lcr: u8,
      mcr: integer(0, MCR_WRITABLE),
      scr: u8,
      divisor: u16,
      fifos: bool,
      trigger: integer(0, 3),
      errors: integer(0, LSR_ERRORS),
      inputs: u8,
      deltas: integer(0, 15),
      received: upTo(FIFO_SIZE, u16),
      transmitEmpty: bool,
      timeoutAt: guestTime,
      timeout: bool,
      burst: integer(0, FIFO_SIZE),
      busyUntil: guestTime,
      refused: bool,
    }),
  },
  create({ scheduler }, options) {
    const { irq, peer } = options;
    const fresh = (): Uart16550State => ({
      ier: 0,
      lcr: 0,
      mcr: 0,
      scr: 0,
      divisor: RESET_DIVISOR,
      fifos: false,
      trigger: 0,
      errors: 0,
      inputs: peer === undefined ? 0 : MSR_CONNECTED,
      deltas: 0,
      received: [],
      transmitEmpty: false,
      timeoutAt: 0,
      timeout: false,
      burst: 0,
      busyUntil: 0,
      refused: false,
    });
    const state = fresh();
    let timeoutTimer: Timer | undefined;
    let readyTimer: Timer | undefined;

    const looped = () => (state.mcr & MCR_LOOP) !== 0;
    const capacity = () => (state.fifos ? FIFO_SIZE : 1);
    const characterTime = () => {
      const bits = 1 + 5 + (state.lcr & LCR_WORD_LENGTH) + ((state.lcr & LCR_PARITY) !== 0 ? 1 : 0) + ((state.lcr & LCR_STOP) !== 0 ? 2 : 1);
      return Math.max(Math.ceil((bits * (state.divisor || 65536) * 1e9) / BAUD_BASE), SHORTEST_CHARACTER);
    };

    /** The most urgent pending and enabled source (data sheet, table IV). */
    const interrupt = (): number => {
      const { ier } = state;
      if ((ier & IER_LINE_STATUS) !== 0 && state.errors !== 0) return IIR_LINE_STATUS;
      if ((ier & IER_RECEIVED) !== 0) {
        if (state.timeout) return IIR_TIMEOUT; // IIR3 is set whenever the time-out is pending, at the trigger level, too
        if (state.received.length >= (state.fifos ? TRIGGER_LEVELS[state.trigger]! : 1)) return IIR_RECEIVED;
      }
      if ((ier & IER_TRANSMIT_EMPTY) !== 0 && state.transmitEmpty) return IIR_TRANSMIT_EMPTY;
      if ((ier & IER_MODEM_STATUS) !== 0 && state.deltas !== 0) return IIR_MODEM_STATUS;
      return IIR_NONE;
    };
    // OUT2 gates the interrupt on a PC's serial card. Kernels that were only ever run on emulators (xv6) leave it low, so it is not wired.
    const updateIrq = () => {
      irq.set(interrupt() !== IIR_NONE);
    };

    /** (Re)starts the time-out of four characters that runs while the FIFO holds something and nobody touches it. */
    const armTimeout = () => {
      timeoutTimer?.cancel();
      timeoutTimer = state.timeoutAt === 0 ? undefined : scheduler.at(state.timeoutAt, timeOut);
    };
    const timeOut = () => {
      state.timeoutAt = 0;
      state.timeout = true;
      updateIrq();
    };
    /** A pending time-out outlasts characters that arrive; only a read of the FIFO, or its clearing, ends it (data sheet, "FIFO interrupt mode"). */
    const touchReceiver = (taken: boolean) => {
      if (taken) state.timeout = false;
      state.timeoutAt = state.fifos && !state.timeout && state.received.length > 0 ? scheduler.now() + 4 * characterTime() : 0;
      armTimeout();
    };

    const armReady = () => {
      readyTimer?.cancel();
      readyTimer = undefined;
      if (!state.refused || looped() || state.received.length >= capacity()) return;
      readyTimer = scheduler.at(Math.max(state.busyUntil, scheduler.now()), () => {
        state.refused = false;
        peer?.ready?.();
      });
    };

    /** The errors of the character on top of the FIFO show in LSR when it gets there. */
    const showErrors = () => {
      state.errors |= (state.received[0] ?? 0) >> 8;
    };
    const push = (byte: number, errors: number) => {
      const entry = (byte & wordMask(state.lcr)) | (errors << 8);
      if (state.received.length >= capacity()) {
        state.errors |= LSR_OVERRUN;
        if (!state.fifos) state.received[0] = entry; // without FIFOs the old character is lost, with them the new one
      } else state.received.push(entry);
      if (state.received.length === 1) showErrors();
      touchReceiver(false);
      updateIrq();
    };
    const pop = (): number => {
      const entry = state.received.shift() ?? 0;
      showErrors();
      touchReceiver(true);
      updateIrq();
      armReady();
      return entry & 0xff;
    };

    const transmit = (value: number) => {
      state.transmitEmpty = false;
      updateIrq(); // a request that goes on is a new edge
      const byte = value & wordMask(state.lcr);
      if (looped()) push(byte, 0);
      else peer?.transmit(byte);
      state.transmitEmpty = true;
      updateIrq();
    };

    const modemStatus = () => (looped() ? loopedInputs(state.mcr) : state.inputs);
    const noteModemChange = (before: number) => {
      const after = modemStatus();
      const changed = (before ^ after) >> 4;
      // TERI, bit 2, is the trailing edge of RI only.
      const ringEnded = (before & ~after & MSR_RI) !== 0;
      state.deltas |= (changed & 0b1011) | (ringEnded ? 0b0100 : 0);
      updateIrq();
    };

    const writeFifoControl = (value: number) => {
      const enable = (value & FCR_ENABLE) !== 0;
      const toggled = enable !== state.fifos;
      if (toggled || (enable && (value & FCR_CLEAR_RECEIVER) !== 0)) state.received.length = 0;
      // What is cleared is empty, as if its last byte had left.
      if (toggled || (enable && (value & FCR_CLEAR_TRANSMITTER) !== 0)) state.transmitEmpty = true;
      state.fifos = enable;
      state.trigger = enable ? value >> FCR_TRIGGER_SHIFT : 0; // the other bits are written only together with FCR0
      touchReceiver(state.received.length === 0);
      updateIrq();
      armReady();
    };
    const writeModemControl = (value: number) => {
      const before = modemStatus();
      state.mcr = value & MCR_WRITABLE;
      noteModemChange(before);
      tellControl();
      armReady();
    };
    const tellControl = () => {
      const on = (bit: number) => !looped() && (state.mcr & bit) !== 0;
      peer?.control?.({ dtr: on(MCR_DTR), rts: on(MCR_RTS), brk: !looped() && (state.lcr & LCR_BREAK) !== 0 });
    };
    const writeLineControl = (value: number) => {
      const breakStarts = (value & ~state.lcr & LCR_BREAK) !== 0;
      state.lcr = value;
      if (looped() && breakStarts) push(0, LSR_BREAK);
      tellControl();
    };

    const lineStatus = (): number => {
      const value =
        LSR_TRANSMITTER_EMPTY |
        (state.received.length > 0 ? LSR_DATA_READY : 0) |
        state.errors |
        (state.fifos && state.received.some((entry) => entry >> 8 !== 0) ? LSR_FIFO_ERROR : 0);
      state.errors = 0;
      if (state.received[0] !== undefined) state.received[0] &= 0xff;
      updateIrq();
      return value;
    };
    const identify = (): number => {
      const source = interrupt();
      if (source === IIR_TRANSMIT_EMPTY) {
        state.transmitEmpty = false; // reading IIR clears this source, if it is the one shown
        updateIrq();
      }
      return source | (state.fifos ? IIR_FIFOS : 0);
    };

    const read = (register: number): number => {
      const dlab = (state.lcr & LCR_DLAB) !== 0;
      switch (register) {
        case RBR_THR:
          return dlab ? state.divisor & 0xff : pop();
        case IER:
          return dlab ? state.divisor >> 8 : state.ier;
        case IIR_FCR:
          return identify();
        case LCR:
          return state.lcr;
        case MCR:
          return state.mcr;
        case LSR:
          return lineStatus();
        case MSR: {
          const value = modemStatus() | state.deltas;
          state.deltas = 0;
          updateIrq();
          return value;
        }
        default:
          return state.scr;
      }
    };
    const write = (register: number, value: number): void => {
      const dlab = (state.lcr & LCR_DLAB) !== 0;
      switch (register) {
        case RBR_THR:
          if (dlab) state.divisor = (state.divisor & 0xff00) | value;
          else transmit(value);
          break;
        case IER:
          if (dlab) state.divisor = (state.divisor & 0xff) | (value << 8);
          else {
            // The transmitter is always empty: enabling its interrupt raises it at once.
            if ((value & ~state.ier & IER_TRANSMIT_EMPTY) !== 0) state.transmitEmpty = true;
            state.ier = value & 0x0f;
            updateIrq();
          }
          break;
        case IIR_FCR:
          writeFifoControl(value);
          break;
        case LCR:
          writeLineControl(value);
          break;
        case MCR:
          writeModemControl(value);
          break;
        case SCR:
          state.scr = value;
          break;
        default: // LSR and MSR: for factory tests only
      }
    };

    return {
      state,
      registers: { name: 'uart', sizes: 1, read, write: (offset, _size, value) => write(offset, value) },
      receive(byte) {
        const now = scheduler.now();
        if (now >= state.busyUntil) Object.assign(state, { burst: 0, busyUntil: now });
        if (looped() || state.received.length >= capacity() || state.burst >= FIFO_SIZE) {
          state.refused = true;
          armReady();
          return false;
        }
        state.burst++;
        state.busyUntil += characterTime();
        push(byte, 0);
        armReady();
        return true;
      },
      receiveBreak() {
        if (!looped() && state.received.length < capacity()) push(0, LSR_BREAK);
      },
      setInputs({ cts, dsr, ri, dcd }) {
        const before = modemStatus();
        state.inputs = (cts ? MSR_CTS : 0) | (dsr ? MSR_DSR : 0) | (ri ? MSR_RI : 0) | (dcd ? MSR_DCD : 0);
        noteModemChange(before);
      },
      reset() {
        const { inputs, refused } = state;
        Object.assign(state, fresh(), { inputs, refused });
        armTimeout();
        updateIrq();
        tellControl();
        armReady();
      },
      loaded() {
        armTimeout();
        updateIrq();
        tellControl();
        armReady();
      },
      inspect: () => ({
        baud: Math.round(BAUD_BASE / (state.divisor || 65536)),
        'word length': 5 + (state.lcr & LCR_WORD_LENGTH),
        IER: state.ier,
        MCR: state.mcr,
        received: state.received.length,
        FIFOs: state.fifos ? 'on' : 'off',
      }),
    };
  },
});

function wordMask(lcr: number): number {
  return 0xff >> (3 - (lcr & LCR_WORD_LENGTH));
}

/** Loopback connects the modem outputs to the inputs. */
function loopedInputs(mcr: number): number {
  return (
    ((mcr & MCR_RTS) !== 0 ? MSR_CTS : 0) |
    ((mcr & MCR_DTR) !== 0 ? MSR_DSR : 0) |
    ((mcr & MCR_OUT1) !== 0 ? MSR_RI : 0) |
    ((mcr & MCR_OUT2) !== 0 ? MSR_DCD : 0)
  );
}
