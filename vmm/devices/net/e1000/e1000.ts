import type { AccessSize, Region } from '../../../bus/bus.ts';
import { defineDevice } from '../../../bus/device.ts';
import type { MemoryBlock } from '../../../memory/physical-map.ts';
import type { NetBackend, Offload } from '../../../net/cable/cable.ts';
import { cutFrames } from '../../../net/cable/offload.ts';
import { PciConfig } from '../../pci/config-space.ts';
import type { PciFunction } from '../../pci/function.ts';
import { PCI_COMMAND } from '../../pci/registers.ts';
import { Eeprom93c46 } from '../eeprom-93c46.ts';
import { Interrupts } from './interrupts.ts';
import { Phy } from './phy.ts';
import { Receiver } from './receive.ts';
import {
  Cause,
  Ctrl,
  CTRL_RESET,
  Eecd,
  Eerd,
  Mdic,
  MULTICAST_TABLE,
  MULTICAST_WORDS,
  plainRegisters,
  type PlainName,
  Rctl,
  RDTR_FLUSH,
  RECEIVE_ADDRESS_PAIRS,
  RECEIVE_ADDRESSES,
  Reg,
  STATISTICS,
  STATISTICS_WORDS,
  Status,
  VLAN_TABLE,
  VLAN_WORDS,
} from './registers.ts';
import { e1000Schema, type E1000State, noContext, plainValues } from './state.ts';
import { Statistics } from './statistics.ts';
import { Transmitter } from './transmit.ts';

const VENDOR_INTEL = 0x8086;
const DEVICE_82540EM = 0x100e;
const REVISION = 3;
const CLASS_ETHERNET = 0x02_00_00;
const MEMORY_BYTES = 0x2_0000;
const IO_BYTES = 64;
const IOADDR = 0;
const IODATA = 4;
const PHY_ADDRESS = 1;
const EEPROM_SUM = 0xbaba;
const EEPROM_CHECKSUM_WORD = 0x3f;

export interface E1000Options {
  readonly cable: NetBackend;
  readonly mac: Uint8Array;
  readonly rom?: MemoryBlock | undefined;
}

export interface E1000 extends PciFunction<E1000State> {
  readonly memory: Region;
  readonly io: Region;
}

