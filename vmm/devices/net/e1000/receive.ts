import type { Dma } from '../../../bus/dma.ts';
import { internetChecksum, networkHeader } from '../../../net/cable/offload.ts';
import { FCS_BYTES, isBroadcast, isMulticast, padded, VLAN_TAG } from '../ethernet.ts';
import type { Interrupts } from './interrupts.ts';
import { Cause, Ctrl, Rctl, RECEIVE_ADDRESS_PAIRS, RxCsum, RxError, RxStatus, Stat } from './registers.ts';
import type { E1000State } from './state.ts';
import type { Statistics } from './statistics.ts';
import { base } from './transmit.ts';

const DESCRIPTOR_BYTES = 16;
/** Longest frame without RCTL.LPE, VLAN tag and frame check sequence included. */
const MOST_WITHOUT_LPE = 1522;
const ADDRESS_VALID = 0x8000_0000;
const MULTICAST_SHIFTS = [4, 3, 2, 0]; // RCTL.MO: which twelve bits of the last two octets (13.4.22)
const PROTOCOL_TCP = 6;
const PROTOCOL_UDP = 17;
const NO_CHECK = new Uint8Array(FCS_BYTES);

export interface ReceiveHost {
  readonly state: E1000State;
  readonly dma: Dma;
  readonly interrupts: Interrupts;
  readonly statistics: Statistics;
  mayMaster(): boolean;
}

/** The receive filters and the descriptor ring (3.2). */
export class Receiver {
  readonly #host: ReceiveHost;
  readonly #descriptor = new Uint8Array(DESCRIPTOR_BYTES);
  readonly #view = new DataView(this.#descriptor.buffer);
  readonly #status = this.#descriptor.subarray(8);

  constructor(host: ReceiveHost) {
    this.#host = host;
  }

  get enabled(): boolean {
    return (this.#host.state.rctl & Rctl.EN) !== 0 && this.#host.mayMaster();
  }

  /** Puts a frame into memory. `finished`: the cable has computed its checksums itself. False: there are not enough descriptors. */
  frame(received: Uint8Array, finished = false): boolean {
    const { state, statistics, interrupts } = this.#host;
    if (!this.enabled) return true;
    const onWire = Math.max(received.length, 60) + FCS_BYTES;
    if (onWire > MOST_WITHOUT_LPE && (state.rctl & (Rctl.LPE | Rctl.SBP)) === 0) {
      statistics.count(Stat.ROC);
      return true;
    }
    const passed = this.#passes(received);
    if (passed === undefined) return true;
    let frame = padded(received);
    let status = passed === 'hash' ? RxStatus.PIF : 0;
    let special = 0;
    if ((state.ctrl & Ctrl.VME) !== 0 && isTagged(frame, state.registers.VET)) {
      special = (frame[14]! << 8) | frame[15]!;
      status |= RxStatus.VP;
      const stripped = frame.slice(VLAN_TAG);
      stripped.set(frame.subarray(0, 12));
      frame = stripped;
    }
    const bytes = frame.length + ((state.rctl & Rctl.SECRC) !== 0 ? 0 : FCS_BYTES);
    const buffer = this.#bufferSize();
    const needed = Math.ceil(bytes / buffer);
    if (this.#free() < needed) {
      // The packet buffer holds what arrives meanwhile; here it is the cable that does.
      interrupts.set(Cause.RXO);
      return false;
    }
    statistics.received(received);
    this.#store(frame, checksums(frame, state.registers.RXCSUM, finished), bytes, buffer, status, special);
    if (this.#free() * 2 ** (((state.rctl >>> Rctl.RDMTS_SHIFT) & 3) + 1) <= this.#size) interrupts.set(Cause.RXDMT0);
    interrupts.received();
    return true;
  }

  get #size(): number {
    return this.#host.state.registers.RDLEN / DESCRIPTOR_BYTES;
  }

  /** Descriptors from RDH up to RDT. */
  #free(): number {
    const size = this.#size;
    const { rdt, registers } = this.#host.state;
    return size === 0 || registers.RDH >= size || rdt >= size ? 0 : (rdt - registers.RDH + size) % size;
  }

