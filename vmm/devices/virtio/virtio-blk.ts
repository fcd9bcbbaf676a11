import { z } from 'zod';
import { SECTOR_BYTES, type DiskBackend, type DiskRequest, type DiskStatus } from '../../base/disk-backend.ts';
import { defineDevice } from '../../bus/device.ts';
import { exactly, integer, u16, upTo } from '../../bus/schema.ts';
import type { PciFunction } from '../pci/function.ts';
import { defaultGeometry } from '../storage/ata/disk.ts';
import { RequestGate } from '../storage/request-gate.ts';
import { ScatterList } from '../storage/scatter.ts';
import { bytesOf, readPieces, split, writePieces } from './pieces.ts';
import { VirtioPci, virtioSchema } from './virtio-pci.ts';
import type { Chain, Piece, Virtqueue } from './virtqueue.ts';

/* Block device (5.2). */

const TYPE_BLOCK = 2;
const TRANSITIONAL_ID = 0x1001;
const CLASS_STORAGE_SCSI = 0x01_00_00;
const QUEUES = 4;
const QUEUE_SIZE = 256;
const QUEUE_SIZES = new Array<number>(QUEUES).fill(QUEUE_SIZE);

const BlockFeature = { SEG_MAX: 2, GEOMETRY: 4, RO: 5, BLK_SIZE: 6, FLUSH: 9, CONFIG_WCE: 11, MQ: 12, DISCARD: 13, WRITE_ZEROES: 14 } as const;

const RequestType = { IN: 0, OUT: 1, FLUSH: 4, GET_ID: 8, DISCARD: 11, WRITE_ZEROES: 13 } as const;
const RequestStatus = { OK: 0, IOERR: 1, UNSUPP: 2 } as const;
const HEADER_BYTES = 16;
const ID_BYTES = 20;
/** Of a DISCARD or WRITE ZEROES request. */
const RANGE_BYTES = 16;
const MOST_RANGES = 64;
const MOST_RANGE_SECTORS = 0x40_0000;
const RANGE_UNMAP = 1;
/** Memory a request may name that is no RAM: enough for a picture, not enough to hurt. */
const MOST_BOUNCE = 1 << 20;

const CONFIG_BYTES = 60;
const CONFIG_WRITEBACK = 32;

const schema = z.strictObject({
  virtio: virtioSchema(QUEUE_SIZES),
  /** The write cache, as the driver set it. */
  writeback: integer(0, 1),
  /** First descriptors of the requests that the medium works on, by queue. */
  inFlight: exactly(QUEUES, upTo(QUEUE_SIZE, u16)),
});
export type VirtioBlkState = z.infer<typeof schema>;

export interface VirtioBlkOptions {
  readonly backend: DiskBackend;
  /** Up to 20 ASCII characters. */
  readonly serial?: string;
}

interface Range {
  readonly offset: number;
  readonly length: number;
}

