import { z } from 'zod';
import type { Region } from '../../../bus/bus.ts';
import { defineDevice, type Device } from '../../../bus/device.ts';
import type { IrqLine } from '../../../bus/irq.ts';
import { integer, u8 } from '../../../bus/schema.ts';
import type { MemoryBlock } from '../../../memory/physical-map.ts';
import type { NetBackend } from '../../../net/cable/cable.ts';
import { PciConfig, pciConfigSchema } from '../../pci/config-space.ts';
import type { PciFunction } from '../../pci/function.ts';
import { Dp8390, dp8390Schema, PORTS } from './dp8390.ts';

/* Novell's NE2000 on the ISA bus, and Realtek's RTL8029(AS), the same on PCI. */

const VENDOR_REALTEK = 0x10ec;
const DEVICE_8029 = 0x8029;
const CLASS_ETHERNET = 0x02_00_00;
/** "Pp": where page 0 has no registers, the RTL8029 shows its name. */
const ID = [0x50, 0x43] as const;
const ID_REGISTERS = [10, 11] as const;

interface BoardOptions {
  readonly cable: NetBackend;
  readonly mac: Uint8Array;
}

const isaSchema = z.strictObject({ chip: dp8390Schema });
type IsaState = z.infer<typeof isaSchema>;

export interface Ne2000Isa extends Device<IsaState> {
  readonly ports: Region;
}

export const ne2000Isa = defineDevice<IsaState, BoardOptions & { readonly irq: IrqLine }, Ne2000Isa>({
  type: 'ne2000',
  state: { version: 1, schema: isaSchema },
  create(_context, { cable, mac, irq }) {
    const chip = new Dp8390({ name: 'ne2000', irq, cable, mac });
    return {
      state: { chip: chip.state },
      ports: chip.ports,
      reset: () => chip.reset(),
      identify: () => chip.identify(),
      loaded: () => chip.loaded(),
      inspect: () => chip.inspect(),
    };
  },
});

const pciSchema = z.strictObject({
  config: pciConfigSchema,
  chip: dp8390Schema,
  /** Page 3 of the RTL8029: 9346CR, CONFIG2, CONFIG3. */
  control: u8,
  config2: integer(0, 0xff),
  config3: integer(0, 0xff),
});
type PciState = z.infer<typeof pciSchema>;

export const rtl8029 = defineDevice<PciState, BoardOptions & { readonly rom?: MemoryBlock | undefined }, PciFunction<PciState>>({
  type: 'rtl8029',
  state: { version: 1, schema: pciSchema },
  create(_context, { cable, mac, rom }) {
    let raise: (level: boolean) => void = () => undefined;
    const irq: IrqLine = { set: (level) => raise(level) };
    const extra = (page: number, register: number): number | undefined => {
      if (page === 0 && (register === ID_REGISTERS[0] || register === ID_REGISTERS[1])) return ID[register - ID_REGISTERS[0]]!;
      if (page !== 3) return undefined;
      if (register === 1) return state.control;
      if (register === 3) return 0; // CONFIG0
      if (register === 5) return state.config2;
      if (register === 6) return state.config3 | 0x40; // full duplex
      return 0;
    };
    const chip = new Dp8390({ name: 'rtl8029', irq, cable, mac, extra });
    const config = new PciConfig({
      vendor: VENDOR_REALTEK,
      device: DEVICE_8029,
      classCode: CLASS_ETHERNET,
      interruptPin: 1,
      bars: [
        { bar: 0, space: 'io', length: PORTS, region: chip.ports },
        ...(rom === undefined ? [] : [{ bar: 'rom', space: 'memory', length: rom.length, block: rom } as const]),
      ],
    });
    raise = (level) => config.intx.set(level);
    const own = { control: 0, config2: 0, config3: 0 };
    const state: PciState = { config: config.bytes, chip: chip.state, ...own };
    return {
      state,
      config,
      reset() {
        Object.assign(state, own);
        chip.reset();
        config.reset();
      },
      identify: () => chip.identify(),
      loaded() {
        config.loaded();
        chip.loaded();
      },
      inspect: () => chip.inspect(),
    };
  },
});
