/**
 * Images made here and by qemu-img, read and written by both (promises.md, D11). Needs qemu-img (any version from 6).
 *
 *   node tests/storage/interop.node.ts [NAME...]      only the cases whose name contains one of the words
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, copyFileSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openImage } from '../../vmm/storage/open.node.ts';
import type { ImageFormat } from '../../vmm/storage/probe.ts';
import { checkImage } from '../../vmm/storage/tools/check.node.ts';
import { commitImage, parentOption, rebaseImage } from '../../vmm/storage/tools/chain.node.ts';
import { convertImage, rewriteImage } from '../../vmm/storage/tools/convert.node.ts';
import { createImage, type CreateOptions } from '../../vmm/storage/tools/formats.node.ts';
import { compareImages } from '../../vmm/storage/tools/info.node.ts';
import { resizeImage } from '../../vmm/storage/tools/resize.node.ts';

const MIB = 1 << 20;
const SIZE = 48 * MIB;
const folder = mkdtempSync(join(tmpdir(), 'strate-interop-'));
const at = (name: string) => join(folder, name);

/** A generator that gives the same numbers in each run (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Data, zeros and holes, with edges everywhere. */
function makeRaw(path: string, size: number): void {
  const random = generator(7);
  const fd = openSync(path, 'w');
  for (let offset = 0; offset < size;) {
    const length = Math.min(size - offset, Math.ceil(random() * 600) * 512);
    if (random() < 0.4)
      writeSync(
        fd,
        Uint8Array.from({ length }, () => random() * 256),
        0,
        length,
        offset,
      );
    else if (random() < 0.3) writeSync(fd, new Uint8Array(length).fill(random() * 256), 0, length, offset);
    offset += length + (random() < 0.3 ? 1024 * 1024 : 0);
  }
  closeSync(fd);
  truncateSync(path, size);
}

const qemuNames: Partial<Record<ImageFormat, string>> = { vhd: 'vpc' };
const qemuName = (format: ImageFormat) => qemuNames[format] ?? format;

