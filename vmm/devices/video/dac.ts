import type { VgaState } from './vga-state.ts';

const COMPONENTS = 3;
const DAC_STATE_READ = 3;
const DAC_STATE_WRITE = 0;

/**
 * The colour look-up table (Inmos IMS G171 and its kin). Setting an address for reading fetches that colour and moves on to the next, so a program
 * may read 3C8h to learn where it is; a colour is stored only when its third component arrives.
 */
export class Dac {
  readonly #dac: VgaState['dac'];
  readonly #bits: () => 6 | 8;

  /** `bits`: width of a component, 6 as on VGA or 8 (VBE DISPI). */
  constructor(dac: VgaState['dac'], bits: () => 6 | 8) {
    this.#dac = dac;
    this.#bits = bits;
  }

  readState(): number {
    return this.#dac.reading ? DAC_STATE_READ : DAC_STATE_WRITE;
  }

  readAddress(): number {
    return this.#dac.address;
  }

  setReadAddress(value: number): void {
    this.#dac.address = value;
    this.#dac.reading = true;
    this.#fetch();
  }

  setWriteAddress(value: number): void {
    this.#dac.address = value;
    this.#dac.reading = false;
    this.#dac.component = 0;
  }

  readData(): number {
    const dac = this.#dac;
    const value = dac.latch[dac.component]!;
    if (++dac.component === COMPONENTS) this.#fetch();
    return value;
  }

  writeData(value: number): void {
    const dac = this.#dac;
    dac.latch[dac.component] = this.#bits() === 8 ? value : value & 0x3f;
    if (++dac.component < COMPONENTS) return;
    dac.colors.set(dac.latch, dac.address * COMPONENTS);
    dac.component = 0;
    dac.address = (dac.address + 1) & 0xff;
  }

  /** The colour of pixel value `index` as a little-endian RGBA word. */
  color(index: number): number {
    const at = (index & this.#dac.mask) * COMPONENTS;
    const colors = this.#dac.colors;
    const red = this.#widen(colors[at]!);
    const green = this.#widen(colors[at + 1]!);
    const blue = this.#widen(colors[at + 2]!);
    return red | (green << 8) | (blue << 16) | (0xff << 24);
  }

  #widen(component: number): number {
    // The two top bits repeat below, so that 3Fh is full intensity.
    return this.#bits() === 8 ? component : ((component & 0x3f) << 2) | ((component & 0x3f) >> 4);
  }

  #fetch(): void {
    const dac = this.#dac;
    dac.latch.set(dac.colors.subarray(dac.address * COMPONENTS, (dac.address + 1) * COMPONENTS));
    dac.component = 0;
    dac.address = (dac.address + 1) & 0xff;
  }
}
