/**
 * The user network under Linux, beside QEMU TCG's: time from power-on to a DHCP lease, iperf3 both ways, round trips idle and under load, and what each costs in
 * CPU seconds. `node bench/network.node.ts [--model virtio --model e1000] [--vmm strate --vmm qemu] [--seconds 10] [--rounds 1]` with STRATE_GUESTS naming the
 * directory of mini-amd64.vmlinuz and tools-amd64.initrd (tests/net/tools-initrd.sh makes it).
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { type LinuxGuest, linuxInQemu, linuxInStrate } from '../tests/net/linux-guest.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string', multiple: true, default: ['virtio', 'e1000'] },
    vmm: { type: 'string', multiple: true, default: ['strate', 'qemu'] },
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '1' },
  },
});
const images = process.env['STRATE_GUESTS'] ?? '.';
const seconds = Number(values.seconds);
const GIGABIT = 1e9;

const probe = createServer().listen(0, '127.0.0.1');
await once(probe, 'listening');
const { port } = probe.address() as AddressInfo;
probe.close();
const server = spawn('iperf3', ['-s', '-B', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });

const LEASE =
  `mkdir -p /etc /tmp; ip link set lo up; ip link set eth0 up; printf '#!/bin/sh\\n[ "$1" = bound ] || exit 0\\n` +
  `ip addr add $ip/$mask dev $interface\\nip route add default via $router\\n' >/tmp/lease; chmod 755 /tmp/lease; udhcpc -i eth0 -n -q -s /tmp/lease`;

interface Figures {
  /** s */
  lease: number;
  /** Mbit/s, and CPU seconds for each gigabit */
  up: number;
  upCost: number;
  down: number;
  downCost: number;
  /** ms: mean of round trips */
  idle: number;
  loaded: number;
}

function boot(vmm: string, model: string): LinuxGuest {
  const common = { kernel: join(images, 'mini-amd64.vmlinuz'), initrd: join(images, 'tools-amd64.initrd'), memory: 512, model };
  return vmm === 'qemu'
    ? linuxInQemu({ ...common, network: 'user', accel: 'tcg' })
    : linuxInStrate({ ...common, network: `user,allow=host:${port}` });
}

async function stream(guest: LinuxGuest, ...options: string[]): Promise<[number, number]> {
  const before = guest.cpuSeconds;
  const text = await guest.shell(`iperf3 -c 10.0.2.2 -p ${port} -t ${seconds} -J ${options.join(' ')}`, 10 * seconds + 60);
  const { end } = JSON.parse(text.slice(text.indexOf('{'))) as { end: { sum_received: { bits_per_second: number; bytes: number } } };
  const { bits_per_second: rate, bytes } = end.sum_received;
  return [rate / 1e6, ((guest.cpuSeconds - before) * GIGABIT) / (8 * bytes)];
}

async function ping(guest: LinuxGuest): Promise<number> {
  const text = await guest.shell('ping -c 40 -i 0.1 10.0.2.2', 60);
  return Number(/min\/avg\/max = [\d.]+\/([\d.]+)/.exec(text)?.[1]);
}

async function measure(vmm: string, model: string): Promise<Figures> {
  const started = performance.now();
  const guest = boot(vmm, model);
  try {
    await guest.until(/GUEST-MILESTONE: shell/, 600);
    await guest.shell(LEASE, 60);
    const lease = (performance.now() - started) / 1000;
    await guest.shell('stty -echo');
    await stream(guest); // what is hot gets translated
    const [up, upCost] = await stream(guest);
    await stream(guest, '-R');
    const [down, downCost] = await stream(guest, '-R');
    const idle = await ping(guest);
    await guest.shell(`iperf3 -c 10.0.2.2 -p ${port} -t 60 >/dev/null 2>&1 & sleep 1`);
    const loaded = await ping(guest);
    return { lease, up, upCost, down, downCost, idle, loaded };
  } finally {
    guest.end();
  }
}

console.log(`${cpus().length} processors, load ${loadavg()[0]!.toFixed(1)}; rates in Mbit/s, (CPU s for a gigabit)`);
console.log(['vmm   ', 'model  ', 'lease s', 'guest to host', 'host to guest', 'ping idle ms', 'under load'].join('\t'));
for (let round = 0; round < Number(values.rounds); round++) {
  for (const model of values.model) {
    for (const vmm of values.vmm) {
      const { lease, up, upCost, down, downCost, idle, loaded } = await measure(vmm, model);
      const rate = (value: number, cost: number) => `${value.toFixed(0)} (${cost.toFixed(2)})`;
      console.log([vmm, model, lease.toFixed(1), rate(up, upCost), rate(down, downCost), idle.toFixed(2), loaded.toFixed(2)].join('\t'));
    }
  }
}
console.log(`load ${loadavg()[0]!.toFixed(1)}`);
server.kill();
