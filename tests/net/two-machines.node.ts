/**
 * Two machines on one cable: `internal:` between two processes of ours, a socket network shared with QEMU, a TAP interface of this host (root only). Each pings the other
 * and sends a stream whose checksum is compared. `node tests/net/two-machines.node.ts [--model virtio] [--only internal|socket|tap]` with STRATE_GUESTS naming the directory
 * of mini-amd64.vmlinuz and .initrd.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { LinuxGuest, linuxInQemu, linuxInStrate } from './linux-guest.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'virtio' },
    megabytes: { type: 'string', default: '16' },
    /** QEMU's. */
    accel: { type: 'string', default: 'tcg' },
    only: { type: 'string', multiple: true, default: ['internal', 'socket', 'tap'] },
  },
});
const images = process.env['STRATE_GUESTS'] ?? '.';
const work = mkdtempSync(join(tmpdir(), 'strate-two-'));
process.env['XDG_RUNTIME_DIR'] = work;
const guest = { kernel: join(images, 'mini-amd64.vmlinuz'), initrd: join(images, 'mini-amd64.initrd'), memory: 256, model: values.model };
let failed = 0;

const setUp = (one: LinuxGuest, host: number) =>
  one.shell(`stty -echo 2>/dev/null; mkdir -p /tmp; ip link set lo up; ip link set eth0 up; ip addr add 192.0.2.${host}/24 dev eth0; true`);

/** `b` is a guest, or a shell of this host at its end of the cable. */
async function compare(title: string, a: LinuxGuest, b: LinuxGuest, isGuest = true): Promise<void> {
  try {
    for (const one of isGuest ? [a, b] : [a]) await one.until(/GUEST-MILESTONE: shell/, 600);
    await setUp(a, 1);
    if (isGuest) await setUp(b, 2);
    const ping = /(\d+) packets received[^]*= ([\d.]+\/[\d.]+\/[\d.]+)/.exec(await a.shell('ping -c 10 -i 0.2 192.0.2.2; true', 60));
    if (Number(ping?.[1]) < 9) throw new Error(`only ${ping?.[1] ?? 'none'} of 10 pings were answered`);
    const sums: string[] = [];
    for (const [from, to, host] of [
      [a, b, 2],
      [b, a, 1],
    ] as const) {
      const receive = to.shell('nc -l -p 5000 | sha256sum', 300);
      const sent = await from.shell(
        `sleep 2; dd if=/dev/urandom of=/tmp/part bs=1M count=${values.megabytes} 2>/dev/null; sha256sum </tmp/part; nc 192.0.2.${host} 5000 </tmp/part`,
        300,
      );
      const [one, other] = [sent, await receive].map((text) => /[0-9a-f]{64}/.exec(text)?.[0]);
      if (one === undefined || one !== other) throw new Error(`the sums differ: ${one} and ${other}`);
      sums.push(one.slice(0, 8));
    }
    console.log(`ok    ${title}: ping ${ping![2]} ms, ${values.megabytes} MiB each way, sums ${sums.join(', ')}`);
  } catch (error) {
    failed++;
    console.log(`FAIL  ${title}: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    a.end();
    b.end();
  }
}

const other = { mac: '52:54:00:12:34:57' };
if (values.only.includes('internal')) {
  await compare(
    'internal network, two processes',
    linuxInStrate({ ...guest, network: 'internal:lab' }),
    linuxInStrate({ ...guest, ...other, network: 'internal:lab' }),
  );
}
if (values.only.includes('socket')) {
  const socket = join(work, 'cable.sock');
  const listening = linuxInStrate({ ...guest, network: `socket:listen=unix:${socket}` });
  while (!existsSync(socket)) await setTimeout(100);
  await compare(
    'socket network with QEMU',
    listening,
    linuxInQemu({ ...guest, ...other, accel: values.accel, network: `stream,server=off,addr.type=unix,addr.path=${socket}` }),
  );
}
if (values.only.includes('tap')) {
  const ip = (...args: string[]) => execFileSync('ip', args);
  const tap = `strate${process.pid % 10_000}`;
  ip('tuntap', 'add', tap, 'mode', 'tap');
  ip('addr', 'add', '192.0.2.2/24', 'dev', tap);
  ip('link', 'set', tap, 'up');
  const host = new LinuxGuest('sh', []);
  try {
    await host.shell('command -v nc >/dev/null || nc() { busybox nc "$@"; }');
    await compare('TAP interface of this host', linuxInStrate({ ...guest, network: `tap:${tap}` }), host, false);
  } finally {
    ip('link', 'del', tap);
    rmSync('/tmp/part', { force: true }); // the host's side of `compare`
  }
}
rmSync(work, { recursive: true, force: true });
process.exit(failed === 0 ? 0 : 1);
