export type AccessSize = 1 | 2 | 4;

/**
 * Registers of a device as the bus shows them. Offsets are relative to where it is mapped: a device never knows its address. Values are
 * unsigned, `size` bytes wide. `sizes` is the widest access the device decodes (default 4): the bus splits wider ones, low byte first.
 */
export interface Region {
  readonly name: string;
  readonly sizes?: AccessSize;
  read(offset: number, size: AccessSize): number;
  write(offset: number, size: AccessSize, value: number): void;
}

/** A region's place on a bus. `move` and `enable` are what a PCI BAR does. */
export interface Mapping {
  move(base: number): void;
  enable(on: boolean): void;
  dispose(): void;
}

/** Port or memory space. Where regions overlap, the higher priority wins, then the later mapping. Unmapped space reads as all ones. */
export interface Bus {
  map(base: number, length: number, region: Region, priority?: number): Mapping;
  read(address: number, size: AccessSize): number;
  write(address: number, size: AccessSize, value: number): void;
}
