import { describeDevice } from '../../../bus/conformance.ts';
import { TestCable, testFrame } from '../../net/testing/test-cable.ts';
import { virtioFixture } from '../testing/fuzz.ts';
import { virtioNet } from './virtio-net.ts';

const MAC = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56);
const OTHER = [2, 0, 0, 0, 0, 9];
const GROUP = [1, 0, 0x5e, 0, 0, 1];
const BUFFERS = 0x8_0000;

describeDevice(
  'virtio-net',
  (context) => {
    const cable = new TestCable();
    const device = virtioNet.create(context, { cable, mac: MAC, pairs: 2 });
    const shared = virtioFixture(device, context.dma, 9, (queue, random) => {
      const at = BUFFERS + (random() % 0x4000);
      if (queue === 8 || queue === 2) {
        const bytes = Uint8Array.from({ length: 2 + (random() % 20) }, () => random() % 8);
        return [
          { out: bytes, at },
          { in: 1, at: at + 64 },
        ];
      }
      if (queue % 2 === 0) return [{ in: 100 + (random() % 2000), at }];
      const header = Uint8Array.from({ length: 12 }, (_, index) => (random() % 2 === 0 ? 0 : random() % (index === 1 ? 6 : 64)));
      return [
        { out: header, at },
        { out: testFrame(OTHER, 14 + (random() % 3000)), at: at + 64 },
      ];
    });
    return {
      format: virtioNet.state,
      device,
      ...shared,
      events: {
        ...shared.events,
        receive: (value) => cable.offer(testFrame(value % 3 === 0 ? GROUP : [...MAC], 14 + (value % 4000), value)),
      },
      maxWork: 20_000,
    };
  },
  { runs: 30 },
);
