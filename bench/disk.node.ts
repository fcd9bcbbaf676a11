/**
 * Disks under Linux, beside QEMU TCG's, with the same guest and the same images: sequential reads and writes of 128 KiB with O_DIRECT on each controller, 4 KiB random reads at
 * queue depth 32 on virtio, qcow2 against raw, and `img convert` against qemu-img. `node bench/disk.node.ts [--vmm strate --vmm qemu] [--rounds 2] [--size MiB] [--part guest
 * --part convert] [--disk virtio ...]` with STRATE_GUESTS naming the directory of mini-amd64.vmlinuz and disk-tools.initrd (tests/storage/tools-initrd.sh makes it). Times are fio's,
 * by the guest's clock, whose drift against the host's is printed; each job runs three times, and the median of all but the first counts: what is hot has been translated then.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { diskGuest, type TestDisk } from '../tests/storage/disk-guest.ts';

const { values } = parseArgs({
  options: {
    vmm: { type: 'string', multiple: true, default: ['qemu', 'strate'] },
    part: { type: 'string', multiple: true, default: ['guest', 'convert'] },
    disk: { type: 'string', multiple: true, default: ['virtio', 'virtio-qcow2', 'ahci', 'ide'] },
    rounds: { type: 'string', default: '1' },
    size: { type: 'string', default: '192' },
  },
});
const MIB = 1 << 20;
const images = process.env['STRATE_GUESTS'] ?? '.';
const STRATE = fileURLToPath(new URL('../vmm/cli/strate.mjs', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'strate-disk-'));
process.once('exit', () => rmSync(work, { recursive: true, force: true }));

/** Data that no zero detection makes cheap, in every `every`th of pieces of 64 MiB. */
function fill(file: string, bytes: number, every = 1): void {
  const fd = openSync(file, 'w');
  const piece = Buffer.alloc(MIB);
  for (let word = 0, value = 1; word < piece.length; word += 4) piece.writeUInt32LE((value = (Math.imul(value, 1664525) + 1013904223) >>> 0), word);
  for (let at = 0; at < bytes; at += MIB) {
    if (Math.floor(at / (64 * MIB)) % every !== 0) continue;
    piece.writeUInt32LE(at / MIB, 0);
    writeSync(fd, piece, 0, Math.min(MIB, bytes - at), at);
  }
  ftruncateSync(fd, bytes);
  closeSync(fd);
}

const jobs = {
  read: '--rw=read --bs=128k --ioengine=psync',
  write: '--rw=write --bs=128k --ioengine=psync',
  'random read': '--rw=randread --bs=4k --ioengine=libaio --iodepth=32 --io_size=64m',
} as const;
type Job = keyof typeof jobs;

/** Seconds, and CPU seconds of the whole process. */
interface Figure {
  readonly seconds: number;
  readonly cpu: number;
}
const figures = new Map<string, Figure[]>();
const note = (key: string, figure: Figure) => void figures.set(key, [...(figures.get(key) ?? []), figure]);