/** 82540EM. Left out: wake-up and management (kept, without effect), the packet buffer memory as seen by diagnostics, flow control frames. */
export const e1000 = defineDevice<E1000State, E1000Options, E1000>({
  type: 'e1000',
  /** Version 1 did not know whether a frame waited for the cable: it tries. */
  state: { version: 2, schema: e1000Schema, migrate: (state) => ({ ...(state as object), sendBlocked: true }) },
  create(context, options) {
    const { dma, scheduler } = context;
    const { cable, mac, rom } = options;
    const eeprom = new Eeprom93c46(eepromWords(mac));
    const phy = new Phy(() => scheduler.now(), cable.link);
    const memory: Region = {
      name: 'e1000 memory',
      read: (offset, size) => read(offset, size),
      write: (offset, size, value) => write(offset, size, value),
    };
    const io: Region = {
      name: 'e1000 io',
      read: (offset, size) => readIo(offset, size),
      write: (offset, size, value) => writeIo(offset, size, value),
    };
    const config = new PciConfig({
      vendor: VENDOR_INTEL,
      device: DEVICE_82540EM,
      revision: REVISION,
      classCode: CLASS_ETHERNET,
      interruptPin: 1,
      bars: [
        { bar: 0, space: 'memory', length: MEMORY_BYTES, region: memory },
        { bar: 1, space: 'io', length: IO_BYTES, region: io },
        ...(rom === undefined ? [] : [{ bar: 'rom', space: 'memory', length: rom.length, block: rom } as const]),
      ],
    });
    const zeros = (count: number) => new Array<number>(count).fill(0);
    const state: E1000State = {
      config: config.bytes,
      registers: plainValues(),
      ctrl: 0,
      eecd: 0,
      eerd: 0,
      mdic: 0,
      icr: 0,
      ims: 0,
      rctl: 0,
      tctl: 0,
      rdt: 0,
      rdtr: 0,
      tdt: 0,
      multicast: zeros(MULTICAST_WORDS),
      receiveAddresses: zeros(2 * RECEIVE_ADDRESS_PAIRS),
      vlans: zeros(VLAN_WORDS),
      statistics: zeros(STATISTICS_WORDS),
      ioAddress: 0,
      eeprom: eeprom.state,
      phy: phy.state,
      checksumContext: { ...noContext },
      segmentContext: { ...noContext },
      timers: { throttled: 0, receivePacket: 0, receiveAbsolute: 0, transmitPacket: 0, transmitAbsolute: 0, transmitMore: 0 },
      sendBlocked: false,
      asserted: 0,
    };
    const statistics = new Statistics(state.statistics);
    const interrupts: Interrupts = new Interrupts(state, scheduler, config.intx, () => transmitter.run());
    const host = { state, dma, interrupts, statistics, mayMaster: () => config.busMaster };
    const receiver = new Receiver(host);
    const transmitter = new Transmitter({ ...host, output });
    let negotiation: { cancel(): void } | undefined;

    function output(frame: Uint8Array, offload: Offload | undefined): boolean {
      if ((state.rctl & Rctl.LBM) !== 0 || phy.loopback) {
        if (offload === undefined) receiver.frame(frame);
        else cutFrames(frame, offload, (one) => void receiver.frame(one, offload.cut !== undefined));
        return true;
      }
      if (!linked() || cable.send(frame, offload)) return true;
      state.sendBlocked = true;
      return false;
    }

    const linked = () => phy.up && (state.ctrl & Ctrl.SLU) !== 0;

    /** The link's state was another one before `change`: an interrupt says so (LSC). */
    function changingLink(change: () => void): void {
      const before = linked();
      change();
      negotiate();
      if (linked() !== before) interrupts.set(Cause.LSC);
      if (linked()) cable.ready();
    }

    function negotiate(): void {
      negotiation?.cancel();
      negotiation = undefined;
      const { negotiatedAt } = phy.state;
      if (negotiatedAt !== 0) negotiation = scheduler.at(negotiatedAt, () => changingLink(() => phy.negotiated()));
    }

    cable.attach({
      frame: (bytes, _offload, finished) => !linked() || receiver.frame(bytes, finished),
      room: () => transmitter.run(),
      link: (up) => changingLink(() => phy.plug(up)),
    });

    /** What power-on and CTRL.RST do to the MAC (4.6): tables and configuration space stay at a reset by software. */
    function resetMac(): void {
      interrupts.reset();
      Object.assign(state.registers, plainValues());
      Object.assign(state, {
        ctrl: CTRL_RESET,
        eecd: 0,
        eerd: 0,
        mdic: 0,
        icr: 0,
        ims: 0,
        rctl: 0,
        tctl: 0,
        rdt: 0,
        rdtr: 0,
        tdt: 0,
        sendBlocked: false,
      });
      Object.assign(state.checksumContext, noContext);
      Object.assign(state.segmentContext, noContext);
      statistics.reset();
      loadAddress();
    }

    /** The EEPROM's address becomes receive address 0. */
    function loadAddress(): void {
      state.receiveAddresses.fill(0);
      state.receiveAddresses[0] = (eeprom.word(0) | (eeprom.word(1) << 16)) >>> 0;
      state.receiveAddresses[1] = (eeprom.word(2) | 0x8000_0000) >>> 0;
    }

    function read(offset: number, size: AccessSize): number {
      const value = readWord(offset & ~3);
      return size === 4 ? value : (value >>> (8 * (offset & 3))) & (size === 1 ? 0xff : 0xffff);
    }

    function write(offset: number, size: AccessSize, value: number): void {
      if (size === 4) writeWord(offset, value); // the controller takes double words only
    }

    function readWord(offset: number): number {
      const name = plainByOffset.get(offset);
      if (name !== undefined) return state.registers[name];
      switch (offset) {
        case Reg.CTRL:
        case Reg.CTRL_DUP:
          return state.ctrl;
        case Reg.STATUS:
          return (Status.FIXED | Status.FD | Status.SPEED_1000 | Status.ASDV_1000 | Status.MTXCKOK | (linked() ? Status.LU : 0)) >>> 0;
        case Reg.EECD:
          return state.eecd | Eecd.PRES | (eeprom.output ? Eecd.DO : 0) | ((state.eecd & Eecd.REQ) !== 0 ? Eecd.GNT : 0);
        case Reg.EERD:
          return state.eerd;
        case Reg.MDIC:
          return state.mdic;
        case Reg.ICR:
          return interrupts.readCauses();
        case Reg.IMS:
        case Reg.ICS:
          return offset === Reg.IMS ? state.ims : state.icr;
        case Reg.RCTL:
          return state.rctl;
        case Reg.TCTL:
          return state.tctl;
        case Reg.RDT:
          return state.rdt;
        case Reg.RDTR:
          return state.rdtr;
        case Reg.TDT:
          return state.tdt;
        default:
          if (offset >= STATISTICS && offset < STATISTICS + 4 * STATISTICS_WORDS) return statistics.read((offset - STATISTICS) >>> 2);
          return tableWord(offset);
      }
    }

    function tableWord(offset: number): number {
      const place = table(offset);
      return place === undefined ? 0 : place.values[place.index]!;
    }

    function table(offset: number): { readonly values: number[]; readonly index: number } | undefined {
      const at = (start: number, values: number[]) => {
        const index = (offset - start) >> 2;
        return index >= 0 && index < values.length ? { values, index } : undefined;
      };
      return at(MULTICAST_TABLE, state.multicast) ?? at(RECEIVE_ADDRESSES, state.receiveAddresses) ?? at(VLAN_TABLE, state.vlans);
    }

    function writeWord(offset: number, value: number): void {
      const name = plainByOffset.get(offset);
      if (name !== undefined) {
        state.registers[name] = (value & plainBits(name)) >>> 0;
        return;
      }
      switch (offset) {
        case Reg.CTRL:
        case Reg.CTRL_DUP:
          return control(value);
        case Reg.EECD:
          state.eecd = value & (Eecd.SK | Eecd.CS | Eecd.DI | Eecd.FWE | Eecd.REQ);
          return eeprom.pins((value & Eecd.CS) !== 0, (value & Eecd.SK) !== 0, (value & Eecd.DI) !== 0);
        case Reg.EERD:
          state.eerd = (value & Eerd.START) === 0 ? value & 0xff00 : ((eeprom.word((value >>> 8) & 0xff) << 16) | (value & 0xff00) | Eerd.DONE) >>> 0;
          return;
        case Reg.MDIC:
          return management(value);
        case Reg.ICR:
          return interrupts.clear(value);
        case Reg.ICS:
          return interrupts.set(value);
        case Reg.IMS:
          return interrupts.mask(value, true);
        case Reg.IMC:
          return interrupts.mask(value, false);
        case Reg.RCTL:
          state.rctl = value;
          if (receiver.enabled) cable.ready();
          return;
        case Reg.TCTL:
          state.tctl = value;
          return transmitter.run();
        case Reg.RDT:
          state.rdt = value & 0xffff;
          if (receiver.enabled) cable.ready();
          return;
        case Reg.RDTR:
          state.rdtr = value & 0xffff;
          if ((value & RDTR_FLUSH) !== 0) interrupts.flushReceive();
          return;
        case Reg.TDT:
          state.tdt = value & 0xffff;
          return transmitter.run();
        default: {
          const place = table(offset);
          if (place === undefined) return;
          const high = offset >= RECEIVE_ADDRESSES && offset < VLAN_TABLE && (offset & 4) !== 0;
          place.values[place.index] = (high ? value & 0x8003_ffff : value) >>> 0;
        }
      }
    }

    function control(value: number): void {
      changingLink(() => {
        if ((value & Ctrl.PHY_RST) !== 0) phy.hardReset();
        if ((value & Ctrl.RST) !== 0) resetMac();
        else state.ctrl = (value & ~Ctrl.PHY_RST) >>> 0;
      });
    }

    /** 13.4.11: the PHY's registers, at once. */
    function management(value: number): void {
      const register = (value >>> 16) & 31;
      const other = ((value >>> 21) & 31) !== PHY_ADDRESS;
      let answer = value & ~(Mdic.ERROR | Mdic.READY);
      if (other) answer |= Mdic.ERROR;
      else if ((value & Mdic.READ) !== 0) answer = (answer & ~0xffff) | phy.read(register);
      else if ((value & Mdic.WRITE) !== 0) changingLink(() => phy.write(register, value & 0xffff));
      state.mdic = (answer | Mdic.READY) >>> 0;
      if ((value & Mdic.INTERRUPT) !== 0) interrupts.set(Cause.MDAC);
    }

    /** The window of the I/O BAR: an address, and the register there (13.2). */
    function readIo(offset: number, size: AccessSize): number {
      const at = offset & ~3;
      const value = at === IOADDR ? state.ioAddress : at === IODATA && state.ioAddress < MEMORY_BYTES ? readWord(state.ioAddress & ~3) : 0;
      return size === 4 ? value : (value >>> (8 * (offset & 3))) & (size === 1 ? 0xff : 0xffff);
    }

    function writeIo(offset: number, size: AccessSize, value: number): void {
      if (size !== 4) return;
      if (offset === IOADDR) state.ioAddress = value;
      else if (offset === IODATA && state.ioAddress < MEMORY_BYTES) writeWord(state.ioAddress & ~3, value);
    }

    config.onChange((offset) => {
      if (offset === PCI_COMMAND && receiver.enabled) cable.ready(); // it may be a bus master now
    });

    function reset(): void {
      resetMac();
      state.multicast.fill(0);
      state.vlans.fill(0);
      state.ioAddress = 0;
      eeprom.reset();
      loadAddress();
      Object.assign(phy.state, new Phy(() => scheduler.now(), cable.link).state);
      negotiate();
      config.reset();
    }
    reset();

    return {
      state,
      config,
      memory,
      io,
      reset,
      identify: () => eeprom.rewrite(),
      loaded() {
        config.loaded();
        interrupts.loaded();
        negotiate();
        if (phy.state.cable !== cable.link) changingLink(() => phy.plug(cable.link));
        if (state.sendBlocked) transmitter.run(); // this cable has room
        cable.ready();
      },
      inspect: () => ({
        mac: [...mac].map((octet) => octet.toString(16).padStart(2, '0')).join(':'),
        link: linked() ? 'up' : 'down',
        receive: `${state.registers.RDH}/${state.rdt} of ${state.registers.RDLEN / 16}`,
        transmit: `${state.registers.TDH}/${state.tdt} of ${state.registers.TDLEN / 16}`,
        interrupts: `causes 0x${state.icr.toString(16)}, mask 0x${state.ims.toString(16)}`,
      }),
    };
  },
});

