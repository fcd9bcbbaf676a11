/**
 * `node tests/boot/run.node.ts [NAME...] [--keep DIR] [--accel KIND]`: boots the guests of guests.ts through `strate run`, each to its milestone, and prints a line each with
 * the seconds it took, of the clock and of processors, then the table of docs/status.md. Pictures and serial logs go to DIR (default: .cache/boot). Guests whose files are missing are skipped, with the reason.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '../../vmm/protocol/client.ts';
import { socketTransport } from '../../vmm/protocol/socket.node.ts';
import type { Guest, Step } from './guests.ts';
import { guests } from './guests.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    keep: { type: 'string' },
    accel: { type: 'string', default: 'wasm' },
    guests: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
});
const guestDirectory = values.guests ?? process.env['STRATE_GUESTS'] ?? join(root, '.cache/guests');
const output = values.keep ?? join(root, '.cache/boot');
mkdirSync(output, { recursive: true });

/** Tenths of a second until the control socket must be there: a loaded machine takes its time. */
const PATIENCE = 1800;

type MachineClient = Awaited<ReturnType<typeof connectMachine>>;

async function connectMachine(path: string, alive: () => boolean) {
  for (let tries = 0; ; tries++) {
    if (existsSync(path)) {
      try {
        const socket = connectSocket(path);
        await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
        return await connect(socketTransport(socket), 'machine');
      } catch (error) {
        if (tries > PATIENCE) throw error;
      }
    }
    if (!alive() || tries > PATIENCE) throw new Error('the machine did not open its control socket');
    await sleep(100);
  }
}

interface Result {
  readonly wall: number;
  readonly cpu: number;
}

/** Seconds to the milestone. Throws what went wrong. */
async function boot(guest: Guest): Promise<Result> {
  const scratch = mkdtempSync(join(tmpdir(), 'strate-boot-'));
  const control = join(scratch, 'control.sock');
  const stats = join(scratch, 'stats.json');
  const serialLog = join(output, `${guest.name}.serial`);
  writeFileSync(serialLog, '');
  const args = guest.args.map((arg) => arg.replaceAll('{}', guestDirectory));
  const child = spawn(
    process.execPath,
    [
      join(root, 'vmm/cli/strate.mjs'),
      'run',
      ...args,
      '--accel',
      values.accel,
      '--display',
      'none',
      '--serial',
      `file:${serialLog}`,
      '--control',
      control,
      '--stats',
      stats,
    ],
    {
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  );
  const running = () => child.exitCode === null && child.signalCode === null;
  const end = once(child, 'exit');
  const start = performance.now();
  const deadline = start + guest.timeout * 1000;
  let client: MachineClient | undefined;
  try {
    client = await connectMachine(control, running);
    for (const step of guest.steps) await perform(step, client, serialLog, () => running() && performance.now() < deadline);
    const wall = (performance.now() - start) / 1000;
    child.kill('SIGTERM');
    await end;
    const { cpuSeconds } = JSON.parse(readFileSync(stats, 'utf8')) as { cpuSeconds: number };
    return { wall, cpu: cpuSeconds };
  } finally {
    if (running()) child.kill('SIGTERM');
    await Promise.race([end, sleep(5000).then(() => child.kill('SIGKILL'))]);
    rmSync(scratch, { recursive: true, force: true });
  }
}

const trace = (text: string) => values.verbose && console.log(text);

async function perform(step: Step, client: MachineClient, serialLog: string, more: () => boolean): Promise<void> {
  trace(JSON.stringify(step));
  const until = async (what: string, test: () => Promise<boolean>): Promise<void> => {
    while (!(await test())) {
      if (!more())
        throw new Error(
          `waited for ${what}; the screen: ${(await screenOf(client)).trim().split('\n').slice(-4).join(' | ')}; serial: ${JSON.stringify(readFileSync(serialLog, 'latin1').slice(-200))}`,
        );
      await sleep(300);
    }
  };
  if (step.serial) {
    const pattern = step.serial;
    await until(String(pattern), () => Promise.resolve(pattern.test(readFileSync(serialLog, 'latin1').replaceAll('\r', ''))));
  }
  if (step.screen !== undefined) {
    const text = step.screen;
    await until(JSON.stringify(text), async () => (await screenOf(client)).includes(text));
  }
  if (step.wait !== undefined) await sleep(step.wait * 1000);
  if (step.send !== undefined) await client.call('serial.write', { port: 0, data: step.send });
  if (step.type !== undefined) await client.call('input.type', { text: step.type });
  if (step.keys !== undefined) await client.call('input.keys', { keys: [step.keys] });
  if (step.screenshot !== undefined) {
    const { png } = await client.call('screen.screenshot', {});
    writeFileSync(join(output, `${step.screenshot}.png`), Buffer.from(png, 'base64'));
  }
}

async function screenOf(client: MachineClient): Promise<string> {
  try {
    const { lines } = await client.call('screen.text', {});
    return lines.join('\n');
  } catch {
    return '';
  }
}

const rows: string[] = [];
let failed = 0;
let passed = 0;
let skipped = 0;
for (const guest of guests) {
  if (positionals.length > 0 && !positionals.includes(guest.name)) continue;
  const missing = guest.files.filter((file) => !existsSync(join(guestDirectory, file)));
  if (missing.length > 0) {
    skipped++;
    console.log(`${guest.name}: skipped, ${missing.join(', ')} not in ${guestDirectory}`);
    continue;
  }
  try {
    const { wall, cpu } = await boot(guest);
    const took = `${wall.toFixed(1)} s (${cpu.toFixed(1)} s of processors)`;
    console.log(`${guest.name}: ${took}`);
    rows.push(`| ${guest.name} | ${guest.milestone} | ${took} |`);
    passed++;
  } catch (error) {
    failed++;
    console.log(`${guest.name}: FAILED: ${error instanceof Error ? error.message : String(error)}`);
    rows.push(`| ${guest.name} | ${guest.milestone} | failed |`);
  }
}
console.log(['', '| guest | milestone | result |', '| --- | --- | --- |', ...rows, ''].join('\n'));
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed > 0 ? 1 : 0;
