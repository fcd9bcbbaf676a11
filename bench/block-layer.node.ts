/**
 * What the image formats cost against raw, in one run: `node bench/block-layer.node.ts [FOLDER] [ROUNDS] [FORMAT...]`. Sequential in 128 KiB and random in 4 KiB, 32 in flight,
 * through the block nodes as the io thread uses them; the page cache holds the file. Rounds alternate; the median of each counts.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BlockNode } from '../vmm/storage/node.ts';
import { openImage } from '../vmm/storage/open.node.ts';
import { createImage } from '../vmm/storage/tools/formats.node.ts';

const SIZE = 64 << 20;
const FORMATS = ['raw', 'qcow2', 'vdi', 'vhd', 'vhdx', 'vmdk'] as const;
const DEPTH = 32;
type Format = (typeof FORMATS)[number];

const [place = tmpdir(), rounds = '5', ...chosen] = process.argv.slice(2);
const formats = FORMATS.filter((format) => format === 'raw' || chosen.length === 0 || chosen.includes(format));
const folder = mkdtempSync(join(place, 'strate-bench-'));

async function each(count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: DEPTH }, worker));
}

const large = new Uint8Array(new SharedArrayBuffer(128 << 10)).fill(7);
const small = new Uint8Array(new SharedArrayBuffer(4096)).fill(9);
/** A walk over all 4 KiB blocks, far from one to the next. */
const scattered = (index: number) => ((index * 40503) % (SIZE / 4096)) * 4096;

const tasks: readonly (readonly [name: string, work: (node: BlockNode) => Promise<void>])[] = [
  ['first write, sequential', (node) => each(SIZE / large.length, (index) => node.write(index * large.length, large))],
  ['write, sequential', (node) => each(SIZE / large.length, (index) => node.write(index * large.length, large))],
  ['read, sequential', (node) => each(SIZE / large.length, (index) => node.read(index * large.length, large))],
  ['read, random 4 KiB', (node) => each(16_000, (index) => node.read(scattered(index), small))],
  ['write, random 4 KiB', (node) => each(16_000, (index) => node.write(scattered(index), small))],
];

const times = new Map<string, number[]>();
for (let round = 0; round < Number(rounds); round++) {
  for (const format of formats) {
    const file = join(folder, `disk.${format}`);
    await createImage(file, format, SIZE);
    const { node } = await openImage({ file, format, role: 'disk', readOnly: false });
    for (const [name, work] of tasks) {
      const before = process.cpuUsage();
      await work(node);
      const { user, system } = process.cpuUsage(before);
      const key = `${format} ${name}`;
      times.set(key, [...(times.get(key) ?? []), (user + system) / 1000]);
    }
    await node.close();
    rmSync(file);
  }
}
rmSync(folder, { recursive: true });

const median = (format: Format, name: string) => {
  const sorted = times.get(`${format} ${name}`)!.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
};
console.log(`CPU time, ms (times raw's); ${rounds} rounds`);
for (const [name] of tasks) {
  const shown = formats.map((format) => `${format} ${median(format, name).toFixed(0)} (${(median(format, name) / median('raw', name)).toFixed(2)})`);
  console.log(`${name.padEnd(24)} ${shown.join('  ')}`);
}