const plainByOffset: ReadonlyMap<number, PlainName> = new Map(
  (Object.keys(plainRegisters) as PlainName[]).map((name) => [plainRegisters[name].offset, name]),
);

function plainBits(name: PlainName): number {
  const register = plainRegisters[name];
  return 'bits' in register ? register.bits : 0xffff_ffff;
}

/** What the board's maker writes (5.6): the address, identities, and the words that make the sum of all BABAh. */
function eepromWords(mac: Uint8Array): number[] {
  const words = new Array<number>(64).fill(0xffff);
  for (let index = 0; index < 3; index++) words[index] = mac[2 * index]! | (mac[2 * index + 1]! << 8);
  words[3] = 0x0000;
  words[8] = 0x3000; // printed board assembly number
  words[9] = 0x1000;
  words[0x0a] = 0x4403; // initialization control 1: the signature, identities are loaded
  words[0x0b] = 0x1100; // subsystem
  words[0x0c] = 0x1af4;
  words[0x0d] = DEVICE_82540EM;
  words[0x0e] = VENDOR_INTEL;
  words[0x0f] = 0x3040; // initialization control 2
  const sum = words.slice(0, EEPROM_CHECKSUM_WORD).reduce((total, word) => total + word, 0);
  words[EEPROM_CHECKSUM_WORD] = (EEPROM_SUM - sum) & 0xffff;
  return words;
}
