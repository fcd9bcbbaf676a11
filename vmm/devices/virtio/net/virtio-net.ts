import { z } from 'zod';
import { defineDevice } from '../../../bus/device.ts';
import { exactly, integer, u16, u32 } from '../../../bus/schema.ts';
import type { MemoryBlock } from '../../../memory/physical-map.ts';
import { type Accepts, LEAST_FRAME, MOST_SEGMENT, type NetBackend, type Offload } from '../../../net/cable/cable.ts';
import type { PciFunction } from '../../pci/function.ts';
import { padded } from '../../net/ethernet.ts';
import { Feature } from '../features.ts';
import { bytesOf, readPieces, split, writePieces } from '../pieces.ts';
import { VirtioPci, virtioSchema } from '../virtio-pci.ts';
import type { Chain, Virtqueue } from '../virtqueue.ts';
import { filterCommand, filterSchema, newFilter, passes } from './filter.ts';
import { LONG_HEADER, readHeader, SHORT_HEADER, writeHeader } from './header.ts';

/* Network device (5.1). */

const TYPE_NETWORK = 1;
const TRANSITIONAL_ID = 0x1000;
const CLASS_ETHERNET = 0x02_00_00;
/** Most pairs of queues; receive and transmit alternate, the control queue follows the last pair that the driver knows of. */
export const MOST_PAIRS = 4;
const QUEUE_SIZE = 256;
const CONTROL_QUEUE_SIZE = 64;
const QUEUE_SIZES = [...new Array<number>(2 * MOST_PAIRS).fill(QUEUE_SIZE), CONTROL_QUEUE_SIZE];

const NetFeature = {
  CSUM: 0,
  GUEST_CSUM: 1,
  CTRL_GUEST_OFFLOADS: 2,
  MAC: 5,
  GUEST_TSO4: 7,
  GUEST_TSO6: 8,
  GUEST_ECN: 9,
  HOST_TSO4: 11,
  HOST_TSO6: 12,
  HOST_ECN: 13,
  MRG_RXBUF: 15,
  STATUS: 16,
  CTRL_VQ: 17,
  CTRL_RX: 18,
  CTRL_VLAN: 19,
  CTRL_RX_EXTRA: 20,
  MQ: 22,
  CTRL_MAC_ADDR: 23,
} as const;

const CONFIG_BYTES = 12;
const CONFIG_STATUS = 6;
const CONFIG_PAIRS = 8;
const STATUS_LINK_UP = 1;
/** Bits of CTRL_GUEST_OFFLOADS are the feature bits themselves. */
const OFFLOAD_BITS = [NetFeature.GUEST_CSUM, NetFeature.GUEST_TSO4, NetFeature.GUEST_TSO6, NetFeature.GUEST_ECN] as const;

const CLASS_MQ = 4;
const CLASS_GUEST_OFFLOADS = 5;
const ACK_OK = 0;
const ACK_ERROR = 1;
const MOST_COMMAND = 4096;

const schema = z.strictObject({
  virtio: virtioSchema(QUEUE_SIZES),
  filter: filterSchema,
  /** Pairs of queues in use. */
  pairs: integer(1, MOST_PAIRS),
  /** What the driver wants done for it at receipt, as feature bits; meaningful once `offloadsSet`. */
  offloads: u32,
  offloadsSet: z.boolean(),
  /** By pair: the first descriptor of a frame that the cable has no room for; -1: none. */
  waiting: exactly(MOST_PAIRS, integer(-1, 0xffff)),
  maxPairs: u16,
});
export type VirtioNetState = z.infer<typeof schema>;

export interface VirtioNetOptions {
  readonly cable: NetBackend;
  readonly mac: Uint8Array;
  /** Pairs of queues offered, 1 to 4: as many as there are processors to use them. */
  readonly pairs?: number;
  readonly rom?: MemoryBlock | undefined;
}

