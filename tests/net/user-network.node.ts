/**
 * The user network with a real guest: Linux in a machine of ours, or in QEMU, which joins by QEMU's stream back end. `node tests/net/user-network.node.ts
 * [--vmm strate|qemu|peer] [--model virtio] [--arch amd64] [--accel kvm]` with STRATE_GUESTS naming the directory of mini-ARCH.vmlinuz and .initrd.
 * `peer`: QEMU with its own user network, for comparison. Needs root for `strate`: a mount namespace gives it name servers of its own.
 */
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { createSocket } from 'node:dgram';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { silentLog } from '../../vmm/base/log.ts';
import { hostNetwork } from '../../vmm/net/nat/host-network.node.ts';
import { Nat } from '../../vmm/net/nat/nat.ts';
import { nodeTime } from '../../vmm/net/nat/time.node.ts';
import { parseIp } from '../../vmm/net/wire/address.ts';
import { emitDnsAnswer } from '../../vmm/net/wire/dns.ts';
import { type LinuxGuest, linuxInQemu, linuxInStrate } from './linux-guest.ts';
import { StreamCable } from './stream-cable.ts';

const { values } = parseArgs({
  options: {
    vmm: { type: 'string', default: 'strate' },
    model: { type: 'string', default: 'virtio' },
    arch: { type: 'string', default: 'amd64' },
    accel: { type: 'string', default: 'kvm' },
    megabytes: { type: 'string', default: '256' },
    initrd: { type: 'string' },
    pcap: { type: 'string' },
    run: { type: 'string', multiple: true, default: [] },
  },
});
const images = process.env['STRATE_GUESTS'] ?? '.';
const work = mkdtempSync(join(tmpdir(), 'strate-net-'));
const bytes = Number(values.megabytes) << 20;
const chunk = randomBytes(1 << 20);
const hash = (count: number) => {
  const sum = createHash('sha256');
  for (let at = 0; at < count; at += chunk.length) sum.update(chunk);
  return sum.digest('hex');
};

/** On loopback: a file to download, small answers, an upload's sum. */
const http = createHttp((request, response) => {
  if (request.method === 'POST') {
    const sum = createHash('sha256');
    let length = 0;
    request.on('data', (part: Buffer) => {
      length += part.length;
      sum.update(part);
    });
    request.on('end', () => response.end(`${length} ${sum.digest('hex')}\n`));
  } else if (request.url === '/small') response.end('small\n');
  else {
    response.setHeader('content-length', bytes);
    let left = bytes / chunk.length;
    const more = () => {
      while (left > 0) {
        left--;
        if (!response.write(chunk)) return void response.once('drain', more);
      }
      response.end();
    };
    more();
  }
});
await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
const httpPort = (http.address() as AddressInfo).port;

/** A name server on loopback that knows one name. */
const dns = createSocket('udp4');
dns.on('message', (query, from) =>
  dns.send(emitDnsAnswer(query, query.at(-3) === 1 ? [Uint8Array.of(192, 0, 2, 80)] : [], 60), from.port, from.address),
);
await new Promise<void>((resolve) => dns.bind(0, '127.0.0.1', resolve));

writeFileSync(join(work, 'boot.txt'), 'served by TFTP\n');
const socketPath = join(work, 'net.sock');
let nat: Nat | undefined;
const server = createServer((socket) => {
  nat = new Nat({
    cable: new StreamCable(socket),
    network: hostNetwork({ time: nodeTime, served: work, resolvers: [{ address: parseIp('127.0.0.1')!, port: dns.address().port }] }),
    time: nodeTime,
    wallTime: () => Date.now(),
    random: () => randomInt(2 ** 32),
    log: silentLog,
    rules: { allow: [`host:${httpPort}`, 'host:5201'], block: [] },
    bootFile: 'boot.txt',
  });
});
await new Promise<void>((resolve) => server.listen(socketPath, resolve));

const common = {
  kernel: join(images, `mini-${values.arch}.vmlinuz`),
  initrd: values.initrd ?? join(images, `mini-${values.arch}.initrd`),
  memory: 512,
  model: values.model,
};
writeFileSync(join(work, 'resolv.conf'), `nameserver 127.0.0.1:${dns.address().port}\n`);
function boot(): LinuxGuest {
  if (values.vmm === 'qemu')
    return linuxInQemu({ ...common, network: `stream,server=off,addr.type=unix,addr.path=${socketPath}`, accel: values.accel });
  if (values.vmm === 'peer') return linuxInQemu({ ...common, network: 'user', accel: values.accel });
  const network = `user,allow=host:${httpPort},allow=host:5201,tftp=${work},bootfile=boot.txt${values.pcap === undefined ? '' : `,pcap=${values.pcap}`}`;
  return linuxInStrate({ ...common, network, resolvConf: join(work, 'resolv.conf') });
}
const guest = boot();
const peer = values.vmm === 'peer';

