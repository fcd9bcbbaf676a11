import type { Timer } from '../../../bus/clock.ts';
import { defineDevice } from '../../../bus/device.ts';
import type { MemoryBlock } from '../../../memory/physical-map.ts';
import { MOST_FRAME, type NetBackend, type Offload } from '../../../net/cable/cable.ts';
import { cutFrames } from '../../../net/cable/offload.ts';
import { PciConfig } from '../../pci/config-space.ts';
import type { PciFunction } from '../../pci/function.ts';
import { PCI_COMMAND } from '../../pci/registers.ts';
import { Eeprom93c46 } from '../eeprom-93c46.ts';
import { addressCrcBigEndian, isBroadcast, isMulticast, isTo } from '../ethernet.ts';
import { registerFile, type Register } from '../register-file.ts';
import { receiveIntoRing, ringEmpty, sendBuffers } from './c-mode.ts';
import { receiveIntoDescriptor, sendRing } from './c-plus-mode.ts';
import {
  Bmcr,
  Cpcr,
  CPCR_WRITABLE,
  Cr,
  Eecr,
  HARDWARE_VERSION,
  Isr,
  ISR_BITS,
  Msr,
  Poll,
  Rcr,
  RxHeader,
  Tcr,
  TCR_WRITABLE,
  Tsd,
} from './registers.ts';
import { powerValues, resetValues, rtl8139Schema, type Rtl8139State } from './state.ts';

const VENDOR_REALTEK = 0x10ec;
const DEVICE_8139 = 0x8139;
/** From 20h on drivers take it for a C+. */
const REVISION_C_PLUS = 0x20;
const CLASS_ETHERNET = 0x02_00_00;
const REGISTER_BYTES = 256;
const EEPROM_ID = 0x8129;
/** TCTR counts the PCI clock. */
const TIMER_MHZ = 33;
/** How often the controller looks for descriptors that the driver gave back without saying so, while a frame waits. */
const RETRY_NS = 1_000_000;
const BMSR_UP = 0x782d;
const BMSR_DOWN = 0x7809;
const PARTNER = 0x45e1;

export interface Rtl8139Options {
  readonly cable: NetBackend;
  readonly mac: Uint8Array;
  readonly rom?: MemoryBlock | undefined;
}

