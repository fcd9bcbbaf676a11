/**
 * `node tests/snapshot/resume.node.ts KERNEL INITRD [--accel KIND] [--times N] [--every MS] [--memory MIB]`: boots a Linux kernel in real time, and on its way to the prompt
 * goes back to a snapshot of itself a moment after it was taken, and is saved and started anew, N times. A machine that does not come to its prompt, or resets, fails.
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
  options: {
    accel: { type: 'string', default: 'wasm' },
    times: { type: 'string', default: '12' },
    every: { type: 'string', default: '500' },
    memory: { type: 'string', default: '256' },
    append: { type: 'string', default: 'console=ttyS0,115200' },
    until: { type: 'string', default: 'GUEST-MILESTONE: shell' },
    timeout: { type: 'string', default: '180' },
  },
});
const [kernel, initrd] = positionals;
if (kernel === undefined || initrd === undefined) throw new Error('usage: node tests/snapshot/resume.node.ts KERNEL INITRD');

const scratch = mkdtempSync(join(tmpdir(), 'strate-resume-'));
await using library = await Library.open({ directory: join(scratch, 'library') });
const machine = await library.create({
  name: 'resume',
  memory: Number(values.memory),
  accel: values.accel as 'wasm' | 'interp',
  kernel: { file: resolve(kernel), initrd: resolve(initrd), append: values.append },
  serial: [{ backend: 'none', log: join(scratch, 'serial') }],
  display: { kind: 'none' },
  noReboot: true,
});
const serial = () => readFileSync(join(scratch, 'serial'), 'latin1');
const guestTime = async () => ((await machine.status()).guestTime / 1000).toFixed(2);
try {
  await machine.start();
  for (let time = 0; time < Number(values.times); time++) {
    // Instants of all kinds: the golden ratio never comes back to the same place.
    await sleep(Number(values.every) * (0.5 + ((time * 0.618) % 1)));
    const { snapshot } = await machine.call('snapshot.take', {});
    await sleep(Number(values.every) * ((time * 0.414) % 1));
    await machine.call('snapshot.goTo', { snapshot: snapshot.id, keepPresent: false });
    const at = await guestTime();
    await machine.call('machine.save', {});
    await machine.ended();
    await machine.start();
    console.log(`${time}: gone back to ${at} s of guest time, saved and started anew`);
    await machine.call('snapshot.delete', { snapshot: snapshot.id });
  }
  const end = performance.now() + Number(values.timeout) * 1000;
  while (!new RegExp(values.until).test(serial())) {
    const { state } = await machine.status();
    if (state !== 'running') throw new Error(`the machine is ${state}`);
    if (performance.now() > end) throw new Error(`no ${values.until} within ${values.timeout} s`);
    await sleep(200);
  }
  console.log(`came to its prompt at ${await guestTime()} s of guest time`);
} catch (error) {
  console.log(`FAILED: ${error instanceof Error ? error.message : String(error)}`);
  console.log(serial().slice(-9000));
  console.log(readFileSync(join(machine.directory, 'strate.log'), 'utf8').slice(-9000));
  process.exitCode = 1;
} finally {
  await machine.powerOff().catch(() => undefined);
  rmSync(scratch, { recursive: true, force: true });
}
