/** The small Linux of tests/net/linux-guest.ts with disks of several kinds, in QEMU or in a machine of ours. */
import { fileURLToPath } from 'node:url';
import { LinuxGuest } from '../net/linux-guest.ts';

export interface TestDisk {
  readonly name: string;
  /** As `--drive if=` has it. */
  readonly bus: string;
  readonly format: string;
  readonly file: string;
  /** No two disks of a guest have the same size: it tells the guest's name of a disk. */
  readonly bytes: number;
}

export interface DiskGuestOptions {
  readonly kernel: string;
  readonly initrd: string;
  readonly memory: number;
  readonly disks: readonly TestDisk[];
  readonly append?: string;
  /** More options of `strate run`, or of QEMU. */
  readonly more?: readonly string[];
}

const STRATE = fileURLToPath(new URL('../../vmm/cli/strate.mjs', import.meta.url));
const SECTOR = 512;

export class DiskGuest extends LinuxGuest {
  /** Its device file in the guest. */
  async device({ bytes, name }: TestDisk): Promise<string> {
    const text = await this.shell(`grep -lx ${bytes / SECTOR} /sys/block/*/size`);
    const found = /\/sys\/block\/(\w+)\/size/.exec(text)?.[1];
    if (found === undefined) throw new Error(`the guest has no disk of the size of ${name}`);
    return `/dev/${found}`;
  }
}

export function diskGuest(vmm: 'qemu' | 'strate', { kernel, initrd, memory, disks, append = '', more = [] }: DiskGuestOptions): DiskGuest {
  const common = ['-kernel', kernel, '-initrd', initrd, '-append', `console=ttyS0 quiet ${append}`];
  if (vmm === 'strate') {
    const drives = disks.flatMap(({ file, format, bus }) => ['--drive', `file=${file},format=${format},if=${bus}`]);
    const args = common.map((word) => word.replace(/^-(?=kernel$|initrd$|append$)/, '--'));
    return new DiskGuest(process.execPath, [
      STRATE,
      'run',
      '--serial',
      'stdio',
      '--display',
      'none',
      '--memory',
      String(memory),
      ...drives,
      ...args,
      ...more,
    ]);
  }
  const ahci = disks.some(({ bus }) => bus === 'ahci') ? ['-device', 'ich9-ahci,id=ahci'] : [];
  const drives = disks.flatMap(({ file, format, bus }, index) => {
    if (bus === 'ide') return ['-drive', `file=${file},format=${format},if=ide`];
    const device = bus === 'ahci' ? `ide-hd,bus=ahci.${index}` : 'virtio-blk-pci';
    return ['-drive', `file=${file},format=${format},if=none,id=d${index}`, '-device', `${device},drive=d${index}`];
  });
  return new DiskGuest('qemu-system-x86_64', [
    '-accel',
    'tcg',
    '-m',
    String(memory),
    '-nographic',
    '-no-reboot',
    '-nic',
    'none',
    ...ahci,
    ...drives,
    ...common,
    ...more,
  ]);
}
