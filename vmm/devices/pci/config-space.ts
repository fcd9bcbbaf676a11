import { assert } from '../../base/errors.ts';
import type { AccessSize, Bus, Mapping, Region } from '../../bus/bus.ts';
import { unconnectedIrq, type IrqLine } from '../../bus/irq.ts';
import { PRIORITY_PCI, type MemoryBus } from '../../bus/memory-bus.ts';
import { bytes } from '../../bus/schema.ts';
import type { MemoryBlock } from '../../memory/physical-map.ts';
import {
  BAR_IO,
  BAR_PREFETCHABLE,
  COMMAND_INTX_DISABLE,
  COMMAND_IO,
  COMMAND_MASTER,
  COMMAND_MEMORY,
  COMMAND_SERR,
  CONFIG_SIZE,
  PCI_BASE_ADDRESS_0,
  PCI_CACHE_LINE_SIZE,
  PCI_CAPABILITIES_POINTER,
  PCI_CLASS_CODE,
  PCI_COMMAND,
  PCI_DEVICE_ID,
  PCI_HEADER_TYPE,
  PCI_INTERRUPT_LINE,
  PCI_INTERRUPT_PIN,
  PCI_LATENCY_TIMER,
  PCI_REVISION_ID,
  PCI_ROM_ADDRESS,
  PCI_STATUS,
  PCI_SUBSYSTEM_ID,
  PCI_SUBSYSTEM_VENDOR_ID,
  PCI_VENDOR_ID,
  ROM_ENABLE,
  STATUS_CAPABILITIES,
  STATUS_ERRORS,
  STATUS_INTERRUPT,
} from './registers.ts';

/** What a base address register decodes: registers in port or memory space, or memory that the guest reaches directly (video memory, a ROM). */
export type PciBar =
  | { readonly bar: number; readonly space: 'io'; readonly length: number; readonly region: Region }
  | { readonly bar: number; readonly space: 'memory'; readonly length: number; readonly region: Region; readonly prefetchable?: boolean }
  | {
      readonly bar: number;
      readonly space: 'memory';
      readonly length: number;
      readonly block: MemoryBlock;
      readonly dirtyLog?: boolean;
      readonly prefetchable?: boolean;
    }
  | { readonly bar: 'rom'; readonly space: 'memory'; readonly length: number; readonly block: MemoryBlock };

/** A register beyond the header: where, what it is after reset, which bits software may write, and which it clears by writing 1. */
export interface PciRegister {
  readonly offset: number;
  readonly size: AccessSize;
  readonly reset?: number;
  readonly writable?: number;
  readonly clear?: number;
  /** Bits that only the device changes (`poke`): a loaded state keeps them. */
  readonly device?: number;
}

export interface PciIdentity {
  readonly vendor: number;
  readonly device: number;
  readonly revision?: number;
  /** Base class << 16 | subclass << 8 | programming interface. */
  readonly classCode: number;
  readonly subsystemVendor?: number;
  readonly subsystem?: number;
  readonly headerType?: number;
  /** 1 = INTA# .. 4 = INTD#; absent: no interrupt. */
  readonly interruptPin?: 1 | 2 | 3 | 4;
  /** Reset value and writable bits of the command register; default: 0, and all that a plain device implements. */
  readonly command?: { readonly reset: number; readonly writable: number };
  /** Reset value of the status register. */
  readonly status?: number;
  readonly bars?: readonly PciBar[];
  /** Registers of this function beyond the header; they may also redefine header registers. */
  readonly registers?: readonly PciRegister[];
}

/** What a slot offers a function: the address spaces its BARs decode in, and its interrupt wire. */
export interface PciSlot {
  readonly ports: Bus;
  readonly memory: MemoryBus;
  readonly intx: IrqLine;
  /** Where memory writes to FEExxxxxh go: the interrupt messages of MSI and MSI-X. Absent: nobody hears them. */
  readonly message?: ((address: number, data: number) => void) | undefined;
}

