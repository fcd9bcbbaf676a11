import fc from 'fast-check';
import { GuestMemory, PAGE_DIRTY_LOG, PAGE_READ, PAGE_WRITE, PhysicalMap } from '../memory/physical-map.ts';
import { AddressSpace } from './address-space.ts';
import type { AccessSize, Region } from './bus.ts';

const RW = PAGE_READ | PAGE_WRITE;

function make(extra = 0x1_0000): { memory: GuestMemory; physical: PhysicalMap; space: AddressSpace } {
  const memory = new GuestMemory(0x10_0000, extra);
  const physical = new PhysicalMap(memory);
  return { memory, physical, space: new AddressSpace(physical) };
}

/** Registers that answer with a tag and record what they are asked. */
function tagged(name: string, tag: number, sizes?: AccessSize): Region & { log: string[] } {
  const log: string[] = [];
  return {
    name,
    log,
    ...(sizes === undefined ? {} : { sizes }),
    read: (offset, size) => {
      log.push(`r${size}@${offset.toString(16)}`);
      return size === 1 ? tag : size === 2 ? tag * 0x101 : (tag * 0x0101_0101) >>> 0;
    },
    write: (offset, size, value) => {
      log.push(`w${size}@${offset.toString(16)}=${value.toString(16)}`);
    },
  };
}

