/**
 * `node tests/snapshot/timeline.node.ts KERNEL INITRD [--seconds 60]`: automatic points of a Linux (../shared/guests/build-mini.sh) that writes to its memory and disk all the while.
 * They come at their interval, what they take stays within the budget, the oldest are those that go, and the guest can be put back to any that is left.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Library } from '../../vmm/cli/api.node.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '60' }, interval: { type: 'string', default: '5' }, budget: { type: 'string', default: '24' } },
});
const [kernel, initrd] = positionals;
if (kernel === undefined || initrd === undefined) throw new Error('usage: node tests/snapshot/timeline.node.ts KERNEL INITRD');
const MIB = 2 ** 20;
const scratch = mkdtempSync(join(tmpdir(), 'strate-timeline-'));
const serialFile = join(scratch, 'serial');
const serial = () => readFileSync(serialFile, 'latin1');
async function until(pattern: RegExp, from: number, seconds: number): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (!pattern.test(serial().slice(from))) {
    if (performance.now() > end) throw new Error(`${String(pattern)} did not come within ${seconds} s; ${serial().slice(-300)}`);
    await sleep(100);
  }
}
/** Two megabytes that nothing compresses, written and compared, again and again. */
const WORK = `mkdir -p /t; mount -t tmpfs t /t; n=0; while :; do n=$((n+1)); dd if=/dev/urandom of=/t/a bs=1M count=2 2>/dev/null; dd if=/t/a of=/dev/sda bs=1M conv=fsync 2>/dev/null; cmp -n 2097152 /t/a /dev/sda && echo RO''UND $n; sleep 1; done`;

let failed = 0;
const check = (holds: boolean, what: string) => {
  if (!holds) failed++;
  console.log(`${holds ? 'ok   ' : 'FAIL '} ${what}`);
};
const interval = Number(values.interval);

await using library = await Library.open({ directory: join(scratch, 'library') });
const machine = await library.create(
  {
    name: 'timeline',
    memory: 128,
    kernel: { file: resolve(kernel), initrd: resolve(initrd), append: 'console=ttyS0,115200' },
    serial: [{ backend: 'none', log: serialFile }],
    timeline: { interval, budget: Number(values.budget) },
  },
  [{ drive: 'hda', size: 64 * MIB, format: 'raw' }],
);
try {
  await machine.start();
  await until(/\/ # /, 0, 300);
  await machine.serial().write(`${WORK}\n`);
  await until(/ROUND 1\b/, 0, 120);
  const began = Date.now();
  const seen = new Set<string>();
  let most = 0;
  while (Date.now() - began < Number(values.seconds) * 1000) {
    await sleep(1000);
    const { snapshots } = await machine.call('snapshot.list', {});
    const points = snapshots.filter(({ kind, created }) => kind === 'auto' && created >= began);
    for (const { id } of points) seen.add(id);
    // The newest stays whatever it takes, and between taking one and thinning there is one more.
    most = Math.max(
      most,
      snapshots.slice(0, -1).reduce((sum, { bytes }) => sum + bytes, 0),
    );
  }
  const { snapshots } = await machine.call('snapshot.list', {});
  const points = snapshots.filter(({ kind }) => kind === 'auto').sort((a, b) => a.created - b.created);
  const gaps = points.slice(1).map(({ created }, index) => (created - points[index]!.created) / 1000);
  console.log(
    `${seen.size} points came, ${points.length} are left, ${gaps.map((gap) => gap.toFixed(1)).join(' ')} s apart, at most ${(most / MIB).toFixed(1)} MiB [load ${loadavg()[0]!.toFixed(1)}]`,
  );
  check(seen.size >= (Number(values.seconds) / interval) * 0.6, 'points come at their interval');
  check(
    gaps.every((gap) => gap >= interval * 0.8),
    'none comes too early',
  );
  check(points.length < seen.size, 'the budget makes old ones go');
  check(most <= Number(values.budget) * MIB * 1.5, 'what they take stays near the budget');
  for (const point of [points[0]!, points[points.length >> 1]!]) {
    const from = serial().length;
    const { pause } = await machine.call('snapshot.goTo', { snapshot: point.id });
    await until(/ROUND \d+[^]*ROUND \d+/, from, 120);
    check(true, `went to the point of ${new Date(point.created).toISOString().slice(11, 19)}, ${pause.toFixed(0)} ms, and the guest works on`);
  }
  check(!/differ|error|panic/i.test(serial()), 'the guest has found nothing wrong');
} catch (error) {
  failed++;
  console.log(error instanceof Error ? error.message : String(error));
} finally {
  await machine.powerOff().catch(() => undefined);
  rmSync(scratch, { recursive: true, force: true });
}
console.log(failed === 0 ? 'all passed' : `${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
