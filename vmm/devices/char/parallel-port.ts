import { z } from 'zod';
import type { Region } from '../../bus/bus.ts';
import { defineDevice, type Device } from '../../bus/device.ts';
import type { IrqLine } from '../../bus/irq.ts';
import { bool, integer, u8 } from '../../bus/schema.ts';

/* Standard parallel port with the PS/2's bidirectional data lines (IEEE 1284-1994, compatibility and byte mode). */

const DATA = 0;
const STATUS = 1;
const CONTROL = 2;

const STATUS_NOT_BUSY = 0x80;
const STATUS_NOT_ACKNOWLEDGE = 0x40;
const STATUS_SELECTED = 0x10;
const STATUS_NO_ERROR = 0x08;
const STATUS_NO_INTERRUPT = 0x04;
const STATUS_UNUSED = 0x03;

const CONTROL_STROBE = 0x01;
const CONTROL_NOT_INITIALIZE = 0x04;
const CONTROL_INTERRUPT_ENABLE = 0x10;
const CONTROL_INPUT = 0x20; // data lines are inputs
const CONTROL_WRITABLE = 0x3f;
const CONTROL_UNUSED = 0xc0;

/** The other end of the cable. */
export interface ParallelPeer {
  /** A byte was strobed. */
  write(byte: number): void;
  /** INIT# went low: a printer resets itself. */
  initialize?(): void;
}

export interface ParallelPortOptions {
  readonly irq: IrqLine;
  /** Nothing is connected without it. */
  readonly peer?: ParallelPeer;
}

export interface ParallelPortState {
  data: number;
  control: number;
  /** The peer acknowledged a byte and the guest has not looked at the status since. */
  acknowledged: boolean;
}

export interface ParallelPort extends Device<ParallelPortState> {
  /** Three byte registers. */
  readonly registers: Region;
}

/** Parallel port. The peer is always ready: bytes leave at once. */
export const parallelPort = defineDevice<ParallelPortState, ParallelPortOptions, ParallelPort>({
  type: 'parallel-port',
  state: { version: 1, schema: z.strictObject({ data: u8, control: integer(0, CONTROL_WRITABLE), acknowledged: bool }) },
  create(_context, { irq, peer }) {
    const fresh = (): ParallelPortState => ({ data: 0, control: CONTROL_NOT_INITIALIZE | 0x08, acknowledged: false });
    const state = fresh();

    const updateIrq = () => irq.set(state.acknowledged && (state.control & CONTROL_INTERRUPT_ENABLE) !== 0);

    const writeControl = (value: number) => {
      const rising = value & ~state.control;
      const falling = ~value & state.control;
      state.control = value & CONTROL_WRITABLE;
      if ((falling & CONTROL_NOT_INITIALIZE) !== 0) peer?.initialize?.();
      if ((rising & CONTROL_STROBE) !== 0 && (value & CONTROL_NOT_INITIALIZE) !== 0 && peer !== undefined) {
        peer.write(state.data);
        state.acknowledged = true;
      }
      updateIrq();
    };
    const readStatus = (): number => {
      const pending = state.acknowledged;
      state.acknowledged = false;
      updateIrq();
      const lines = peer === undefined ? 0 : STATUS_NOT_BUSY | STATUS_SELECTED | STATUS_NO_ERROR;
      return STATUS_UNUSED | STATUS_NOT_ACKNOWLEDGE | lines | (pending ? 0 : STATUS_NO_INTERRUPT);
    };

    return {
      state,
      registers: {
        name: 'parallel',
        sizes: 1,
        read: (offset) => {
          if (offset === DATA) return (state.control & CONTROL_INPUT) !== 0 ? 0xff : state.data;
          return offset === STATUS ? readStatus() : state.control | CONTROL_UNUSED;
        },
        write: (offset, _size, value) => {
          if (offset === DATA) state.data = value;
          else if (offset === CONTROL) writeControl(value);
        },
      },
      reset() {
        Object.assign(state, fresh());
        updateIrq();
      },
      loaded: updateIrq,
      inspect: () => ({ data: state.data, control: state.control }),
    };
  },
});
