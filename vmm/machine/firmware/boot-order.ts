import type { VmConfig } from '../../protocol/config.ts';
import { BOOT_ROM_FILE } from '../boot/boot-rom.ts';

type BootConfig = Pick<VmConfig, 'boot' | 'drives' | 'kernel'>;

/** Where firmware finds each drive that is behind no PCI slot of its own choice: Open Firmware paths as SeaBIOS forms them (SeaBIOS src/boot.c), by bus and slot. */
const DRIVE_PATHS = {
  ide: (slot: number) => `/pci@i0cf8/ide@1,1/drive@${slot >> 1}/disk@${slot & 1}`,
  floppy: (slot: number) => `/pci@i0cf8/isa@1/fdc@03f0/floppy@${slot}`,
} as const;

/** The path of a virtio disk in PCI slot `slot`, and of a port of an AHCI controller there. */
export const virtioDiskPath = (slot: number): string => `/pci@i0cf8/scsi@${slot.toString(16)}/disk@0,0`;
export const ahciDrivePath = (slot: number, port: number): string => `/pci@i0cf8/pci8086,2922@${slot.toString(16)}/drive@${port}/disk@0`;

/** The file `bootorder`: one device per line, most wanted first, ended by a NUL. A kernel given by --kernel comes before all. `paths`: of drives on PCI, by id. */
export function bootOrderFile(config: BootConfig, nicPaths: readonly string[] = [], paths: ReadonlyMap<string, string> = new Map()): Uint8Array {
  const lines = config.kernel === undefined ? [] : [`/rom@${BOOT_ROM_FILE}`];
  for (const letter of config.boot.order) {
    if (letter === 'n') lines.push(...nicPaths);
    const wanted = config.drives.filter(({ bus, media }) => (bus === 'floppy' ? 'a' : media === 'cdrom' ? 'd' : 'c') === letter);
    for (const { id, bus, slot } of [...wanted].sort((a, b) => a.slot - b.slot)) {
      const path = bus === 'ide' || bus === 'floppy' ? DRIVE_PATHS[bus](slot) : paths.get(id);
      if (path !== undefined) lines.push(path);
    }
  }
  return new TextEncoder().encode(`${lines.join('\n')}\0`);
}
