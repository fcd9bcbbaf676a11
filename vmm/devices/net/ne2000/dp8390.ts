import { z } from 'zod';
import type { AccessSize, Region } from '../../../bus/bus.ts';
import type { IrqLine } from '../../../bus/irq.ts';
import { bytes, integer, u16, u8 } from '../../../bus/schema.ts';
import type { NetBackend } from '../../../net/cable/cable.ts';
import { addressCrcBigEndian, FCS_BYTES, isBroadcast, isMulticast, isTo, padded } from '../ethernet.ts';

/*
 * National DP8390 on a board with 16 KiB of buffer memory and a PROM with the address: the NE2000. Bit names as in the DP8390D/NS32490D data sheet (July 1995).
 */

export const PORTS = 32;
const DATA_PORT = 0x10;
const RESET_PORT = 0x18;
const PAGE_BYTES = 256;
/** The buffer memory in the remote DMA's address space; the PROM is at 0. */
const MEMORY_START = 0x4000;
const MEMORY_BYTES = 0x4000;
const PROM_BYTES = 32;
const MOST_LENGTH = 1514;

const Command = { STP: 0x01, STA: 0x02, TXP: 0x04, RD: 0x38, READ: 0x08, WRITE: 0x10, SEND: 0x18, ABORT: 0x20 } as const;
const Isr = { PRX: 0x01, PTX: 0x02, RXE: 0x04, TXE: 0x08, OVW: 0x10, CNT: 0x20, RDC: 0x40, RST: 0x80 } as const;
const Tsr = { PTX: 0x01 } as const;
const Rsr = { PRX: 0x01, MPA: 0x10, PHY: 0x20, DIS: 0x40 } as const;
const Rcr = { AR: 0x02, AB: 0x04, AM: 0x08, PRO: 0x10, MON: 0x20 } as const;
const Tcr = { LOOPBACK: 0x06 } as const;
const Dcr = { WTS: 0x01, LS: 0x08 } as const;

export const dp8390Schema = z.strictObject({
  command: u8,
  /** Started: a command with neither STA nor STP leaves it as it is (drivers select pages that way). */
  running: z.boolean(),
  pageStart: u8,
  pageStop: u8,
  boundary: u8,
  current: u8,
  transmitPage: u8,
  transmitCount: u16,
  transmitStatus: u8,
  /** A frame that the cable has no room for. */
  sending: z.boolean(),
  remoteAddress: u16,
  remoteCount: u16,
  interrupts: u8,
  mask: integer(0, 0x7f),
  receiveConfig: u8,
  transmitConfig: u8,
  dataConfig: u8,
  receiveStatus: u8,
  missed: u8,
  address: bytes(6),
  multicast: bytes(8),
  prom: bytes(PROM_BYTES),
  memory: bytes(MEMORY_BYTES),
});
export type Dp8390State = z.infer<typeof dp8390Schema>;

function registerValues() {
  return {
    command: Command.STP | Command.ABORT,
    running: false,
    pageStart: 0,
    pageStop: 0,
    boundary: 0,
    current: 0,
    transmitPage: 0,
    transmitCount: 0,
    transmitStatus: 0,
    sending: false,
    remoteAddress: 0,
    remoteCount: 0,
    interrupts: Isr.RST,
    mask: 0,
    receiveConfig: 0,
    transmitConfig: 0,
    dataConfig: 0x04,
    receiveStatus: 0,
    missed: 0,
  };
}

export interface Dp8390Options {
  readonly name: string;
  readonly irq: IrqLine;
  readonly cable: NetBackend;
  readonly mac: Uint8Array;
  /** Registers of the board's own among those of the chip: page 3, and what reads where page 0 has none. */
  readonly extra?: ((page: number, register: number) => number | undefined) | undefined;
}

/** The chip and the board around it; the bus front ends (ISA, PCI) own the interrupt's way. */
export class Dp8390 {
  readonly state: Dp8390State;
  readonly ports: Region;
  readonly #options: Dp8390Options;