  #bufferSize(): number {
    const { rctl } = this.#host.state;
    const code = (rctl >>> Rctl.BSIZE_SHIFT) & 3;
    // BSEX multiplies by 16; code 0 is reserved then.
    return (rctl & Rctl.BSEX) !== 0 && code !== 0 ? 32768 >> code : 2048 >> code;
  }

  /** By which filter a frame passes (3.2.1), undefined if by none. */
  #passes(frame: Uint8Array): 'exact' | 'hash' | undefined {
    const { state } = this.#host;
    const { rctl } = state;
    if ((rctl & Rctl.VFE) !== 0 && isTagged(frame, state.registers.VET)) {
      const vlan = ((frame[14]! << 8) | frame[15]!) & 0xfff;
      if (((state.vlans[vlan >>> 5]! >>> (vlan & 31)) & 1) === 0) return undefined;
    }
    if (isBroadcast(frame) && (rctl & Rctl.BAM) !== 0) return 'exact';
    if (isMulticast(frame) ? (rctl & Rctl.MPE) !== 0 : (rctl & Rctl.UPE) !== 0) return 'exact';
    for (let pair = 0; pair < RECEIVE_ADDRESS_PAIRS; pair++) {
      if ((state.receiveAddresses[2 * pair + 1]! & ADDRESS_VALID) !== 0 && this.#isAddress(pair, frame)) return 'exact';
    }
    if (!isMulticast(frame)) return undefined;
    const shift = MULTICAST_SHIFTS[(rctl >>> Rctl.MO_SHIFT) & 3]!;
    const hash = (((frame[5]! << 8) | frame[4]!) >>> shift) & 0xfff;
    return ((state.multicast[hash >>> 5]! >>> (hash & 31)) & 1) !== 0 ? 'hash' : undefined;
  }

  #isAddress(pair: number, frame: Uint8Array): boolean {
    const { receiveAddresses } = this.#host.state;
    const low = (frame[0]! | (frame[1]! << 8) | (frame[2]! << 16) | (frame[3]! << 24)) >>> 0;
    return low === receiveAddresses[2 * pair] && (frame[4]! | (frame[5]! << 8)) === (receiveAddresses[2 * pair + 1]! & 0xffff);
  }

  /** `bytes`: the frame and, unless it is stripped, room for its check sequence, which reads as zeros (no driver looks at it). */
  #store(frame: Uint8Array, checked: Checked, bytes: number, buffer: number, status: number, special: number): void {
    const { state, dma } = this.#host;
    const { registers } = state;
    const ring = base(registers.RDBAH, registers.RDBAL);
    const view = this.#view;
    for (let at = 0; at < bytes; at += buffer) {
      const place = ring + registers.RDH * DESCRIPTOR_BYTES;
      dma.read(place, this.#descriptor);
      const length = Math.min(buffer, bytes - at);
      const address = view.getUint32(0, true) + view.getUint32(4, true) * 0x1_0000_0000;
      if (address !== 0) {
        const data = length >= frame.length ? frame : frame.subarray(at, at + length);
        if (data.length > 0) dma.write(address, data);
        if (data.length < length) dma.write(address + data.length, NO_CHECK.subarray(0, length - data.length));
      } // a null descriptor is stepped over (3.2.2)
      const last = at + length === bytes;
      view.setUint16(8, length, true);
      view.setUint16(10, last ? checked.packet : 0, true);
      view.setUint8(12, status | RxStatus.DD | (last ? RxStatus.EOP | checked.status : RxStatus.IXSM));
      view.setUint8(13, last ? checked.errors : 0);
      view.setUint16(14, last ? special : 0, true);
      dma.write(place + 8, this.#status);
      registers.RDH = (registers.RDH + 1) % this.#size;
    }
  }
}

function isTagged(frame: Uint8Array, type: number): boolean {
  return frame.length >= 18 && ((frame[12]! << 8) | frame[13]!) === type;
}

interface Checked {
  /** As the descriptor has it: least significant byte first. */
  readonly packet: number;
  readonly status: number;
  readonly errors: number;
}