describe('memory', () => {
  test('RAM is published directly, writable, at its offset', () => {
    const { memory, physical, space } = make();
    const rom = memory.allocate('rom', 0x2000);
    space.mapBlock(0, memory.ram);
    space.mapBlock(0xffff_e000, rom, { readOnly: true });
    expect(physical.table[0]).toBe(RW);
    expect(physical.table[0xff]).toBe(0xf_f000 | RW);
    expect(physical.table[0x100]).toBe(0);
    expect(physical.table[0xffffe]).toBe(rom.offset | PAGE_READ);
    expect(physical.table[0xfffff]).toBe((rom.offset + 0x1000) | PAGE_READ);
  });

  test('a region on top of RAM takes its pages out of the table and gives them back', () => {
    const { memory, physical, space } = make();
    space.mapBlock(0, memory.ram);
    const changes: [number, number][] = [];
    physical.onChange((first, count) => changes.push([first, count]));
    const mapping = space.map(0xb_8010, 0x20, tagged('registers', 1), 1);
    expect(physical.table[0xb8]).toBe(0);
    expect(physical.table[0xb7]).toBe(0xb_7000 | RW);
    mapping.enable(false);
    expect(physical.table[0xb8]).toBe(0xb_8000 | RW);
    expect(changes).toEqual([
      [0xb8, 1],
      [0xb8, 1],
    ]);
  });

  test('a bank slides along its block without moving anybody else', () => {
    const { memory, physical, space } = make(0x4_0000);
    const video = memory.allocate('video', 0x4_0000);
    space.map(0xa_0000, 0x2_0000, tagged('window', 1), -1);
    const bank = space.mapBlock(0xa_0000, video, { length: 0x1_0000, priority: -1, dirtyLog: true });
    const changes: [number, number][] = [];
    physical.onChange((first, count) => changes.push([first, count]));
    bank.slide(0x2_0000);
    expect(physical.table[0xa0]).toBe((video.offset + 0x2_0000) | RW | PAGE_DIRTY_LOG);
    expect(physical.table[0xb0]).toBe(0);
    space.write(0xa_0005, 1, 0x5a);
    expect(video.bytes[0x2_0005]).toBe(0x5a);
    expect(changes).toEqual([[0xa0, 16]]);
    bank.enable(false);
    bank.slide(0);
    expect(physical.table[0xa0]).toBe(0);
    bank.enable(true);
    expect(physical.table[0xa0]).toBe(video.offset | RW | PAGE_DIRTY_LOG);
    expect(() => bank.slide(0x3_8000)).toThrow(/slid beyond its end/);
  });

  test('listeners hear nothing when only registers move', () => {
    const { physical, space } = make();
    const changes: number[] = [];
    physical.onChange((first) => changes.push(first));
    const mapping = space.map(0xe000_0000, 0x1000, tagged('registers', 1));
    mapping.move(0xe100_0000);
    mapping.dispose();
    expect(changes).toEqual([]);
  });

  test('a page shared by memory and registers is served by the bus', () => {
    const { memory, space } = make();
    space.mapBlock(0, memory.ram);
    const registers = tagged('registers', 0xaa, 1);
    space.map(0x1010, 4, registers, 1);
    memory.ram.bytes.set([1, 2, 3, 4, 5, 6, 7, 8], 0x100c);
    expect(space.read(0x100e, 4)).toBe(0xaaaa_0403);
    space.write(0x100e, 4, 0x4433_2211);
    expect([...memory.ram.bytes.subarray(0x100c, 0x1014)]).toEqual([1, 2, 0x11, 0x22, 5, 6, 7, 8]);
    expect(registers.log).toEqual(['r1@0', 'r1@1', 'w1@0=33', 'w1@1=44']);
  });

  test('shadow RAM: each direction is claimed by itself, as PAM registers do', () => {
    const { memory, physical, space } = make();
    const rom = memory.allocate('rom', 0x1000);
    rom.bytes.fill(0x5a);
    space.mapBlock(0xc_0000, rom, { readOnly: true });
    const shadow = space.mapBlock(0xc_0000, memory.ram, { offset: 0xc_0000, length: 0x1000, priority: 1 });
    const page = 0xc0;
    shadow.claim(false, false);
    expect(physical.table[page]).toBe(rom.offset | PAGE_READ);
    shadow.claim(false, true);
    expect(physical.table[page]).toBe(rom.offset | PAGE_READ);
    space.write(0xc_0010, 1, 0x77);
    expect(space.read(0xc_0010, 1)).toBe(0x5a);
    shadow.claim(true, false);
    expect(physical.table[page]).toBe(0xc_0000 | PAGE_READ);
    expect(space.read(0xc_0010, 1)).toBe(0x77);
    space.write(0xc_0010, 1, 0x11);
    expect(space.read(0xc_0010, 1)).toBe(0x77);
    shadow.claim(true, true);
    expect(physical.table[page]).toBe(0xc_0000 | RW);
  });

  test('writes through the bus are told to CPUs', () => {
    const { memory, physical, space } = make();
    space.mapBlock(0, memory.ram);
    const written: [number, number][] = [];
    physical.onWrite((offset, length) => written.push([offset, length]));
    space.write(0x123, 4, 1);
    expect(written).toEqual([[0x123, 4]]);
  });

  test('video memory is logged, also through the bus', () => {
    const { memory, physical, space } = make();
    const vram = memory.allocate('vram', 0x4000);
    const mapping = space.mapBlock(0xe000_0000, vram, { dirtyLog: true });
    expect(physical.table[0xe0000]).toBe(vram.offset | RW | PAGE_DIRTY_LOG);
    space.write(0xe000_1000, 1, 5);
    expect([...memory.dirty.subarray(vram.offset >>> 12, (vram.offset >>> 12) + 4)]).toEqual([0, 1, 0, 0]);
    mapping.move(0xd000_0000);
    expect(physical.table[0xe0000]).toBe(0);
    expect(physical.table[0xd0001]).toBe((vram.offset + 0x1000) | RW | PAGE_DIRTY_LOG);
  });

  test('a batch decodes once', () => {
    const { memory, physical, space } = make();
    let changes = 0;
    physical.onChange(() => changes++);
    space.batch(() => {
      const low = space.mapBlock(0, memory.ram, { length: 0x1000 });
      space.mapBlock(0x2000, memory.ram, { offset: 0x2000, length: 0x1000 });
      low.enable(false);
    });
    expect(changes).toBe(1);
    expect([...physical.table.subarray(0, 4)]).toEqual([0, 0, 0x2000 | RW, 0]);
  });

  test('RAM above 4 GiB is in the table', () => {
    const memory = new GuestMemory(0x10_0000);
    const physical = new PhysicalMap(memory, 0x1_0010_0000);
    const space = new AddressSpace(physical);
    space.mapBlock(0x1_0000_0000, memory.ram);
    expect(physical.table[0x100000]).toBe(RW);
    expect(physical.entry(0x1_000f_fffe)).toBe(0xf_f000 | RW);
    space.write(0x1_0000_0004, 4, 0xdead_beef);
    expect(space.read(0x1_0000_0004, 4)).toBe(0xdead_beef);
  });
});

