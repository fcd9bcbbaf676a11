/**
 * Kills real VM processes, as `kill -9` does, under a Linux guest that writes as much as it can: `node tests/crash/kill-linux.node.ts KERNEL INITRD [--times 20] [--kind qcow2:virtio ...]`
 * (INITRD: tests/storage/tools-initrd.sh MINI.initrd OUT blkdiscard). The guest makes files on ext4, calls fsync for each and says its number on the serial port, while another process of
 * it writes, renames and deletes without. It is booted once for each kind of image and controller, and saved; every time a copy of that machine goes on from there for
 * a while and is killed. Then the image has to pass its own check, the file system (its journal replayed) e2fsck, and every file that was said has to be there, whole. Status 1 if not.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Library } from '../../vmm/cli/api.node.ts';
import type { ImageFormat } from '../../vmm/storage/probe.ts';
import { checkImage } from '../../vmm/storage/tools/check.node.ts';
import { convertImage } from '../../vmm/storage/tools/convert.node.ts';
import { behind, cpio } from '../snapshot/cpio.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    times: { type: 'string', default: '20' },
    kind: { type: 'string', multiple: true, default: ['qcow2:virtio', 'raw:ide', 'vhdx:ahci', 'vmdk:virtio', 'vdi:ide', 'vhd:ahci'] },
    /** The longest time until a kill, ms. */
    most: { type: 'string', default: '2500' },
    /** Where machines that were booted before lie, for runs in several parts. */
    prepared: { type: 'string' },
  },
});
const [kernel, initrd] = positionals;
if (kernel === undefined || initrd === undefined) throw new Error('usage: node tests/crash/kill-linux.node.ts KERNEL INITRD');
const kernelFile = resolve(kernel);

const SIZE = 96 << 20;
const DIRECTORIES = 16;
/** Bytes of the guest's file of a number: the number, line after line. */
const lengthOf = (number: number) => ((number * 977) % 40_000) + 1;

const GUEST = `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev
for i in 1 2 3 4 5; do for m in /lib/modules/*.ko; do insmod $m 2>/dev/null; done; done
/bin/more crc16 mbcache jbd2 crc32c_generic libcrc32c ext4 2>/dev/null
exec >/dev/ttyS0 2>&1
mount -t ext4 -o barrier=1 $(for d in /dev/sda /dev/vda; do [ -b $d ] && echo $d; done) /mnt || exec sh
for d in $(seq 0 ${DIRECTORIES - 1}); do mkdir /mnt/$d; done; mkdir /mnt/noise; sync
(i=0; while :; do i=$((i + 1)); dd if=/dev/urandom of=/mnt/noise/$i bs=16k count=$((i % 9 + 1)) 2>/dev/null; mv /mnt/noise/$i /mnt/noise/kept$((i % 5)); [ $((i % 3)) = 0 ] && rm /mnt/noise/kept$((i % 4)) 2>/dev/null; done) &
echo READY
n=0
while :; do
  n=$((n + 1))
  yes $n | head -c $((n * 977 % 40000 + 1)) | dd of=/mnt/$((n % ${DIRECTORIES}))/$n bs=4k conv=fsync 2>/dev/null && echo "S $n"
done
`;

const scratch = mkdtempSync(join(process.env['TMPDIR'] ?? tmpdir(), 'strate-kill-linux-'));
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }));
const prepared = values.prepared === undefined ? scratch : resolve(values.prepared);
mkdirSync(prepared, { recursive: true });
const ramDisk = join(prepared, 'initrd');
writeFileSync(ramDisk, behind(new Uint8Array(readFileSync(initrd)), cpio({ work: GUEST })));

const serialOf = (folder: string) => {
  try {
    return readFileSync(join(folder, 'serial'), 'latin1');
  } catch {
    return '';
  }
};
const lastSaid = (text: string) => Number([...text.matchAll(/^S (\d+)\r?\n/gm)].at(-1)?.[1] ?? 0);

async function until(what: string, seconds: number, condition: () => boolean): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`${what} did not come within ${seconds} s`);
    await sleep(20);
  }
}

