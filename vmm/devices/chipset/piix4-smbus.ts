import { z } from 'zod';
import type { Region } from '../../bus/bus.ts';
import { integer, u8, upTo } from '../../bus/schema.ts';

/* The SMBus host of the 82371AB (PIIX4, data sheet 290562, 7.3): transactions complete at once. */

export const SMBUS_PORTS = 16;

const HOST_STATUS = 0;
const SLAVE_STATUS = 1;
const HOST_CONTROL = 2;
const HOST_COMMAND = 3;
const HOST_ADDRESS = 4;
const HOST_DATA_0 = 5;
const HOST_DATA_1 = 6;
const BLOCK_DATA = 7;
const SLAVE_CONTROL = 8;

const STATUS_INTERRUPT = 0x02; // the transaction is complete
const STATUS_DEVICE_ERROR = 0x04; // nobody answered, or an illegal command
const STATUS_CLEARABLE = 0x1e;

const CONTROL_INTERRUPT_ENABLE = 0x01;
const CONTROL_START = 0x40; // write only
const CONTROL_STORED = 0x1d;
const ADDRESS_READ = 0x01;

const PROTOCOL_QUICK = 0;
const PROTOCOL_BYTE = 1;
const PROTOCOL_BYTE_DATA = 2;
const PROTOCOL_WORD_DATA = 3;
const PROTOCOL_BLOCK = 5;
const BLOCK_MAX = 32;

/** A device on the SMBus with 8-bit registers (SMBus specification 1.0, "command codes"), such as a memory module's SPD EEPROM. */
export interface SmbusDevice {
  readRegister(register: number): number;
  writeRegister(register: number, value: number): void;
}

export const smbusSchema = z.strictObject({
  status: integer(0, STATUS_CLEARABLE),
  control: integer(0, CONTROL_STORED),
  command: u8,
  address: u8,
  data0: u8,
  data1: u8,
  block: upTo(BLOCK_MAX, u8),
  blockIndex: integer(0, BLOCK_MAX),
  slaveControl: u8,
  /** The register that a receive byte transaction reads next: one counter serves all devices, as a bus with one EEPROM shows it. */
  pointer: u8,
});

export type SmbusState = z.infer<typeof smbusSchema>;

export function newSmbus(): SmbusState {
  return { status: 0, control: 0, command: 0, address: 0, data0: 0, data1: 0, block: [], blockIndex: 0, slaveControl: 0, pointer: 0 };
}

/** The registers at the SMBus base address. `changed` is called after each transaction and acknowledge: `interrupt` may differ. */
export class SmbusHost {
  readonly #state: SmbusState;
  readonly #devices: ReadonlyMap<number, SmbusDevice>;
  readonly #changed: () => void;
  readonly region: Region;

  constructor(state: SmbusState, devices: ReadonlyMap<number, SmbusDevice>, changed: () => void) {
    this.#state = state;
    this.#devices = devices;
    this.#changed = changed;
    this.region = { name: 'smbus', sizes: 1, read: (offset) => this.#read(offset), write: (offset, _size, value) => this.#write(offset, value) };
  }

  get interrupt(): boolean {
    return this.#state.status !== 0 && (this.#state.control & CONTROL_INTERRUPT_ENABLE) !== 0;
  }

  #read(offset: number): number {
    const state = this.#state;
    switch (offset) {
      case HOST_STATUS:
        return state.status;
      case HOST_CONTROL:
        state.blockIndex = 0; // reading the control register starts a block anew
        return state.control;
      case HOST_COMMAND:
        return state.command;
      case HOST_ADDRESS:
        return state.address;
      case HOST_DATA_0:
        return state.data0;
      case HOST_DATA_1:
        return state.data1;
      case BLOCK_DATA:
        return state.block[this.#nextBlockIndex()] ?? 0;
      case SLAVE_CONTROL:
        return state.slaveControl;
      default:
        return offset === SLAVE_STATUS ? 0 : 0xff;
    }
  }

  #write(offset: number, value: number): void {
    const state = this.#state;
    switch (offset) {
      case HOST_STATUS:
        state.status &= ~(value & STATUS_CLEARABLE);
        this.#changed();
        break;
      case HOST_CONTROL:
        state.control = value & CONTROL_STORED;
        if ((value & CONTROL_START) !== 0) this.#transact((value >> 2) & 7);
        this.#changed();
        break;
      case HOST_COMMAND:
        state.command = value;
        break;
      case HOST_ADDRESS:
        state.address = value;
        break;
      case HOST_DATA_0:
        state.data0 = value;
        break;
      case HOST_DATA_1:
        state.data1 = value;
        break;
      case BLOCK_DATA: {
        const index = this.#nextBlockIndex();
        while (state.block.length < index) state.block.push(0);
        state.block[index] = value;
        break;
      }
      case SLAVE_CONTROL:
        state.slaveControl = value & 0x0f;
        break;
      default: // slave status, shadow commands and slave data: no master but this one
    }
  }

  #nextBlockIndex(): number {
    const index = this.#state.blockIndex;
    this.#state.blockIndex = (index + 1) % BLOCK_MAX;
    return index;
  }

  #transact(protocol: number): void {
    const state = this.#state;
    const device = this.#devices.get(state.address >> 1);
    const ok = device !== undefined && this.#transfer(device, protocol, (state.address & ADDRESS_READ) !== 0);
    state.status |= ok ? STATUS_INTERRUPT : STATUS_INTERRUPT | STATUS_DEVICE_ERROR;
    state.blockIndex = 0;
  }

  /** False: a protocol that the host does not know. */
  #transfer(device: SmbusDevice, protocol: number, reading: boolean): boolean {
    const state = this.#state;
    switch (protocol) {
      case PROTOCOL_QUICK:
        return true;
      case PROTOCOL_BYTE:
        if (reading) {
          state.data0 = device.readRegister(state.pointer) & 0xff;
          state.pointer = (state.pointer + 1) & 0xff;
        } else state.pointer = state.command;
        return true;
      case PROTOCOL_BYTE_DATA:
      case PROTOCOL_WORD_DATA: {
        const word = protocol === PROTOCOL_WORD_DATA;
        const second = (state.command + 1) & 0xff;
        if (reading) {
          state.data0 = device.readRegister(state.command) & 0xff;
          if (word) state.data1 = device.readRegister(second) & 0xff;
        } else {
          device.writeRegister(state.command, state.data0);
          if (word) device.writeRegister(second, state.data1);
        }
        return true;
      }
      case PROTOCOL_BLOCK: {
        const count = Math.min(Math.max(state.data0, 1), BLOCK_MAX);
        for (let index = 0; index < count; index++) {
          const register = (state.command + index) & 0xff;
          if (reading) state.block[index] = device.readRegister(register) & 0xff;
          else device.writeRegister(register, state.block[index] ?? 0);
        }
        state.data0 = count;
        return true;
      }
      default:
        return false;
    }
  }
}