export const virtioBlk = defineDevice<VirtioBlkState, VirtioBlkOptions, PciFunction<VirtioBlkState>>({
  type: 'virtio-blk',
  state: { version: 1, schema },
  create(context, { backend, serial = 'ST00000001' }) {
    const { dma } = context;
    const gates = QUEUE_SIZES.map(() => new RequestGate());
    const inFlight = QUEUE_SIZES.map((): number[] => []);
    const sectors = Math.floor(backend.size / SECTOR_BYTES);
    const configBytes = blockConfig(sectors);

    const pci: VirtioPci = new VirtioPci(context, {
      name: 'virtio-blk',
      type: TYPE_BLOCK,
      classCode: CLASS_STORAGE_SCSI,
      transitionalId: TRANSITIONAL_ID,
      features: Object.values(BlockFeature).filter((bit) => bit !== BlockFeature.RO || backend.readOnly),
      queueSizes: QUEUE_SIZES,
      config: {
        length: CONFIG_BYTES,
        read: (offset) => (offset === CONFIG_WRITEBACK ? state.writeback : configBytes[offset]!),
        write(offset, value) {
          if (offset === CONFIG_WRITEBACK && pci.has(BlockFeature.CONFIG_WCE)) state.writeback = value & 1;
        },
      },
      available: (queue) => pump(queue),
      reset(queue) {
        for (const { index } of queue === undefined ? pci.queues : [queue]) {
          gates[index]!.drop(backend);
          inFlight[index]!.length = 0;
        }
        if (queue === undefined) state.writeback = 1;
      },
    });
    const state: VirtioBlkState = { virtio: pci.state, writeback: 1, inFlight };

    /** Takes what is available; what is done at once is told to the driver at once. */
    const pump = (queue: Virtqueue): void => {
      const waiting = inFlight[queue.index]!;
      for (let taken = 0; taken < queue.state.size && waiting.length < queue.state.size; taken++) {
        const chain = queue.take();
        if (chain === undefined) break;
        waiting.push(chain.head);
        begin(queue, chain);
      }
      queue.notify();
    };

    const finish = (queue: Virtqueue, chain: Chain, status: number, written: number): void => {
      const waiting = inFlight[queue.index]!;
      const place = waiting.indexOf(chain.head);
      if (place >= 0) waiting.splice(place, 1);
      const [, last] = split(chain.writable, bytesOf(chain.writable) - 1);
      writePieces(dma, last, Uint8Array.of(status));
      queue.give(chain.head, written + 1);
    };

    const begin = (queue: Virtqueue, chain: Chain): void => {
      const [head, out] = split(chain.readable, HEADER_BYTES);
      const room = bytesOf(chain.writable);
      if (bytesOf(head) < HEADER_BYTES || room < 1) return pci.broken(`queue ${queue.index} has a request without header or status`);
      const header = new DataView(new ArrayBuffer(HEADER_BYTES));
      readPieces(dma, head, new Uint8Array(header.buffer));
      const [input] = split(chain.writable, room - 1);
      const offset = (header.getUint32(8, true) + header.getUint32(12, true) * 0x1_0000_0000) * SECTOR_BYTES;
      const end = (status: number, written = 0): void => finish(queue, chain, status, written);
      switch (header.getUint32(0, true)) {
        case RequestType.IN:
          return transfer(queue, 'read', offset, input, end);
        case RequestType.OUT:
          return transfer(queue, 'write', offset, out, end);
        case RequestType.FLUSH:
          return submit(queue, [{ op: 'flush', offset: 0, length: 0, segments: [] }], end);
        case RequestType.GET_ID: {
          const id = new Uint8Array(ID_BYTES);
          id.set(new TextEncoder().encode(serial).subarray(0, ID_BYTES));
          return end(RequestStatus.OK, writePieces(dma, input, id));
        }
        case RequestType.DISCARD:
        case RequestType.WRITE_ZEROES:
          return clear(queue, header.getUint32(0, true) === RequestType.DISCARD, out, end);
        default:
          return end(RequestStatus.UNSUPP);
      }
    };

    type End = (status: number, written?: number) => void;

    const transfer = (queue: Virtqueue, op: 'read' | 'write', offset: number, pieces: readonly Piece[], end: End): void => {
      const length = bytesOf(pieces);
      if (length % SECTOR_BYTES !== 0 || offset + length > sectors * SECTOR_BYTES) return end(RequestStatus.IOERR);
      if (length === 0) return end(RequestStatus.OK);
      const memory = new ScatterList(dma, op === 'read' ? 'in' : 'out', MOST_BOUNCE);
      if (!pieces.every((piece) => memory.add(piece.address, piece.length))) return end(RequestStatus.IOERR);
      const durable = op === 'write' && (state.writeback === 0 || !pci.has(BlockFeature.FLUSH)); // 5.2.6.2
      submit(queue, [{ op, offset, length, segments: memory.segments, ...(durable && { fua: true }) }], (status) => {
        if (status === RequestStatus.OK) memory.finish();
        end(status, op === 'read' && status === RequestStatus.OK ? length : 0);
      });
    };

    const clear = (queue: Virtqueue, discard: boolean, pieces: readonly Piece[], end: End): void => {
      const length = bytesOf(pieces);
      if (length === 0 || length % RANGE_BYTES !== 0 || length > MOST_RANGES * RANGE_BYTES) return end(RequestStatus.IOERR);
      const view = new DataView(new ArrayBuffer(length));
      readPieces(dma, pieces, new Uint8Array(view.buffer));
      const ranges: Range[] = [];
      for (let at = 0; at < length; at += RANGE_BYTES) {
        const start = view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x1_0000_0000;
        const count = view.getUint32(at + 8, true);
        const flags = view.getUint32(at + 12, true);
        if ((flags & ~RANGE_UNMAP) !== 0 || (discard && flags !== 0)) return end(RequestStatus.UNSUPP);
        if (count > MOST_RANGE_SECTORS || start + count > sectors) return end(RequestStatus.IOERR);
        if (count > 0) ranges.push({ offset: start * SECTOR_BYTES, length: count * SECTOR_BYTES });
      }
      const op = discard ? 'discard' : 'zero';
      const durable = state.writeback === 0 || !pci.has(BlockFeature.FLUSH);
      const requests: DiskRequest[] = ranges.map((range) => ({ op, offset: range.offset, length: range.length, segments: [] }));
      submit(queue, requests, (status): void => {
        if (status !== RequestStatus.OK || !durable) return end(status);
        submit(queue, [{ op: 'flush', offset: 0, length: 0, segments: [] }], end);
      });
    };

    /** Has the medium do `requests`, all at once; `end` gets OK when all are done well. */
    const submit = (queue: Virtqueue, requests: readonly DiskRequest[], end: (status: number) => void): void => {
      let left = requests.length;
      let worst: DiskStatus = 'ok';
      let answeredAtOnce = true;
      if (left === 0) return end(RequestStatus.OK);
      for (const request of requests) {
        gates[queue.index]!.submit(backend, request, (status) => {
          if (status !== 'ok') worst = status;
          if (--left > 0) return;
          end(worst === 'ok' ? RequestStatus.OK : RequestStatus.IOERR);
          if (!answeredAtOnce) pump(queue);
        });
      }
      answeredAtOnce = false;
    };

    return {
      state,
      config: pci.config,
      reset: () => pci.reset(),
      loaded() {
        pci.loaded();
        for (const queue of pci.queues) {
          gates[queue.index]!.drop(backend);
          // The descriptors of what was in flight are the device's still: it begins again.
          const heads = inFlight[queue.index]!.splice(0);
          for (const head of heads) {
            const chain = queue.state.enabled ? queue.chain(head) : undefined;
            if (chain === undefined) continue;
            inFlight[queue.index]!.push(head);
            begin(queue, chain);
          }
          queue.notify();
        }
      },
      inspect: () => ({ ...pci.inspect(), 'in flight': inFlight.reduce((sum, { length }) => sum + length, 0) }),
    };
  },
});

/** Device configuration (5.2.4), without the byte that drivers write. */
function blockConfig(sectors: number): Uint8Array {
  const bytes = new Uint8Array(CONFIG_BYTES);
  const view = new DataView(bytes.buffer);
  const geometry = defaultGeometry(sectors);
  view.setBigUint64(0, BigInt(sectors), true);
  view.setUint32(12, QUEUE_SIZE - 2, true); // segments: descriptors without header and status
  view.setUint16(16, geometry.cylinders, true);
  view.setUint8(18, geometry.heads);
  view.setUint8(19, geometry.sectors);
  view.setUint32(20, SECTOR_BYTES, true);
  view.setUint16(34, QUEUES, true);
  view.setUint32(36, MOST_RANGE_SECTORS, true);
  view.setUint32(40, MOST_RANGES, true);
  view.setUint32(44, 1, true); // alignment of discards, sectors
  view.setUint32(48, MOST_RANGE_SECTORS, true);
  view.setUint32(52, MOST_RANGES, true);
  view.setUint8(56, 1); // may unmap
  return bytes;
}
