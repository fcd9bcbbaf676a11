/**
 * Kills real VM processes, as `kill -9` does, while their guest writes: `node tests/crash/kill.node.ts [TIMES] [FORMAT...]`. The guest (kill-guest.asm) writes a
 * sector, flushes, and says its number on the serial port. Whatever it has said has to be in the image afterwards, which opens, passes its check, and
 * holds nothing that was not written. Formats by turns; status 1 if anything was lost.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BlockNode } from '../../vmm/storage/node.ts';
import { openImage } from '../../vmm/storage/open.node.ts';
import type { ImageFormat } from '../../vmm/storage/probe.ts';
import { parentOption } from '../../vmm/storage/tools/chain.node.ts';
import { checkImage } from '../../vmm/storage/tools/check.node.ts';
import { createImage } from '../../vmm/storage/tools/formats.node.ts';

/** kill-guest.asm, without the zeros before the signature. */
const GUEST =
  '+jHAjtiOwI7QvAB8/Lr7A7AD7mYx7WZFvwCAuYAAZono82arZonoZrnvHgAAZvfhZrkA8AAAZvfxZoHCAAgAAGaJ0+hcALr2AbDg7rryAbAB7kKI2O5CiPjuQmaJ2GbB6BDuuvcBsDDu6DYAuvABvgCAuQAB82/oKACw5+7oIgBmiei5BACIw7r9A+yoIHT7uvgDiNjuZsHNCGaJ6OLn6XT/uvcB7KiAdfuoIXQD9Ov9wwAA';
const SIZE = 64 << 20;
const STRATE = fileURLToPath(new URL('../../vmm/cli/strate.mjs', import.meta.url));
const KINDS = ['qcow2', 'overlay', 'vdi', 'vhd', 'vhdx', 'vmdk', 'raw'] as const;

const placeOf = (number: number) => (2048 + ((number * 7919) % 61440)) * 512;

async function once(kind: (typeof KINDS)[number], folder: string): Promise<{ said: number; problem?: string }> {
  const format: ImageFormat = kind === 'overlay' ? 'qcow2' : kind;
  const [boot, disk, base] = [join(folder, 'boot.img'), join(folder, `disk.${format}`), join(folder, 'base.vmdk')];
  const floppy = Buffer.alloc(1_474_560);
  floppy.set(Buffer.from(GUEST, 'base64'));
  floppy.set([0x55, 0xaa], 510);
  writeFileSync(boot, floppy);
  if (kind === 'overlay') await createImage(base, 'vmdk', SIZE);
  await createImage(disk, format, SIZE, {}, kind === 'overlay' ? await parentOption(disk, base, 'vmdk') : undefined);

  const said = await killed([
    'run',
    '--memory',
    '16',
    '--fda',
    boot,
    '--drive',
    `file=${disk},format=${format}`,
    '--boot',
    'a',
    '--serial',
    'stdio',
    '--timeout',
    '300',
  ]);
  if (said === 0) return { said, problem: 'the guest did not begin to write' };
  const report = await checkImage(disk, 'none', { format });
  if (report.errorCount > 0) return { said, problem: report.errors[0]! };
  // For writing: the lock of the process that was killed does not last.
  const { node } = await openImage({ file: disk, format, role: 'disk', readOnly: false });
  try {
    const problem = await wrong(node, said);
    return { said, ...(problem !== undefined && { problem }) };
  } finally {
    await node.close();
  }
}

/** Runs a machine and kills it at some moment after its guest has begun to write. @returns the last number the guest said */
function killed(args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [STRATE, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const bytes: Buffer[] = [];
  let armed = false;
  child.stdout.on('data', (chunk: Buffer) => {
    bytes.push(chunk);
    if (armed) return;
    armed = true;
    setTimeout(() => child.kill('SIGKILL'), 20 + Math.random() * 3000);
  });
  return new Promise((resolve) =>
    child.once('close', () => {
      const all = Buffer.concat(bytes);
      const count = Math.floor(all.length / 4);
      resolve(count === 0 ? 0 : all.readUInt32LE((count - 1) * 4));
    }),
  );
}

/** Everything up to `said` is there; of what came later, anything or nothing; nothing else. */
async function wrong(node: BlockNode, said: number): Promise<string | undefined> {
  const sector = Buffer.alloc(512);
  const numbers = new Map<number, number>();
  for (let number = 1; number <= said + 64; number++) numbers.set(placeOf(number), number);
  for (let offset = 0; offset < SIZE; offset += 512) {
    const extent = await node.extent(offset, SIZE - offset);
    const number = numbers.get(offset) ?? 0;
    if (extent.kind !== 'data') {
      for (const [place, lost] of numbers)
        if (place >= offset && place < offset + extent.length && lost <= said) return `write ${lost} of ${said} is not there`;
      offset += extent.length - 512;
      continue;
    }
    await node.read(offset, sector);
    const found = sector.readUInt32LE(0);
    for (let at = 4; at < 512; at += 4) if (sector.readUInt32LE(at) !== found) return `sector ${offset / 512} holds parts of two writes`;
    if (found !== number && !(found === 0 && number > said))
      return `sector ${offset / 512} holds ${found} instead of ${number}; the guest had said ${said}`;
  }
  return undefined;
}

const [times = '20', ...chosen] = process.argv.slice(2);
const kinds = KINDS.filter((kind) => chosen.length === 0 || chosen.includes(kind));
let [failed, writes] = [0, 0];
for (let run = 0; run < Number(times); run++) {
  const kind = kinds[run % kinds.length]!;
  const folder = mkdtempSync(join(process.env['TMPDIR'] ?? tmpdir(), 'strate-kill-'));
  try {
    const { said, problem } = await once(kind, folder);
    writes += said;
    if (problem !== undefined) failed++;
    console.log(
      `${problem === undefined ? 'ok  ' : 'FAIL'} ${kind}: killed after ${said} flushed writes${problem === undefined ? '' : `: ${problem}`}`,
    );
  } catch (error) {
    failed++;
    console.log(`FAIL ${kind}:`, error);
  }
  rmSync(folder, { recursive: true });
}
console.log(`${times} kills, ${writes} flushed writes, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
