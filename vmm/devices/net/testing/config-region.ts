import type { Region } from '../../../bus/bus.ts';
import type { PciConfig } from '../../pci/config-space.ts';

/** A function's configuration space as a region for the conformance suite: accesses stay within a double word, as on the bus. */
export function configRegion(config: PciConfig): { readonly region: Region; readonly length: number; readonly hot: readonly number[] } {
  const within = (offset: number, size: number) => (offset & 3) + size <= 4;
  return {
    region: {
      name: 'configuration space',
      read: (offset, size) => (within(offset, size) ? config.read(offset, size) : 0),
      write: (offset, size, value) => {
        if (within(offset, size)) config.write(offset, size, value);
      },
    },
    length: 256,
    hot: [4, 5, 0x10, 0x14, 0x30],
  };
}
