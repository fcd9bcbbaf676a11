/**
 * `node tests/snapshot/stress.node.ts KERNEL INITRD IMAGE [--snapshots 50] [--jumps 20]`: a Debian (../shared/guests/build-debian.sh, flavour tests) under stress-ng and fio, both
 * of which verify what they wrote, is snapshotted again and again while it runs, then thrown from snapshot to snapshot. Neither program nor the kernel may find an error,
 * and the file system must be sound at the end. The image is not written to.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Library } from '../../vmm/cli/api.node.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    snapshots: { type: 'string', default: '50' },
    jumps: { type: 'string', default: '20' },
    memory: { type: 'string', default: '512' },
    every: { type: 'string', default: '1' },
  },
});
const [kernel, initrd, image] = positionals;
if (kernel === undefined || initrd === undefined || image === undefined)
  throw new Error('usage: node tests/snapshot/stress.node.ts KERNEL INITRD IMAGE');

const scratch = mkdtempSync(join(tmpdir(), 'strate-stress-'));
const disk = join(scratch, 'disk.qcow2');
execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', resolve(image), '-F', 'raw', disk]);
const serialFile = join(scratch, 'serial');
const serial = () => readFileSync(serialFile, 'latin1').replaceAll('\r', '');
const started = performance.now();
const say = (text: string) => console.log(`${((performance.now() - started) / 1000).toFixed(0)} s [load ${loadavg()[0]!.toFixed(1)}] ${text}`);
async function until(pattern: RegExp, from: number, seconds: number): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (!pattern.test(serial().slice(from))) {
    if (performance.now() > end) throw new Error(`${String(pattern)} did not come within ${seconds} s; ${serial().slice(-500)}`);
    await sleep(200);
  }
}
const median = (list: readonly number[]) => [...list].sort((a, b) => a - b)[list.length >> 1]!;
const shown = (list: readonly number[]) => `${median(list).toFixed(0)} ms (${Math.min(...list).toFixed(0)} to ${Math.max(...list).toFixed(0)})`;

/** Every round of fio writes a file anew and reads it back; stress-ng checks its memory and its sums. */
const WORK = [
  'mount -t proc p /proc; mount -t sysfs s /sys; mount -t tmpfs t /tmp; mount -o remount,rw /; cd /srv; dmesg -n 3; export TERM=dumb',
  'stress-ng --vm 1 --vm-bytes 48M --vm-keep --cpu 1 --cpu-method int64 --verify --metrics-brief >/tmp/stress 2>&1 & S=$!',
  `(n=0; while [ ! -e /tmp/stop ]; do n=$((n+1)); fio --name=v --filename=/srv/fio --size=16m --rw=randwrite --bs=4k --ioengine=psync --fsync=64 --verify=crc32c --do_verify=1 --verify_fatal=1 >/tmp/fio 2>&1 && echo FIO $n go''od || { echo FIO $n ba''d; cat /tmp/fio; break; }; done) & F=$!`,
];
const END = `touch /tmp/stop; wait $F; kill -INT $S; wait $S; echo STRESS-NG st''atus $?; grep -iE 'fail|error|mismatch' /tmp/stress; dmesg | grep -iE 'error|bug|warn|oops|corrupt|stall|lockup'; sync; mount -o remount,ro / && echo ALL do''ne`;

await using library = await Library.open({ directory: join(scratch, 'library') });
const machine = await library.create({
  name: 'stress',
  memory: Number(values.memory),
  kernel: { file: resolve(kernel), initrd: resolve(initrd), append: 'console=ttyS0,115200 root=/dev/sda1 init=/bin/sh' },
  drives: [{ id: 'hda', bus: 'ide', slot: 0, file: disk, format: 'qcow2' }],
  serial: [{ backend: 'none', log: serialFile }],
});
let failed = 0;
const expect = (holds: boolean, what: string) => {
  if (holds) return;
  failed++;
  console.log(`FAIL ${what}`);
};
try {
  await machine.start();
  await until(/# $/, 0, 300);
  say('the guest has a shell');
  for (const line of WORK) await machine.serial().write(`${line}\n`);
  await until(/FIO 1 good/, 0, 300);
  say('stress-ng and fio run');

  const pauses: number[] = [];
  for (let index = 0; index < Number(values.snapshots); index++) {
    await sleep(Number(values.every) * 1000);
    pauses.push((await machine.call('snapshot.take', { name: `s${index}` })).pause);
  }
  say(`${pauses.length} live snapshots: pause ${shown(pauses)}`);
  const stood: number[] = [];
  for (let jump = 0; jump < Number(values.jumps); jump++) {
    const { pause } = await machine.call('snapshot.goTo', { snapshot: `s${(jump * 7 + 3) % Number(values.snapshots)}`, keepPresent: false });
    stood.push(pause);
    const from = serial().length;
    await sleep(Number(values.every) * 1000);
    if (jump % 5 === 4) await until(/FIO \d+ (good|bad)/, from, 120);
  }
  say(`${stood.length} go-tos: the machine stood still for ${shown(stood)}`);
  let from = serial().length;
  await until(/FIO \d+ (good|bad)[^]*FIO \d+ (good|bad)/, from, 200);
  from = serial().length;
  await machine.serial().write(`${END}\n`);
  await until(/ALL done/, from, 200);
  const end = serial().slice(from);
  const rounds = serial().match(/FIO \d+ good/g)?.length ?? 0;
  say(`${rounds} rounds of fio; the end of the serial port:\n${end.split('\n').slice(1).join('\n').trim()}`);
  expect(!/FIO \d+ bad/.test(serial()), 'fio found an error');
  expect(/STRESS-NG status 0/.test(end), 'stress-ng did not end well');
  expect(!/(?:fail|error|mismatch|corrupt|BUG|oops|lockup|stall)/i.test(end.replace(/^.*grep.*$/gm, '')), 'errors were reported at the end');
  await machine.powerOff();
  execFileSync('qemu-img', ['check', '-q', disk]);
  const raw = join(scratch, 'disk.raw');
  const current = (await machine.info(), JSON.parse(readFileSync(join(machine.directory, 'config.json'), 'utf8'))) as { drives: { file: string }[] };
  execFileSync('qemu-img', ['convert', '-O', 'raw', resolve(machine.directory, current.drives[0]!.file), raw]);
  const check = spawnSync('sh', ['-c', `dd if="$0" of="$0.fs" bs=1M skip=1 conv=sparse status=none && e2fsck -fn "$0.fs"`, raw], {
    encoding: 'utf8',
  });
  expect(check.status === 0, `e2fsck: status ${check.status}\n${check.stdout}${check.stderr}`);
  say(`e2fsck: status ${check.status}`);
} catch (error) {
  failed++;
  console.log(error instanceof Error ? error.message : String(error));
  await machine.powerOff().catch(() => undefined);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
console.log(failed === 0 ? 'all passed' : `${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
