import type { Dma } from '../../../bus/dma.ts';
import { LEAST_FRAME, MOST_FRAME, MOST_SEGMENT, type Offload } from '../../../net/cable/cable.ts';
import { internetChecksum } from '../../../net/cable/offload.ts';
import { VLAN_TAG } from '../ethernet.ts';
import type { Interrupts } from './interrupts.ts';
import { Cause, Ctrl, Tctl, TuCmd, TX_STATUS_DD, TxCommand, TxPopts } from './registers.ts';
import type { Statistics } from './statistics.ts';
import type { E1000State, TxContext } from './state.ts';

const DESCRIPTOR_BYTES = 16;
const DTYP_DATA = 1;
const DTYP_CONTEXT = 0;
/** Descriptors that one write of TDT may cost; what is left is taken up a little later. */
const MOST_AT_ONCE = 256;
const REST_DELAY = 20_000;
const TCP_CHECKSUM = 16;
const UDP_CHECKSUM = 6;

interface Descriptor {
  readonly index: number;
  readonly address: number;
  readonly length: number;
  readonly command: number;
  readonly type: 'legacy' | 'context' | 'data';
  /** Byte 13 (options, or where a legacy checksum begins), byte 10 (where it goes), bytes 14-15 (the VLAN tag). */
  readonly options: number;
  readonly checksumOffset: number;
  readonly special: number;
  readonly raw: DataView;
}

export interface TransmitHost {
  readonly state: E1000State;
  readonly dma: Dma;
  readonly interrupts: Interrupts;
  readonly statistics: Statistics;
  mayMaster(): boolean;
  /** False: no room on the cable; `run` is called when there is. */
  output(frame: Uint8Array, offload: Offload | undefined): boolean;
}

/** The transmit descriptor ring (3.3, 3.4). A packet is taken when all its descriptors are there, so nothing of it is kept between calls. */
export class Transmitter {
  readonly #host: TransmitHost;
  /** A segment as its descriptors give it, with room for a VLAN tag before it. */
  readonly #buffer = new Uint8Array(VLAN_TAG + MOST_SEGMENT);
  #running = false;

  constructor(host: TransmitHost) {
    this.#host = host;
  }

  /** Sends what is between TDH and TDT. */
  run(): void {
    const { state, interrupts } = this.#host;
    if (this.#running) return;
    state.sendBlocked = false;
    if ((state.tctl & Tctl.EN) === 0 || !this.#host.mayMaster()) return;
    this.#running = true;
    try {
      let taken = 0;
      let emptied = false;
      while (this.#waiting() > 0) {
        if (taken >= MOST_AT_ONCE) return interrupts.arm('transmitMore', REST_DELAY);
        const count = this.#packet();
        if (count === 0) return;
        taken += count;
        emptied = this.#waiting() === 0;
      }
      if (emptied) interrupts.set(Cause.TXQE);
    } finally {
      this.#running = false;
    }
  }

  get #size(): number {
    return this.#host.state.registers.TDLEN / DESCRIPTOR_BYTES;
  }

  #waiting(): number {
    const size = this.#size;
    if (size === 0) return 0;
    const { tdt, registers } = this.#host.state;
    if (registers.TDH >= size || tdt >= size) return 0;
    return (tdt - registers.TDH + size) % size;
  }

  /** Takes one packet or context descriptor. Returns how many descriptors that were; 0: it cannot be taken now. */
  #packet(): number {
    const first = this.#descriptor(0);
    if (first.type === 'context') {
      this.#context(first);
      this.#advance([first]);
      return 1;
    }
    const descriptors = this.#gather(first);
    if (descriptors === undefined) return 0;
    const length = this.#load(descriptors);
    if (!this.#transmit(descriptors, length)) return 0;
    this.#advance(descriptors);
    return descriptors.length;
  }

