import { z } from 'zod';
import type { Region } from '../../bus/bus.ts';
import { defineDevice, type Device } from '../../bus/device.ts';
import type { Dma } from '../../bus/dma.ts';
import { bool, bytes, exactly, integer, u16, u8 } from '../../bus/schema.ts';
import type { DmaChannel, DmaTransfer } from './dma-channel.ts';

/* Two cascaded Intel 8237A-5 (data sheet 231466) with the PC/AT's page registers (82371SB 2.5.1). */

// Registers 8-15 of a controller; 0-7 are address and count of its channels
const COMMAND_STATUS = 8;
const REQUEST = 9;
const SINGLE_MASK = 10;
const MODE = 11;
const CLEAR_FLIP_FLOP = 12;
const MASTER_CLEAR = 13; // read: temporary register
const CLEAR_MASK = 14;
const ALL_MASK = 15;

const COMMAND_DISABLE = 0x04;
const SET_BIT = 0x04; // request and single mask: set, not clear

const MODE_TRANSFER = 0x0c;
const TRANSFER_WRITE = 0x04; // device to memory
const TRANSFER_READ = 0x08; // memory to device; 0 verifies
const MODE_AUTOINIT = 0x10;
const MODE_DECREMENT = 0x20;
const MODE_SELECT = 0xc0;
const SELECT_CASCADE = 0xc0;

/** Page register (port 80h + index) of channels 0-7; channel 4 is the cascade, its register belongs to the refresh. */
const PAGE_OF_CHANNEL = [7, 3, 1, 2, 15, 11, 9, 10] as const;

const channelSchema = z.strictObject({ baseAddress: u16, baseCount: u16, address: u16, count: u16, mode: u8 });
const controllerSchema = z.strictObject({
  channels: exactly(4, channelSchema),
  command: u8,
  /** Channels that reached terminal count since the status was read. */
  terminal: integer(0, 15),
  /** Levels of DREQ, and requests by software. */
  requests: integer(0, 15),
  softwareRequests: integer(0, 15),
  mask: integer(0, 15),
  /** The next byte of an address or count is the high one. */
  flipFlop: bool,
});
const schema = z.strictObject({ controllers: exactly(2, controllerSchema), pages: bytes(16) });

export type I8237State = z.infer<typeof schema>;
type ControllerState = z.infer<typeof controllerSchema>;
type ChannelState = z.infer<typeof channelSchema>;

export interface I8237 extends Device<I8237State> {
  /** Channels 0-3, ports 00h-0Fh. */
  readonly primary: Region;
  /** Channels 4-7, ports C0h-DFh: the registers lie two ports apart. */
  readonly secondary: Region;
  /** Ports 80h-8Fh. */
  readonly pages: Region;
  /** Channel 0-3 (8 bits) or 5-7 (16 bits), for one device. */
  channel(index: number): DmaChannel;
}