let failed = 0;
async function check(what: string, work: () => Promise<string | undefined>): Promise<void> {
  const start = performance.now();
  try {
    const note = await work();
    console.log(`ok    ${what} (${((performance.now() - start) / 1000).toFixed(2)} s)${note === undefined ? '' : `: ${note}`}`);
  } catch (error) {
    failed++;
    console.log(`FAIL  ${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
const expect = (text: string, pattern: RegExp) => {
  if (!pattern.test(text)) throw new Error(`${String(pattern)} is not in ${JSON.stringify(text.slice(-500))}`);
};
const rate = (seconds: number) => `${((bytes * 8) / seconds / 1e6).toFixed(0)} Mbit/s`;

await guest.until(/GUEST-MILESTONE: shell/, 900);
await guest.shell(
  'stty -echo 2>/dev/null; mkdir -p /etc /tmp; ip link set lo up; ip link set eth0 up; sysctl -w net.ipv6.conf.eth0.accept_ra=2 >/dev/null 2>&1; true',
);
writeFileSync(join(work, 'udhcpc'), '');
await guest.shell(
  `printf '#!/bin/sh\\n[ "$1" = bound ] || exit 0\\nip addr add $ip/$mask dev $interface\\nip route add default via $router\\necho nameserver $dns >/etc/resolv.conf\\necho lease $ip router $router dns $dns boot $boot_file\\n' >/tmp/lease; chmod 755 /tmp/lease`,
);
await check('DHCP', async () => {
  const text = await guest.shell('udhcpc -i eth0 -n -q -s /tmp/lease');
  expect(text, /lease 10\.0\.2\.15 router 10\.0\.2\.2 dns 10\.0\.2\.3/);
  return text.trim().split('\n').at(-1);
});
await check('ping of the gateway', async () => {
  const text = await guest.shell('ping -c 5 -i 0.2 10.0.2.2');
  expect(text, /5 packets received/);
  return /round-trip.*/.exec(text)?.[0];
});
await check('DNS', async () => {
  expect(await guest.shell('nslookup www.strate.test 10.0.2.3'), /192\.0\.2\.80/);
  return undefined;
});
if (!peer) {
  await check('TFTP', async () => {
    expect(await guest.shell('cd /tmp && tftp -g -r boot.txt 10.0.2.2 && cat boot.txt'), /served by TFTP/);
    return undefined;
  });
  await check('a port of loopback that is not allowed is refused', async () => {
    expect(await guest.shell('nc -w 3 10.0.2.2 1 </dev/null; echo status $?'), /status 1/);
    return undefined;
  });
}
await check('IPv6: address, default route, ping of the gateway', async () => {
  const text = await guest.shell(
    'for i in 1 2 3 4 5 6 7 8; do ip -6 route | grep -q default && break; sleep 1; done; ip -6 addr show dev eth0; ip -6 route',
  );
  expect(text, /default via fe80/);
  expect(text, /5054:ff:fe12:3456/); // the driver took the card's address
  const gateway = peer ? 'fec0::2' : 'fd53:7472:6174:6500::2';
  expect(await guest.shell(`ping -6 -c 3 -i 0.2 ${gateway}`), /3 packets received/);
  return /inet6 f[de][0-9a-f:]+/.exec(text)?.[0];
});
const url = `http://10.0.2.2:${httpPort}`;
await check('download with checksum', async () => {
  const text = await guest.shell(`time wget -q -O - ${url}/big | sha256sum`, 600);
  expect(text, new RegExp(hash(bytes)));
  return undefined;
});
await check('download to nothing', async () => {
  const start = performance.now();
  await guest.shell(`wget -q -O /dev/null ${url}/big`, 600);
  return rate((performance.now() - start) / 1000);
});
await check('upload with checksum', async () => {
  await guest.shell(
    `dd if=/dev/urandom of=/tmp/part bs=1M count=${bytes / 4 / 2 ** 20} 2>/dev/null; for i in 1 2 3 4; do cat /tmp/part; done | sha256sum >/tmp/sum`,
    600,
  );
  const before = performance.now();
  const text = await guest.shell(
    `{ printf 'POST / HTTP/1.0\\r\\nContent-Length: ${bytes}\\r\\n\\r\\n'; for i in 1 2 3 4; do cat /tmp/part; done; } | nc 10.0.2.2 ${httpPort}; cat /tmp/sum`,
    600,
  );
  const seconds = (performance.now() - before) / 1000;
  const sums = [...text.matchAll(/[0-9a-f]{64}/g)].map(([sum]) => sum);
  if (sums.length !== 2 || sums[0] !== sums[1]) throw new Error(`the sums differ: ${text}`);
  return rate(seconds);
});
await check('200 connections at once', async () => {
  const text = await guest.shell(`for i in $(seq 200); do wget -q -O - ${url}/small & done >/tmp/all; wait; wc -l </tmp/all`, 300);
  expect(text, /\b200\b/);
  return nat === undefined ? undefined : `flows now ${nat.use.tcp}`;
});
for (const line of values.run) console.log(await guest.shell(line, 600));
guest.end();
if (nat !== undefined) console.log(JSON.stringify(nat.use));
rmSync(work, { recursive: true, force: true });
console.log(failed === 0 ? 'all passed' : `${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
