import { z } from 'zod';
import type { Timer } from '../../../bus/clock.ts';
import type { AccessSize, Region } from '../../../bus/bus.ts';
import { defineDevice } from '../../../bus/device.ts';
import { bool, bytes, exactly, guestTime, integer, u16, u32 } from '../../../bus/schema.ts';
import type { MemoryBlock } from '../../../memory/physical-map.ts';
import { LEAST_FRAME, MOST_FRAME, type NetBackend } from '../../../net/cable/cable.ts';
import { PciConfig, pciConfigSchema } from '../../pci/config-space.ts';
import type { PciFunction } from '../../pci/function.ts';
import { addressCrc, FCS_BYTES, frameCheck, isBroadcast, isMulticast, isTo, padded } from '../ethernet.ts';
import {
  BCR_COUNT,
  BCR_RESET,
  Bcr,
  BCR18_DWIO,
  CHIP_ID,
  Csr,
  Csr0,
  CSR0_CAUSES,
  CSR3_WRITABLE,
  Csr3,
  Csr4,
  CSR4_CAUSES,
  CSR4_WRITABLE,
  Csr5,
  CSR_COUNT,
  Descriptor,
  Mode,
  RxStatus,
} from './registers.ts';
import { DescriptorRing, type RingDescriptor } from './ring.ts';

const VENDOR_AMD = 0x1022;
const DEVICE_LANCE = 0x2000;
const REVISION = 0x10;
const CLASS_ETHERNET = 0x02_00_00;
const PORTS = 32;
const PROM_BYTES = 16;
/** While enabled, the controller looks at its transmit ring by itself about this often (CSR47; here fixed), and for receive descriptors while a frame waits. */
const POLL_NS = 1_600_000;
const MOST_AT_ONCE = 256;

const schema = z.strictObject({
  config: pciConfigSchema,
  prom: bytes(PROM_BYTES),
  csr: exactly(CSR_COUNT, u16),
  bcr: exactly(BCR_COUNT, u16),
  rap: integer(0, 0xff),
  /** Double word mode was chosen (BCR18.DWIO): by a double word access to RDP. */
  wide: bool,
  receiveRing: u32,
  transmitRing: u32,
  /** Entries, and which one is next. */
  receiveLength: integer(1, 0x1_0000),
  transmitLength: integer(1, 0x1_0000),
  receiveNext: integer(0, 0xffff),
  transmitNext: integer(0, 0xffff),
  /** When the rings are looked at again; 0: not while the controller is stopped. */
  pollAt: guestTime,
});
export type PcnetState = z.infer<typeof schema>;

export interface PcnetOptions {
  readonly cable: NetBackend;
  readonly mac: Uint8Array;
  readonly rom?: MemoryBlock | undefined;
}