  constructor(options: Dp8390Options) {
    this.#options = options;
    this.state = {
      ...registerValues(),
      address: new Uint8Array(6),
      multicast: new Uint8Array(8),
      prom: promOf(options.mac),
      memory: new Uint8Array(MEMORY_BYTES),
    };
    this.ports = {
      name: options.name,
      read: (offset, size) => this.#read(offset, size),
      write: (offset, size, value) => this.#write(offset, size, value),
    };
    options.cable.attach({ frame: (frame) => this.#receive(frame), room: () => this.#transmit() });
  }

  reset(): void {
    Object.assign(this.state, registerValues());
    this.state.address.fill(0);
    this.state.multicast.fill(0);
    this.state.memory.fill(0);
    this.identify();
    this.#drive();
  }

  identify(): void {
    this.state.prom.set(promOf(this.#options.mac));
  }

  loaded(): void {
    this.#drive();
    this.#transmit();
    this.#options.cable.ready();
  }

  inspect(): Record<string, string | number> {
    const { state } = this;
    return {
      mac: [...state.prom.subarray(0, 12)]
        .filter((_, index) => index % 2 === 0)
        .map((octet) => octet.toString(16).padStart(2, '0'))
        .join(':'),
      state: state.running ? 'started' : 'stopped',
      ring: `${state.pageStart}-${state.pageStop}, boundary ${state.boundary}, current ${state.current}`,
    };
  }

  // -- ports

  /** The data port takes words or bytes, as DCR says; everything else is bytes. */
  #read(offset: number, size: AccessSize): number {
    if (offset >= DATA_PORT && offset < RESET_PORT) return this.#readData(size);
    let value = 0;
    for (let byte = 0; byte < size; byte++) value |= this.#readByte(offset + byte) << (8 * byte);
    return value >>> 0;
  }

  #write(offset: number, size: AccessSize, value: number): void {
    if (offset >= DATA_PORT && offset < RESET_PORT) return this.#writeData(size, value);
    for (let byte = 0; byte < size; byte++) this.#writeByte(offset + byte, (value >>> (8 * byte)) & 0xff);
  }

  #readByte(offset: number): number {
    if (offset >= RESET_PORT) {
      // Reading the reset port resets the chip; software writes the value back to end it.
      this.state.command = Command.STP | Command.ABORT;
      this.state.sending = false;
      this.state.running = false;
      this.#raise(Isr.RST);
      return 0;
    }
    const { state } = this;
    if (offset === 0) return state.command;
    const page = state.command >> 6;
    const extra = this.#options.extra?.(page, offset);
    if (extra !== undefined) return extra;
    if (page === 0) return this.#readPage0(offset);
    if (page === 1) return offset <= 6 ? state.address[offset - 1]! : offset === 7 ? state.current : state.multicast[offset - 8]!;
    if (page === 2) return this.#readPage2(offset);
    return 0;
  }

  #readPage0(offset: number): number {
    const { state } = this;
    switch (offset) {
      case 1:
        return state.remoteAddress & 0xff; // CLDA0 and CLDA1: the local DMA's address, which stands nowhere between frames
      case 2:
        return 0;
      case 3:
        return state.boundary;
      case 4:
        return state.transmitStatus;
      case 5:
      case 6:
        return 0; // collisions, FIFO
      case 7:
        return state.interrupts;
      case 8:
        return state.remoteAddress & 0xff;
      case 9:
        return state.remoteAddress >> 8;
      case 12:
        return state.receiveStatus;
      case 15: {
        const { missed } = state;
        state.missed = 0;
        return missed;
      }
      default:
        return 0;
    }
  }

