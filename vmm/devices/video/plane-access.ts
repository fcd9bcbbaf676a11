import { GRAPHICS, GRAPHICS_MODE, MEMORY_MODE, SEQUENCER } from './registers.ts';
import type { VgaState } from './vga-state.ts';
import { PLANE_BYTES, type VideoMemory } from './video-memory.ts';

/** Four plane bits widened to a byte for each plane: index 0101b gives 00FF00FFh. */
const PLANE_MASK = Uint32Array.from({ length: 16 }, (_, bits) =>
  [0, 1, 2, 3].reduce((mask, plane) => mask + (bits & (1 << plane) ? 0xff * 2 ** (8 * plane) : 0), 0),
);

const LOGIC = { REPLACE: 0, AND: 1, OR: 2, XOR: 3 } as const;

function replicate(byte: number): number {
  return Math.imul(byte, 0x01010101);
}

/** Which byte a CPU address means: a word of the planes, and the planes (bits 0 to 3) that answer. */
interface Target {
  index: number;
  planes: number;
}

/**
 * The Graphics Controller between CPU and planes: read modes 0 and 1, write modes 0 to 3, set/reset, rotation, logic unit, bit mask, latches; and the
 * Sequencer's address decoding: planar, odd/even, chain-4. Offsets are CPU addresses relative to the start of the mapped window.
 */
export class PlaneAccess {
  readonly #state: VgaState;
  readonly #memory: VideoMemory;
  readonly #target: Target = { index: 0, planes: 0 };

  constructor(state: VgaState, memory: VideoMemory) {
    this.#state = state;
    this.#memory = memory;
  }

  /** `bank`: which 64 KiB of each plane the window shows (VBE 4 bpp), otherwise 0. */
  read(offset: number, bank: number): number {
    const graphics = this.#state.graphics.registers;
    const sequencer = this.#state.sequencer.registers;
    let plane = graphics[GRAPHICS.READ_MAP_SELECT]!;
    let index: number;
    if (sequencer[SEQUENCER.MEMORY_MODE]! & MEMORY_MODE.CHAIN_4) {
      index = chain4Index(offset, bank);
      plane = offset & 3;
    } else if (graphics[GRAPHICS.MODE]! & GRAPHICS_MODE.HOST_ODD_EVEN) {
      index = oddEvenIndex(offset, bank);
      plane = (plane & 2) | (offset & 1);
    } else {
      index = planarIndex(offset, bank);
    }
    const latches = this.#memory.readPlanes(index);
    this.#state.latches = latches;
    if ((graphics[GRAPHICS.MODE]! & GRAPHICS_MODE.READ_COMPARE) === 0) return (latches >>> (8 * plane)) & 0xff;
    const differs = (latches ^ PLANE_MASK[graphics[GRAPHICS.COLOR_COMPARE]!]!) & PLANE_MASK[graphics[GRAPHICS.COLOR_DONT_CARE]!]!;
    return ~(differs | (differs >>> 8) | (differs >>> 16) | (differs >>> 24)) & 0xff;
  }

  write(offset: number, value: number, bank: number): void {
    const { index, planes } = this.#decodeWrite(offset, bank);
    if (planes === 0) return;
    const written = this.#process(value);
    const mask = PLANE_MASK[planes]!;
    this.#memory.writePlanes(index, (this.#memory.readPlanes(index) & ~mask) | (written & mask));
  }

  #decodeWrite(offset: number, bank: number): Target {
    const sequencer = this.#state.sequencer.registers;
    const mapMask = sequencer[SEQUENCER.MAP_MASK]!;
    const memoryMode = sequencer[SEQUENCER.MEMORY_MODE]!;
    const target = this.#target;
    if (memoryMode & MEMORY_MODE.CHAIN_4) {
      target.index = chain4Index(offset, bank);
      target.planes = mapMask & (1 << (offset & 3));
    } else if ((memoryMode & MEMORY_MODE.ODD_EVEN_DISABLE) === 0) {
      target.index = oddEvenIndex(offset, bank);
      target.planes = mapMask & (offset & 1 ? 0b1010 : 0b0101);
    } else {
      target.index = planarIndex(offset, bank);
      target.planes = mapMask;
    }
    return target;
  }

  /** What the four planes would take for a CPU byte, before the map mask. */
  #process(value: number): number {
    const { registers } = this.#state.graphics;
    const { latches } = this.#state;
    const rotate = registers[GRAPHICS.DATA_ROTATE]! & 7;
    const setReset = PLANE_MASK[registers[GRAPHICS.SET_RESET]!]!;
    let bits = registers[GRAPHICS.BIT_MASK]!;
    let data: number;
    switch (registers[GRAPHICS.MODE]! & GRAPHICS_MODE.WRITE_MODE_MASK) {
      case 0: {
        const fromRegister = PLANE_MASK[registers[GRAPHICS.ENABLE_SET_RESET]!]!;
        data = (replicate(rotateRight(value, rotate)) & ~fromRegister) | (setReset & fromRegister);
        break;
      }
      case 1:
        return latches;
      case 2:
        data = PLANE_MASK[value & 0x0f]!;
        break;
      default:
        bits &= rotateRight(value, rotate);
        data = setReset;
    }
    const mask = replicate(bits);
    return (combine(registers[GRAPHICS.DATA_ROTATE]! >> 3, data, latches) & mask) | (latches & ~mask);
  }
}

function rotateRight(byte: number, count: number): number {
  return ((byte >> count) | (byte << (8 - count))) & 0xff;
}

function combine(operation: number, data: number, latches: number): number {
  switch (operation) {
    case LOGIC.AND:
      return data & latches;
    case LOGIC.OR:
      return data | latches;
    case LOGIC.XOR:
      return data ^ latches;
    default:
      return data;
  }
}

/** Word n of the planes holds bytes 4n to 4n+3 of the window. */
function chain4Index(offset: number, bank: number): number {
  return bank * PLANE_BYTES + (offset >> 2);
}

/** Even and odd bytes lie side by side in two planes, packed: characters and attributes of text, pixel pairs of CGA modes. */
function oddEvenIndex(offset: number, bank: number): number {
  return bank * PLANE_BYTES + ((offset >> 1) & (PLANE_BYTES - 1));
}

function planarIndex(offset: number, bank: number): number {
  return bank * PLANE_BYTES + (offset & (PLANE_BYTES - 1));
}
