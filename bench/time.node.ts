/**
 * `node bench/time.node.ts KERNEL INITRD [--memory MIB] [--used MIB] [--accel KIND] [--qemu]`: what snapshots, go-to, fork and rewind cost on a Linux guest (../shared/guests/build-mini.sh) that has filled
 * `used` of its memory, idle and while it writes to memory and disk. With --qemu also `savevm` and `loadvm` of QEMU (TCG) on the same guest, beside it.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Library } from '../vmm/cli/api.node.ts';
import { Library as VmLibrary } from '../vmm/process/library/library.node.ts';
import { nodeLauncher } from '../vmm/process/library/launcher.node.ts';
import { Store } from '../vmm/process/library/store.node.ts';
import { silentLog } from '../vmm/base/log.ts';
import { forkVm } from '../vmm/process/snapshots/fork.node.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    memory: { type: 'string', default: '1024' },
    used: { type: 'string', default: '600' },
    accel: { type: 'string', default: 'wasm' },
    forks: { type: 'string', default: '10' },
    qemu: { type: 'boolean', default: false },
  },
});
const [kernel, initrd] = positionals;
if (kernel === undefined || initrd === undefined) throw new Error('usage: node bench/time.node.ts KERNEL INITRD');

const MIB = 2 ** 20;
const scratch = mkdtempSync(join(tmpdir(), 'strate-time-'));
const median = (list: readonly number[]) => [...list].sort((a, b) => a - b)[list.length >> 1]!;
const shown = (list: readonly number[]) =>
  `${median(list).toFixed(0)} ms (${Math.min(...list).toFixed(0)} to ${Math.max(...list).toFixed(0)}, ${list.length} times)`;
const say = (text: string) => console.log(`${text} [load ${loadavg()[0]!.toFixed(1)}]`);
/** Half of it does not compress, as caches and pictures do not; the rest is what memory is full of otherwise. */
const fill = `mkdir -p /fill; mount -t tmpfs -o size=${values.used}m f /fill; dd if=/dev/urandom of=/fill/a bs=1M count=8 2>/dev/null; i=0; while [ $i -lt ${Math.floor(Number(values.used) / 16) - 1} ]; do i=$((i+1)); cat /fill/a >/fill/b$i; for k in 1 2 3 4 5 6 7 8; do cat /bin/busybox | head -c 1048576 >>/fill/c$i; done; echo $i >>/fill/b$i; done; echo FIL''LED`;
const LOAD = 'while :; do dd if=/fill/a of=/fill/w bs=1M 2>/dev/null; dd if=/fill/a of=/dev/sda bs=1M conv=fsync 2>/dev/null; done &';

const folderBytes = (folder: string): number =>
  readdirSync(folder).reduce((sum, name) => sum + (statSync(join(folder, name)).isFile() ? statSync(join(folder, name)).size : 0), 0);
function rss(pids: readonly number[]): { sum: number; shared: number } {
  let [sum, shared] = [0, 0];
  for (const pid of pids) {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    sum += Number(/^Rss:\s+(\d+)/m.exec(text)![1]) * 1024;
    shared += Number(/^Pss:\s+(\d+)/m.exec(text)![1]) * 1024;
  }
  return { sum, shared };
}

const root = join(scratch, 'library');
await using library = await Library.open({ directory: root });
const vms = new VmLibrary({ store: new Store(root), launcher: nodeLauncher(), log: silentLog });
const serialFile = join(scratch, 'serial');
const serial = () => readFileSync(serialFile, 'latin1');
async function until(pattern: RegExp, from = 0, seconds = 600): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (!pattern.test(serial().slice(from))) {
    if (performance.now() > end) throw new Error(`${String(pattern)} did not come; ${serial().slice(-300)}`);
    await sleep(100);
  }
}

