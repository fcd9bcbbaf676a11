import type { Dma } from '../../../bus/dma.ts';
import { LEAST_FRAME, MOST_FRAME, MOST_SEGMENT, type Offload } from '../../../net/cable/cable.ts';
import { ipChecksumGood, ipv4Headers, putIpChecksum, transportChecksumGood, transportOffload } from '../checksums.ts';
import { FCS_BYTES, frameCheck, padded, VLAN_TAG } from '../ethernet.ts';
import { Cpcr, Descriptor, DESCRIPTOR_BYTES, Isr, MOST_DESCRIPTORS, RxDescriptor, TxDescriptor } from './registers.ts';
import type { Rtl8139State } from './state.ts';

/* C+ mode: rings of descriptors, with offloads. */

interface Read {
  readonly at: number;
  readonly command: number;
  readonly vlan: number;
  readonly address: number;
}

function readDescriptor(dma: Dma, ring: number, index: number): Read {
  const bytes = new Uint8Array(DESCRIPTOR_BYTES);
  const view = new DataView(bytes.buffer);
  const at = ring + index * DESCRIPTOR_BYTES;
  dma.read(at, bytes);
  const word = (offset: number) => view.getUint32(offset, true);
  return { at, command: word(0), vlan: word(4), address: word(8) + word(12) * 0x1_0000_0000 };
}

function writeWords(dma: Dma, at: number, ...words: number[]): void {
  const bytes = new Uint8Array(4 * words.length);
  const view = new DataView(bytes.buffer);
  words.forEach((word, index) => view.setUint32(4 * index, word >>> 0, true));
  dma.write(at, bytes);
}

const next = (index: number, command: number) => ((command & Descriptor.EOR) !== 0 ? 0 : (index + 1) % MOST_DESCRIPTORS);
const swap = (word: number) => ((word & 0xff) << 8) | ((word >>> 8) & 0xff);

type TxRing = 'txNormal' | 'txPriority';

/** Sends what one of the two transmit rings holds. Returns the interrupt causes. */
export function sendRing(state: Rtl8139State, dma: Dma, ring: TxRing, output: (frame: Uint8Array, offload: Offload | undefined) => boolean): number {
  const base = state[ring] + state[`${ring}High`] * 0x1_0000_0000;
  let causes = 0;
  for (let count = 0; count < MOST_DESCRIPTORS;) {
    const packet = readPacket(dma, base, state[`${ring}Next`]);
    if (packet === undefined) return causes | (count > 0 ? Isr.TDU : 0);
    const { descriptors, frame, following } = packet;
    if (frame !== undefined) {
      const first = descriptors[0]!;
      const prepared = prepare(state, frame, first);
      if (!output(prepared.frame, prepared.offload)) return causes;
    }
    for (const { at, command } of descriptors) writeWords(dma, at, command & ~Descriptor.OWN);
    state[`${ring}Next`] = following;
    count += descriptors.length;
    causes |= Isr.TOK;
  }
  return causes;
}

/** The descriptors of the next packet; undefined while it is not all there. Without `frame`: something that cannot be sent. */
function readPacket(dma: Dma, base: number, start: number): { descriptors: Read[]; frame: Uint8Array | undefined; following: number } | undefined {
  const descriptors: Read[] = [];
  let length = 0;
  let index = start;
  for (let last = false; !last && descriptors.length < MOST_DESCRIPTORS;) {
    const one = readDescriptor(dma, base, index);
    if ((one.command & Descriptor.OWN) === 0) return undefined;
    descriptors.push(one);
    length += one.command & 0xffff;
    last = (one.command & Descriptor.LS) !== 0;
    index = next(index, one.command);
  }
  const first = descriptors[0]!;
  const last = descriptors[descriptors.length - 1]!;
  const whole = (first.command & Descriptor.FS) !== 0 && (last.command & Descriptor.LS) !== 0;
  const most = (first.command & TxDescriptor.LGSEN) !== 0 ? MOST_SEGMENT : MOST_FRAME - VLAN_TAG;
  if (!whole || length < LEAST_FRAME || length > most) return { descriptors, frame: undefined, following: index };
  const frame = new Uint8Array(length);
  let at = 0;
  for (const { address, command } of descriptors) {
    const part = frame.subarray(at, at + (command & 0xffff));
    if (part.length > 0) dma.read(address, part);
    at += part.length;
  }
  return { descriptors, frame, following: index };
}

