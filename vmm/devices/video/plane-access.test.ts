import fc from 'fast-check';
import { PlaneAccess } from './plane-access.ts';
import { powerOnState, type VgaState } from './vga-state.ts';
import { TEXT_CELLS_BYTES, VideoMemory } from './video-memory.ts';

interface Setup {
  readonly state: VgaState;
  readonly memory: VideoMemory;
  readonly access: PlaneAccess;
}

function setup(): Setup {
  const state = powerOnState();
  const size = 0x4_0000;
  const memory = new VideoMemory({ bytes: new Uint8Array(size + TEXT_CELLS_BYTES), dirty: new Uint8Array((size + TEXT_CELLS_BYTES) >> 12) });
  state.sequencer.registers.set([3, 1, 0x0f, 0, 0x06]);
  state.graphics.registers.set([0, 0, 0, 0, 0, 0, 5, 0x0f, 0xff]);
  return { state, memory, access: new PlaneAccess(state, memory) };
}

function planes(memory: VideoMemory, index: number): number[] {
  return [...memory.bytes.subarray(index * 4, index * 4 + 4)];
}

/**
 * The data path of the graphics controller for one bit of one plane, as the IBM and FreeVGA texts describe it: what a write stores.
 */
function storedBit(gr: Uint8Array, mapMask: number, plane: number, bit: number, cpu: number, latch: number, memory: number): number {
  if ((mapMask & (1 << plane)) === 0) return memory;
  const mode = gr[5]! & 3;
  if (mode === 1) return latch;
  const rotation = gr[3]! & 7;
  const rotatedBit = (cpu >> ((bit + rotation) % 8)) & 1;
  const setReset = (gr[0]! >> plane) & 1;
  let data: number;
  let maskBit = (gr[8]! >> bit) & 1;
  if (mode === 0) data = (gr[1]! >> plane) & 1 ? setReset : rotatedBit;
  else if (mode === 2) data = (cpu >> plane) & 1;
  else {
    data = setReset;
    maskBit &= rotatedBit;
  }
  const operation = (gr[3]! >> 3) & 3;
  const result = [data, data & latch, data | latch, data ^ latch][operation]!;
  return maskBit ? result : latch;
}

const registers = fc.record({
  setReset: fc.nat(15),
  enableSetReset: fc.nat(15),
  compare: fc.nat(15),
  rotate: fc.nat(31),
  readMap: fc.nat(3),
  mode: fc.nat(3),
  readCompare: fc.boolean(),
  dontCare: fc.nat(15),
  bitMask: fc.nat(255),
  mapMask: fc.nat(15),
});
const word = fc.array(fc.nat(255), { minLength: 4, maxLength: 4 });

function program(state: VgaState, r: typeof registers extends fc.Arbitrary<infer T> ? T : never): void {
  state.graphics.registers.set([
    r.setReset,
    r.enableSetReset,
    r.compare,
    r.rotate,
    r.readMap,
    r.mode | (r.readCompare ? 8 : 0),
    5,
    r.dontCare,
    r.bitMask,
  ]);
  state.sequencer.registers[2] = r.mapMask;
}

test('all write modes, bit by bit against the documented data path', () => {
  fc.assert(
    fc.property(registers, word, word, fc.nat(255), fc.nat(0xffff), (r, latch, before, cpu, offset) => {
      const { state, memory, access } = setup();
      program(state, r);
      memory.bytes.set(before, offset * 4);
      state.latches = new DataView(Uint8Array.from(latch).buffer).getUint32(0, true);
      access.write(offset, cpu, 0);
      const expected = before.map((old, plane) => {
        let byte = 0;
        for (let bit = 0; bit < 8; bit++) {
          const stored = storedBit(state.graphics.registers, r.mapMask, plane, bit, cpu, (latch[plane]! >> bit) & 1, (old >> bit) & 1);
          byte |= stored << bit;
        }
        return byte;
      });
      expect(planes(memory, offset)).toEqual(expected);
    }),
    { numRuns: 2000 },
  );
});