  /** Page 2 shows what page 0 takes. */
  #readPage2(offset: number): number {
    const { state } = this;
    const values = [0, state.pageStart, state.pageStop, 0, state.transmitPage, 0, 0, 0, 0, 0, 0, 0];
    if (offset < 12) return values[offset]!;
    return [state.receiveConfig, state.transmitConfig, state.dataConfig, state.mask][offset - 12]!;
  }

  #writeByte(offset: number, value: number): void {
    const { state } = this;
    if (offset >= RESET_PORT) return;
    if (offset === 0) return this.#command(value);
    const page = state.command >> 6;
    if (page === 0) this.#writePage0(offset, value);
    else if (page === 1) {
      if (offset <= 6) state.address[offset - 1] = value;
      else if (offset === 7) state.current = value;
      else state.multicast[offset - 8] = value;
    }
  }

  #writePage0(offset: number, value: number): void {
    const { state } = this;
    switch (offset) {
      case 1:
        state.pageStart = value;
        return;
      case 2:
        state.pageStop = value;
        return;
      case 3:
        state.boundary = value;
        return this.#options.cable.ready(); // the driver has read frames
      case 4:
        state.transmitPage = value;
        return;
      case 5:
        state.transmitCount = (state.transmitCount & 0xff00) | value;
        return;
      case 6:
        state.transmitCount = (state.transmitCount & 0xff) | (value << 8);
        return;
      case 7:
        state.interrupts &= ~(value & 0x7f);
        return this.#drive();
      case 8:
        state.remoteAddress = (state.remoteAddress & 0xff00) | value;
        return;
      case 9:
        state.remoteAddress = (state.remoteAddress & 0xff) | (value << 8);
        return;
      case 10:
        state.remoteCount = (state.remoteCount & 0xff00) | value;
        return;
      case 11:
        state.remoteCount = (state.remoteCount & 0xff) | (value << 8);
        return;
      case 12:
        state.receiveConfig = value & 0x3f;
        return;
      case 13:
        state.transmitConfig = value & 0x1f;
        return;
      case 14:
        state.dataConfig = value & 0x7f;
        return;
      case 15:
        state.mask = value & 0x7f;
        return this.#drive();
    }
  }

  #command(value: number): void {
    const { state } = this;
    const transmitting = state.sending ? Command.TXP : 0;
    state.command = (value & ~Command.TXP) | transmitting;
    if ((value & Command.STP) !== 0) {
      state.running = false;
      this.#raise(Isr.RST);
      return;
    }
    if ((value & Command.STA) !== 0 && !state.running) {
      state.running = true;
      state.interrupts &= ~Isr.RST;
      this.#drive();
    }
    if (!state.running) return;
    const remote = value & Command.RD;
    if (remote === Command.SEND) this.#sendPacket();
    else if ((remote === Command.READ || remote === Command.WRITE) && state.remoteCount === 0) this.#raise(Isr.RDC);
    if ((value & Command.TXP) !== 0 && !state.sending) {
      state.sending = true;
      state.command |= Command.TXP;
      this.#transmit();
    }
    this.#options.cable.ready();
  }

  /** "Send packet": a remote read of the frame at BNRY, its length from its header (data sheet 7.0). */
  #sendPacket(): void {
    const { state } = this;
    const header = state.boundary * PAGE_BYTES;
    state.remoteAddress = header;
    state.remoteCount = this.#memory(header + 2) | (this.#memory(header + 3) << 8);
    state.command = (state.command & ~Command.RD) | Command.READ;
  }

  // -- remote DMA

  #memory(address: number): number {
    if (address < 2 * PROM_BYTES && address < MEMORY_START) return this.state.prom[address & (PROM_BYTES - 1)]!;
    return address >= MEMORY_START && address < MEMORY_START + MEMORY_BYTES ? this.state.memory[address - MEMORY_START]! : 0xff;
  }

  #store(address: number, value: number): void {
    if (address >= MEMORY_START && address < MEMORY_START + MEMORY_BYTES) this.state.memory[address - MEMORY_START] = value;
  }

  #step(bytesMoved: number): void {
    const { state } = this;
    const next = state.remoteAddress + bytesMoved;
    // At PSTOP the remote DMA goes back to PSTART, so that a frame is read around the ring's end.
    state.remoteAddress = (next === state.pageStop * PAGE_BYTES ? state.pageStart * PAGE_BYTES : next) & 0xffff;
    if (state.remoteCount <= bytesMoved) {
      state.remoteCount = 0;
      this.#raise(Isr.RDC);
    } else state.remoteCount -= bytesMoved;
  }

  /** Bytes that one cycle on the data port moves: as DCR says, whatever the processor asks for. A byte of a word is its low one; drivers of PCI boards read the PROM so. */
  get #width(): 1 | 2 {
    return (this.state.dataConfig & Dcr.WTS) !== 0 ? 2 : 1;
  }

  #readData(size: AccessSize): number {
    let value = 0;
    const width = this.#width;
    for (let at = 0; at < size; at += width) {
      if (this.state.remoteCount === 0) return value >>> 0;
      const taken = Math.min(width, size);
      for (let byte = 0; byte < taken; byte++) value |= this.#memory((this.state.remoteAddress + byte) & 0xffff) << (8 * (at + byte));
      this.#step(width);
      if (width === 1 && size > 1) return value; // a byte-wide board answers the low byte only
    }
    return value >>> 0;
  }

  #writeData(size: AccessSize, value: number): void {
    const width = this.#width;
    for (let at = 0; at < size; at += width) {
      if (this.state.remoteCount === 0) return;
      const given = Math.min(width, size);
      for (let byte = 0; byte < given; byte++) this.#store((this.state.remoteAddress + byte) & 0xffff, (value >>> (8 * (at + byte))) & 0xff);
      this.#step(width);
      if (width === 1 && size > 1) return;
    }
  }

  // -- frames

  #transmit(): void {
    const { state } = this;
    if (!state.sending) return;
    const length = Math.min(state.transmitCount, MOST_LENGTH + FCS_BYTES);
    const start = state.transmitPage * PAGE_BYTES;
    const frame = Uint8Array.from({ length }, (_, at) => this.#memory((start + at) & 0xffff));
    const loopback = (state.transmitConfig & Tcr.LOOPBACK) !== 0 || (state.dataConfig & Dcr.LS) === 0;
    if (loopback) this.#put(frame, Rsr.PRX);
    else if (this.#options.cable.link && length > 0 && !this.#options.cable.send(frame)) return;
    state.sending = false;
    state.command &= ~Command.TXP;
    state.transmitStatus = Tsr.PTX;
    this.#raise(Isr.PTX);
  }

  /** False: the ring is full. */
  #receive(frame: Uint8Array): boolean {
    const { state } = this;
    if (!state.running || frame.length > MOST_LENGTH + FCS_BYTES) return true;
    if (state.pageStart >= state.pageStop || (state.transmitConfig & Tcr.LOOPBACK) !== 0) return true;
    const accepted = this.#accepts(frame);
    if (accepted === undefined) return true;
    if ((state.receiveConfig & Rcr.MON) !== 0) {
      if (state.missed < 0xff) state.missed++;
      return true;
    }
    return this.#put(frame, accepted);
  }

  /** The receive status of a frame that passes the filters. */
  #accepts(frame: Uint8Array): number | undefined {
    const { state } = this;
    const { receiveConfig } = state;
    const all = (receiveConfig & Rcr.PRO) !== 0;
    if (isBroadcast(frame)) return all || (receiveConfig & Rcr.AB) !== 0 ? Rsr.PRX | Rsr.PHY : undefined;
    if (!isMulticast(frame)) return all || isTo(frame, state.address) ? Rsr.PRX : undefined;
    const hash = addressCrcBigEndian(frame) >>> 26;
    const wanted = (receiveConfig & Rcr.AM) !== 0 && ((state.multicast[hash >> 3]! >> (hash & 7)) & 1) !== 0;
    return all || wanted ? Rsr.PRX | Rsr.PHY : undefined;
  }

  /** Puts a frame into the ring: a header of four bytes, the frame, the frame check sequence's place. */
  #put(received: Uint8Array, status: number): boolean {
    const { state } = this;
    const ring = state.pageStop - state.pageStart;
    if (ring <= 0) return true;
    const frame = padded(received);
    const total = frame.length + FCS_BYTES;
    const pages = Math.ceil((total + 4) / PAGE_BYTES);
    const inRing = (page: number) => page >= state.pageStart && page < state.pageStop;
    if (!inRing(state.current)) state.current = state.pageStart;
    const boundary = inRing(state.boundary) ? state.boundary : state.pageStart;
    const free = boundary > state.current ? boundary - state.current : boundary - state.current + ring;
    if (pages >= free) {
      this.#raise(Isr.OVW); // CURR must not reach BNRY: the ring would look empty
      return pages >= ring; // one that never fits is lost
    }
    let next = state.current + pages;
    if (next >= state.pageStop) next -= ring;
    const record = new Uint8Array(4 + total);
    record.set([status, next, total & 0xff, total >> 8]);
    record.set(frame, 4);
    let address = state.current * PAGE_BYTES;
    for (const byte of record) {
      this.#store(address, byte);
      address = address + 1 === state.pageStop * PAGE_BYTES ? state.pageStart * PAGE_BYTES : address + 1;
    }
    state.current = next;
    state.receiveStatus = status;
    this.#raise(Isr.PRX);
    return true;
  }

  #raise(causes: number): void {
    this.state.interrupts |= causes;
    this.#drive();
  }

  #drive(): void {
    this.#options.irq.set((this.state.interrupts & this.state.mask) !== 0);
  }
}

/** The PROM: each octet twice, as the board wires it for a 16-bit bus; "WW" says so. */
function promOf(mac: Uint8Array): Uint8Array {
  const prom = new Uint8Array(PROM_BYTES);
  mac.forEach((octet, index) => prom.fill(octet, 2 * index, 2 * index + 2));
  prom.fill(0x57, 28);
  return prom;
}