const machine = await library.create(
  {
    name: 'time',
    memory: Number(values.memory),
    accel: values.accel as 'wasm' | 'interp',
    kernel: { file: resolve(kernel), initrd: resolve(initrd), append: 'console=ttyS0,115200' },
    serial: [{ backend: 'none', log: serialFile }],
  },
  [{ drive: 'hda', size: 64 * MIB, format: 'raw' }],
);
const forks: string[] = [];
try {
  await machine.start();
  await until(/\/ # /);
  const booted = performance.now();
  await machine.serial().write(`${fill}\n`);
  await until(/FILLED/);
  say(`memory filled in ${((performance.now() - booted) / 1000).toFixed(0)} s`);
  const pages = join(root, 'pages');

  const snapshots = async (what: string, count: number) => {
    const [pauses, growth, changed]: number[][] = [[], [], []];
    for (let time = 0; time < count; time++) {
      await sleep(3000);
      const before = folderBytes(pages);
      const { pause } = await machine.call('snapshot.take', { name: `${what} ${time}` });
      pauses!.push(pause);
      growth!.push(folderBytes(pages) - before);
      const { memory } = await machine.call('snapshot.diff', { snapshot: `${what} ${time}` }).catch(() => ({ memory: null }));
      if (memory !== null) changed!.push(memory.changed);
    }
    say(`${what}: pause ${shown(pauses!)}`);
    if (changed!.length > 0) {
      const sum = (list: readonly number[]) => list.reduce((a, b) => a + b, 0);
      const grown = sum(growth!.slice(-changed!.length));
      say(
        `${what}: store grew by ${(grown / MIB).toFixed(1)} MiB for ${(sum(changed!) / MIB).toFixed(1)} MiB of changed pages: ${(grown / sum(changed!)).toFixed(2)} x`,
      );
    }
  };
  const first = performance.now();
  await machine.call('snapshot.take', { name: 'first' });
  say(
    `the first snapshot took ${((performance.now() - first) / 1000).toFixed(1)} s in the background; store ${(folderBytes(pages) / MIB).toFixed(0)} MiB`,
  );
  await snapshots('idle', 5);
  await machine.serial().write(`${LOAD}\n`);
  await snapshots('load', 5);

  const times: number[] = [];
  const stood: number[] = [];
  for (let time = 0; time < 5; time++) {
    await sleep(1000);
    const from = performance.now();
    const { pause } = await machine.call('snapshot.goTo', { snapshot: 'idle 1', keepPresent: false });
    await machine.screen.screenshot();
    times.push(performance.now() - from);
    stood.push(pause);
    if (time % 2 === 0) await machine.serial().write(`${LOAD}\n`);
  }
  say(`go to a snapshot, to the first frame: ${shown(times)}; the machine stood still for ${shown(stood)}`);

  await machine.call('snapshot.goTo', { snapshot: 'idle 4', keepPresent: false });
  await vms.refresh();
  const entry = vms.find(machine.id);
  const forkTimes: number[] = [];
  const startTimes: number[] = [];
  for (let time = 0; time < Number(values.forks); time++) {
    const from = performance.now();
    const fork = await forkVm(vms, entry, undefined, `fork ${time}`);
    forkTimes.push(performance.now() - from);
    await vms.start(fork.id, { paused: false });
    startTimes.push(performance.now() - from);
    forks.push(fork.id);
  }
  say(`fork made in ${shown(forkTimes)}, running after ${shown(startTimes)}`);
  const pids = await Promise.all([machine.id, ...forks].map(async (id) => (await (await vms.find(id).machine()).call('machine.status', {})).pid));
  const [one, all] = [rss([pids[0]!]), rss(pids)];
  const disk = Number(execFileSync('du', ['-s', '--block-size=1', root], { encoding: 'utf8' }).split('\t')[0]);
  const own = execFileSync('du', ['-s', '--block-size=1', machine.directory, pages], { encoding: 'utf8' })
    .match(/^\d+/gm)!
    .reduce((sum, part) => sum + Number(part), 0);
  say(
    `${forks.length} forks and the one: ${(disk / own).toFixed(2)} x the disk of one (${(disk / MIB).toFixed(0)} of ${(own / MIB).toFixed(0)} MiB), ${(all.shared / one.sum).toFixed(2)} x its RAM (${(all.shared / MIB).toFixed(0)} of ${(one.sum / MIB).toFixed(0)} MiB)`,
  );
} catch (error) {
  console.log(readFileSync(join(machine.directory, 'strate.log'), 'utf8').split('\n').slice(-12).join('\n'));
  throw error;
} finally {
  await vms.refresh();
  for (const id of [...forks, machine.id])
    await (
      await vms
        .find(id)
        .machine()
        .catch(() => undefined)
    )
      ?.call('machine.powerOff', {})
      .catch(() => undefined);
  await vms.close();
}
await sleep(1000);
if (values.qemu) await qemu();
rmSync(scratch, { recursive: true, force: true });

/** The same guest in QEMU: savevm and loadvm stop it for as long as they take. */
async function qemu(): Promise<void> {
  const disk = join(scratch, 'qemu.qcow2');
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', disk, '64M']);
  for (const end of ['in', 'out']) execFileSync('mkfifo', [join(scratch, `com.${end}`)]);
  const args = ['-accel', 'tcg', '-m', values.memory, '-kernel', resolve(kernel!), '-initrd', resolve(initrd!), '-append', 'console=ttyS0,115200'];
  const child = spawn(
    'qemu-system-x86_64',
    [...args, '-hda', disk, '-display', 'none', '-serial', `pipe:${join(scratch, 'com')}`, '-qmp', 'stdio', '-nic', 'none'],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  let output = '';
  child.stdout.on('data', (bytes: Buffer) => (output += bytes.toString()));
  const command = async (text: string) => {
    const from = output.length;
    const started = performance.now();
    child.stdin.write(`${text}\n`);
    while (!/"(return|error)"/.test(output.slice(from))) await sleep(5);
    return { took: performance.now() - started, text: output.slice(from) };
  };
  await command('{"execute":"qmp_capabilities"}');
  const human = (line: string) => command(JSON.stringify({ execute: 'human-monitor-command', arguments: { 'command-line': line } }));
  try {
    const { openSync, createReadStream, writeSync } = await import('node:fs');
    const input = openSync(join(scratch, 'com.in'), 'w');
    let said = '';
    createReadStream(join(scratch, 'com.out')).on('data', (bytes) => (said += bytes.toString()));
    const wait = async (pattern: RegExp) => {
      while (!pattern.test(said)) await sleep(100);
    };
    await wait(/\/ # /);
    writeSync(input, `${fill}\n`);
    await wait(/FILLED/);
    const [saves, loads]: number[][] = [[], []];
    for (let time = 0; time < 3; time++) {
      await sleep(3000);
      saves!.push((await human(`savevm s${time}`)).took);
    }
    for (let time = 0; time < 3; time++) loads!.push((await human(`loadvm s${time}`)).took);
    say(`QEMU (TCG): savevm ${shown(saves!)}, loadvm ${shown(loads!)}; its image ${(statSync(disk).blocks / 2048).toFixed(0)} MiB`);
  } finally {
    child.kill('SIGKILL');
  }
}