/** RTL8139C+, in both its modes. Left out: wake-up, power management, the two tables of early and multiple interrupts (kept, without effect). */
export const rtl8139 = defineDevice<Rtl8139State, Rtl8139Options, PciFunction<Rtl8139State>>({
  type: 'rtl8139',
  /** Version 1 did not know whether a frame waited for the cable: it tries. */
  state: { version: 2, schema: rtl8139Schema, migrate: (state) => ({ ...(state as object), sendBlocked: true }) },
  create(context, { cable, mac, rom }) {
    const { dma, scheduler } = context;
    const eeprom = new Eeprom93c46(eepromWords(mac));
    const region = registerFile('rtl8139', REGISTER_BYTES, registers());
    const config = new PciConfig({
      vendor: VENDOR_REALTEK,
      device: DEVICE_8139,
      revision: REVISION_C_PLUS,
      classCode: CLASS_ETHERNET,
      interruptPin: 1,
      bars: [
        { bar: 0, space: 'io', length: REGISTER_BYTES, region },
        { bar: 1, space: 'memory', length: REGISTER_BYTES, region },
        ...(rom === undefined ? [] : [{ bar: 'rom', space: 'memory', length: rom.length, block: rom } as const]),
      ],
    });
    const counters = { txOk: 0, rxOk: 0, rxBroadcast: 0, rxMulticast: 0 };
    const state: Rtl8139State = {
      config: config.bytes,
      address: mac.slice(),
      multicast: new Uint8Array(8),
      ...powerValues(),
      counters,
      eeprom: eeprom.state,
    };
    const timers: { retry?: Timer; due?: Timer } = {};
    let busy = false;

    const cPlusMode = () => (state.cPlus & (Cpcr.TXEN | Cpcr.RXEN)) !== 0;
    const receiving = () => config.busMaster && (state.command & Cr.RE) !== 0;

    function raise(causes: number): void {
      state.status |= causes;
      config.intx.set((state.status & state.mask) !== 0);
    }

    // -- the cable

    function output(frame: Uint8Array, offload?: Offload): boolean {
      if ((state.txConfig & Tcr.LBK) === Tcr.LBK) {
        if (offload === undefined) receive(frame);
        else cutFrames(frame, offload, (one) => void receive(one));
      } else if (cable.link && !cable.send(frame, offload)) {
        state.sendBlocked = true;
        return false;
      }
      state.counters.txOk = (state.counters.txOk + 1) >>> 0;
      return true;
    }

    function transmit(): void {
      if (busy) return;
      state.sendBlocked = false;
      if (!config.busMaster || (state.command & Cr.TE) === 0) return;
      busy = true;
      let causes: number;
      if ((state.cPlus & Cpcr.TXEN) !== 0) {
        causes = sendRing(state, dma, 'txPriority', output) | sendRing(state, dma, 'txNormal', output);
      } else causes = sendBuffers(state, dma, output);
      busy = false;
      if (causes !== 0) raise(causes);
    }

    /** What a frame is to us; undefined: nothing (data sheet 5.7, RCR). */
    function kindOf(frame: Uint8Array): 'unicast' | 'multicast' | 'broadcast' | undefined {
      const { rxConfig } = state;
      const all = (rxConfig & Rcr.AAP) !== 0;
      if (isBroadcast(frame)) return all || (rxConfig & Rcr.AB) !== 0 ? 'broadcast' : undefined;
      if (isMulticast(frame)) {
        const hash = addressCrcBigEndian(frame) >>> 26;
        const wanted = (rxConfig & Rcr.AM) !== 0 && ((state.multicast[hash >> 3]! >> (hash & 7)) & 1) !== 0;
        return all || wanted ? 'multicast' : undefined;
      }
      return all || ((rxConfig & Rcr.APM) !== 0 && isTo(frame, state.address)) ? 'unicast' : undefined;
    }

    function receive(frame: Uint8Array): boolean {
      if (!receiving() || frame.length > MOST_FRAME) return true;
      const kind = kindOf(frame);
      if (kind === undefined) return true;
      const taken =
        (state.cPlus & Cpcr.RXEN) !== 0
          ? receiveIntoDescriptor(state, dma, frame, kind)
          : receiveIntoRing(state, dma, frame, kind === 'unicast' ? RxHeader.PAM : kind === 'broadcast' ? RxHeader.BAR : RxHeader.MAR);
      if (!taken) {
        raise(Isr.RXOVW);
        if (cPlusMode()) retryLater();
        return false;
      }
      state.counters.rxOk = (state.counters.rxOk + 1) >>> 0;
      if (kind !== 'unicast') {
        const counter = kind === 'broadcast' ? 'rxBroadcast' : 'rxMulticast';
        state.counters[counter] = (state.counters[counter] + 1) >>> 0;
      }
      raise(Isr.ROK);
      return true;
    }

    cable.attach({
      frame: (bytes) => receive(bytes),
      room: transmit,
      link: () => raise(Isr.LINK),
    });

    /** The driver may have made room: frames that wait are offered again. */
    function ready(): void {
      timers.retry?.cancel();
      state.retryAt = 0;
      if (receiving()) cable.ready();
    }

    function retryLater(): void {
      if (state.retryAt !== 0) return;
      state.retryAt = scheduler.now() + RETRY_NS;
      armRetry();
    }

    function armRetry(): void {
      timers.retry?.cancel();
      if (state.retryAt !== 0) timers.retry = scheduler.at(state.retryAt, ready);
    }

    // -- the timer (TCTR, TimerInt)

    function ticks(): number {
      return Math.floor(((scheduler.now() - state.timerStart) * TIMER_MHZ) / 1000) >>> 0;
    }

    function setTimer(): void {
      const { timerInterrupt } = state;
      if (timerInterrupt === 0) state.timerDue = 0;
      else {
        const wait = (timerInterrupt - ticks() + 2 ** 32) % 2 ** 32 || 2 ** 32; // it fires when the counter gets there
        state.timerDue = scheduler.now() + Math.ceil((wait * 1000) / TIMER_MHZ);
      }
      armTimer();
    }

    function armTimer(): void {
      timers.due?.cancel();
      if (state.timerDue === 0) return;
      timers.due = scheduler.at(state.timerDue, () => {
        raise(Isr.TIMEOUT);
        setTimer();
      });
    }

    // -- registers

    function configurable(): boolean {
      return (state.eeControl & Eecr.MODE) === Eecr.CONFIGURE;
    }

    function registers(): Register[] {
      const plain = (offset: number, size: number, name: NumberField, writable: number): Register => ({
        offset,
        size,
        read: () => state[name],
        write: (value) => {
          state[name] = ((state[name] & ~writable) | (value & writable)) >>> 0;
        },
      });
      const configuration = (offset: number, name: NumberField, writable: number): Register => ({
        offset,
        size: 1,
        read: () => state[name],
        write: (value) => {
          if (configurable()) state[name] = (state[name] & ~writable) | (value & writable);
        },
      });
      const byteOf = (offset: number, of: () => Uint8Array, index: number, allowed: () => boolean): Register => ({
        offset,
        size: 1,
        read: () => of()[index]!,
        write: (value) => {
          if (allowed()) of()[index] = value;
        },
      });
      const wide = (offset: number, name: NumberField): Register[] => [
        plain(offset, 4, name, 0xffff_ffff),
        plain(offset + 4, 4, `${name}High` as NumberField, 0xffff_ffff),
      ];
      return [
        ...Array.from({ length: 6 }, (_, index) => byteOf(index, () => state.address, index, configurable)),
        ...Array.from({ length: 8 }, (_, index) =>
          byteOf(
            0x08 + index,
            () => state.multicast,
            index,
            () => true,
          ),
        ),
        ...[0, 1, 2, 3].map((index) => bufferStatus(index)),
        ...[0, 1, 2, 3].map((index) => bufferAddress(index)),
        plain(0x30, 4, 'rxBuffer', 0xffff_ffff),
        { offset: 0x34, size: 2, read: () => 0 },
        { offset: 0x36, size: 1, read: () => 0 },
        { offset: 0x37, size: 1, read: () => state.command | (ringEmpty(state) ? Cr.BUFE : 0), write: command },
        {
          offset: 0x38,
          size: 2,
          read: () => state.readPointer,
          write(value) {
            state.readPointer = value;
            ready();
          },
        },
        { offset: 0x3a, size: 2, read: () => state.writePointer },
        {
          offset: 0x3c,
          size: 2,
          read: () => state.mask,
          write(value) {
            state.mask = value & ISR_BITS;
            raise(0);
            if (state.retryAt !== 0) ready();
          },
        },
        {
          offset: 0x3e,
          size: 2,
          command: true,
          read: () => state.status,
          write(value) {
            state.status &= ~value;
            raise(0);
            if (state.retryAt !== 0) ready();
          },
        },
        {
          offset: 0x40,
          size: 4,
          read: () => state.txConfig,
          write(value) {
            state.txConfig = ((value & TCR_WRITABLE) | HARDWARE_VERSION) >>> 0;
          },
        },
        {
          offset: 0x44,
          size: 4,
          read: () => state.rxConfig,
          write(value) {
            state.rxConfig = (value & 0x0f03_ffbf) >>> 0;
            ready();
          },
        },
        {
          offset: 0x48,
          size: 4,
          command: true,
          read: ticks,
          write() {
            state.timerStart = scheduler.now();
            setTimer();
          },
        },
        { offset: 0x4c, size: 3, read: () => state.missed, write: () => void (state.missed = 0) },
        { offset: 0x50, size: 1, read: () => (state.eeControl & ~Eecr.DO) | (eeprom.output ? Eecr.DO : 0), write: eepromControl },
        { offset: 0x51, size: 1, read: () => 0 },
        configuration(0x52, 'config1', 0xb3),
        {
          offset: 0x54,
          size: 4,
          read: () => state.timerInterrupt,
          write(value) {
            state.timerInterrupt = value;
            setTimer();
          },
        },
        {
          offset: 0x58,
          size: 1,
          read: () => state.media | (cable.link ? 0 : Msr.LINKB),
          write: (value) => void (state.media = (state.media & ~Msr.WRITABLE) | (value & Msr.WRITABLE)),
        },
        configuration(0x59, 'config3', 0x7b),
        configuration(0x5a, 'config4', 0xff),
        plain(0x5c, 2, 'multipleInterrupt', 0xf03f),
        { offset: 0x5e, size: 1, read: () => 0x10 },
        { offset: 0x60, size: 2, read: bufferSummary },
        {
          offset: 0x62,
          size: 2,
          read: () => state.bmcr,
          write: (value) => void (state.bmcr = (value & Bmcr.RESET) !== 0 ? 0x1100 : value & Bmcr.WRITABLE),
        },
        { offset: 0x64, size: 2, read: () => (cable.link ? BMSR_UP : BMSR_DOWN) },
        plain(0x66, 2, 'anar', 0xffff),
        { offset: 0x68, size: 2, read: () => (cable.link ? PARTNER : 0) },
        { offset: 0x6a, size: 2, read: () => (cable.link ? 1 : 0) },
        { offset: 0x74, size: 2, read: () => (cable.link ? 0x07c8 : 0x03c0) },
        plain(0xd8, 1, 'config5', 0x7f),
        {
          offset: 0xd9,
          size: 1,
          command: true,
          read: () => 0,
          write(value) {
            if ((value & Poll.SWINT) !== 0) raise(Isr.SWINT);
            if ((value & (Poll.HIGH | Poll.NORMAL)) !== 0 && (state.cPlus & Cpcr.TXEN) !== 0) transmit();
          },
        },
        {
          offset: 0xe0,
          size: 2,
          read: () => state.cPlus,
          write(value) {
            state.cPlus = value & CPCR_WRITABLE;
            ready();
          },
        },
        ...wide(0xe4, 'rxRing'),
        plain(0xec, 1, 'txThreshold', 0x3f),
      ];
    }

    /** TSD of C mode. In C+ mode the first two are the address of the counters' dump, and the command to write it. */
    function bufferStatus(index: number): Register {
      return {
        offset: 0x10 + 4 * index,
        size: 4,
        read: () => (!cPlusMode() ? state.txStatus[index]! : index === 0 ? state.tally : index === 1 ? state.tallyHigh : 0),
        write(value) {
          if (!cPlusMode()) {
            state.txStatus[index] = (value & (Tsd.SIZE | Tsd.OWN | 0x3f_0000)) >>> 0;
            transmit();
            return;
          }
          if (index === 1) state.tallyHigh = value;
          if (index !== 0) return;
          state.tally = (value & ~0x3f) >>> 0;
          if ((value & 8) !== 0) dumpTally();
        },
      };
    }

    /** TSAD of C mode; in C+ mode the two transmit rings. */
    function bufferAddress(index: number): Register {
      const ring = (['txNormal', 'txNormalHigh', 'txPriority', 'txPriorityHigh'] as const)[index]!;
      return {
        offset: 0x20 + 4 * index,
        size: 4,
        read: () => (cPlusMode() ? state[ring] : state.txAddress[index]!),
        write(value) {
          // Drivers set the rings before and after they switch the mode on: both are kept.
          state.txAddress[index] = value;
          state[ring] = value;
          if (ring === 'txNormal' || ring === 'txNormalHigh') state.txNormalNext = 0;
          else state.txPriorityNext = 0;
        },
      };
    }

    /** TSAD of all four: OWN, abort, underrun and TOK bits side by side. */
    function bufferSummary(): number {
      let summary = 0;
      state.txStatus.forEach((status, index) => {
        if ((status & Tsd.OWN) !== 0) summary |= 1 << index;
        if ((status & Tsd.TOK) !== 0) summary |= 0x1000 << index;
      });
      return summary;
    }

    /** DTCCR: 64 bytes of counters. */
    function dumpTally(): void {
      const bytes = new Uint8Array(64);
      const view = new DataView(bytes.buffer);
      const { txOk, rxOk, rxBroadcast, rxMulticast } = state.counters;
      view.setUint32(0, txOk, true);
      view.setUint32(8, rxOk, true);
      view.setUint32(40, (rxOk - rxBroadcast - rxMulticast) >>> 0, true);
      view.setUint32(48, rxBroadcast, true);
      view.setUint32(56, rxMulticast, true);
      if (config.busMaster) dma.write(state.tally + state.tallyHigh * 0x1_0000_0000, bytes);
    }

    function command(value: number): void {
      if ((value & Cr.RST) !== 0) return softReset();
      const started = (value & ~state.command & Cr.RE) !== 0;
      if (started) state.rxNext = 0;
      if ((value & ~state.command & Cr.TE) !== 0) Object.assign(state, { txNext: 0, txNormalNext: 0, txPriorityNext: 0 });
      state.command = value & (Cr.RE | Cr.TE);
      if (started) ready();
    }

    function eepromControl(value: number): void {
      state.eeControl = value & ~Eecr.DO;
      if ((value & Eecr.MODE) === Eecr.PROGRAM) eeprom.pins((value & Eecr.CS) !== 0, (value & Eecr.SK) !== 0, (value & Eecr.DI) !== 0);
      else if ((value & Eecr.MODE) === 0x40) {
        loadAddress();
        state.eeControl = 0; // auto-load is over at once
      }
    }

    function loadAddress(): void {
      for (let index = 0; index < 6; index++) state.address[index] = eeprom.word(7 + (index >> 1)) >> (8 * (index & 1));
    }

    function softReset(): void {
      Object.assign(state, resetValues());
      armRetry();
      armTimer();
      raise(0);
    }

    config.onChange((offset) => {
      if (offset === PCI_COMMAND && config.busMaster) ready();
    });

    function reset(): void {
      Object.assign(state, powerValues(), { timerStart: scheduler.now() });
      Object.assign(state.counters, { txOk: 0, rxOk: 0, rxBroadcast: 0, rxMulticast: 0 });
      state.multicast.fill(0);
      eeprom.reset();
      loadAddress();
      armRetry();
      armTimer();
      config.reset();
      raise(0);
    }
    reset();

    return {
      state,
      config,
      reset,
      identify: () => eeprom.rewrite(),
      loaded() {
        config.loaded();
        armRetry();
        armTimer();
        raise(0);
        if (state.sendBlocked) transmit(); // this cable has room
        if (receiving()) cable.ready();
      },
      inspect: () => ({
        mac: [...state.address].map((octet) => octet.toString(16).padStart(2, '0')).join(':'),
        link: cable.link ? 'up' : 'down',
        mode: cPlusMode() ? 'C+' : 'C',
        interrupts: `status 0x${state.status.toString(16)}, mask 0x${state.mask.toString(16)}`,
      }),
    };
  },
});

type NumberField = { [K in keyof Rtl8139State]: Rtl8139State[K] extends number ? K : never }[keyof Rtl8139State];

/** Data sheet 6: the chip's ID, identities, the address from word 7 on. */
function eepromWords(mac: Uint8Array): number[] {
  const words = [EEPROM_ID, VENDOR_REALTEK, DEVICE_8139, 0x1af4, 0x1100, 0x4020, 0xe112];
  for (let index = 0; index < 3; index++) words.push(mac[2 * index]! | (mac[2 * index + 1]! << 8));
  return words;
}