function qemu(...args: string[]): string {
  const result = spawnSync('qemu-img', args, { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`qemu-img ${args.join(' ')}: ${result.stdout}${result.stderr}`);
  return result.stdout;
}

function qemuAgrees(image: string, format: ImageFormat, raw: string): void {
  if (format !== 'raw' && format !== 'vhd') qemu('check', '-f', qemuName(format), image);
  qemu('compare', '-f', qemuName(format), '-F', 'raw', image, raw);
}

async function weAgree(image: string, format: ImageFormat, raw: string): Promise<void> {
  const result = await compareImages(image, raw, { first: { format }, second: { format: 'raw' } });
  if (result.differsAt !== undefined) throw new Error(`differs at ${result.differsAt}`);
  const report = await checkImage(image, 'none', { format });
  if (report.errorCount > 0) throw new Error(report.errors[0]);
}

/** The same changes to an image, through us, and to a raw file. */
async function change(image: string, format: ImageFormat, raw: string, seed: number, size = SIZE): Promise<void> {
  const random = generator(seed);
  const { node } = await openImage({ file: image, format, role: 'disk', readOnly: false });
  const fd = openSync(raw, 'r+');
  try {
    for (let i = 0; i < 120; i++) {
      const offset = Math.floor((random() * size) / 512) * 512;
      const length = Math.min(size - offset, Math.ceil(random() ** 3 * 3000) * 512);
      if (random() < 0.2) {
        await node.zero?.(offset, length);
        if (node.zero === undefined) await node.write(offset, new Uint8Array(length));
        writeSync(fd, new Uint8Array(length), 0, length, offset);
      } else {
        const bytes = new Uint8Array(length).fill(1 + random() * 255);
        await node.write(offset, bytes);
        writeSync(fd, bytes, 0, length, offset);
      }
      if (random() < 0.1) await node.flush();
    }
    await node.flush();
  } finally {
    closeSync(fd);
    await node.close();
  }
}

/** The same changes through QEMU. */
function changeByQemu(image: string, format: ImageFormat, raw: string, seed: number): void {
  const random = generator(seed);
  const commands: string[] = [];
  for (let i = 0; i < 60; i++) {
    const offset = Math.floor((random() * SIZE) / 512) * 512;
    const length = Math.min(SIZE - offset, Math.ceil(random() ** 3 * 3000) * 512);
    commands.push(random() < 0.2 ? `write -z ${offset} ${length}` : `write -P ${1 + Math.floor(random() * 255)} ${offset} ${length}`);
  }
  for (const [file, kind] of [
    [image, qemuName(format)],
    [raw, 'raw'],
  ] as const) {
    execFileSync('qemu-io', ['-f', kind, ...commands.flatMap((command) => ['-c', command]), file], { stdio: ['ignore', 'ignore', 'pipe'] });
  }
}

interface Case {
  readonly name: string;
  readonly run: () => Promise<void> | void;
}
const cases: Case[] = [];
let counter = 0;
/** A name of its own for each case's files. */
const fresh = (suffix: string) => at(`${counter++}${suffix}`);

/** What qemu-img can make: format, and options of its own. */
const theirs: readonly (readonly [format: ImageFormat, ...options: string[]])[] = [
  ['qcow2'],
  ['qcow2', 'compat=0.10'],
  ['qcow2', 'cluster_size=512'],
  ['qcow2', 'cluster_size=2M'],
  ['qcow2', 'refcount_bits=1'],
  ['qcow2', 'refcount_bits=64,cluster_size=4k'],
  ['qcow2', 'lazy_refcounts=on'],
  ['qcow2', 'compression_type=zstd'],
  ['qcow2', 'extended_l2=on,cluster_size=128k'],
  ['qcow2', 'preallocation=metadata'],
  ['qcow2', 'preallocation=falloc'],
  ['qcow2', 'preallocation=full,cluster_size=4k'],
  ['vmdk'],
  ['vmdk', 'subformat=monolithicFlat'],
  ['vmdk', 'subformat=twoGbMaxExtentSparse'],
  ['vmdk', 'subformat=twoGbMaxExtentFlat'],
  ['vmdk', 'subformat=streamOptimized'],
  ['vmdk', 'zeroed_grain=on'],
  ['vmdk', 'compat6=on,adapter_type=lsilogic'],
  ['vhd', 'force_size=on'],
  ['vhd', 'subformat=fixed,force_size=on'],
  ['vhdx'],
  ['vhdx', 'subformat=fixed'],
  ['vhdx', 'block_size=1M'],
  ['vdi'],
  ['vdi', 'static=on'],
];

for (const [format, ...options] of theirs) {
  const label = `${format} ${options.join(' ')}`.trim();
  const make = (raw: string) => {
    const image = fresh(`.${format}`);
    qemu('convert', '-f', 'raw', '-O', qemuName(format), ...options.flatMap((option) => ['-o', option]), raw, image);
    return image;
  };
  cases.push({
    name: `theirs read here: ${label}`,
    run: () => weAgree(make(at('data.raw')), format, at('data.raw')),
  });
  if (label.includes('streamOptimized')) continue;
  cases.push({
    name: `theirs written here: ${label}`,
    async run() {
      const raw = fresh('.raw');
      copyFileSync(at('data.raw'), raw);
      const image = make(raw);
      await change(image, format, raw, 11);
      await weAgree(image, format, raw);
      qemuAgrees(image, format, raw);
      changeByQemu(image, format, raw, 12);
      await weAgree(image, format, raw);
      await change(image, format, raw, 13);
      qemuAgrees(image, format, raw);
    },
  });
}
cases.push({
  name: 'theirs read here: qcow2 compressed',
  run() {
    const image = fresh('.qcow2');
    qemu('convert', '-c', '-f', 'raw', '-O', 'qcow2', at('data.raw'), image);
    return weAgree(image, 'qcow2', at('data.raw'));
  },
});
cases.push({
  name: 'theirs read here: qcow2 compressed with zstd, then written',
  async run() {
    const [image, raw] = [fresh('.qcow2'), fresh('.raw')];
    copyFileSync(at('data.raw'), raw);
    qemu('convert', '-c', '-f', 'raw', '-O', 'qcow2', '-o', 'compression_type=zstd', raw, image);
    await change(image, 'qcow2', raw, 21);
    await weAgree(image, 'qcow2', raw);
    qemuAgrees(image, 'qcow2', raw);
  },
});
cases.push({
  name: 'theirs with internal snapshots: read, written, snapshot converted',
  async run() {
    const [image, raw, before] = [fresh('.qcow2'), fresh('.raw'), fresh('.raw')];
    copyFileSync(at('data.raw'), raw);
    qemu('convert', '-f', 'raw', '-O', 'qcow2', raw, image);
    qemu('snapshot', '-c', 'first', image);
    copyFileSync(raw, before);
    await change(image, 'qcow2', raw, 31);
    qemuAgrees(image, 'qcow2', raw);
    await weAgree(image, 'qcow2', raw);
    const copy = fresh('.raw');
    await convertImage(image, copy, 'raw', { source: { snapshot: 'first' } });
    qemu('compare', '-f', 'raw', '-F', 'raw', copy, before);
    qemu('snapshot', '-a', 'first', image);
    qemuAgrees(image, 'qcow2', before);
  },
});
cases.push({
  name: 'theirs with bitmaps: written here, which switches them off',
  async run() {
    const [image, raw] = [fresh('.qcow2'), fresh('.raw')];
    copyFileSync(at('data.raw'), raw);
    qemu('convert', '-f', 'raw', '-O', 'qcow2', raw, image);
    qemu('bitmap', '--add', image, 'b0');
    await weAgree(image, 'qcow2', raw);
    await change(image, 'qcow2', raw, 41);
    qemu('compare', '-f', 'qcow2', '-F', 'raw', image, raw);
    await checkImage(image, 'all');
    qemuAgrees(image, 'qcow2', raw);
  },
});
cases.push({
  name: 'theirs with an external data file',
  async run() {
    const [image, raw] = [fresh('.qcow2'), fresh('.raw')];
    copyFileSync(at('data.raw'), raw);
    qemu('convert', '-f', 'raw', '-O', 'qcow2', '-o', `data_file=${at('external.data')}`, raw, image);
    await weAgree(image, 'qcow2', raw);
    await change(image, 'qcow2', raw, 51);
    qemuAgrees(image, 'qcow2', raw);
  },
});

/** What we can make. */
const ours: readonly (readonly [format: ImageFormat, name: string, options: CreateOptions, compress?: boolean])[] = [
  ['raw', 'raw', {}],
  ['qcow2', 'qcow2', {}],
  ['qcow2', 'qcow2 version 2', { version: 2 }],
  ['qcow2', 'qcow2 512-byte clusters', { clusterSize: 512 }],
  ['qcow2', 'qcow2 2 MiB clusters', { clusterSize: 2 * MIB }],
  ['qcow2', 'qcow2 1-bit refcounts', { refcountBits: 1, clusterSize: 4096 }],
  ['qcow2', 'qcow2 64-bit refcounts', { refcountBits: 64, clusterSize: 512 }],
  ['qcow2', 'qcow2 extended L2', { extendedL2: true, clusterSize: 131072 }],
  ['qcow2', 'qcow2 compressed', {}, true],
  ['qcow2', 'qcow2 compressed with zstd', { compression: 'zstd' }, true],
  ['vmdk', 'vmdk', {}],
  ['vmdk', 'vmdk flat', { kind: 'monolithicFlat' }],
  ['vmdk', 'vmdk split', { kind: 'twoGbMaxExtentSparse' }],
  ['vmdk', 'vmdk split flat', { kind: 'twoGbMaxExtentFlat' }],
  ['vmdk', 'vmdk stream-optimised', { kind: 'streamOptimized' }],
  ['vhd', 'vhd', {}],
  ['vhd', 'vhd fixed', { fixed: true }],
  ['vhdx', 'vhdx', {}],
  ['vhdx', 'vhdx fixed', { fixed: true }],
  ['vhdx', 'vhdx 1 MiB blocks', { blockSize: MIB }],
  ['vdi', 'vdi', {}],
  ['vdi', 'vdi fixed', { fixed: true }],
];
for (const [format, name, create, compress] of ours) {
  cases.push({
    name: `ours: ${name}`,
    async run() {
      const [image, raw] = [fresh(`.${format}`), fresh('.raw')];
      copyFileSync(at('data.raw'), raw);
      await convertImage(raw, image, format, { create, compress: compress ?? false, verify: true, source: { format: 'raw' } });
      qemuAgrees(image, format, raw);
      if (create.kind === 'streamOptimized') return;
      changeByQemu(image, format, raw, 61);
      await weAgree(image, format, raw);
      await change(image, format, raw, 62);
      qemuAgrees(image, format, raw);
    },
  });
}

/** Differences: ours over theirs and theirs over ours. */
for (const format of ['qcow2', 'vmdk'] as const) {
  cases.push({
    name: `differences: ${format}, theirs over ours and ours over theirs`,
    async run() {
      const raw = fresh('.raw');
      copyFileSync(at('data.raw'), raw);
      const [base, top, above] = [fresh(`.${format}`), fresh(`.${format}`), fresh(`.${format}`)];
      await convertImage(raw, base, format, { source: { format: 'raw' } });
      qemu('create', '-f', format, '-b', base, '-F', format, top);
      changeByQemu(top, format, raw, 71);
      await weAgree(top, format, raw);
      const parent = await parentOption(above, top, format);
      await createImage(above, format, parent.size, {}, parent);
      await change(above, format, raw, 72);
      qemuAgrees(above, format, raw);
      await weAgree(above, format, raw);
      await commitImage(above);
      qemuAgrees(top, format, raw);
      await weAgree(above, format, raw);
    },
  });
}
cases.push({
  name: 'rebase and compact keep what a guest sees',
  async run() {
    const raw = fresh('.raw');
    copyFileSync(at('data.raw'), raw);
    const [base, top] = [fresh('.qcow2'), fresh('.qcow2')];
    await convertImage(raw, base, 'qcow2', { source: { format: 'raw' } });
    const parent = await parentOption(top, base);
    await createImage(top, 'qcow2', parent.size, {}, parent);
    await change(top, 'qcow2', raw, 81);
    await rewriteImage(top);
    qemuAgrees(top, 'qcow2', raw);
    await rebaseImage(top, undefined);
    rmSync(base);
    qemuAgrees(top, 'qcow2', raw);
    await rewriteImage(top);
    qemuAgrees(top, 'qcow2', raw);
  },
});
for (const format of ['raw', 'qcow2', 'vmdk', 'vhd', 'vhdx', 'vdi'] as const) {
  cases.push({
    name: `resize: ${format} larger and smaller`,
    async run() {
      const [image, raw] = [fresh(`.${format}`), fresh('.raw')];
      copyFileSync(at('data.raw'), raw);
      await convertImage(raw, image, format, { source: { format: 'raw' } });
      await resizeImage(image, SIZE * 100, { format });
      truncateSync(raw, SIZE * 100);
      qemuAgrees(image, format, raw);
      await resizeImage(image, SIZE / 2, { format, shrink: true });
      truncateSync(raw, SIZE / 2);
      qemuAgrees(image, format, raw);
      await weAgree(image, format, raw);
    },
  });
}

makeRaw(at('data.raw'), SIZE);
const words = process.argv.slice(2);
let failed = 0;
for (const { name, run } of cases.filter((one) => words.length === 0 || words.some((word) => one.name.includes(word)))) {
  const start = performance.now();
  try {
    await run();
    console.log(`ok   ${name} (${Math.round(performance.now() - start)} ms)`);
  } catch (error) {
    failed++;
    console.log(`FAIL ${name}: ${error instanceof Error ? error.message.split('\n').slice(0, 3).join(' | ') : String(error)}`);
    if (process.env['STACK'] !== undefined) console.log(error);
  }
}
console.log(`${failed === 0 ? 'all agree' : `${failed} failed`}; ${qemu('--version').split('\n')[0] ?? ''}`);
if (process.env['KEEP'] === undefined) rmSync(folder, { recursive: true });
else console.log(folder, readFileSync(at('data.raw')).length);
process.exitCode = failed === 0 ? 0 : 1;