  #descriptor(ahead: number): Descriptor {
    const { registers } = this.#host.state;
    const index = (registers.TDH + ahead) % this.#size;
    const bytes = new Uint8Array(DESCRIPTOR_BYTES);
    const raw = new DataView(bytes.buffer);
    this.#host.dma.read(base(registers.TDBAH, registers.TDBAL) + index * DESCRIPTOR_BYTES, bytes);
    const command = bytes[11]!;
    const kind = raw.getUint32(8, true) >>> 20;
    const extended = (command & TxCommand.DEXT) !== 0;
    return {
      index,
      address: raw.getUint32(0, true) + raw.getUint32(4, true) * 0x1_0000_0000,
      length: extended ? raw.getUint32(8, true) & 0xf_ffff : raw.getUint16(8, true),
      command,
      type: !extended ? 'legacy' : (kind & 15) === DTYP_CONTEXT ? 'context' : (kind & 15) === DTYP_DATA ? 'data' : 'legacy',
      options: bytes[13]!,
      checksumOffset: bytes[10]!,
      special: raw.getUint16(14, true),
      raw,
    };
  }

  /** The descriptors of one packet, up to the one with EOP; undefined while that is not there yet. */
  #gather(first: Descriptor): Descriptor[] | undefined {
    const descriptors = [first];
    const waiting = this.#waiting();
    let bytes = first.length;
    for (let last = first; (last.command & TxCommand.EOP) === 0;) {
      // A ring full of pieces, or a packet beyond all bounds, is taken as it is: it cannot become a frame, and the ring must go on.
      if (descriptors.length === this.#size - 1 || descriptors.length >= MOST_AT_ONCE || bytes > MOST_SEGMENT) break;
      if (descriptors.length >= waiting) return undefined;
      last = this.#descriptor(descriptors.length);
      if (last.type === 'context') break; // must not be within a packet; the packet ends before it
      bytes += last.length;
      descriptors.push(last);
    }
    return descriptors;
  }

  #context({ raw, command }: Descriptor): void {
    const { state } = this.#host;
    const context: TxContext = {
      ipcss: raw.getUint8(0),
      ipcso: raw.getUint8(1),
      ipcse: raw.getUint16(2, true),
      tucss: raw.getUint8(4),
      tucso: raw.getUint8(5),
      tucse: raw.getUint16(6, true),
      tucmd: command,
      hdrlen: raw.getUint8(13),
      mss: raw.getUint16(14, true),
    };
    Object.assign((command & TxCommand.TSE) !== 0 ? state.segmentContext : state.checksumContext, context);
  }

  /** Reads the packet's data; its length, or more than fits. */
  #load(descriptors: readonly Descriptor[]): number {
    let length = 0;
    for (const { address, length: part } of descriptors) {
      const at = VLAN_TAG + length;
      length += part;
      if (length > MOST_SEGMENT) return length;
      if (part > 0) this.#host.dma.read(address, this.#buffer.subarray(at, at + part));
    }
    return length;
  }

  /** False: the cable is full. */
  #transmit(descriptors: readonly Descriptor[], length: number): boolean {
    const first = descriptors[0]!;
    const last = descriptors[descriptors.length - 1]!;
    const { state, statistics } = this.#host;
    const segmented = first.type === 'data' && (first.command & TxCommand.TSE) !== 0;
    if (length < LEAST_FRAME || length > (segmented ? MOST_SEGMENT : MOST_FRAME) || (last.command & TxCommand.EOP) === 0) return true; // no frame
    let frame: Uint8Array = this.#buffer.subarray(VLAN_TAG, VLAN_TAG + length);
    let offload: Offload | undefined | 'drop';
    if (first.type === 'legacy') legacyChecksum(last, frame);
    else offload = this.#offload(first, frame, segmented);
    if (offload === 'drop') return true;
    if ((last.command & TxCommand.VLE) !== 0 && (state.ctrl & Ctrl.VME) !== 0) {
      frame = this.#tagged(length, last.special);
      offload = offload && shifted(offload);
    }
    if (!this.#host.output(frame, offload)) return false;
    statistics.transmitted(frame, offload?.cut);
    return true;
  }

  /** 3.3.7, 3.5: what the context says is to be done; the device does what the cable's other end cannot be asked to. */
  #offload({ options }: Descriptor, frame: Uint8Array, segmented: boolean): Offload | undefined | 'drop' {
    const { state } = this.#host;
    const context = segmented ? state.segmentContext : state.checksumContext;
    const { tucss, tucso, tucse } = context;
    if (segmented) return segment(frame, context);
    if ((options & TxPopts.IXSM) !== 0) putChecksum(frame, context.ipcss, context.ipcso, context.ipcse);
    if ((options & TxPopts.TXSM) === 0) return undefined;
    const offset = tucso - tucss;
    if (tucse === 0 && (offset === TCP_CHECKSUM || offset === UDP_CHECKSUM) && tucso + 2 <= frame.length) {
      return { checksumStart: tucss, checksumOffset: offset };
    }
    putChecksum(frame, tucss, tucso, tucse);
    return undefined;
  }

  /** The frame with a tag behind its addresses, in the room before it. */
  #tagged(length: number, tag: number): Uint8Array {
    const frame = this.#buffer.subarray(0, VLAN_TAG + length);
    frame.copyWithin(0, VLAN_TAG, VLAN_TAG + 12);
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
    view.setUint16(12, this.#host.state.registers.VET);
    view.setUint16(14, tag);
    return frame;
  }

  /** Reports descriptors as done, if they ask for it, and moves TDH behind them. */
  #advance(descriptors: readonly Descriptor[]): void {
    const { state, dma, interrupts } = this.#host;
    const { registers } = state;
    const ring = base(registers.TDBAH, registers.TDBAL);
    let reported: boolean | undefined;
    for (const { index, command, raw } of descriptors) {
      if ((command & (TxCommand.RS | TxCommand.RPS)) === 0) continue;
      dma.write(ring + index * DESCRIPTOR_BYTES + 12, Uint8Array.of(raw.getUint8(12) | TX_STATUS_DD));
      reported = (command & TxCommand.IDE) !== 0;
    }
    registers.TDH = (descriptors[descriptors.length - 1]!.index + 1) % this.#size;
    if (reported !== undefined) interrupts.transmitted(reported);
  }
}