/** A folder with a library in which a machine was saved while its guest writes. */
async function prepare(kind: string): Promise<string> {
  const [format, bus] = kind.split(':') as [ImageFormat, 'ide'];
  const folder = join(prepared, kind.replace(':', '-'));
  if (existsSync(join(folder, 'ready'))) return folder;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const raw = join(folder, 'empty.raw');
  execFileSync('mkfs.ext4', ['-q', '-F', '-b', '4096', raw, `${SIZE >> 10}k`], {
    env: { ...process.env, PATH: `${process.env['PATH']}:/sbin:/usr/sbin` },
  });
  await using library = await Library.open({ directory: join(folder, 'library') });
  const machine = await library.create({
    name: 'killed',
    memory: 128,
    kernel: { file: kernelFile, initrd: ramDisk, append: 'console=ttyS0 quiet rdinit=/work' },
    drives: [{ id: 'disk', bus, file: `disk.${format}`, format }],
    serial: [{ backend: 'file', path: 'serial' }],
    display: { kind: 'none' },
  });
  await convertImage(raw, join(machine.directory, `disk.${format}`), format, { source: { format: 'raw' } });
  rmSync(raw);
  await machine.start();
  await until(`${kind}: the guest's tenth file`, 300, () => lastSaid(serialOf(machine.directory)) >= 10);
  await machine.call('machine.save', {});
  await machine.ended();
  writeFileSync(join(folder, 'ready'), '');
  return folder;
}

interface Outcome {
  readonly said: number;
  readonly problem?: string;
}

async function killOnce(machineFolder: string, kind: string): Promise<Outcome> {
  const folder = join(scratch, 'run');
  cpSync(machineFolder, folder, { recursive: true, mode: 2 });
  try {
    await using library = await Library.open({ directory: join(folder, 'library') });
    const machine = await library.find('killed');
    const { directory } = machine;
    const before = lastSaid(serialOf(directory));
    await machine.start();
    const { pid } = JSON.parse(readFileSync(join(directory, 'run.json'), 'utf8')) as { pid: number };
    await until('another file', 60, () => lastSaid(serialOf(directory)) > before);
    await sleep(Math.random() * Number(values.most));
    process.kill(pid, 'SIGKILL');
    await until('the end of the process', 20, () => !isThere(pid));
    return await judge(directory, kind.split(':')[0] as ImageFormat, lastSaid(serialOf(directory)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function isThere(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] !== 'Z' || Number(fields[17]) > 1; // a thread that is still in the kernel may still write
  } catch {
    return false;
  }
}

async function judge(directory: string, format: ImageFormat, said: number): Promise<Outcome> {
  const image = join(directory, `disk.${format}`);
  const report = await checkImage(image, 'none', { format });
  if (report.errorCount > 0) return { said, problem: `check: ${report.errors[0]}` };
  const raw = join(directory, 'judged.raw');
  await convertImage(image, raw, 'raw', { source: { format } });
  const tool = (name: string, ...args: string[]) =>
    spawnSync(name, args, { encoding: 'utf8', env: { ...process.env, PATH: `${process.env['PATH']}:/sbin:/usr/sbin` } });
  const replay = tool('e2fsck', '-p', raw);
  if ((replay.status ?? 8) > 1) return { said, problem: `e2fsck -p: ${replay.status} ${replay.stdout}${replay.stderr}` };
  const check = tool('e2fsck', '-fn', raw);
  if (check.status !== 0) return { said, problem: `e2fsck -fn: ${check.status} ${check.stdout}` };
  const files = join(directory, 'files');
  mkdirSync(files);
  tool('debugfs', '-R', `rdump / ${files}`, raw);
  for (let number = 1; number <= said; number++) {
    let bytes: Buffer;
    try {
      bytes = readFileSync(join(files, String(number % DIRECTORIES), String(number)));
    } catch {
      return { said, problem: `file ${number} of ${said} is not there` };
    }
    const line = `${number}\n`;
    const wanted = line.repeat(Math.ceil(lengthOf(number) / line.length)).slice(0, lengthOf(number));
    if (bytes.toString('latin1') !== wanted) return { said, problem: `file ${number} of ${said} is not what was written (${bytes.length} bytes)` };
  }
  if (readdirSync(join(files, 'noise')).length === 0) return { said, problem: 'nothing else was being written' };
  return { said };
}

const machines = new Map<string, string>();
let [failed, files] = [0, 0];
for (let run = 0; run < Number(values.times); run++) {
  const kind = values.kind[run % values.kind.length]!;
  try {
    if (!machines.has(kind)) machines.set(kind, await prepare(kind));
    const { said, problem } = await killOnce(machines.get(kind)!, kind);
    files += said;
    if (problem !== undefined) failed++;
    console.log(
      `${problem === undefined ? 'ok  ' : 'FAIL'} ${run + 1} ${kind}: killed after ${said} files${problem === undefined ? '' : `: ${problem}`}`,
    );
  } catch (error) {
    failed++;
    console.log(`FAIL ${run + 1} ${kind}:`, error);
    if (!machines.has(kind)) break;
  }
}
console.log(`${values.times} kills, ${files} files that were said to be durable, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
