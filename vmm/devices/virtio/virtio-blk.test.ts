import { createTestContext, describeDevice } from '../../bus/conformance.ts';
import { loadDevice, saveDevice, validateState } from '../../bus/saved-state.ts';
import { MemoryBackend } from '../../storage/memory-backend.ts';
import { UnchangingMedium } from '../storage/test-media.ts';
import { DeviceStatus } from './features.ts';
import { VirtioDriver, type DriverOptions } from './testing/driver.ts';
import { BUFFER_BASE, virtioFixture, type Random } from './testing/fuzz.ts';
import { virtioBlk } from './virtio-blk.ts';

const [HEADER, DATA, STATUS] = [0x2000, 0x4000, 0x3000];
const SECTORS = 64;
const image = () => Uint8Array.from({ length: SECTORS * 512 }, (_, at) => (at >> 9) + at);
const Type = { IN: 0, OUT: 1, FLUSH: 4, GET_ID: 8, DISCARD: 11, ZEROES: 13 };

function header(type: number, sector = 0): { out: Uint8Array; at: number } {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(0, type, true);
  new DataView(bytes.buffer).setUint32(8, sector, true);
  return { out: bytes, at: HEADER };
}
const range = (sector: number, count: number, flags = 0) => {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  [sector, 0, count, flags].forEach((value, index) => view.setUint32(4 * index, value, true));
  return bytes;
};
const status = { in: 1, at: STATUS };

function setUp(options: DriverOptions & { readOnly?: boolean } = {}) {
  const context = createTestContext();
  const backend = new MemoryBackend(image(), { readOnly: options.readOnly ?? false });
  const device = virtioBlk.create(context, { backend, serial: 'disk-1' });
  const driver = new VirtioDriver(device.config, context.dma, options).start(4);
  const { ram } = context.dma;
  const request = (buffers: Parameters<VirtioDriver['add']>[1], queue = 0) => {
    ram[STATUS] = 0xee;
    driver.add(queue, buffers);
    driver.notify(queue);
    return [ram[STATUS], ...driver.used(queue).map(({ written }) => written)];
  };
  return { ...context, ram, backend, device, driver, request };
}

/** A request a driver could make, for fuzzing. */
function anyRequest(random: Random) {
  const at = BUFFER_BASE + (random() % 64) * 512;
  const type = [Type.IN, Type.OUT, Type.IN, Type.OUT, Type.FLUSH, Type.GET_ID, Type.DISCARD, Type.ZEROES, random()][random() % 9]!;
  const length = [512, 1024, 4096, 20, 513][random() % 5]!;
  const data =
    type === Type.OUT
      ? [{ out: new Uint8Array(length).fill(random()), at }]
      : type === Type.DISCARD || type === Type.ZEROES
        ? [{ out: range(random() % SECTORS, random() % 8, random() % 3), at }]
        : [{ in: length, at }];
  return [header(type, random() % (SECTORS + 4)), ...data, ...(random() % 2 === 0 ? data : []), status];
}

describeDevice(
  'virtio-blk',
  (context) => {
    const device = virtioBlk.create(context, { backend: new UnchangingMedium(image()) });
    return { format: virtioBlk.state, device, ...virtioFixture(device, context.dma, 4, (_queue, random) => anyRequest(random)), maxWork: 70_000 };
  },
  { runs: 40, steps: 80 },
);

describe.each([
  ['modern', false],
  ['legacy', true],
])('%s', (_name, legacy) => {
  test('reads into several pieces', () => {
    const { request, ram } = setUp({ legacy });
    expect(request([header(Type.IN, 3), { in: 512, at: DATA }, { in: 1024, at: 0x8000 }, status])).toEqual([0, 1537]);
    expect(ram.subarray(DATA, DATA + 512)).toEqual(image().subarray(3 * 512, 4 * 512));
    expect(ram.subarray(0x8000, 0x8400)).toEqual(image().subarray(4 * 512, 6 * 512));
  });

  test('writes, from every queue', () => {
    const { request, backend } = setUp({ legacy });
    for (const queue of [0, 1, 2, 3]) {
      const data = new Uint8Array(1024).fill(0x51 + queue);
      expect(request([header(Type.OUT, 8 + 2 * queue), { out: data, at: DATA }, status], queue)).toEqual([0, 1]);
      expect(backend.bytes.subarray((8 + 2 * queue) * 512, (10 + 2 * queue) * 512)).toEqual(data);
    }
  });
});

