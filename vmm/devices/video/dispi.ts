import type { Region } from '../../bus/bus.ts';
import { DISPI, DISPI_ENABLE, DISPI_ID_FIRST, DISPI_ID_LAST, DISPI_MAX, DISPI_REGISTERS } from './registers.ts';
import type { VgaState } from './vga-state.ts';

/** Pixel formats: bits of a pixel in memory, by the value of the BPP register. */
const BITS_IN_MEMORY: Readonly<Record<number, number>> = { 4: 4, 8: 8, 15: 16, 16: 16, 24: 24, 32: 32 };

/** What the registers ask for, with every value inside the limits of the hardware. */
export interface DispiMode {
  readonly width: number;
  readonly height: number;
  readonly bpp: 4 | 8 | 15 | 16 | 24 | 32;
  /** Bytes of video memory from one line to the next. */
  readonly pitch: number;
  /** Byte offset of the top left pixel; in 4 bpp of the 8 pixels that contain it. */
  readonly start: number;
  /** 4 bpp: pixels to skip at `start`, 0 to 7. */
  readonly skip: number;
}

/**
 * The Bochs VBE extension ("DISPI"): an index and a data port of 16 bits in front of eleven registers that set any resolution directly. The frame
 * buffer is linear (PCI BAR 0) and also shown through A0000h in banks of 64 KiB.
 */
export class Dispi {
  readonly #state: VgaState['dispi'];
  readonly #memorySize: number;
  readonly #changed: (clear: boolean) => void;

  /** `changed(true)`: a mode was switched on and its picture is to be cleared. */
  constructor(state: VgaState['dispi'], memorySize: number, changed: (clear: boolean) => void) {
    this.#state = state;
    this.#memorySize = memorySize;
    this.#changed = changed;
  }

  get enabled(): boolean {
    return (this.#register(DISPI.ENABLE) & DISPI_ENABLE.ENABLED) !== 0 && this.#bits() !== 0;
  }

  get dacBits(): 6 | 8 {
    return (this.#register(DISPI.ENABLE) & DISPI_ENABLE.DAC_8BIT) !== 0 ? 8 : 6;
  }

  get bank(): number {
    return this.#register(DISPI.BANK);
  }

  /** The linear modes, in which memory at A0000h is not planar: 8 bits a pixel and more. */
  get linear(): boolean {
    return this.enabled && this.#bits() >= 8;
  }

  /** The mode that is on. Meaningless unless `enabled`. */
  mode(): DispiMode {
    const bits = this.#bits();
    const width = Math.max(8, this.#register(DISPI.XRES));
    const pitch = this.#pitch();
    const x = this.#register(DISPI.X_OFFSET);
    const y = this.#register(DISPI.Y_OFFSET);
    const across = bits === 4 ? (x >> 3) << 2 : (x * bits) >> 3;
    return {
      width: Math.min(width, DISPI_MAX.width),
      height: Math.min(Math.max(1, this.#register(DISPI.YRES)), DISPI_MAX.height),
      bpp: this.#register(DISPI.BPP) as DispiMode['bpp'],
      pitch,
      start: (y * pitch + across) % this.#memorySize,
      skip: bits === 4 ? x & 7 : 0,
    };
  }

  readRegister(index: number): number {
    const capabilities = (this.#register(DISPI.ENABLE) & DISPI_ENABLE.GET_CAPABILITIES) !== 0;
    switch (index) {
      case DISPI.XRES:
        return capabilities ? DISPI_MAX.width : this.#register(index);
      case DISPI.YRES:
        return capabilities ? DISPI_MAX.height : this.#register(index);
      case DISPI.BPP:
        return capabilities ? DISPI_MAX.bpp : this.#register(index);
      case DISPI.VIRT_WIDTH:
        return this.enabled ? this.#virtualWidth() : this.#register(index);
      case DISPI.VIRT_HEIGHT:
        return this.enabled ? Math.min(0xffff, Math.floor(this.#memorySize / this.#pitch())) : this.#register(index);
      case DISPI.VIDEO_MEMORY_64K:
        return this.#memorySize >>> 16;
      default:
        return index < DISPI_REGISTERS ? this.#register(index) : 0;
    }
  }

  writeRegister(index: number, value: number): void {
    switch (index) {
      case DISPI.ID:
        if (value >= DISPI_ID_FIRST && value <= DISPI_ID_LAST) this.#state.registers[index] = value;
        return;
      case DISPI.ENABLE:
        this.#enable(value);
        return;
      case DISPI.BANK:
        this.#state.registers[index] = value & ((this.#memorySize >>> 16) - 1);
        break;
      case DISPI.XRES:
        this.#state.registers[index] = Math.min(value, DISPI_MAX.width) & ~7;
        break;
      case DISPI.YRES:
        this.#state.registers[index] = Math.min(value, DISPI_MAX.height);
        break;
      case DISPI.BPP:
        this.#state.registers[index] = value === 0 ? 8 : value;
        break;
      case DISPI.VIRT_WIDTH:
      case DISPI.X_OFFSET:
      case DISPI.Y_OFFSET:
        this.#state.registers[index] = value;
        break;
      default: // VIRT_HEIGHT follows from VIRT_WIDTH, the memory size is what it is
        return;
    }
    this.#changed(false);
  }

  /** 1CEh: index; 1CFh (x86) and 1D0h (where words must be aligned): data. */
  readonly ports: Region = {
    name: 'vbe-dispi',
    sizes: 2,
    read: (offset, size) => (offset === 0 ? this.#state.index : this.readRegister(this.#state.index)) & (size === 1 ? 0xff : 0xffff),
    write: (offset, size, value) => {
      if (size === 1) return; // words only, as on Bochs and QEMU
      if (offset === 0) this.#state.index = value;
      else this.writeRegister(this.#state.index, value);
    },
  };

  #enable(value: number): void {
    const registers = this.#state.registers;
    const wasEnabled = this.enabled;
    registers[DISPI.ENABLE] = value;
    const isEnabled = this.enabled;
    if (isEnabled && !wasEnabled) {
      registers[DISPI.VIRT_WIDTH] = registers[DISPI.XRES]!;
      registers[DISPI.X_OFFSET] = 0;
      registers[DISPI.Y_OFFSET] = 0;
      this.#changed((value & DISPI_ENABLE.NO_CLEAR) === 0);
    } else {
      this.#changed(false);
    }
  }

  #register(index: number): number {
    return this.#state.registers[index]!;
  }

  #bits(): number {
    return BITS_IN_MEMORY[this.#register(DISPI.BPP)] ?? 0;
  }

  /** Never narrower than the screen, never so wide that not even one line fits. */
  #virtualWidth(): number {
    return Math.max(this.#register(DISPI.VIRT_WIDTH), Math.max(8, this.#register(DISPI.XRES)));
  }

  #pitch(): number {
    const bits = this.#bits();
    // 4 bpp: 8 pixels are one byte of each plane, 4 bytes of interleaved memory.
    const pitch = bits === 4 ? (this.#virtualWidth() >> 3) << 2 : (this.#virtualWidth() * bits) >> 3;
    return Math.min(pitch, this.#memorySize);
  }
}