/** Am79C970A. Left out: the microwire EEPROM's pins (its content is the PROM), look-ahead packet processing, and memory-mapped expansion beyond the boot ROM. */
export const pcnet = defineDevice<PcnetState, PcnetOptions, PciFunction<PcnetState>>({
  type: 'pcnet',
  state: { version: 1, schema },
  create(context, { cable, mac, rom }) {
    const { dma, scheduler } = context;
    const region: Region = { name: 'pcnet', read, write };
    const config = new PciConfig({
      vendor: VENDOR_AMD,
      device: DEVICE_LANCE,
      revision: REVISION,
      classCode: CLASS_ETHERNET,
      interruptPin: 1,
      bars: [
        { bar: 0, space: 'io', length: PORTS, region },
        { bar: 1, space: 'memory', length: PORTS, region },
        ...(rom === undefined ? [] : [{ bar: 'rom', space: 'memory', length: rom.length, block: rom } as const]),
      ],
    });
    const state: PcnetState = {
      config: config.bytes,
      prom: promOf(mac),
      csr: new Array<number>(CSR_COUNT).fill(0),
      bcr: new Array<number>(BCR_COUNT).fill(0),
      ...ringValues(),
    };
    const { csr, bcr } = state;
    let poll: Timer | undefined;
    let busy = false;

    const wideStructures = () => (bcr[Bcr.STYLE]! & 0x0100) !== 0; // SSIZE32
    const mode = (bit: number) => (csr[Csr.MODE]! & bit) !== 0;
    const on = (bit: number) => (csr[0]! & bit) !== 0;
    const transmitRing = () => new DescriptorRing(dma, state.transmitRing, bcr[Bcr.STYLE]! & 0xff, wideStructures(), false);
    const receiveRing = () => new DescriptorRing(dma, state.receiveRing, bcr[Bcr.STYLE]! & 0xff, wideStructures(), true);

    // -- interrupts

    function raise(causes: number): void {
      csr[0]! |= causes;
      drive();
    }

    function drive(): void {
      const masked = csr[3]! & Csr3.MASKS;
      const first = csr[0]! & Csr0.ERR ? csr[0]! & ~Csr0.ERR : csr[0]!;
      const fourth = csr[4]!;
      // A mask of CSR4 lies one bit below its cause; UINT has none.
      const pending = (first & CSR0_CAUSES & ~masked) !== 0 || (fourth & (Csr4.TXSTRT | Csr4.RCVCCO | Csr4.MFCO) & ~((fourth & (Csr4.TXSTRTM | Csr4.RCVCCOM | Csr4.MFCOM)) << 1)) !== 0 || (fourth & Csr4.UINT) !== 0 || ((csr[5]! & Csr5.SINT) !== 0 && (csr[5]! & Csr5.SINTE) !== 0); // prettier-ignore
      const errors = (first & (Csr0.MISS | Csr0.MERR | 0x6000)) !== 0;
      csr[0] = (first & ~Csr0.INTR) | (pending ? Csr0.INTR : 0) | (errors ? Csr0.ERR : 0);
      config.intx.set(pending && on(Csr0.IENA));
    }

    // -- control

    function stop(): void {
      csr[0] = Csr0.STOP;
      csr[4]! &= 0xfd15 & ~CSR4_CAUSES;
      csr[5] = 0;
      setPoll(0);
      drive();
    }

    function control(value: number): void {
      const causes = csr[0]! & CSR0_CAUSES & ~(value & CSR0_CAUSES);
      csr[0] = (csr[0]! & ~(CSR0_CAUSES | Csr0.IENA)) | causes | (value & Csr0.IENA);
      if ((value & Csr0.STOP) !== 0) return stop();
      if ((value & Csr0.INIT) !== 0 && !on(Csr0.INIT)) initialize();
      if ((value & Csr0.STRT) !== 0 && !on(Csr0.STRT)) start();
      drive();
      if ((value & Csr0.TDMD) !== 0) transmit();
      if (on(Csr0.RXON)) cable.ready();
    }

    /** Reads the initialization block (data sheet, "Initialization Block"): 16-bit software has a shorter one. */
    function initialize(): void {
      csr[0] = (csr[0]! & ~Csr0.STOP) | Csr0.INIT;
      const address = csr[Csr.IADRL]! + csr[Csr.IADRH]! * 0x1_0000;
      const wide = wideStructures();
      const block = new Uint8Array(wide ? 28 : 24);
      const view = new DataView(block.buffer);
      const base = (wide ? address : (address & 0xff_ffff) + upper()) & ~3;
      if (config.busMaster) dma.read(base >>> 0, block);
      csr[Csr.MODE] = view.getUint16(0, true);
      const at = wide ? 4 : 2;
      for (let index = 0; index < 3; index++) csr[Csr.PADR + index] = view.getUint16(at + 2 * index, true);
      for (let index = 0; index < 4; index++) csr[Csr.LADRF + index] = view.getUint16(at + (wide ? 8 : 6) + 2 * index, true);
      if (wide) {
        setRings(
          view.getUint32(20, true),
          2 ** Math.min(view.getUint8(2) >> 4, 9),
          view.getUint32(24, true),
          2 ** Math.min(view.getUint8(3) >> 4, 9),
        );
      } else {
        const [receive, transmit] = [view.getUint32(16, true), view.getUint32(20, true)];
        setRings((receive & 0xff_fff8) + upper(), 2 ** (receive >>> 29), (transmit & 0xff_fff8) + upper(), 2 ** (transmit >>> 29));
      }
      raise(Csr0.IDON);
    }

    /** Bits 31..24 of addresses in 16-bit structures: CSR2. */
    function upper(): number {
      return (csr[Csr.IADRH]! & 0xff00) * 0x1_0000;
    }

    function setRings(receive: number, receiveLength: number, transmit: number, transmitLength: number): void {
      Object.assign(state, {
        receiveRing: receive >>> 0,
        receiveLength,
        receiveNext: 0,
        transmitRing: transmit >>> 0,
        transmitLength,
        transmitNext: 0,
      });
      csr[Csr.RCVRL] = (0x1_0000 - receiveLength) & 0xffff;
      csr[Csr.XMTRL] = (0x1_0000 - transmitLength) & 0xffff;
      [csr[Csr.RDRA_LOW], csr[Csr.RDRA_LOW + 1]] = [receive & 0xffff, receive >>> 16];
      [csr[Csr.TDRA_LOW], csr[Csr.TDRA_LOW + 1]] = [transmit & 0xffff, transmit >>> 16];
    }

    function start(): void {
      csr[0] = (csr[0]! & ~Csr0.STOP) | Csr0.STRT | (mode(Mode.DTX) ? 0 : Csr0.TXON) | (mode(Mode.DRX) ? 0 : Csr0.RXON);
      setPoll(scheduler.now() + POLL_NS);
    }

    function setPoll(at: number): void {
      poll?.cancel();
      state.pollAt = at;
      if (at !== 0) poll = scheduler.at(at, polled);
    }

    function polled(): void {
      setPoll(scheduler.now() + POLL_NS);
      transmit();
      if (on(Csr0.RXON)) cable.ready();
    }

    // -- frames

    function transmit(): void {
      if (busy || !on(Csr0.TXON) || !config.busMaster) return;
      busy = true;
      const ring = transmitRing();
      for (let count = 0; count < MOST_AT_ONCE;) {
        const descriptors = gather(ring);
        if (descriptors === undefined) break;
        const frame = load(descriptors);
        if (frame !== undefined && !output(frame)) break;
        for (const one of descriptors) ring.give(one, one.status & ~(Descriptor.OWN | Descriptor.ERR));
        state.transmitNext = (state.transmitNext + descriptors.length) % state.transmitLength;
        count += descriptors.length;
        if ((csr[5]! & Csr5.TOKINTD) === 0) csr[0]! |= Csr0.TINT;
        if ((csr[4]! & Csr4.TXSTRT) === 0) csr[4]! |= Csr4.TXSTRT;
      }
      busy = false;
      csr[0]! &= ~Csr0.TDMD;
      drive();
    }

    /** The descriptors of the next frame; undefined while they are not all there. */
    function gather(ring: DescriptorRing): RingDescriptor[] | undefined {
      const descriptors: RingDescriptor[] = [];
      for (let ended = false; !ended;) {
        if (descriptors.length >= Math.min(state.transmitLength, MOST_AT_ONCE)) return descriptors;
        const one = ring.read((state.transmitNext + descriptors.length) % state.transmitLength);
        if ((one.status & Descriptor.OWN) === 0) return undefined;
        descriptors.push(one);
        ended = (one.status & Descriptor.ENP) !== 0;
      }
      return descriptors;
    }

    /** Undefined: pieces that make no frame. */
    function load(descriptors: readonly RingDescriptor[]): Uint8Array | undefined {
      const length = descriptors.reduce((sum, one) => sum + one.length, 0);
      const whole = (descriptors[0]!.status & Descriptor.STP) !== 0 && (descriptors[descriptors.length - 1]!.status & Descriptor.ENP) !== 0;
      if (!whole || length < LEAST_FRAME || length > MOST_FRAME) return undefined;
      const frame = new Uint8Array(length);
      let at = 0;
      for (const one of descriptors) {
        if (one.length > 0) dma.read(one.address, frame.subarray(at, at + one.length));
        at += one.length;
      }
      return frame;
    }

    function output(frame: Uint8Array): boolean {
      if (!mode(Mode.LOOP)) return !cable.link || cable.send(frame);
      receive(frame);
      return true;
    }

    /** How a frame matches, as the receive status says it; undefined: not at all. */
    function matches(frame: Uint8Array): number | undefined {
      if (isBroadcast(frame) && !mode(Mode.DRCVBC)) return RxStatus.BAM;
      const physical = Uint8Array.from({ length: 6 }, (_, index) => csr[Csr.PADR + (index >> 1)]! >> (8 * (index & 1)));
      if (!isMulticast(frame) && !mode(Mode.DRCVPA) && isTo(frame, physical)) return RxStatus.PAM;
      if (isMulticast(frame)) {
        const hash = addressCrc(frame) >>> 26;
        if (((csr[Csr.LADRF + (hash >> 4)]! >> (hash & 15)) & 1) !== 0) return RxStatus.LAFM;
      }
      return mode(Mode.PROM) ? 0 : undefined;
    }

    function receive(received: Uint8Array): boolean {
      if (!on(Csr0.RXON) || !config.busMaster || received.length > MOST_FRAME) return true;
      const match = matches(received);
      if (match === undefined) return true;
      const frame = padded(received);
      const whole = new Uint8Array(frame.length + FCS_BYTES);
      whole.set(frame);
      new DataView(whole.buffer).setUint32(frame.length, frameCheck(frame), true);
      const ring = receiveRing();
      const descriptors: RingDescriptor[] = [];
      for (let room = 0; room < whole.length;) {
        const one =
          descriptors.length < Math.min(state.receiveLength, MOST_AT_ONCE)
            ? ring.read((state.receiveNext + descriptors.length) % state.receiveLength)
            : undefined;
        if (one === undefined || (one.status & Descriptor.OWN) === 0) {
          // Frames wait on the cable, so MISS is only said of one that the whole ring cannot hold.
          if (one !== undefined) return false;
          raise(Csr0.MISS);
          return true;
        }
        descriptors.push(one);
        room += one.length;
      }
      let at = 0;
      descriptors.forEach((one, index) => {
        const last = index === descriptors.length - 1;
        const data = whole.subarray(at, at + one.length);
        if (data.length > 0) dma.write(one.address, data);
        at += data.length;
        ring.give(one, match | (index === 0 ? Descriptor.STP : 0) | (last ? Descriptor.ENP : 0), last ? whole.length : undefined);
      });
      state.receiveNext = (state.receiveNext + descriptors.length) % state.receiveLength;
      raise(Csr0.RINT);
      return true;
    }

    cable.attach({ frame: receive, room: transmit });

    // -- ports: PROM, then RDP, RAP, reset and BDP as words or double words

    function read(offset: number, size: AccessSize): number {
      if (offset < 0x10) {
        let value = 0;
        for (let byte = 0; byte < size; byte++) value |= (state.prom[offset + byte] ?? 0) << (8 * byte);
        return value >>> 0;
      }
      if (size === 1) return 0;
      switch (place(offset, size)) {
        case 'rdp':
          return readCsr(state.rap);
        case 'rap':
          return state.rap;
        case 'reset':
          softReset();
          return 0;
        case 'bdp':
          return readBcr(state.rap);
        default:
          return 0;
      }
    }

    function write(offset: number, size: AccessSize, value: number): void {
      if (size === 1 || offset < 0x10) return;
      // A double word access to RDP chooses double word mode until the next hardware reset.
      if (size === 4 && offset === 0x10 && !state.wide) {
        state.wide = true;
        bcr[Bcr.BUS]! |= BCR18_DWIO;
      }
      switch (place(offset, size)) {
        case 'rdp':
          return writeCsr(state.rap, value & 0xffff);
        case 'rap':
          state.rap = value & 0x7f;
          return;
        case 'bdp':
          return writeBcr(state.rap, value & 0xffff);
        default:
      }
    }

    function place(offset: number, size: AccessSize): 'rdp' | 'rap' | 'reset' | 'bdp' | undefined {
      if (state.wide !== (size === 4)) return undefined;
      const index = state.wide ? (offset - 0x10) / 4 : (offset - 0x10) / 2;
      return (['rdp', 'rap', 'reset', 'bdp'] as const)[index];
    }

    function readCsr(index: number): number {
      switch (index) {
        case Csr.SOFTWARE_STYLE:
          return readBcr(Bcr.STYLE);
        case Csr.CHIP_ID_LOW:
          return CHIP_ID & 0xffff;
        case Csr.CHIP_ID_HIGH:
          return CHIP_ID >>> 16;
        case Csr.RCVRC:
          return (state.receiveLength - state.receiveNext) & 0xffff;
        case Csr.XMTRC:
          return (state.transmitLength - state.transmitNext) & 0xffff;
        default:
          return csr[index]!;
      }
    }

    function writeCsr(index: number, value: number): void {
      const stopped = on(Csr0.STOP);
      if (index === 0) return control(value);
      if (index === 3) csr[3] = value & CSR3_WRITABLE;
      else if (index === 4) {
        csr[4] = (csr[4]! & CSR4_CAUSES & ~(value & CSR4_CAUSES)) | (value & CSR4_WRITABLE & ~CSR4_CAUSES & ~Csr4.UINTCMD);
        if ((value & Csr4.UINTCMD) !== 0) csr[4] |= Csr4.UINT;
      } else if (index === 5) csr[5] = (csr[5]! & Csr5.SINT & ~(value & Csr5.SINT)) | (value & 0xc407);
      else if (index === Csr.SOFTWARE_STYLE) writeBcr(Bcr.STYLE, value);
      else if (index === Csr.CHIP_ID_LOW || index === Csr.CHIP_ID_HIGH) return;
      else if (index === Csr.MODE || index === Csr.IADRL || index === Csr.IADRH || stopped) {
        csr[index] = value;
        takeRings(index);
      }
      drive();
    }

    /** Drivers may set the rings up by CSRs instead of an initialization block. */
    function takeRings(index: number): void {
      const pair = (low: number) => csr[low]! + csr[low + 1]! * 0x1_0000;
      if (index === Csr.RDRA_LOW || index === Csr.RDRA_LOW + 1) Object.assign(state, { receiveRing: pair(Csr.RDRA_LOW), receiveNext: 0 });
      if (index === Csr.TDRA_LOW || index === Csr.TDRA_LOW + 1) Object.assign(state, { transmitRing: pair(Csr.TDRA_LOW), transmitNext: 0 });
      if (index === Csr.RCVRL) Object.assign(state, { receiveLength: 0x1_0000 - csr[Csr.RCVRL]!, receiveNext: 0 });
      if (index === Csr.XMTRL) Object.assign(state, { transmitLength: 0x1_0000 - csr[Csr.XMTRL]!, transmitNext: 0 });
    }

    function readBcr(index: number): number {
      if (index >= BCR_COUNT) return 0;
      const value = bcr[index]!;
      // LED registers: bit 15 is the lamp. BCR4 is the link's, unless software has chosen other events.
      if (index === Bcr.LINK_LED) return cable.link && (value & 0x40) !== 0 ? value | 0x8000 : value & 0x7fff;
      return value;
    }

    function writeBcr(index: number, value: number): void {
      switch (index) {
        case Bcr.STYLE: {
          // 0: LANCE, 1: ILACC (reserved here), 2: PCnet-PCI, 3: PCnet-PCI with its fields in another order. CSRPCNET and SSIZE32 follow.
          const style = value & 0xff;
          bcr[Bcr.STYLE] = style === 0 ? 0x0200 : style === 1 ? 0x0101 : style === 2 || style === 3 ? 0x0300 | style : 0x0200;
          return;
        }
        case Bcr.MISC:
        case Bcr.LINK_LED:
        case Bcr.LED1:
        case Bcr.LED2:
        case Bcr.LED3:
        case Bcr.FULL_DUPLEX:
        case 16:
        case 17:
        case 21:
        case 22:
          bcr[index] = value;
          return;
        case Bcr.BUS:
          bcr[index] = (value & ~BCR18_DWIO) | (state.wide ? BCR18_DWIO : 0);
          return;
        case Bcr.EEPROM:
          bcr[index] = value & 0x0017;
          return;
        default:
      }
    }

    /** Reading the reset port: everything but BCRs and the width of accesses. */
    function softReset(): void {
      const { wide } = state;
      csr.fill(0);
      csr[0] = Csr0.STOP;
      csr[4] = 0x0115;
      csr[3] = 0;
      for (let index = 0; index < 3; index++) csr[Csr.PADR + index] = mac[2 * index]! | (mac[2 * index + 1]! << 8);
      csr[80] = 0x1410;
      csr[Csr.RCVRL] = csr[Csr.XMTRL] = 0xffff;
      Object.assign(state, ringValues(), { wide });
      setPoll(0);
      writeBcr(Bcr.STYLE, 0);
      drive();
    }

    config.onChange(() => {
      if (config.busMaster && on(Csr0.RXON)) cable.ready();
    });

    function reset(): void {
      state.wide = false;
      for (let index = 0; index < BCR_COUNT; index++) bcr[index] = BCR_RESET[index] ?? 0;
      state.prom.set(promOf(mac));
      bcr[Bcr.BUS]! &= ~BCR18_DWIO;
      softReset();
      config.reset();
      drive();
    }
    reset();

    return {
      state,
      config,
      reset,
      identify: () => state.prom.set(promOf(mac)),
      loaded() {
        config.loaded();
        state.receiveNext %= state.receiveLength;
        state.transmitNext %= state.transmitLength;
        setPoll(state.pollAt);
        drive();
      },
      inspect: () => ({
        mac: [...mac].map((octet) => octet.toString(16).padStart(2, '0')).join(':'),
        link: cable.link ? 'up' : 'down',
        csr0: `0x${csr[0]!.toString(16)}`,
        receive: `${state.receiveNext} of ${state.receiveLength}`,
        transmit: `${state.transmitNext} of ${state.transmitLength}`,
      }),
    };
  },
});

function ringValues() {
  return { rap: 0, wide: false, receiveRing: 0, transmitRing: 0, receiveLength: 1, transmitLength: 1, receiveNext: 0, transmitNext: 0, pollAt: 0 };
}

/** The address PROM: six octets, 'WW' at 14, and a checksum over all at 12 (data sheet, "Address PROM"). */
function promOf(mac: Uint8Array): Uint8Array {
  const prom = new Uint8Array(PROM_BYTES);
  prom.set(mac);
  prom[14] = prom[15] = 0x57;
  const sum = prom.reduce((total, byte) => total + byte, 0);
  prom[12] = sum & 0xff;
  prom[13] = sum >> 8;
  return prom;
}