test('header, data and status may lie in descriptors cut anywhere', () => {
  const { request, ram } = setUp();
  const { out } = header(Type.IN, 1);
  const pieces = [
    { out: out.subarray(0, 7), at: HEADER },
    { out: out.subarray(7), at: HEADER + 64 },
    { in: 100, at: DATA },
    { in: 413, at: DATA + 100 },
  ];
  request(pieces);
  expect(ram.subarray(DATA, DATA + 512)).toEqual(image().subarray(512, 1024));
  expect(ram[DATA + 512]).toBe(0);
});

test('configuration: capacity, segments, queues, limits', () => {
  const { driver } = setUp();
  const config = (offset: number, size: 1 | 2 | 4) => driver.bar(4).read(0x2000 + offset, size);
  expect([config(0, 4), config(4, 4), config(12, 4), config(20, 4), config(34, 2)]).toEqual([SECTORS, 0, 254, 512, 4]);
  expect([config(36, 4), config(40, 4), config(48, 4), config(56, 1)]).toEqual([0x40_0000, 64, 0x40_0000, 1]);
});

test('GET_ID, also with less room than it needs', () => {
  const { request, ram } = setUp();
  expect(request([header(Type.GET_ID), { in: 20, at: DATA }, status])).toEqual([0, 21]);
  expect(new TextDecoder().decode(ram.subarray(DATA, DATA + 7))).toBe('disk-1\0');
  expect(request([header(Type.GET_ID), { in: 4, at: DATA }, status])).toEqual([0, 5]);
});

test('errors: out of range, part of a sector, unknown, failed', () => {
  const { request, backend } = setUp();
  expect(request([header(Type.IN, SECTORS), { in: 512, at: DATA }, status])[0]).toBe(1);
  expect(request([header(Type.IN, SECTORS - 1), { in: 1024, at: DATA }, status])[0]).toBe(1);
  expect(request([header(Type.IN), { in: 511, at: DATA }, status])[0]).toBe(1);
  expect(request([header(99), { in: 512, at: DATA }, status])[0]).toBe(2);
  expect(request([header(Type.IN), { in: 2 << 20, at: 0x1000_0000 }, status])[0]).toBe(1); // a lot that is no RAM
  backend.answer = 'failed';
  expect(request([header(Type.IN), { in: 512, at: DATA }, status])).toEqual([1, 1]);
});

test('a request without status or with half a header breaks the device', () => {
  const first = setUp();
  first.request([header(Type.FLUSH)]);
  const second = setUp();
  second.request([{ out: new Uint8Array(8), at: HEADER }, status]);
  for (const { driver } of [first, second]) expect(driver.status() & DeviceStatus.NEEDS_RESET).toBe(DeviceStatus.NEEDS_RESET);
});

test('flush; writes are durable by themselves when the driver cannot flush or switched the cache off', () => {
  const { request, backend, driver } = setUp();
  const data = { out: new Uint8Array(512), at: DATA };
  expect(request([header(Type.FLUSH), status])).toEqual([0, 1]);
  expect(backend.flushes).toBe(1);
  request([header(Type.OUT), data, status]);
  expect(backend.flushes).toBe(1);
  driver.bar(4).write(0x2020, 1, 0);
  expect(driver.bar(4).read(0x2020, 1)).toBe(0);
  request([header(Type.OUT), data, status]);
  expect(backend.flushes).toBe(2);
  const old = setUp({ features: [] });
  old.request([header(Type.OUT), data, status]);
  old.request([header(Type.DISCARD), { out: range(0, 1), at: DATA }, status]);
  expect(old.backend.flushes).toBe(2);
});

