import type { VmConfig } from '../../protocol/config.ts';
import { BOOT_ROM_FILE } from '../boot/boot-rom.ts';

type BootConfig = Pick<VmConfig, 'boot' | 'drives' | 'kernel'>;

/** Open Firmware paths as SeaBIOS forms them (SeaBIOS src/boot.c), by bus and slot. */
const DRIVE_PATHS = {
  ide: (slot: number) => `/pci@i0cf8/ide@1,1/drive@${slot >> 1}/disk@${slot & 1}`,
  floppy: (slot: number) => `/pci@i0cf8/isa@1/fdc@03f0/floppy@${slot}`,
} as const;

/** The file `bootorder`: one device per line, most wanted first, ended by a NUL. A kernel given by --kernel comes before all. */
export function bootOrderFile(config: BootConfig, nicPaths: readonly string[] = []): Uint8Array {
  const lines = config.kernel === undefined ? [] : [`/rom@${BOOT_ROM_FILE}`];
  for (const letter of config.boot.order) {
    if (letter === 'n') lines.push(...nicPaths);
    const wanted = config.drives.filter(({ bus, media }) => (bus === 'floppy' ? 'a' : media === 'cdrom' ? 'd' : 'c') === letter);
    for (const { bus, slot } of [...wanted].sort((a, b) => a.slot - b.slot)) {
      if (bus === 'ide' || bus === 'floppy') lines.push(DRIVE_PATHS[bus](slot));
    }
  }
  return new TextEncoder().encode(`${lines.join('\n')}\0`);
}