/** The subsystem vendor QEMU's boards carry (Red Hat, 1af4:1100), which guests and SeaBIOS know. */
const SUBSYSTEM_VENDOR = 0x1af4;
const SUBSYSTEM_ID = 0x1100;

/** Schema of a function's configuration space inside its device's saved state. */
export const pciConfigSchema = bytes(CONFIG_SIZE);

const PLAIN_COMMAND = COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER | COMMAND_SERR | COMMAND_INTX_DISABLE;

/**
 * The 256-byte configuration space of one PCI function. `bytes` belongs into the device's state (`state.config = config.bytes`). A device calls
 * `reset` and `loaded` from its own, drives its interrupt with `intx.set`, and asks `busMaster` before it does DMA.
 */
export class PciConfig {
  readonly bytes = new Uint8Array(CONFIG_SIZE);
  readonly identity: PciIdentity;
  /** The function's INTx# pin. Level-triggered; the command register can silence it. */
  readonly intx: IrqLine;
  /** Called before software reads registers, for those that are a window on something else (virtio's VIRTIO_PCI_CAP_PCI_CFG). */
  beforeRead: (offset: number, length: number) => void = () => undefined;

  readonly #listeners: ((offset: number, length: number) => void)[] = [];
  readonly #initial = new Uint8Array(CONFIG_SIZE);
  readonly #writable = new Uint8Array(CONFIG_SIZE);
  readonly #clear = new Uint8Array(CONFIG_SIZE);
  readonly #device = new Uint8Array(CONFIG_SIZE);
  readonly #bars: { readonly bar: PciBar; readonly offset: number; mapping?: Mapping; at: number }[] = [];
  #wire: IrqLine = unconnectedIrq;
  #message: (address: number, data: number) => void = () => undefined;
  #replacesIntx: () => boolean = () => false;
  #nextCapability = 0x40;
  #lastCapability = PCI_CAPABILITIES_POINTER;