test('discard and write zeroes, several ranges at once; their flags', () => {
  const { request, backend } = setUp();
  const zero = (sector: number) => backend.bytes.subarray(sector * 512, sector * 512 + 512).every((byte) => byte === 0);
  const ranges = Uint8Array.from([...range(10, 2), ...range(20, 1), ...range(5, 0)]);
  expect(request([header(Type.DISCARD), { out: ranges, at: DATA }, status])).toEqual([0, 1]);
  expect([9, 10, 11, 12, 20, 21].map(zero)).toEqual([false, true, true, false, true, false]);
  expect(request([header(Type.ZEROES), { out: range(30, 3, 1), at: DATA }, status])[0]).toBe(0);
  expect([30, 32, 33].map(zero)).toEqual([true, true, false]);
  expect(backend.requests.map(({ op }) => op)).toEqual(['discard', 'discard', 'zero']);
  expect(request([header(Type.DISCARD), { out: range(1, 1, 1), at: DATA }, status])[0]).toBe(2);
  expect(request([header(Type.ZEROES), { out: range(1, 1, 2), at: DATA }, status])[0]).toBe(2);
  expect(request([header(Type.ZEROES), { out: range(SECTORS - 1, 2), at: DATA }, status])[0]).toBe(1);
  expect(request([header(Type.DISCARD), { out: range(0, 1).subarray(0, 15), at: DATA }, status])[0]).toBe(1);
});

test('a read-only disk says so and takes no writes', () => {
  const { driver, request } = setUp({ readOnly: true });
  expect(driver.features[0] & 0x20).toBe(0x20);
  expect(request([header(Type.OUT), { out: new Uint8Array(512), at: DATA }, status])[0]).toBe(1);
  expect(setUp().driver.features[0] & 0x20).toBe(0);
});

describe('in flight', () => {
  test('many at once, given back as they are done', () => {
    const { backend, driver, ram } = setUp();
    backend.held = true;
    for (let index = 0; index < 5; index++) driver.add(0, [header(Type.IN, index), { in: 512, at: DATA + index * 512 }, status]);
    driver.notify(0);
    expect([backend.inFlight, driver.used(0)]).toEqual([5, []]);
    backend.release(2);
    expect(driver.used(0).length).toBe(2);
    backend.release();
    expect(driver.used(0).length).toBe(3);
    // All headers lay at one place: the last one written is what the device saw.
    expect(ram.subarray(DATA, DATA + 512)).toEqual(image().subarray(4 * 512, 5 * 512));
  });

  test('after a reset nothing of the past arrives', () => {
    const { backend, driver, ram } = setUp();
    backend.held = true;
    driver.add(0, [header(Type.IN, 1), { in: 512, at: DATA }, status]);
    driver.notify(0);
    driver.status(0);
    expect(backend.inFlight).toBe(0);
    backend.release();
    expect([driver.used(0), ram[STATUS]]).toEqual([[], 0]);
  });

  test('saved while the medium was busy: the loaded device begins again', () => {
    const { backend, driver, device, ram } = setUp();
    backend.held = true;
    driver.add(1, [header(Type.OUT, 2), { out: new Uint8Array(512).fill(7), at: DATA }, status]);
    driver.notify(1);
    const saved = validateState('blk', virtioBlk.state, saveDevice(device, virtioBlk.state));
    const second = setUp();
    second.ram.set(ram);
    loadDevice(second.device, saved);
    expect(second.backend.bytes.subarray(1024, 1536).every((byte) => byte === 7)).toBe(true);
    expect(second.ram[STATUS]).toBe(0);
    expect(driver.used(1)).toEqual([]);
    expect(second.device.state.inFlight).toEqual([[], [], [], []]);
  });
});
