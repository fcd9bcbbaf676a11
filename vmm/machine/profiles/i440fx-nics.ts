import { VmmError } from '../../base/errors.ts';
import { e1000 } from '../../devices/net/e1000/e1000.ts';
import { ne2000Isa, rtl8029 } from '../../devices/net/ne2000/ne2000.ts';
import { pcnet } from '../../devices/net/pcnet/pcnet.ts';
import { rtl8139 } from '../../devices/net/rtl8139/rtl8139.ts';
import { virtioNet } from '../../devices/virtio/net/virtio-net.ts';
import type { Interrupts } from '../../devices/irq/interrupt-router.ts';
import type { PciFunction } from '../../devices/pci/function.ts';
import type { PciBus } from '../../devices/pci/pci-bus.ts';
import type { MemoryBlock } from '../../memory/physical-map.ts';
import type { NetBackend } from '../../net/cable/cable.ts';
import { nameRomDevice } from '../firmware/option-rom.ts';
import { macOf, type Nic } from '../../protocol/config-net.ts';
import type { VmConfig } from '../../protocol/config.ts';
import type { Board } from '../board.ts';
import type { MachineHost } from '../host.ts';

/** As the card's jumpers are set when it is bought. COM2 and COM4 have the same interrupt. */
const ISA_PORT = 0x300;
const ISA_PORTS = 32;
const ISA_IRQ = 3;

interface NicOptions {
  /** Processors: pairs of queues for a controller that has several. */
  readonly pairs: number;
  readonly cable: NetBackend;
  readonly mac: Uint8Array;
  readonly rom?: MemoryBlock | undefined;
}

/** Makes the PCI function of each model. */
const makers: Record<Exclude<Nic['model'], 'ne2k-isa'>, (board: Board, name: string, options: NicOptions) => PciFunction> = {
  e1000: (board, name, options) => board.install(name, e1000, options),
  ne2k: (board, name, options) => board.install(name, rtl8029, options),
  rtl8139: (board, name, options) => board.install(name, rtl8139, options),
  pcnet: (board, name, options) => board.install(name, pcnet, options),
  virtio: (board, name, options) => board.install(name, virtioNet, options),
};

/** Bytes of guest memory that the boot ROMs of the NICs take. */
export function nicRomMemory(config: VmConfig, roms: MachineHost['nicRoms']): number {
  return config.nics.reduce((sum, { model }) => sum + romBytes(roms.get(model)), 0);
}

function romBytes(rom: Uint8Array | undefined): number {
  return rom === undefined ? 0 : 2 ** Math.ceil(Math.log2(rom.length));
}

/** The network controllers, those for PCI in the next free slots. Returns their Open Firmware paths in `bootorder`, in the order of the configuration. */
export function installNics(board: Board, pci: PciBus, interrupts: Interrupts, config: VmConfig, host: MachineHost): string[] {
  const paths: string[] = [];
  let isa = false;
  config.nics.forEach((nic, index) => {
    const cable = host.nets.get(nic.id);
    if (cable === undefined || nic.backend.type === 'none') return;
    const mac = macOf(config.id, nic);
    if (nic.model === 'ne2k-isa') {
      if (isa) throw new VmmError('usage', `${nic.id}: there is one place for an ISA card (port 300h, IRQ 3); give it another model`);
      isa = true;
      const card = board.install(`nic${index}`, ne2000Isa, { cable, mac, irq: interrupts.isaLine(ISA_IRQ) });
      board.ports.map(ISA_PORT, ISA_PORTS, card.ports);
      return;
    }
    const rom = romBlock(board, `nic${index} rom`, host.nicRoms.get(nic.model));
    const device = makers[nic.model](board, `nic${index}`, { pairs: config.cpu.count, cable, mac, rom });
    if (rom !== undefined) nameRomDevice(rom.bytes, device.config.identity);
    const slot = pci.freeSlot();
    pci.add(slot, 0, device);
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
