import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { VmConfig } from '../../protocol/config.ts';
import type { Nic } from '../../protocol/config-net.ts';

/** Where Debian's ipxe-qemu, other distributions and QEMU's own installation put the boot ROMs of network controllers. */
const DIRECTORIES = ['/usr/lib/ipxe/qemu', '/usr/share/ipxe/qemu', '/usr/share/qemu', '/usr/local/share/qemu', '/opt/homebrew/share/qemu'];

/** iPXE as built for QEMU's models of the same chips. An ISA card has its ROM in a socket; this one's is empty. */
const FILES: Partial<Record<Nic['model'], string>> = {
  e1000: 'pxe-e1000.rom',
  ne2k: 'pxe-ne2k_pci.rom',
  rtl8139: 'pxe-rtl8139.rom',
  pcnet: 'pxe-pcnet.rom',
  virtio: 'pxe-virtio.rom',
};

/** The boot ROMs that `config` has a use for and this computer has: network boot is in the boot order, and nothing else is started instead. */
export async function findBootRoms(config: VmConfig, directories: readonly string[] = DIRECTORIES): Promise<Map<Nic['model'], Uint8Array>> {
  const roms = new Map<Nic['model'], Uint8Array>();
  if (!config.boot.order.includes('n') || config.kernel !== undefined) return roms;
  for (const model of new Set(config.nics.map((nic) => nic.model))) {
    const file = FILES[model];
    const rom = file === undefined ? undefined : await firstOf(directories, file);
    if (rom !== undefined) roms.set(model, rom);
  }
  return roms;
}

async function firstOf(directories: readonly string[], file: string): Promise<Uint8Array | undefined> {
  for (const directory of directories) {
    const bytes = await readFile(join(directory, file)).catch(() => undefined);
    if (bytes !== undefined) return bytes;
  }
  return undefined;
}