test('both read modes, and the latches they load', () => {
  fc.assert(
    fc.property(registers, word, fc.nat(0xffff), (r, content, offset) => {
      const { state, memory, access } = setup();
      program(state, r);
      memory.bytes.set(content, offset * 4);
      let expected = content[r.readMap]!;
      if (r.readCompare) {
        expected = 0;
        for (let bit = 0; bit < 8; bit++) {
          // A bit is 1 where all planes that are cared for match the compare colour.
          const match = content.every((byte, plane) => ((r.dontCare >> plane) & 1) === 0 || ((byte >> bit) & 1) === ((r.compare >> plane) & 1));
          if (match) expected |= 1 << bit;
        }
      }
      expect(access.read(offset, 0)).toBe(expected);
      expect(state.latches).toBe(new DataView(Uint8Array.from(content).buffer).getUint32(0, true));
    }),
    { numRuns: 1000 },
  );
});

test('write mode 1 copies four planes at once', () => {
  const { state, memory, access } = setup();
  memory.bytes.set([0x11, 0x22, 0x33, 0x44], 0);
  state.graphics.registers[5] = 1;
  access.read(0, 0);
  access.write(0x1234, 0, 0);
  expect(planes(memory, 0x1234)).toEqual([0x11, 0x22, 0x33, 0x44]);
});

test('chain-4 makes the planes one linear memory, honouring the map mask', () => {
  const { state, memory, access } = setup();
  state.sequencer.registers[4] = 0x0e;
  for (let offset = 0; offset < 8; offset++) access.write(offset, 0xa0 + offset, 0);
  expect([...memory.bytes.subarray(0, 8)]).toEqual([0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7]);
  state.sequencer.registers[2] = 0b0101;
  for (let offset = 0; offset < 4; offset++) access.write(offset, 0, 0);
  expect([...memory.bytes.subarray(0, 4)]).toEqual([0, 0xa1, 0, 0xa3]);
  expect(access.read(5, 0)).toBe(0xa5);
});

test('odd/even: even addresses are plane 0, odd ones plane 1, side by side', () => {
  const { state, memory, access } = setup();
  state.sequencer.registers.set([3, 0, 0x03, 0, 0x02]);
  state.graphics.registers[5] = 0x10;
  access.write(0, 0x41, 0);
  access.write(1, 0x07, 0);
  access.write(2, 0x42, 0);
  expect(planes(memory, 0)).toEqual([0x41, 0x07, 0, 0]);
  expect(planes(memory, 1)).toEqual([0x42, 0, 0, 0]);
  expect([access.read(0, 0), access.read(1, 0), access.read(2, 0)]).toEqual([0x41, 0x07, 0x42]);
  // Read Map Select bit 1 chooses the other pair of planes.
  state.graphics.registers[4] = 2;
  memory.bytes.set([0, 0, 0x5a, 0xa5], 0);
  expect([access.read(0, 0), access.read(1, 0)]).toEqual([0x5a, 0xa5]);
});

test('planes wrap at 64 KiB, and no bank or offset leaves video memory', () => {
  const { memory, access } = setup();
  access.write(0x1_0005, 0x99, 0);
  expect(planes(memory, 5)).toEqual([0x99, 0x99, 0x99, 0x99]);
  access.write(7, 0x77, 0xffff);
  expect(memory.bytes.length).toBe(0x4_0000 + TEXT_CELLS_BYTES);
  expect(memory.bytes.subarray(0x4_0000).every((byte) => byte === 0)).toBe(true);
});

test('writing marks the page, reading does not', () => {
  const { memory, access } = setup();
  access.read(0x2000, 0);
  expect(memory.dirty.indexOf(1)).toBe(-1);
  access.write(0x2000, 1, 0);
  expect(memory.dirty.indexOf(1)).toBe((0x2000 * 4) >> 12);
});