  constructor(identity: PciIdentity) {
    this.identity = identity;
    this.intx = { set: (level) => this.#setInterrupt(level) };
    const command = identity.command ?? { reset: 0, writable: PLAIN_COMMAND };
    this.#define({ offset: PCI_VENDOR_ID, size: 2, reset: identity.vendor });
    this.#define({ offset: PCI_DEVICE_ID, size: 2, reset: identity.device });
    this.#define({ offset: PCI_COMMAND, size: 2, reset: command.reset, writable: command.writable });
    this.#define({ offset: PCI_STATUS, size: 2, reset: identity.status ?? 0, clear: STATUS_ERRORS });
    this.#define({ offset: PCI_REVISION_ID, size: 1, reset: identity.revision ?? 0 });
    this.#define({ offset: PCI_CLASS_CODE, size: 1, reset: identity.classCode & 0xff });
    this.#define({ offset: PCI_CLASS_CODE + 1, size: 2, reset: identity.classCode >>> 8 });
    this.#define({ offset: PCI_CACHE_LINE_SIZE, size: 1, writable: 0xff });
    this.#define({ offset: PCI_LATENCY_TIMER, size: 1 });
    this.#define({ offset: PCI_HEADER_TYPE, size: 1, reset: identity.headerType ?? 0 });
    this.#define({ offset: PCI_SUBSYSTEM_VENDOR_ID, size: 2, reset: identity.subsystemVendor ?? SUBSYSTEM_VENDOR });
    this.#define({ offset: PCI_SUBSYSTEM_ID, size: 2, reset: identity.subsystem ?? SUBSYSTEM_ID });
    if (identity.interruptPin !== undefined) {
      this.#define({ offset: PCI_INTERRUPT_LINE, size: 1, writable: 0xff });
      this.#define({ offset: PCI_INTERRUPT_PIN, size: 1, reset: identity.interruptPin });
    }
    for (const bar of identity.bars ?? []) this.#defineBar(bar);
    for (const register of identity.registers ?? []) this.#define(register);
    this.bytes.set(this.#initial);
  }

  get command(): number {
    return this.#word(PCI_COMMAND);
  }

  /** Whether software allowed this function to be a bus master. */
  get busMaster(): boolean {
    return (this.command & COMMAND_MASTER) !== 0;
  }

  /** Appends a capability of `length` bytes (header included) to the list; returns its offset. Call before the machine runs. */
  addCapability(id: number, length: number, registers: readonly PciRegister[] = []): number {
    const offset = this.#nextCapability;
    assert(offset + length <= CONFIG_SIZE, `no room for PCI capability ${id}`);
    this.#nextCapability = (offset + length + 3) & ~3;
    this.#define({ offset, size: 1, reset: id });
    this.#define({ offset: this.#lastCapability, size: 1, reset: offset });
    this.#lastCapability = offset + 1;
    this.#initial[PCI_STATUS]! |= STATUS_CAPABILITIES;
    for (const register of registers) this.#define({ ...register, offset: offset + register.offset });
    this.bytes.set(this.#initial);
    return offset;
  }

  /** Puts the function into a slot: its BARs become mappings there. */
  connect(slot: PciSlot): void {
    this.#wire = slot.intx;
    if (slot.message !== undefined) this.#message = slot.message;
    for (const entry of this.#bars) {
      entry.mapping = mapBar(entry.bar, slot);
      entry.mapping.enable(false);
    }
    this.#decode();
    this.#driveInterrupt();
  }

  /** `listener` is called after software wrote registers `offset .. offset + length - 1`, or reset or load changed all of them. */
  onChange(listener: (offset: number, length: number) => void): void {
    this.#listeners.push(listener);
  }

  #changed(offset: number, length: number): void {
    for (const listener of this.#listeners) listener(offset, length);
  }

  /** While `active`, the function signals by messages and leaves its INTx# pin alone (PCI 3.0, 6.8.3.3). Asked again after each change. */
  replaceIntx(active: () => boolean): void {
    this.#replacesIntx = active;
  }

  /** A memory write that is an interrupt message. Bus mastering must be on for it, as for any write of a function. */
  sendMessage(address: number, data: number): void {
    if (this.busMaster) this.#message(address, data);
  }

  /** Configuration read; `offset + size` never crosses a double word. */
  read(offset: number, size: AccessSize): number {
    this.beforeRead(offset, size);
    return this.#value(offset, size);
  }

  #value(offset: number, size: AccessSize): number {
    let value = 0;
    for (let at = 0; at < size; at++) value |= this.bytes[(offset + at) & 0xff]! << (8 * at);
    return value >>> 0;
  }

  write(offset: number, size: AccessSize, value: number): void {
    for (let at = 0; at < size; at++) {
      const index = (offset + at) & 0xff;
      const byte = (value >>> (8 * at)) & 0xff;
      const writable = this.#writable[index]!;
      this.bytes[index] = ((this.bytes[index]! & ~writable) | (byte & writable)) & ~(byte & this.#clear[index]!);
    }
    this.#decode();
    this.#driveInterrupt();
    this.#changed(offset, size);
  }

  reset(): void {
    this.bytes.set(this.#initial);
    this.#decode();
    this.#driveInterrupt();
    this.#changed(0, CONFIG_SIZE);
  }

  /** After `bytes` was replaced by a saved state: what software cannot write is as the hardware has it, whatever the state says. */
  loaded(): void {
    const pending = this.bytes[PCI_STATUS]! & STATUS_INTERRUPT;
    for (let index = 0; index < CONFIG_SIZE; index++) {
      const free = this.#writable[index]! | this.#clear[index]! | this.#device[index]!;
      this.bytes[index] = (this.#initial[index]! & ~free) | (this.bytes[index]! & free);
    }
    this.bytes[PCI_STATUS]! |= pending;
    this.#decode();
    this.#driveInterrupt();
    this.#changed(0, CONFIG_SIZE);
  }

  /** Where BAR `bar` decodes now, undefined while it does not. */
  barAddress(bar: PciBar['bar']): number | undefined {
    const entry = this.#bars.find((each) => each.bar.bar === bar);
    return entry === undefined || entry.at === 0 ? undefined : entry.at;
  }

  /** Sets bits that only the device itself changes (status, capability registers). */
  poke(offset: number, size: AccessSize, value: number): void {
    for (let at = 0; at < size; at++) this.bytes[offset + at] = (value >>> (8 * at)) & 0xff;
    this.#driveInterrupt();
  }

  #define({ offset, size, reset = 0, writable = 0, clear = 0, device = 0 }: PciRegister): void {
    for (let at = 0; at < size; at++) {
      this.#initial[offset + at] = (reset >>> (8 * at)) & 0xff;
      this.#writable[offset + at] = (writable >>> (8 * at)) & 0xff;
      this.#clear[offset + at] = (clear >>> (8 * at)) & 0xff;
      this.#device[offset + at] = (device >>> (8 * at)) & 0xff;
    }
  }

  #defineBar(bar: PciBar): void {
    const least = bar.space === 'io' ? 4 : bar.bar === 'rom' ? 2048 : 16;
    assert(bar.length >= least && (bar.length & (bar.length - 1)) === 0, `BAR length ${bar.length} is not a power of two from ${least}`);
    const offset = bar.bar === 'rom' ? PCI_ROM_ADDRESS : PCI_BASE_ADDRESS_0 + 4 * bar.bar;
    const address = ~(bar.length - 1) >>> 0;
    if (bar.bar === 'rom') this.#define({ offset, size: 4, writable: address | ROM_ENABLE });
    else if (bar.space === 'io') this.#define({ offset, size: 4, reset: BAR_IO, writable: address });
    else this.#define({ offset, size: 4, reset: bar.prefetchable === true ? BAR_PREFETCHABLE : 0, writable: address });
    this.#bars.push({ bar, offset, at: 0 });
  }

  #word(offset: number): number {
    return this.bytes[offset]! | (this.bytes[offset + 1]! << 8);
  }

  /** Moves the BARs' mappings to where the registers say. Address 0, and an address at the top left by sizing the BAR, decode nothing. */
  #decode(): void {
    for (const entry of this.#bars) {
      const { bar, offset } = entry;
      const raw = this.#value(offset, 4);
      const address = (raw & ~(bar.length - 1)) >>> 0;
      const on =
        (this.command & (bar.space === 'io' ? COMMAND_IO : COMMAND_MEMORY)) !== 0 &&
        (bar.bar !== 'rom' || (raw & ROM_ENABLE) !== 0) &&
        address !== 0 &&
        address + bar.length <= (bar.space === 'io' ? 0x1_0000 : 0xffff_f000);
      const at = on ? address : 0;
      if (at === entry.at) continue;
      entry.at = at;
      if (on) entry.mapping?.move(at);
      entry.mapping?.enable(on);
    }
  }

  #setInterrupt(level: boolean): void {
    if (level) this.bytes[PCI_STATUS]! |= STATUS_INTERRUPT;
    else this.bytes[PCI_STATUS]! &= ~STATUS_INTERRUPT;
    this.#driveInterrupt();
  }

  #driveInterrupt(): void {
    const pending = (this.bytes[PCI_STATUS]! & STATUS_INTERRUPT) !== 0;
    this.#wire.set(pending && (this.command & COMMAND_INTX_DISABLE) === 0 && !this.#replacesIntx());
  }
}

function mapBar(bar: PciBar, slot: PciSlot): Mapping {
  if (bar.space === 'io') return slot.ports.map(0, bar.length, bar.region);
  if (!('block' in bar)) return slot.memory.map(0, bar.length, bar.region, PRIORITY_PCI);
  const options = { length: Math.min(bar.length, bar.block.length), readOnly: bar.bar === 'rom', priority: PRIORITY_PCI };
  return slot.memory.mapBlock(0, bar.block, { ...options, dirtyLog: bar.bar !== 'rom' && bar.dirtyLog === true });
}
