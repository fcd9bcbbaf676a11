/**
 * `node tests/snapshot/rewind.node.ts KERNEL INITRD [--accel KIND] [--times N]`: a Linux guest counts, and writes each number to its disk. It is rewound again and again, goes on from there, and
 * must find in its memory and on its disk the same number, and no number twice or left out on the way.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Library } from '../../vmm/cli/api.node.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { accel: { type: 'string', default: 'wasm' }, times: { type: 'string', default: '5' }, bus: { type: 'string', default: 'ide' } },
});
const [kernel, initrd] = positionals;
if (kernel === undefined || initrd === undefined) throw new Error('usage: node tests/snapshot/rewind.node.ts KERNEL INITRD');

const scratch = mkdtempSync(join(tmpdir(), 'strate-rewind-'));
await using library = await Library.open({ directory: join(scratch, 'library') });
const machine = await library.create(
  {
    name: 'rewind',
    memory: 256,
    accel: values.accel as 'wasm' | 'interp',
    rewind: { budget: 256 },
    kernel: { file: resolve(kernel), initrd: resolve(initrd), append: 'console=ttyS0,115200' },
    serial: [{ backend: 'none', log: join(scratch, 'serial') }],
    noReboot: true,
  },
  [{ drive: 'hda', size: 16 << 20, format: 'raw' }],
);
const serial = () => readFileSync(join(scratch, 'serial'), 'latin1').replaceAll('\r', '');
async function until(pattern: RegExp, from: number): Promise<RegExpExecArray> {
  const end = performance.now() + 180_000;
  for (;;) {
    const match = pattern.exec(serial().slice(from));
    if (match !== null) return match;
    if (performance.now() > end) throw new Error(`${String(pattern)} did not come; the end of what came: ${serial().slice(-600)}`);
    await sleep(50);
  }
}
const last = (text: string): number => Number([...text.matchAll(/^n=(\d+) disk=\1$/gm)].at(-1)?.[1] ?? 0);

try {
  await machine.start();
  await until(/\/ # /, 0);
  // Reads past its cache, so that what it compares with is the disk's.
  const loop =
    'n=0; while :; do n=$((n+1)); printf "%-512d" $n | dd of=/dev/sda bs=512 seek=$((n*7)) conv=fsync 2>/dev/null; echo 3 >/proc/sys/vm/drop_caches; ';
  await machine
    .serial()
    .write(
      `${loop}echo n=$n disk=$(dd if=/dev/sda bs=512 skip=$((n*7)) count=1 2>/dev/null); [ -z "$(dd if=/dev/sda bs=512 skip=$((n*7+7)) count=1 2>/dev/null | tr -d '\\0')" ] || echo AHEAD; sleep 0.1; done\n`,
    );
  await until(/^n=3 disk=3$/m, 0);
  for (let time = 0; time < Number(values.times); time++) {
    await sleep(9000);
    const begun = performance.now();
    let info = await machine.call('rewind.step', { by: 0 });
    const first = performance.now() - begun;
    const reached = last(serial());
    const steps: number[] = [];
    const back = 5 + (time % 3);
    // Back too far, forth again: as somebody would who holds the key a little too long.
    for (const by of [...Array.from({ length: back + 1 }, () => -1), 1]) {
      const from = performance.now();
      info = await machine.call('rewind.step', { by });
      steps.push(performance.now() - from);
    }
    const said = serial().length;
    const from = performance.now();
    await machine.call('rewind.release', {});
    const released = performance.now() - from;
    const [, next] = await until(/^n=(\d+) disk=\1\n[^]*?^n=\d+ disk/m, said);
    const n = Number(next);
    const { points, bytes, pause } = info;
    console.log(
      `${reached} -> ${n}: begun in ${first.toFixed(0)} ms, ${steps.length} steps of ${Math.max(...steps).toFixed(0)} ms at most, released in ${released.toFixed(0)} ms; ` +
        `${points.length} points of ${((points[0]?.ago ?? 0) / 1000).toFixed(0)} s in ${(bytes / 2 ** 20).toFixed(1)} MiB, ${pause.toFixed(1)} ms for the newest`,
    );
    if (n >= reached || serial().slice(said).includes('AHEAD')) throw new Error(`the disk or the memory was not taken back: ${serial().slice(said)}`);
  }
  const bad = serial().match(/^n=(\d+) disk=(?!\1$).*$/m);
  if (bad !== null) throw new Error(`memory and disk differ: ${bad[0]}`);
  // And what was kept goes into snapshots as always.
  const { snapshot } = await machine.call('snapshot.take', {});
  await sleep(1500);
  await machine.call('snapshot.goTo', { snapshot: snapshot.id, keepPresent: false });
  const said = serial().length;
  await until(/^n=(\d+) disk=\1\n[^]*?^n=\d+ disk/m, said);
  console.log('a snapshot was taken and gone back to; all numbers in memory and on the disk were equal');
} catch (error) {
  console.log(`FAILED: ${error instanceof Error ? error.message : String(error)}`);
  console.log(readFileSync(join(machine.directory, 'strate.log'), 'utf8').slice(-1500));
  process.exitCode = 1;
} finally {
  await machine.powerOff().catch(() => undefined);
  rmSync(scratch, { recursive: true, force: true });
}
