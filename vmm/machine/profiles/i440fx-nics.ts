import { VmmError } from '../../base/errors.ts';
import { e1000 } from '../../devices/net/e1000/e1000.ts';
import type { PciFunction } from '../../devices/pci/function.ts';
import type { PciBus } from '../../devices/pci/pci-bus.ts';
import type { MemoryBlock } from '../../memory/physical-map.ts';
import type { NetBackend } from '../../net/cable/cable.ts';
import { macOf, type Nic } from '../../protocol/config-net.ts';
import type { VmConfig } from '../../protocol/config.ts';
import type { Board } from '../board.ts';
import type { MachineHost } from '../host.ts';

interface NicOptions {
  readonly cable: NetBackend;
  readonly mac: Uint8Array;
  readonly rom?: MemoryBlock | undefined;
}

/** Makes the PCI function of each model. */
const makers: Partial<Record<Nic['model'], (board: Board, name: string, options: NicOptions) => PciFunction>> = {
  e1000: (board, name, options) => board.install(name, e1000, options),
};

/** Bytes of guest memory that the boot ROMs of the NICs take. */
export function nicRomMemory(config: VmConfig, roms: MachineHost['nicRoms']): number {
  return config.nics.reduce((sum, { model }) => sum + romBytes(roms.get(model)), 0);
}

function romBytes(rom: Uint8Array | undefined): number {
  return rom === undefined ? 0 : 2 ** Math.ceil(Math.log2(rom.length));
}

/** The network controllers in the next free slots. Returns their Open Firmware paths in `bootorder`, in the order of the configuration. */
export function installNics(board: Board, pci: PciBus, config: VmConfig, host: MachineHost): string[] {
  const paths: string[] = [];
  config.nics.forEach((nic, index) => {
    const cable = host.nets.get(nic.id);
    if (cable === undefined || nic.backend.type === 'none') return;
    const make = makers[nic.model];
    if (make === undefined) throw new VmmError('unsupported', `${nic.id}: the model ${nic.model} is not available yet`);
    const slot = pci.freeSlot();
    pci.add(
      slot,
      0,
      make(board, `nic${index}`, { cable, mac: macOf(config.id, nic), rom: romBlock(board, `nic${index} rom`, host.nicRoms.get(nic.model)) }),
    );
    paths.push(`/pci@i0cf8/ethernet@${slot.toString(16)}/ethernet-phy@0`);
  });
  return paths;
}

function romBlock(board: Board, name: string, rom: Uint8Array | undefined): MemoryBlock | undefined {
  if (rom === undefined) return undefined;
  const block = board.memory.allocate(name, romBytes(rom));
  block.bytes.set(rom);
  return block;
}
