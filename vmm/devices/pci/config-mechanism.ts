import { z } from 'zod';
import type { Region } from '../../bus/bus.ts';
import { defineDevice, type Device } from '../../bus/device.ts';
import { u32 } from '../../bus/schema.ts';
import { openBus } from '../../bus/split.ts';
import type { PciBus } from './pci-bus.ts';

export const CONFIG_ADDRESS_PORT = 0xcf8;
export const CONFIG_DATA_PORT = 0xcfc;

const ENABLE = 0x8000_0000;
const ADDRESS_MASK = 0x80ff_fffc;

const schema = z.strictObject({ address: u32 });
type ConfigMechanismState = z.infer<typeof schema>;

export interface ConfigMechanism extends Device<ConfigMechanismState> {
  readonly addressPort: Region;
  readonly dataPort: Region;
}

/**
 * Configuration mechanism #1 (PCI 2.1, 3.7.4.1): CONFADD at CF8h takes double words only, so that CF9h can be another register; CONFDATA at CFCh is
 * a window of four bytes. There is one bus, number 0.
 */
export const pciConfigMechanism = defineDevice({
  type: 'pci-config-mechanism',
  state: { version: 1, schema },
  create(_context, { bus }: { readonly bus: PciBus }): ConfigMechanism {
    const state: ConfigMechanismState = { address: 0 };
    const target = (): { slot: number; fn: number; register: number } | undefined =>
      (state.address & ENABLE) === 0 || ((state.address >>> 16) & 0xff) !== 0
        ? undefined
        : { slot: (state.address >>> 11) & 31, fn: (state.address >>> 8) & 7, register: state.address & 0xfc };
    return {
      state,
      addressPort: {
        name: 'pci config address',
        read: (offset, size) => (size === 4 && offset === 0 ? state.address : openBus(size)),
        write: (offset, size, value) => {
          if (size === 4 && offset === 0) state.address = (value & ADDRESS_MASK) >>> 0;
        },
      },
      dataPort: {
        name: 'pci config data',
        read: (offset, size) => {
          const at = target();
          return at === undefined ? openBus(size) : bus.read(at.slot, at.fn, at.register + offset, size);
        },
        write: (offset, size, value) => {
          const at = target();
          if (at !== undefined) bus.write(at.slot, at.fn, at.register + offset, size, value);
        },
      },
      reset: () => {
        state.address = 0;
      },
      inspect: () => ({ address: `0x${state.address.toString(16)}` }),
    };
  },
});