test('unmapped space reads as ones; a region narrower than the access is asked in parts', () => {
  const { space } = make();
  expect(space.read(0xfed0_0000, 4)).toBe(0xffff_ffff);
  expect(space.read(0xf_0000_0000, 2)).toBe(0xffff);
  const region = tagged('16 bit', 0x21, 2);
  space.map(0xfed0_0000, 0x100, region);
  expect(space.read(0xfed0_0004, 4)).toBe(0x2121_2121);
  space.write(0xfed0_0006, 4, 0x8765_4321);
  expect(region.log).toEqual(['r2@4', 'r2@6', 'w2@6=4321', 'w2@8=8765']);
  expect(space.read(0xfed0_00fe, 4)).toBe(0xffff_2121);
});

test('property: reads follow the highest priority, then the latest mapping, whatever is moved, enabled or removed', () => {
  const place = fc.record({
    base: fc.integer({ min: 0, max: 0x3fff }),
    length: fc.integer({ min: 1, max: 0x2000 }),
    priority: fc.integer({ min: -1, max: 2 }),
    block: fc.boolean(),
  });
  const action = fc.oneof(
    fc.record({ do: fc.constant('move' as const), which: fc.nat(7), base: fc.integer({ min: 0, max: 0x3fff }) }),
    fc.record({ do: fc.constant('enable' as const), which: fc.nat(7), on: fc.boolean() }),
    fc.record({ do: fc.constant('dispose' as const), which: fc.nat(7) }),
  );
  fc.assert(
    fc.property(fc.array(place, { minLength: 1, maxLength: 8 }), fc.array(action, { maxLength: 10 }), (places, actions) => {
      const { memory, physical, space } = make(0x20_0000);
      const model = places.map(({ base, length, priority, block }, index) => {
        const tag = index + 1;
        let mapping;
        if (block) {
          const ram = memory.allocate(`block ${tag}`, length);
          ram.bytes.fill(tag);
          mapping = space.mapBlock(base, ram, { priority });
        } else {
          mapping = space.map(base, length, tagged(`region ${tag}`, tag), priority);
        }
        return { base, length, priority, tag, mapping, on: true, gone: false };
      });
      for (const each of actions) {
        const target = model[each.which % model.length]!;
        if (target.gone) continue;
        if (each.do === 'move') {
          target.mapping.move(each.base);
          target.base = each.base;
        } else if (each.do === 'enable') {
          target.mapping.enable(each.on);
          target.on = each.on;
        } else {
          target.mapping.dispose();
          target.gone = true;
        }
      }
      const expected = (address: number): number =>
        model
          .filter(({ base, length, on, gone }) => on && !gone && base <= address && address < base + length)
          .sort((a, b) => b.priority - a.priority || b.tag - a.tag)[0]?.tag ?? 0xff;
      for (let address = 0; address < 0x6000; address += 0x155) {
        expect([address, space.read(address, 1)]).toEqual([address, expected(address)]);
        const entry = physical.entry(address);
        if (entry !== 0) expect(memory.bytes[(entry & ~0xfff) + (address & 0xfff)]).toBe(expected(address));
        const word = expected(address) | (expected(address + 1) << 8);
        expect(space.read(address, 2)).toBe(word);
      }
    }),
    { numRuns: 60 },
  );
});
