/**
 * What Debian's own tools make of a disk on each controller: `node tests/storage/guest-tools.node.ts [--bus ide --bus ahci --bus virtio] [--quick]` with STRATE_GUESTS naming the directory
 * of debian-amd64-tests.{img,vmlinuz,initrd} (../shared/guests/build-debian.sh). hdparm and smartctl read what the drive says of itself; fio writes with CRC-32C in every block and verifies,
 * again after the page cache was dropped; blkdiscard gives space back and zeroes; ext4 with barriers is written with fsync, trimmed, and checked by e2fsck here. Status 1 if anything fails.
 */
import { spawnSync } from 'node:child_process';
import { createReadStream, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { parentOption } from '../../vmm/storage/tools/chain.node.ts';
import { createImage } from '../../vmm/storage/tools/formats.node.ts';
import { diskGuest, type DiskGuest, type TestDisk } from './disk-guest.ts';

const { values } = parseArgs({
  options: { bus: { type: 'string', multiple: true, default: ['ide', 'ahci', 'virtio'] }, size: { type: 'string', default: '32' } },
});
const images = resolve(process.env['STRATE_GUESTS'] ?? '.');
const work = mkdtempSync(join(tmpdir(), 'strate-disk-tools-'));
process.once('exit', () => rmSync(work, { recursive: true, force: true }));
const MIB = 1 << 20;
const size = Number(values.size);
let failed = 0;

async function check(what: string, act: () => Promise<string | undefined>): Promise<void> {
  const began = performance.now();
  const took = () => `${((performance.now() - began) / 1000).toFixed(1)} s`;
  try {
    const note = await act();
    console.log(`ok    ${what}${note === undefined ? '' : `: ${note}`} (${took()})`);
  } catch (error) {
    failed++;
    console.log(`FAIL  ${what}: ${error instanceof Error ? error.message : String(error)} (${took()})`);
  }
}

function expect(text: string, ...patterns: readonly RegExp[]): string[] {
  return patterns.map((pattern) => {
    const match = pattern.exec(text);
    if (match === null) throw new Error(`${String(pattern)} is not in\n${text}`);
    return (match[1] ?? match[0]).trim();
  });
}

/** Bytes that the file takes on this host. */
const allocated = (file: string) => statSync(file).blocks * 512;

const FIO = `fio --name=v --direct=1 --verify=crc32c --verify_fatal=1 --randseed=7 --minimal --size=${size}m`;
const BLOCKS = '--rw=randwrite --bsrange=4k-128k --ioengine=libaio --iodepth=16';

async function exercise(guest: DiskGuest, disk: TestDisk): Promise<void> {
  const device = await guest.device(disk);
  const name = `${disk.bus} (${device})`;
  const ata = disk.bus !== 'virtio';
  if (ata) {
    await check(`${name} hdparm -I`, async () => {
      const text = await guest.shell(`hdparm -I ${device}`);
      const sectors = disk.bytes / 512;
      const [model] = expect(
        text,
        /Model Number: +(\S.*)/,
        new RegExp(`LBA48? +user addressable sectors: +${sectors}`),
        /\*\s+Mandatory FLUSH_CACHE/,
        /\*\s+Write cache/,
        /\*\s+SMART feature set/,
        /\*\s+Data Set Management TRIM supported/,
        /DMA: .*\*[um]dma/,
      );
      if (disk.bus === 'ahci') expect(text, /\*\s+Native Command Queueing \(NCQ\)/);
      return model;
    });
    await check(`${name} smartctl -i -a`, async () => {
      // Its status says more than whether it worked: bits 0 to 2 are failures, of the command line, of the device and of a command.
      const text = await guest.shell(`smartctl -i -a ${device}; test $(($? & 7)) = 0`);
      const [serial] = expect(
        text,
        /Serial Number: +(\S+)/,
        /SMART support is: Enabled/,
        /self-assessment test result: PASSED/,
        /SMART Attributes Data Structure/,
        /SMART Error Log Version/,
        /SMART Self-test log/,
      );
      return serial;
    });
    await check(`${name} hdparm -W: the write cache off and on`, async () => {
      expect(await guest.shell(`hdparm -W0 ${device}`), /write-caching = +0 \(off\)/);
      expect(await guest.shell(`hdparm -W1 ${device}`), /write-caching = +1 \(on\)/);
      return undefined;
    });
  } else {
    await check(`${name} its serial number and queues`, async () => {
      const text = await guest.shell(
        `cat /sys/block/${device.slice(5)}/serial; echo; ls /sys/block/${device.slice(5)}/mq | wc -l; cat /sys/block/${device.slice(5)}/queue/write_cache`,
      );
      expect(text, /write back/);
      return text.trim().replaceAll('\n', ', ');
    });
  }
  await check(`${name} fio with crc32c, ${size} MiB in random blocks`, async () => {
    await guest.shell(`${FIO} ${BLOCKS} --filename=${device}`, 600);
    await guest.shell(`echo 3 >/proc/sys/vm/drop_caches; ${FIO} ${BLOCKS} --filename=${device} --verify_only`, 600);
    return undefined;
  });
  await check(`${name} blkdiscard`, async () => {
    const before = allocated(disk.file);
    await guest.shell(`blkdiscard ${device}; sync`, 120);
    const after = allocated(disk.file);
    if (after > before / 4) throw new Error(`the image took ${before} bytes before and ${after} after`);
    await guest.shell(`cmp -n ${size * MIB} ${device} /dev/zero`, 120);
    return `${(before / MIB).toFixed(1)} MiB became ${(after / MIB).toFixed(1)}`;
  });
  await check(`${name} blkdiscard -z`, async () => {
    await guest.shell(
      `dd if=/dev/urandom of=${device} bs=1M count=8 oflag=direct; blkdiscard -z -o 1M -l 6M ${device}; dd if=${device} bs=1M skip=1 count=6 iflag=direct | cmp -n ${6 * MIB} - /dev/zero`,
      120,
    );
    await guest.shell(`test $(dd if=${device} bs=1M count=1 iflag=direct | tr -d '\\0' | wc -c) -gt 1000000`, 60);
    return undefined;
  });
  await check(`${name} ext4 with barriers: fio with fsync, fstrim`, async () => {
    await guest.shell(`mkfs.ext4 -q -F ${device} && mkdir -p /mnt && mount -o barrier=1 ${device} /mnt`, 120);
    await guest.shell(`${FIO.replace(`${size}m`, `${size >> 1}m`)} --filename=/mnt/f --rw=randwrite --bs=16k --ioengine=psync --fsync=16`, 600);
    await guest.shell(
      'rm /mnt/f; cp -r /usr/share/perl /mnt 2>/dev/null || cp -r /usr/bin /mnt; sync; fstrim -v /mnt; (cd /mnt; find . -type f -exec md5sum {} +) >/tmp/sums; wc -l </tmp/sums',
      600,
    );
    await guest.shell('umount /mnt; echo 3 >/proc/sys/vm/drop_caches', 60);
    await guest.shell(`mount ${device} /mnt && (cd /mnt && md5sum --quiet -c /tmp/sums) && umount /mnt`, 300);
    return undefined;
  });
}

/** How many flushes reached the image. */
async function flushes(trace: string): Promise<number> {
  let count = 0;
  for await (const chunk of createReadStream(trace, 'latin1')) count += [...(chunk as string).matchAll(/ flush /g)].length;
  return count;
}

const disks: TestDisk[] = [];
for (const [index, bus] of values.bus.entries()) {
  const bytes = (size * 2 + index) * MIB;
  const disk = { name: bus, bus, format: 'raw', file: join(work, `${bus}.raw`), bytes };
  await createImage(disk.file, 'raw', bytes);
  disks.push(disk);
}
const root = join(work, 'root.qcow2');
const debian = join(images, 'debian-amd64-tests');
await createImage(root, 'qcow2', statSync(`${debian}.img`).size, {}, await parentOption(root, `${debian}.img`, 'raw'));
const rootDisk: TestDisk = { name: 'root', bus: 'virtio', format: `qcow2,parents=${images}`, file: root, bytes: 0 };
const guest = diskGuest('strate', {
  kernel: `${debian}.vmlinuz`,
  initrd: `${debian}.initrd`,
  memory: 512,
  disks: [rootDisk, ...disks.map((disk) => ({ ...disk, format: `raw,trace=${disk.file}.trace` }))],
  append: 'root=LABEL=vmroot rw init=/bin/bash',
});
await guest.until(/bash-\S+#|\(none\):\/#/, 300);
await guest.shell(
  "bind 'set enable-bracketed-paste off'; stty -echo; mount -t proc p /proc; mount -t sysfs s /sys; mount -t tmpfs t /tmp; export PATH=$PATH:/sbin:/usr/sbin; PS1=; PS2=",
);
for (const disk of disks) await exercise(guest, disk);
await check('the kernel saw no error', async () => {
  const text = await guest.shell("dmesg | grep -iE 'i/o error|exception|failed command|hard resetting|timeout' || true");
  if (text.trim() !== '') throw new Error(text);
  return undefined;
});
await guest.shell('sync; echo o >/proc/sysrq-trigger & sleep 1').catch(() => undefined);
guest.end();
for (const disk of disks) {
  await check(`${disk.bus}: e2fsck here`, () => {
    const result = spawnSync('e2fsck', ['-fn', disk.file], {
      encoding: 'utf8',
      env: { ...process.env, PATH: `${process.env['PATH']}:/sbin:/usr/sbin` },
    });
    if (result.status !== 0) throw new Error(`${result.status}: ${result.stdout}${result.stderr}`);
    return Promise.resolve(result.stdout.trim().split('\n').at(-1));
  });
  await check(`${disk.bus}: flushes reached the image`, async () => {
    const count = existsSync(`${disk.file}.trace`) ? await flushes(`${disk.file}.trace`) : 0;
    if (count < 10) throw new Error(`only ${count}`);
    return `${count} of ${readFileSync(`${disk.file}.trace`, 'latin1').split('\n').length} requests`;
  });
}
process.exitCode = failed === 0 ? 0 : 1;