/** The ISA DMA controllers of a PC. */
export const i8237 = defineDevice<I8237State, object, I8237>({
  type: 'i8237',
  state: { version: 1, schema },
  create({ dma, log }) {
    const freshController = (): ControllerState => ({
      channels: Array.from({ length: 4 }, () => ({ baseAddress: 0, baseCount: 0, address: 0, count: 0, mode: 0 })),
      command: 0,
      terminal: 0,
      requests: 0,
      softwareRequests: 0,
      mask: 15,
      flipFlop: false,
    });
    const state: I8237State = { controllers: [freshController(), freshController()], pages: new Uint8Array(16) };

    /** Tells devices whose channel has become usable. */
    const channels: (Channel | undefined)[] = Array.from({ length: 8 }, () => undefined);
    const wake = (controller: number) => {
      for (let index = 0; index < 4; index++) {
        const channel = channels[controller * 4 + index];
        if (channel !== undefined && (state.controllers[controller]!.requests & (1 << index)) !== 0 && channel.ready) channel.onReady();
      }
    };

    const readRegister = (controller: ControllerState, register: number): number => {
      if (register < 8) {
        const channel = controller.channels[register >> 1]!;
        const value = (register & 1) === 0 ? channel.address : channel.count;
        controller.flipFlop = !controller.flipFlop;
        return controller.flipFlop ? value & 0xff : value >> 8;
      }
      if (register === COMMAND_STATUS) {
        const status = controller.terminal | ((controller.requests | controller.softwareRequests) << 4);
        controller.terminal = 0;
        return status;
      }
      if (register === ALL_MASK) return 0xf0 | controller.mask; // undocumented, of the later chips
      return 0; // the temporary register of memory-to-memory transfers, which a PC cannot make
    };

    const writeAddressOrCount = (controller: ControllerState, register: number, value: number) => {
      const channel = controller.channels[register >> 1]!;
      const merge = (old: number) => (controller.flipFlop ? (old & 0xff) | (value << 8) : (old & 0xff00) | value);
      if ((register & 1) === 0) channel.address = channel.baseAddress = merge(channel.baseAddress);
      else channel.count = channel.baseCount = merge(channel.baseCount);
      controller.flipFlop = !controller.flipFlop;
    };

    const writeRegister = (controller: ControllerState, register: number, value: number): void => {
      const bit = 1 << (value & 3);
      const setOrClear = (bits: number) => ((value & SET_BIT) !== 0 ? bits | bit : bits & ~bit);
      switch (register) {
        case COMMAND_STATUS:
          if ((value & ~COMMAND_DISABLE) !== 0) log.guest('dma: command bits without effect on a PC', { command: value });
          controller.command = value;
          break;
        case REQUEST:
          controller.softwareRequests = setOrClear(controller.softwareRequests);
          break;
        case SINGLE_MASK:
          controller.mask = setOrClear(controller.mask);
          break;
        case MODE:
          controller.channels[value & 3]!.mode = value & ~3;
          break;
        case CLEAR_FLIP_FLOP:
          controller.flipFlop = false;
          break;
        case MASTER_CLEAR:
          Object.assign(controller, { command: 0, terminal: 0, softwareRequests: 0, mask: 15, flipFlop: false });
          break;
        case CLEAR_MASK:
          controller.mask = 0;
          break;
        case ALL_MASK:
          controller.mask = value & 15;
          break;
        default:
          writeAddressOrCount(controller, register, value);
      }
    };

    const registers = (name: string, index: 0 | 1): Region => ({
      name,
      sizes: 1,
      read: (offset) => readRegister(state.controllers[index]!, offset >> index),
      write: (offset, _size, value) => {
        writeRegister(state.controllers[index]!, offset >> index, value);
        wake(index);
      },
    });

    return {
      state,
      primary: registers('dma-primary', 0),
      secondary: registers('dma-secondary', 1),
      pages: {
        name: 'dma-pages',
        sizes: 1,
        read: (offset) => state.pages[offset]!,
        write: (offset, _size, value) => {
          state.pages[offset] = value;
        },
      },
      channel: (index) => (channels[index] ??= new Channel(state, index, dma)),
      reset() {
        // DREQ belongs to the devices.
        for (const controller of state.controllers) {
          const { requests } = controller;
          const fresh = freshController();
          controller.channels.forEach((channel, index) => Object.assign(channel, fresh.channels[index]));
          Object.assign(controller, fresh, { channels: controller.channels, requests });
        }
        state.pages.fill(0);
      },
      inspect: () =>
        Object.fromEntries(
          state.controllers.flatMap((controller, high) =>
            controller.channels.map((channel, low) => [
              `channel ${high * 4 + low}`,
              `address ${channel.address.toString(16)}h count ${channel.count.toString(16)}h mode ${channel.mode.toString(16)}h` +
                ((controller.mask & (1 << low)) !== 0 ? ' masked' : ''),
            ]),
          ),
        ),
    };
  },
});

/** One channel: moves bytes between its device and the page that its registers name. */
class Channel implements DmaChannel {
  readonly width: 1 | 2;
  onReady: () => void = () => undefined;
  readonly #state: I8237State;
  readonly #index: number;
  readonly #dma: Dma;