/** Receive checksum offload (3.2.9): the packet checksum from PCSS on, and what was checked and found wrong. */
function checksums(frame: Uint8Array, rxcsum: number, finished: boolean): Checked {
  const known = finished ? finishedChecksums(frame, rxcsum) : undefined;
  if (known !== undefined) return known;
  const start = rxcsum & RxCsum.PCSS;
  const swapped = swap(~internetChecksum(frame, Math.min(start, frame.length), frame.length));
  const nothing = { packet: swapped, status: RxStatus.IXSM, errors: 0 };
  if ((rxcsum & (RxCsum.IPOFL | RxCsum.TUOFL)) === 0) return nothing;
  const network = networkHeader(frame);
  if (network === undefined) return nothing;
  if (network.type === 0x0800) return ipv4Checksums(frame, network.at, rxcsum, swapped) ?? nothing;
  if (network.type !== 0x86dd || (rxcsum & RxCsum.TUOFL) === 0 || network.at + 40 > frame.length) return nothing;
  const end = network.at + 40 + ((frame[network.at + 4]! << 8) | frame[network.at + 5]!);
  const transport = transportChecksum(frame, network.at + 8, 32, frame[network.at + 6]!, network.at + 40, end);
  return transport === undefined ? nothing : { packet: swapped, ...transport };
}

/**
 * Of a frame that the cable has cut and summed itself: its checksums are right, and a right checksum makes the sum of a segment and its pseudo header all ones, so the packet
 * checksum follows from the headers. Undefined when it begins where that does not help.
 */
function finishedChecksums(frame: Uint8Array, rxcsum: number): Checked | undefined {
  const network = networkHeader(frame);
  if (network === undefined) return undefined;
  const { at, type } = network;
  const four = type === 0x0800;
  const transport = at + (four ? (frame[at]! & 15) * 4 : 40);
  const start = rxcsum & RxCsum.PCSS;
  if (start > transport || ((transport - start) & 1) !== 0) return undefined;
  const protocol = frame[at + (four ? 9 : 6)]!;
  const length = four ? ((frame[at + 2]! << 8) | frame[at + 3]!) - (transport - at) : (frame[at + 4]! << 8) | frame[at + 5]!;
  const pseudo = ~internetChecksum(frame, at + (four ? 12 : 8), at + (four ? 20 : 40), protocol + length) & 0xffff;
  let status = four && (rxcsum & RxCsum.IPOFL) !== 0 ? RxStatus.IPCS : 0;
  if ((rxcsum & RxCsum.TUOFL) !== 0) status |= RxStatus.TCPCS | (protocol === PROTOCOL_UDP ? RxStatus.UDPCS : 0);
  return { packet: swap(~internetChecksum(frame, start, transport, 0xffff - pseudo)), status: status === 0 ? RxStatus.IXSM : status, errors: 0 };
}

function swap(word: number): number {
  return ((word & 0xff) << 8) | ((word >>> 8) & 0xff);
}

function ipv4Checksums(frame: Uint8Array, at: number, rxcsum: number, packet: number): Checked | undefined {
  const header = (frame[at]! & 15) * 4;
  if (at + 20 > frame.length || frame[at]! >> 4 !== 4 || header < 20 || at + header > frame.length) return undefined;
  const good = internetChecksum(frame, at, at + header) === 0;
  const offloadIp = (rxcsum & RxCsum.IPOFL) !== 0;
  let status = offloadIp ? RxStatus.IPCS : 0;
  let errors = offloadIp && !good ? RxError.IPE : 0;
  const fragment = (((frame[at + 6]! & 0x3f) << 8) | frame[at + 7]!) !== 0;
  if (good && !fragment && (rxcsum & RxCsum.TUOFL) !== 0) {
    const end = at + ((frame[at + 2]! << 8) | frame[at + 3]!);
    const transport = transportChecksum(frame, at + 12, 8, frame[at + 9]!, at + header, end);
    status |= transport?.status ?? 0;
    errors |= transport?.errors ?? 0;
  }
  return { packet, status: status === 0 ? RxStatus.IXSM : status, errors };
}

/** Of TCP, or of UDP with a checksum; undefined when there is none to check. */
function transportChecksum(
  frame: Uint8Array,
  addresses: number,
  addressBytes: number,
  protocol: number,
  start: number,
  end: number,
): { status: number; errors: number } | undefined {
  if (end > frame.length || start + 8 > end) return undefined;
  if (protocol === PROTOCOL_UDP ? frame[start + 6] === 0 && frame[start + 7] === 0 : protocol !== PROTOCOL_TCP) return undefined;
  const pseudo = (~internetChecksum(frame, addresses, addresses + addressBytes) & 0xffff) + protocol + (end - start);
  const good = internetChecksum(frame, start, end, pseudo) === 0;
  return { status: RxStatus.TCPCS | (protocol === PROTOCOL_UDP ? RxStatus.UDPCS : 0), errors: good ? 0 : RxError.TCPE };
}
