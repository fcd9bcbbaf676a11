import type { Region } from '../../bus/bus.ts';
import type { Dispi } from './dispi.ts';
import type { PlaneAccess } from './plane-access.ts';
import { GRAPHICS, GRAPHICS_MISC, GRAPHICS_MODE, MEMORY_MODE, MISC, SEQUENCER } from './registers.ts';
import type { VgaState } from './vga-state.ts';
import { TEXT_CELLS_BYTES, type VideoMemory } from './video-memory.ts';

const BANK_BYTES = 0x10000;

/** Where the window's memory is, by Memory Map Select (GR6 bits 3 and 2): offset from A0000h and length. */
const MEMORY_MAPS = [
  { offset: 0x00000, length: 0x20000 },
  { offset: 0x00000, length: 0x10000 },
  { offset: 0x10000, length: 0x08000 },
  { offset: 0x18000, length: 0x08000 },
] as const;

/** A stretch of the window behind which plain memory stands: no access there needs this device. */
export interface DirectView {
  /** Bytes from A0000h. */
  readonly offset: number;
  readonly length: number;
  /** Offset in the video block of the first byte shown. */
  readonly source: number;
}

/** The board's side of it: shows part of the video block, with writes logged, on top of the window's register region; or nothing. */
export interface DirectWindow {
  show(view: DirectView | undefined): void;
}

/**
 * A0000h to BFFFFh. In modes where a CPU address is a byte of video memory and nothing more, the board is told to map it directly: banks of the
 * linear VBE modes, chain-4 (mode 13h), and text, for which characters and attributes are kept side by side (text cells) as long as it lasts. All
 * else (planar modes, font loading) comes through `region`, byte by byte.
 */
export class LegacyWindow {
  readonly #state: VgaState;
  readonly #memory: VideoMemory;
  readonly #planes: PlaneAccess;
  readonly #dispi: Dispi;
  readonly #board: DirectWindow;
  #view: DirectView | undefined;
  #cells = false;

  constructor(state: VgaState, memory: VideoMemory, planes: PlaneAccess, dispi: Dispi, board: DirectWindow) {
    this.#state = state;
    this.#memory = memory;
    this.#planes = planes;
    this.#dispi = dispi;
    this.#board = board;
  }

  /** Characters and attributes are in the text cells now, not in planes 0 and 1. */
  get cells(): boolean {
    return this.#cells;
  }

  readonly region: Region = {
    name: 'vga-window',
    sizes: 1,
    read: (offset) => this.#read(offset),
    write: (offset, _size, value) => this.#write(offset, value),
  };

  /** After a change of registers that decide how the window answers. Moves text between planes and cells when it must. */
  update(): void {
    const cells = this.#wantsCells();
    if (cells !== this.#cells) {
      if (cells) this.#memory.gatherCells();
      else this.#memory.scatterCells();
      this.#cells = cells;
    }
    this.#show(this.#directView());
  }

  /** After a load: memory is already as the registers say. */
  loaded(): void {
    this.#cells = this.#wantsCells();
    this.#show(this.#directView());
  }

  #show(view: DirectView | undefined): void {
    const present = this.#view;
    if (view?.offset === present?.offset && view?.length === present?.length && view?.source === present?.source) return;
    this.#view = view;
    this.#board.show(view);
  }

  get #accessible(): boolean {
    return this.#state.subsystemEnable && (this.#state.miscellaneousOutput & MISC.RAM_ENABLE) !== 0;
  }

  get #map(): (typeof MEMORY_MAPS)[number] {
    return MEMORY_MAPS[(this.#state.graphics.registers[GRAPHICS.MISCELLANEOUS]! >> GRAPHICS_MISC.MEMORY_MAP_SHIFT) & GRAPHICS_MISC.MEMORY_MAP_MASK]!;
  }

  /** Write mode 0 without any modification, read mode 0: the Graphics Controller lets bytes through as they are. */
  get #transparent(): boolean {
    const { registers } = this.#state.graphics;
    return (
      (registers[GRAPHICS.MODE]! & (GRAPHICS_MODE.WRITE_MODE_MASK | GRAPHICS_MODE.READ_COMPARE)) === 0 &&
      registers[GRAPHICS.ENABLE_SET_RESET] === 0 &&
      registers[GRAPHICS.DATA_ROTATE] === 0 &&
      registers[GRAPHICS.BIT_MASK] === 0xff
    );
  }

  #wantsCells(): boolean {
    const sequencer = this.#state.sequencer.registers;
    const graphics = this.#state.graphics.registers;
    return (
      this.#accessible &&
      !this.#dispi.enabled &&
      this.#transparent &&
      this.#map.length === TEXT_CELLS_BYTES &&
      (sequencer[SEQUENCER.MEMORY_MODE]! & (MEMORY_MODE.CHAIN_4 | MEMORY_MODE.ODD_EVEN_DISABLE)) === 0 &&
      sequencer[SEQUENCER.MAP_MASK] === 0b0011 &&
      (graphics[GRAPHICS.MODE]! & GRAPHICS_MODE.HOST_ODD_EVEN) !== 0 &&
      (graphics[GRAPHICS.READ_MAP_SELECT]! & 2) === 0 &&
      // Graphics modes of the CGA kind address memory the same way, but are drawn from the planes.
      (graphics[GRAPHICS.MISCELLANEOUS]! & GRAPHICS_MISC.ALPHANUMERIC_DISABLE) === 0
    );
  }

  #directView(): DirectView | undefined {
    if (!this.#accessible) return undefined;
    if (this.#dispi.linear) return { offset: 0, length: Math.min(BANK_BYTES, this.#memory.size), source: this.#bankOffset };
    const { offset, length } = this.#map;
    if (this.#cells) return { offset, length, source: this.#memory.size };
    const sequencer = this.#state.sequencer.registers;
    const chained = (sequencer[SEQUENCER.MEMORY_MODE]! & MEMORY_MODE.CHAIN_4) !== 0 && sequencer[SEQUENCER.MAP_MASK] === 0b1111;
    if (!chained || !this.#transparent || this.#dispi.enabled) return undefined;
    return { offset, length: Math.min(length, this.#memory.size), source: 0 };
  }

  get #bankOffset(): number {
    return this.#memory.wrap(this.#dispi.bank * BANK_BYTES);
  }

  #read(offset: number): number {
    if (!this.#accessible) return 0xff;
    if (this.#dispi.linear) return offset < BANK_BYTES ? this.#memory.readByte(this.#bankOffset + offset) : 0xff;
    const { offset: first, length } = this.#map;
    if (offset < first || offset >= first + length) return 0xff;
    if (this.#cells) return this.#memory.readCellByte(offset - first);
    return this.#planes.read(offset - first, this.#dispi.enabled ? this.#dispi.bank : 0);
  }

  #write(offset: number, value: number): void {
    if (!this.#accessible) return;
    if (this.#dispi.linear) {
      if (offset < BANK_BYTES) this.#memory.writeByte(this.#bankOffset + offset, value);
      return;
    }
    const { offset: first, length } = this.#map;
    if (offset < first || offset >= first + length) return;
    if (this.#cells) this.#memory.writeCellByte(offset - first, value);
    else this.#planes.write(offset - first, value, this.#dispi.enabled ? this.#dispi.bank : 0);
  }
}