  constructor(state: I8237State, index: number, dma: Dma) {
    this.#state = state;
    this.#index = index;
    this.#dma = dma;
    this.width = index < 4 ? 1 : 2;
  }

  get #controller(): ControllerState {
    return this.#state.controllers[this.#index >> 2]!;
  }

  get #channel(): ChannelState {
    return this.#controller.channels[this.#index & 3]!;
  }

  get #bit(): number {
    return 1 << (this.#index & 3);
  }

  request(level: boolean): void {
    const controller = this.#controller;
    const was = (controller.requests & this.#bit) !== 0;
    controller.requests = level ? controller.requests | this.#bit : controller.requests & ~this.#bit;
    if (level && !was && this.ready) this.onReady();
  }

  get ready(): boolean {
    const { mask, command } = this.#controller;
    return (mask & this.#bit) === 0 && (command & COMMAND_DISABLE) === 0 && (this.#channel.mode & MODE_SELECT) !== SELECT_CASCADE;
  }

  send(from: Uint8Array): DmaTransfer {
    return this.#transfer(from.length, TRANSFER_WRITE, (address, offset, length, backwards) => {
      const part = from.subarray(offset, offset + length);
      this.#dma.write(address, backwards ? this.#reversed(part) : part);
    });
  }

  receive(into: Uint8Array): DmaTransfer {
    return this.#transfer(into.length, TRANSFER_READ, (address, offset, length, backwards) => {
      const part = into.subarray(offset, offset + length);
      this.#dma.read(address, part);
      if (backwards) part.set(this.#reversed(part));
    });
  }

  /**
   * Moves up to `bytes` bytes, to the end of the block at most. A channel that verifies, or is programmed for the other direction, counts without
   * touching memory. Address and page do not carry into each other: a block that leaves its 64 KiB (128 KiB) page goes on at its start.
   */
  #transfer(bytes: number, kind: number, move: (address: number, offset: number, length: number, backwards: boolean) => void): DmaTransfer {
    if (!this.ready) return { count: 0, terminal: false };
    const channel = this.#channel;
    const backwards = (channel.mode & MODE_DECREMENT) !== 0;
    const units = Math.min(Math.floor(bytes / this.width), channel.count + 1);
    for (let done = 0; done < units;) {
      const inPage = backwards ? channel.address + 1 : 0x10000 - channel.address;
      const length = Math.min(units - done, inPage);
      if ((channel.mode & MODE_TRANSFER) === kind) {
        const lowest = backwards ? channel.address - length + 1 : channel.address;
        move(this.#physical(lowest), done * this.width, length * this.width, backwards);
      }
      channel.address = (channel.address + (backwards ? -length : length)) & 0xffff;
      done += length;
    }
    const terminal = units > channel.count;
    channel.count = (channel.count - units) & 0xffff;
    if (terminal) this.#endBlock();
    return { count: units * this.width, terminal };
  }

  #endBlock(): void {
    const controller = this.#controller;
    const channel = this.#channel;
    controller.terminal |= this.#bit;
    controller.softwareRequests &= ~this.#bit;
    if ((channel.mode & MODE_AUTOINIT) !== 0) {
      channel.address = channel.baseAddress;
      channel.count = channel.baseCount;
    } else controller.mask |= this.#bit;
  }

  #physical(address: number): number {
    const page = this.#state.pages[PAGE_OF_CHANNEL[this.#index]!]!;
    return this.width === 1 ? (page << 16) | address : ((page & 0xfe) << 16) | (address << 1);
  }

  /** Units in the other order; the bytes within a word stay. */
  #reversed(part: Uint8Array): Uint8Array {
    if (this.width === 1) return part.slice().reverse();
    const result = new Uint8Array(part.length);
    for (let i = 0; i + 1 < part.length; i += 2) result.set(part.subarray(i, i + 2), part.length - 2 - i);
    return result;
  }
}
