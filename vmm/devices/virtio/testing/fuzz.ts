import { AddressSpace } from '../../../bus/address-space.ts';
import type { CheckedDma, DeviceFixture } from '../../../bus/conformance.ts';
import { ProbeIrq } from '../../../bus/irq.ts';
import { PortSpace } from '../../../bus/port-space.ts';
import { GuestMemory, PhysicalMap } from '../../../memory/physical-map.ts';
import type { PciFunction } from '../../pci/function.ts';
import { DeviceStatus } from '../features.ts';
import type { VirtioState } from '../virtio-pci.ts';
import { QUEUE_BASE, VirtioDriver, type Buffer } from './driver.ts';

/** Where a fuzzed driver may have its buffers: in RAM, behind the rings. */
export const BUFFER_BASE = 0x8_0000;
const SIZE = 8;
const RING_BYTES = 0x1_0000;

/** Numbers that follow from one seed. */
export type Random = () => number;

/**
 * The parts of a conformance fixture that all virtio devices share. Events act on RAM and registers only and remember nothing themselves, so that a
 * reloaded device and its twin see the same: `start` sets up the queues (bits say how), `request` makes a chain available that `compose` made, now and
 * then with something wrong in it, `scribble` damages rings and buffers.
 */
export function virtioFixture(
  device: PciFunction<{ virtio: VirtioState }>,
  dma: CheckedDma,
  queues: number,
  compose: (queue: number, random: Random) => readonly Buffer[],
): Required<Pick<DeviceFixture<object>, 'regions' | 'irqs' | 'events' | 'observe'>> {
  const irq = new ProbeIrq();
  const messages: number[] = [];
  device.config.connect({
    ports: new PortSpace(),
    memory: new AddressSpace(new PhysicalMap(new GuestMemory(4096))),
    intx: irq,
    message: (address, data) => messages.push(address, data),
  });
  const ram = new DataView(dma.ram.buffer);
  const regions = (device.config.identity.bars ?? []).flatMap((bar) =>
    'region' in bar ? [{ region: bar.region, length: bar.length, hot: bar.length > 0x1000 ? hotModern : hotLegacy }] : [],
  );
  const start = (how: number) => {
    const features = (how & 2) !== 0 ? { features: [28] } : {};
    new VirtioDriver(device.config, dma, { legacy: (how & 1) !== 0, ...features }).start(queues, SIZE);
  };
  return {
    regions,
    irqs: [irq],
    observe: () => messages.slice(-4),
    events: {
      start,
      request(value) {
        const random = seeded(value);
        const queue = random() % queues;
        const { virtio } = device.state;
        const usable = (virtio.status & (DeviceStatus.DRIVER_OK | DeviceStatus.NEEDS_RESET)) === DeviceStatus.DRIVER_OK;
        if (!usable || !virtio.queues[queue]!.enabled) start(random());
        const { descriptors, driver, size } = virtio.queues[queue]!;
        if (descriptors[0] + 16 * size > dma.ram.length || driver[0] + 4 + 2 * size > dma.ram.length) return;
        const buffers = compose(queue, random).slice(0, size);
        buffers.forEach((buffer, index) => {
          const odd = random() % 48;
          const length = 'out' in buffer ? buffer.out.length : buffer.in;
          if ('out' in buffer) dma.ram.set(buffer.out, buffer.at);
          const at = descriptors[0] + index * 16;
          ram.setUint32(at, odd === 0 ? random() : buffer.at, true);
          ram.setUint32(at + 4, odd === 1 ? random() : 0, true);
          ram.setUint32(at + 8, odd === 2 ? random() : length, true);
          ram.setUint16(at + 12, (index < buffers.length - 1 ? 1 : 0) | ('in' in buffer !== (odd === 3) ? 2 : 0) | (odd === 4 ? 4 : 0), true);
          ram.setUint16(at + 14, odd === 5 ? random() : index + 1, true);
        });
        const next = ram.getUint16(driver[0] + 2, true);
        ram.setUint16(driver[0] + 4 + 2 * (next % size), random() % 32 === 0 ? random() : 0, true);
        ram.setUint16(driver[0] + 2, next + 1, true);
        const modern = regions.find(({ hot }) => hot === hotModern)!;
        modern.region.write(NOTIFY + 4 * queue, 2, 0);
      },
      scribble(value) {
        const random = seeded(value);
        ram.setUint16(QUEUE_BASE + (random() % RING_BYTES), random(), true);
        ram.setUint32(BUFFER_BASE + (random() % RING_BYTES), random() % 16, true);
      },
    },
  };
}

const NOTIFY = 0x3000;
const hotModern = [0x14, 0x16, 0x18, 0x1c, 0x20, 0x28, 0x30, 0x1000, 0x2020, 0x3000, 0x3004];
const hotLegacy = [4, 8, 14, 16, 18, 19];

/** Numbers that follow from `seed`: an event must do the same whenever it is replayed. */
function seeded(seed: number): Random {
  let state = seed ^ 0x9e37_79b9;
  return () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b_3c6d);
    state = Math.imul(state ^ (state >>> 12), 0x297a_2d39);
    state ^= state >>> 15;
    return state >>> 0;
  };
}
