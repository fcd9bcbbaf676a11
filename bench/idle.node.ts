/**
 * `node bench/idle.node.ts KERNEL INITRD [--append STR] [--until REGEX] [--seconds N] [--accel KIND]`: boots a Linux kernel to its prompt on the serial port, lets it be for
 * a while, and prints how much processor time the machine then takes, from /proc (Linux), and what woke it.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { connect } from '../vmm/protocol/client.ts';
import { socketTransport } from '../vmm/protocol/socket.node.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    append: { type: 'string', default: 'console=ttyS0,115200' },
    until: { type: 'string', default: 'GUEST-MILESTONE: shell' },
    seconds: { type: 'string', default: '60' },
    settle: { type: 'string', default: '30' },
    accel: { type: 'string', default: 'wasm' },
  },
});
const [kernel, initrd] = positionals;
if (kernel === undefined || initrd === undefined) throw new Error('usage: node bench/idle.node.ts KERNEL INITRD');

/** USER_HZ, fixed at 100 for what /proc shows. */
const TICKS = 100;

/** Processor seconds by thread name. */
function threads(pid: number): Map<string, number> {
  const seconds = new Map<string, number>();
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const stat = readFileSync(`/proc/${pid}/task/${task}/stat`, 'utf8');
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
    const [user, system] = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 13)
      .map(Number);
    seconds.set(name, (seconds.get(name) ?? 0) + ((user ?? 0) + (system ?? 0)) / TICKS);
  }
  return seconds;
}

const scratch = mkdtempSync(join(tmpdir(), 'strate-idle-'));
const [control, serial] = [join(scratch, 'control.sock'), join(scratch, 'serial')];
const root = join(import.meta.dirname, '..');
const boot = ['--kernel', kernel, '--initrd', initrd, '--append', values.append, '--memory', '256', '--accel', values.accel];
const child = spawn(
  process.execPath,
  [join(root, 'vmm/cli/strate.mjs'), 'run', ...boot, '--display', 'none', '--serial', `file:${serial}`, '--control', control],
  { stdio: 'inherit' },
);
const ended = once(child, 'exit');
try {
  const pattern = new RegExp(values.until);
  const read = () => {
    try {
      return readFileSync(serial, 'latin1');
    } catch {
      return '';
    }
  };
  while (!pattern.test(read())) {
    if (child.exitCode !== null) throw new Error('the machine ended before its prompt');
    await sleep(500);
  }
  await sleep(Number(values.settle) * 1000);
  const socket = connectSocket(control);
  await once(socket, 'connect');
  const client = await connect(socketTransport(socket), 'machine');
  const pid = child.pid!;
  const before = { exits: (await client.call('machine.stats', {})).exits, threads: threads(pid), at: performance.now() };
  await sleep(Number(values.seconds) * 1000);
  const after = { threads: threads(pid), at: performance.now(), exits: (await client.call('machine.stats', {})).exits };
  const wall = (after.at - before.at) / 1000;
  let total = 0;
  for (const [name, seconds] of after.threads) {
    const used = seconds - (before.threads.get(name) ?? 0);
    total += used;
    if (used > 0) console.log(`${name}: ${used.toFixed(2)} s`);
  }
  console.log(`${total.toFixed(2)} s of processor time in ${wall.toFixed(1)} s: ${((100 * total) / wall).toFixed(2)} % of a core`);
  for (const [name, count] of Object.entries(after.exits)) {
    const more = count - (before.exits[name] ?? 0);
    if (more > 0) console.log(`  ${name}: ${(more / wall).toFixed(1)} a second`);
  }
} finally {
  child.kill('SIGTERM');
  await ended;
  rmSync(scratch, { recursive: true, force: true });
}