async function inGuest(vmm: 'qemu' | 'strate'): Promise<void> {
  const size = Number(values.size) * MIB;
  const disks: TestDisk[] = values.disk.map((name, index) => {
    const [bus = '', format = 'raw'] = name.split('-');
    const file = join(work, `${vmm}-${name}.img`);
    // Their sizes tell the guest's names of them.
    fill(file, size + index * MIB);
    if (format === 'raw') return { name, bus, format, file, bytes: size + index * MIB };
    execFileSync('qemu-img', ['convert', '-f', 'raw', '-O', format, file, `${file}.${format}`]);
    rmSync(file);
    return { name, bus, format, file: `${file}.${format}`, bytes: size + index * MIB };
  });
  const guest = diskGuest(vmm, { kernel: join(images, 'mini-amd64.vmlinuz'), initrd: join(images, 'disk-tools.initrd'), memory: 512, disks });
  try {
    await guest.until(/GUEST-MILESTONE: shell/, 300);
    await guest.shell('stty -echo');
    const uptime = async () => Number(/[\d.]+/.exec(await guest.shell('cut -d" " -f1 /proc/uptime'))?.[0]);
    const [began, guestBegan] = [performance.now(), await uptime()];
    for (const disk of disks) {
      const device = await guest.device(disk);
      for (const [job, options] of Object.entries(jobs)) {
        if (job === 'random read' && disk.bus !== 'virtio') continue;
        for (const counts of [false, true, true]) {
          const before = guest.cpuSeconds;
          const text = await guest.shell(`fio --name=j --filename=${device} --direct=1 --size=${values.size}m --output-format=json ${options}`, 200);
          const report = JSON.parse(text.slice(text.indexOf('{'))) as {
            jobs: { error: number; read: { runtime: number }; write: { runtime: number } }[];
          };
          const { error, read, write } = report.jobs[0]!;
          if (error !== 0) throw new Error(`fio: error ${error} in ${job} of ${disk.name}`);
          const figure = { seconds: Math.max(read.runtime, write.runtime) / 1000, cpu: guest.cpuSeconds - before };
          if (counts) note(`${vmm} ${disk.name} ${job}`, figure);
          console.error(`${vmm} ${disk.name} ${job}: ${figure.seconds.toFixed(3)} s${counts ? '' : ' (first)'}`);
        }
      }
    }
    const drift = (await uptime()) - guestBegan - (performance.now() - began) / 1000;
    console.error(`${vmm}: the guest's clock gained ${drift.toFixed(2)} s in ${((performance.now() - began) / 1000).toFixed(0)} s`);
  } finally {
    guest.end();
    for (const { file } of disks) rmSync(file);
  }
}

/** `flushed`: qemu-img, too, sees to it that the new image survives a power cut. It does not by default. */
function convert(vmm: 'qemu' | 'strate', source: string, flushed = false): void {
  const target = join(work, 'converted.qcow2');
  const [command, ...args] =
    vmm === 'qemu'
      ? ['qemu-img', 'convert', ...(flushed ? ['-t', 'writeback'] : []), '-f', 'raw', '-O', 'qcow2', source, target]
      : [process.execPath, STRATE, 'img', 'convert', '-s', 'raw', '-f', 'qcow2', source, target];
  const before = performance.now();
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  note(`${vmm} ${flushed ? 'flushed ' : ''}convert`, { seconds: (performance.now() - before) / 1000, cpu: 0 });
  execFileSync('qemu-img', ['compare', '-f', 'raw', '-F', 'qcow2', source, target]);
  rmSync(target);
}

const median = (key: string): number => {
  const sorted = (figures.get(key) ?? []).map(({ seconds }) => seconds).toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
};

console.log(`${cpus().length} processors, load ${loadavg()[0]!.toFixed(1)} before; ${values.rounds} round(s), ${values.size} MiB`);
const vmms = values.vmm as ('qemu' | 'strate')[];
const sparse = join(work, 'sparse.raw');
if (values.part.includes('convert')) fill(sparse, 4096 * MIB, 4);
for (let round = 0; round < Number(values.rounds); round++) {
  if (values.part.includes('guest')) for (const vmm of vmms) await inGuest(vmm);
  if (values.part.includes('convert')) {
    for (const vmm of vmms) convert(vmm, sparse);
    if (vmms.includes('qemu')) convert('qemu', sparse, true);
  }
}
const rows = values.disk.flatMap((disk) => (Object.keys(jobs) as Job[]).map((job) => [`${disk} ${job}`, `${disk} ${job}`] as const));
console.log('| seconds | QEMU TCG | Strate | ratio | against QEMU virtio |\n| --- | ---: | ---: | ---: | ---: |');
for (const [title, key] of [...rows, ['convert raw to qcow2, 4 GiB with 1 GiB of data', 'convert'] as const]) {
  const [qemu, strate] = [median(`qemu ${key}`), median(`strate ${key}`)];
  if (Number.isNaN(qemu) && Number.isNaN(strate)) continue;
  const base = median(`qemu virtio ${key.split(' ').slice(1).join(' ')}`);
  console.log(`| ${title} | ${qemu.toFixed(3)} | ${strate.toFixed(3)} | ${(strate / qemu).toFixed(2)} | ${(strate / base).toFixed(2)} |`);
}
if (figures.has('qemu flushed convert'))
  console.log(`qemu-img convert -t writeback, which flushes as strate does: ${median('qemu flushed convert').toFixed(3)} s`);
console.log(`load ${loadavg()[0]!.toFixed(1)} after`);
