/**
 * CDs and diskettes changed under a running Linux, by the command line: `node tests/storage/media-swap.node.ts KERNEL INITRD` (INITRD: tests/storage/tools-initrd.sh MINI.initrd OUT
 * blkdiscard). The guest mounts what is in its drives again and again and says what it reads; the media are made of folders. It also locks its tray, once. Status 1 if it misses one.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { folderToImage } from '../../vmm/storage/folder/folder-image.node.ts';
import { behind, cpio } from '../snapshot/cpio.ts';

const [kernel, initrd] = process.argv.slice(2);
if (kernel === undefined || initrd === undefined) throw new Error('usage: node tests/storage/media-swap.node.ts KERNEL INITRD');
const STRATE = fileURLToPath(new URL('../../vmm/cli/strate.mjs', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'strate-media-'));
const environment = { ...process.env, STRATE_HOME: join(work, 'library') };

const GUEST = `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev
for i in 1 2 3 4 5; do for m in /lib/modules/*.ko; do insmod $m 2>/dev/null; done; done
/bin/more cdrom isofs floppy fat vfat nls_cp437 nls_ascii nls_utf8 2>/dev/null
exec >/dev/ttyS0 2>&1
echo READY
look() {
  if mount -o ro -t $2 /dev/$1 /mnt 2>/dev/null; then now="$(cat /mnt/name.txt) $(md5sum </mnt/data.bin | cut -c1-32)"; umount /mnt; else now=empty; fi
  eval "[ \\"\\$now\\" = \\"\\$was_$1\\" ] || echo \\"$1: \\$now\\"; was_$1=\\$now"
}
while :; do look sr0 iso9660; look fd0 vfat; sleep 0.2; done
`;

function strate(...args: string[]): string {
  return execFileSync(process.execPath, [STRATE, ...args], { env: environment, encoding: 'utf8' });
}

const sums = new Map<string, string>();
async function medium(name: string, kind: 'iso' | 'floppy'): Promise<string> {
  const [folder, file] = [join(work, name), join(work, kind === 'iso' ? `${name}.iso` : `${name}.img`)];
  mkdirSync(folder);
  writeFileSync(join(folder, 'name.txt'), name);
  writeFileSync(join(folder, 'data.bin'), Buffer.alloc(200_000, name));
  sums.set(name, execFileSync('md5sum', [join(folder, 'data.bin')], { encoding: 'latin1' }).slice(0, 32));
  await folderToImage(folder, file, { kind, label: name.toUpperCase() });
  return file;
}

const serial = join(work, 'serial');
let failed = 0;
let seen = 0;
/** What the guest says next of a drive. */
async function says(drive: string, wanted: string): Promise<void> {
  const began = performance.now();
  const text = `${drive}: ${wanted}`;
  for (;;) {
    const all = readFileSync(serial, 'latin1').replaceAll('\r', '');
    const at = all.indexOf(text, seen);
    if (at >= 0) {
      seen = at + text.length;
      console.log(`ok    ${text} (${((performance.now() - began) / 1000).toFixed(1)} s)`);
      return;
    }
    if (performance.now() - began > 90_000) {
      failed++;
      console.log(`FAIL  ${text} did not come; the guest said ${JSON.stringify(all.slice(seen).slice(-400))}`);
      return;
    }
    await sleep(50);
  }
}
const holds = (name: string) => `${name} ${sums.get(name)}`;

const [one, two, red, blue] = [await medium('one', 'iso'), await medium('two', 'iso'), await medium('red', 'floppy'), await medium('blue', 'floppy')];
const ramDisk = join(work, 'initrd');
writeFileSync(ramDisk, behind(new Uint8Array(readFileSync(initrd)), cpio({ work: GUEST })));
writeFileSync(serial, '');
try {
  const boot = ['--kernel', resolve(kernel), '--initrd', ramDisk, '--append', 'console=ttyS0 quiet rdinit=/work', '--memory', '128'];
  strate('create', 'swap', ...boot, '--cdrom', one, '--fda', red, '--serial', `file:${serial}`, '--display', 'none');
  strate('start', 'swap', '--headless');
  console.log(strate('media', 'swap').trim());
  await says('sr0', holds('one'));
  await says('fd0', holds('red'));
  strate('media', 'swap', 'cdrom', two);
  await says('sr0', holds('two'));
  strate('media', 'swap', 'fda', blue);
  await says('fd0', holds('blue'));
  strate('media', 'swap', 'cdrom', '--eject');
  await says('sr0', 'empty');
  strate('media', 'swap', 'fda', '--eject');
  await says('fd0', 'empty');
  strate('media', 'swap', 'fda', red);
  await says('fd0', holds('red'));
  strate('media', 'swap', 'cdrom', one);
  await says('sr0', holds('one'));
  const refused = spawnSync(process.execPath, [STRATE, 'media', 'swap', 'cdrom', join(work, 'missing.iso')], { env: environment, encoding: 'utf8' });
  if (refused.status !== 2 || !/does not exist/.test(refused.stderr)) {
    failed++;
    console.log(`FAIL  a missing file: ${refused.status} ${refused.stderr}`);
  } else console.log(`ok    ${refused.stderr.trim()}`);
} finally {
  spawnSync(process.execPath, [STRATE, 'stop', 'swap'], { env: environment });
  rmSync(work, { recursive: true, force: true });
}
process.exitCode = failed === 0 ? 0 : 1;