/** Checksums, segmentation and the VLAN tag as the first descriptor asks. */
function prepare(_state: Rtl8139State, bytes: Uint8Array, { command, vlan }: Read): { frame: Uint8Array; offload: Offload | undefined } {
  let frame = bytes;
  if ((vlan & TxDescriptor.TAGC) !== 0) {
    frame = new Uint8Array(bytes.length + VLAN_TAG);
    frame.set(bytes.subarray(0, 12));
    new DataView(frame.buffer).setUint32(12, 0x8100_0000 | swap(vlan & 0xffff));
    frame.set(bytes.subarray(12), 12 + VLAN_TAG);
  }
  const headers = ipv4Headers(frame);
  if (headers === undefined) return { frame, offload: undefined };
  if ((command & TxDescriptor.LGSEN) !== 0) {
    const segment = (command >>> 16) & 0x7ff;
    return { frame, offload: segment === 0 ? undefined : transportOffload(frame, headers, segment) };
  }
  if ((command & TxDescriptor.IPCS) !== 0) putIpChecksum(frame, headers);
  const transport = (command & (TxDescriptor.TCPCS | TxDescriptor.UDPCS)) !== 0;
  return { frame, offload: transport ? transportOffload(frame, headers) : undefined };
}

/** Puts a frame into the next receive descriptor. False: the driver has given none. */
export function receiveIntoDescriptor(state: Rtl8139State, dma: Dma, received: Uint8Array, kind: 'unicast' | 'multicast' | 'broadcast'): boolean {
  const ring = state.rxRing + state.rxRingHigh * 0x1_0000_0000;
  const descriptor = readDescriptor(dma, ring, state.rxNext);
  if ((descriptor.command & Descriptor.OWN) === 0) return false;
  let frame = padded(received);
  let vlan = 0;
  if ((state.cPlus & Cpcr.RXVLAN) !== 0 && frame[12] === 0x81 && frame[13] === 0x00) {
    vlan = RxDescriptor.TAVA | swap((frame[14]! << 8) | frame[15]!);
    const stripped = frame.slice(VLAN_TAG);
    stripped.set(frame.subarray(0, 12));
    frame = padded(stripped);
  }
  const size = descriptor.command & RxDescriptor.SIZE;
  const length = frame.length + FCS_BYTES;
  let status = (descriptor.command & Descriptor.EOR) | Descriptor.FS | Descriptor.LS;
  status |= kind === 'broadcast' ? RxDescriptor.BAR : kind === 'multicast' ? RxDescriptor.MAR : RxDescriptor.PAM;
  if ((state.cPlus & Cpcr.RXCHKSUM) !== 0) status |= checked(frame);
  if (length <= size) {
    const data = new Uint8Array(length);
    data.set(frame);
    new DataView(data.buffer).setUint32(frame.length, frameCheck(frame), true);
    dma.write(descriptor.address, data);
    writeWords(dma, descriptor.at, status | length, vlan);
    state.rxNext = next(state.rxNext, descriptor.command);
  } // a longer frame than the buffer is lost: one descriptor a frame is what every driver makes
  return true;
}

/** Which protocol it is, and what is wrong with its checksums. */
function checked(frame: Uint8Array): number {
  const headers = ipv4Headers(frame);
  if (headers === undefined) return 0;
  const ip = ipChecksumGood(frame, headers) ? 0 : RxDescriptor.IPF;
  const good = transportChecksumGood(frame, headers);
  if (headers.protocol === 6) return ip | RxDescriptor.PID_TCP | (good === false ? RxDescriptor.TCPF : 0);
  if (headers.protocol === 17) return ip | RxDescriptor.PID_UDP | (good === false ? RxDescriptor.UDPF : 0);
  return ip | RxDescriptor.PID_IP;
}