export const virtioNet = defineDevice<VirtioNetState, VirtioNetOptions, PciFunction<VirtioNetState>>({
  type: 'virtio-net',
  state: { version: 1, schema },
  create(context, { cable, mac, pairs = 1, rom }) {
    const { dma } = context;
    const maxPairs = Math.min(Math.max(pairs, 1), MOST_PAIRS);
    const features = Object.values(NetFeature).filter((bit) => bit !== NetFeature.MQ || maxPairs > 1);
    const pci: VirtioPci = new VirtioPci(context, {
      name: 'virtio-net',
      type: TYPE_NETWORK,
      classCode: CLASS_ETHERNET,
      transitionalId: TRANSITIONAL_ID,
      features,
      queueSizes: QUEUE_SIZES,
      config: { length: CONFIG_BYTES, read: readConfig, write: writeConfig },
      available,
      reset,
      rom,
    });
    const fresh = () => ({ pairs: 1, offloads: 0, offloadsSet: false, waiting: new Array<number>(MOST_PAIRS).fill(-1), maxPairs });
    const state: VirtioNetState = { virtio: pci.state, filter: newFilter(mac), ...fresh() };
    const buffer = new Uint8Array(LONG_HEADER + MOST_SEGMENT);
    const bufferView = new DataView(buffer.buffer);
    let accepting = '';

    function readConfig(offset: number): number {
      if (offset < CONFIG_STATUS) return state.filter.mac[offset]!;
      const value = offset < CONFIG_PAIRS ? (cable.link ? STATUS_LINK_UP : 0) : offset < CONFIG_PAIRS + 2 ? maxPairs : 0;
      return (offset & 1) === 0 ? value : 0;
    }

    /** Legacy drivers without CTRL_MAC_ADDR set the address here (5.1.4). */
    function writeConfig(offset: number, value: number): void {
      if (offset < 6 && !pci.has(Feature.VERSION_1)) state.filter.mac[offset] = value;
    }

    const headerBytes = () => (pci.has(NetFeature.MRG_RXBUF) || pci.has(Feature.VERSION_1) ? LONG_HEADER : SHORT_HEADER);
    const controlQueue = () => (pci.has(NetFeature.MQ) ? 2 * MOST_PAIRS : 2);

    function available(queue: Virtqueue): void {
      if (queue.index === controlQueue() && pci.has(NetFeature.CTRL_VQ)) control(queue);
      else if (queue.index >= 2 * MOST_PAIRS) return;
      else if (queue.index % 2 === 1) transmit(queue.index >> 1);
      else {
        accept();
        cable.ready();
      }
    }

    function reset(queue?: Virtqueue): void {
      if (queue !== undefined) {
        if (queue.index < 2 * MOST_PAIRS && queue.index % 2 === 1) state.waiting[queue.index >> 1] = -1;
        return;
      }
      Object.assign(state, fresh());
      Object.assign(state.filter, newFilter(mac));
      accepting = '';
    }

    // -- to the cable

    function transmit(pair: number): void {
      const queue = pci.queues[2 * pair + 1]!;
      if (!retry(pair, queue)) return;
      for (let count = 0; count < queue.state.size; count++) {
        const chain = queue.take();
        if (chain === undefined) break;
        if (!send(chain)) {
          state.waiting[pair] = chain.head;
          break;
        }
        queue.give(chain.head, 0);
      }
      queue.notify();
    }

    /** Sends what the cable had no room for. False: it still has none. */
    function retry(pair: number, queue: Virtqueue): boolean {
      const head = state.waiting[pair]!;
      if (head < 0) return true;
      const chain = queue.state.enabled ? queue.chain(head) : undefined;
      if (chain !== undefined && !send(chain)) return false;
      state.waiting[pair] = -1;
      if (chain !== undefined) queue.give(head, 0);
      return true;
    }

    /** False: the cable is full. What is no frame is taken and lost. */
    function send({ readable }: Chain): boolean {
      const length = bytesOf(readable);
      const header = headerBytes();
      if (length < header + LEAST_FRAME || length > header + MOST_SEGMENT) {
        context.log.guest('virtio-net: a frame of no possible length');
        return true;
      }
      readPieces(dma, readable, buffer.subarray(0, length));
      const offload = readHeader(bufferView, length - header);
      return offload === 'bad' || cable.send(buffer.subarray(header, length), offload);
    }

    // -- from the cable

    /** Tells the cable what the driver lets arrive. */
    function accept(): void {
      const on = (bit: number) => pci.has(bit) && (!state.offloadsSet || (state.offloads & (1 << bit)) !== 0);
      const checksum = on(NetFeature.GUEST_CSUM);
      const accepts: Accepts = { checksum, tcp4: checksum && on(NetFeature.GUEST_TSO4), tcp6: checksum && on(NetFeature.GUEST_TSO6) };
      const key = JSON.stringify(accepts);
      if (key === accepting) return;
      accepting = key;
      cable.attach(user, accepts);
    }

    const user = {
      frame: receive,
      room() {
        for (let pair = 0; pair < MOST_PAIRS; pair++) if (pci.queues[2 * pair + 1]!.state.enabled) transmit(pair);
      },
      link: () => pci.configChanged(),
    };

    /** False: the driver has given no memory for it. */
    function receive(bytes: Uint8Array, offload?: Offload): boolean {
      if (!pci.driverOk || pci.isBroken || !passes(state.filter, bytes, pci.has(NetFeature.CTRL_VLAN))) return true;
      const queue = pci.queues[2 * (state.pairs > 1 ? flowOf(bytes) % state.pairs : 0)]!;
      if (!queue.state.enabled) return true;
      const header = writeHeader(headerBytes(), offload);
      const frame = offload === undefined ? padded(bytes) : bytes;
      const chains = gather(queue, header.length + frame.length);
      if (chains === undefined) return pci.isBroken;
      if (chains.length > 0) fill(queue, chains, header, frame);
      queue.notify();
      return true;
    }

    /** Buffers of at least `length` bytes: one, or several if they may be merged. Undefined: there are too few; none is taken then. */
    function gather(queue: Virtqueue, length: number): Chain[] | undefined {
      const before = queue.state.taken;
      const mergeable = pci.has(NetFeature.MRG_RXBUF);
      const chains: Chain[] = [];
      for (let room = 0; room < length;) {
        const chain = queue.take();
        if (chain === undefined || chains.length >= queue.state.size) {
          if (!pci.isBroken) queue.state.taken = before;
          return undefined;
        }
        chains.push(chain);
        const bytes = bytesOf(chain.writable);
        room += bytes;
        if (mergeable || room >= length) continue;
        // Without merging, a buffer that is too short for the frame is the driver's mistake: the frame is lost.
        queue.give(chain.head, 0);
        return [];
      }
      return chains;
    }

    function fill(queue: Virtqueue, chains: readonly Chain[], header: Uint8Array, frame: Uint8Array): void {
      if (header.length === LONG_HEADER) new DataView(header.buffer).setUint16(10, chains.length, true);
      let done = 0;
      chains.forEach(({ head, writable }, index) => {
        let written = 0;
        let room = writable;
        if (index === 0) {
          const [first, rest] = split(writable, header.length);
          written = writePieces(dma, first, header);
          room = rest;
        }
        const part = writePieces(dma, room, frame.subarray(done));
        done += part;
        queue.give(head, written + part);
      });
    }

    // -- the control queue (5.1.6.5)

    function control(queue: Virtqueue): void {
      for (let count = 0; count < queue.state.size; count++) {
        const chain = queue.take();
        if (chain === undefined) break;
        const length = Math.min(bytesOf(chain.readable), MOST_COMMAND);
        const command = new Uint8Array(length);
        readPieces(dma, chain.readable, command);
        const done = length >= 2 && perform(command[0]!, command[1]!, command.subarray(2));
        queue.give(chain.head, writePieces(dma, chain.writable, Uint8Array.of(done ? ACK_OK : ACK_ERROR)));
      }
      queue.notify();
    }

    function perform(commandClass: number, command: number, data: Uint8Array): boolean {
      if (commandClass === CLASS_MQ && command === 0 && data.length >= 2) {
        const wanted = data[0]! | (data[1]! << 8);
        if (!pci.has(NetFeature.MQ) || wanted < 1 || wanted > maxPairs) return false;
        state.pairs = wanted;
        return true;
      }
      if (commandClass === CLASS_GUEST_OFFLOADS && command === 0 && data.length >= 8) {
        const wanted = new DataView(data.buffer, data.byteOffset).getUint32(0, true);
        const possible = OFFLOAD_BITS.reduce((mask, bit) => mask | (pci.has(bit) ? 1 << bit : 0), 0);
        if ((wanted & ~possible) !== 0) return false;
        Object.assign(state, { offloads: wanted, offloadsSet: true });
        accept();
        return true;
      }
      return filterCommand(state.filter, commandClass, command, data);
    }

    cable.attach(user);

    return {
      state,
      config: pci.config,
      reset: () => pci.reset(),
      loaded() {
        pci.loaded();
        state.maxPairs = maxPairs;
        state.pairs = Math.min(state.pairs, maxPairs);
        accepting = '';
        accept();
        user.room();
      },
      inspect: () => ({
        ...pci.inspect(),
        mac: [...state.filter.mac].map((octet) => octet.toString(16).padStart(2, '0')).join(':'),
        link: cable.link ? 'up' : 'down',
        pairs: `${state.pairs} of ${maxPairs}`,
      }),
    };
  },
});

/** The same for both directions of a conversation: an XOR over addresses and ports. */
function flowOf(frame: Uint8Array): number {
  const ipv6 = frame[12] === 0x86 && frame[13] === 0xdd;
  const [start, end] = ipv6 ? [22, 58] : [26, 38]; // IP addresses, then the ports of TCP and UDP
  let hash = 0;
  for (let at = start; at + 1 < Math.min(end, frame.length); at += 2) hash ^= (frame[at]! << 8) | frame[at + 1]!;
  return hash ^ (hash >> 8);
}