export function base(high: number, low: number): number {
  return high * 0x1_0000_0000 + low;
}

function shifted({ checksumStart, cut, ...rest }: Offload): Offload {
  const moved = { ...rest, checksumStart: checksumStart + VLAN_TAG };
  return cut === undefined ? moved : { ...moved, cut: { ...cut, headers: cut.headers + VLAN_TAG } };
}

/** 3.3.3: from CSS to the end, put at CSO. */
function legacyChecksum({ command, options: start, checksumOffset }: Descriptor, frame: Uint8Array): void {
  if ((command & TxCommand.IC) !== 0) putChecksum(frame, start, checksumOffset, 0);
}

/** The checksum of bytes `start..end` (0: to the end of the frame), put at `to`. What lies outside the frame is left alone. */
function putChecksum(frame: Uint8Array, start: number, to: number, end: number): void {
  const stop = end === 0 ? frame.length : Math.min(end + 1, frame.length);
  if (start >= stop || to + 2 > frame.length) return;
  const checksum = internetChecksum(frame, start, stop);
  frame[to] = checksum >>> 8;
  frame[to + 1] = checksum;
}

/**
 * A long segment as the cable carries it. Software left out what depends on the length (3.5.8): the IP header's length and checksum, and the length in the pseudo
 * header's sum; a receiver that takes the segment whole finds them as in any other packet.
 */
function segment(frame: Uint8Array, { ipcss, ipcso, tucss, tucso, tucmd, hdrlen, mss }: TxContext): Offload | 'drop' {
  const ipv4 = (tucmd & TuCmd.IP) !== 0;
  const tcp = (tucmd & TuCmd.TCP) !== 0;
  const offset = tucso - tucss;
  const sound = mss > 0 && hdrlen < frame.length && ipcss + 20 <= tucss && tucso + 2 <= hdrlen && offset === (tcp ? TCP_CHECKSUM : UDP_CHECKSUM);
  if (!sound) return 'drop';
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  if (ipv4) {
    view.setUint16(ipcss + 2, frame.length - ipcss);
    if (ipcso + 2 <= tucss) {
      view.setUint16(ipcso, 0);
      view.setUint16(ipcso, internetChecksum(frame, ipcss, tucss));
    }
  } else view.setUint16(ipcss + 4, frame.length - ipcss - 40);
  const sum = view.getUint16(tucso) + frame.length - tucss;
  view.setUint16(tucso, (sum & 0xffff) + (sum >>> 16));
  return { checksumStart: tucss, checksumOffset: offset, cut: { as: tcp ? (ipv4 ? 'tcp4' : 'tcp6') : 'udp', segment: mss, headers: hdrlen } };
}
