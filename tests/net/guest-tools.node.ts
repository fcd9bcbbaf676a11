/**
 * What a guest's own tools say of a card and the user network: ethtool's switches and self-test, VLANs, multicast filters, and tcpdump beside the capture on the cable.
 * `node tests/net/guest-tools.node.ts [--model e1000] ...` with STRATE_GUESTS naming the directory of mini-amd64.vmlinuz and tools-amd64.initrd (tools-initrd.sh).
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { type LinuxGuest, linuxInStrate } from './linux-guest.ts';

const { values } = parseArgs({ options: { model: { type: 'string', multiple: true, default: ['e1000', 'virtio'] } } });
const images = process.env['STRATE_GUESTS'] ?? '.';
const work = mkdtempSync(join(tmpdir(), 'strate-tools-'));
let failed = 0;

async function check(what: string, work: () => Promise<string | undefined>): Promise<void> {
  try {
    const note = await work();
    console.log(`ok    ${what}${note === undefined ? '' : `: ${note}`}`);
  } catch (error) {
    failed++;
    console.log(`FAIL  ${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function expect(text: string, pattern: RegExp): RegExpExecArray {
  const match = pattern.exec(text);
  if (match === null) throw new Error(`${String(pattern)} is not in ${JSON.stringify(text.slice(-600))}`);
  return match;
}

/** Frames of a capture (pcap, little-endian). */
function framesOf(file: string): Buffer[] {
  const bytes = readFileSync(file);
  const frames: Buffer[] = [];
  for (let at = 24; at + 16 <= bytes.length;) {
    const length = bytes.readUInt32LE(at + 8);
    frames.push(bytes.subarray(at + 16, at + 16 + length));
    at += 16 + length;
  }
  return frames;
}

async function offloads(guest: LinuxGuest): Promise<string> {
  const before = await guest.shell('ethtool -k eth0');
  const changed: string[] = [];
  for (const feature of ['tx-checksumming', 'rx-checksumming', 'scatter-gather', 'tcp-segmentation-offload', 'rx-vlan-offload', 'tx-vlan-offload']) {
    const state = new RegExp(`^${feature}: (on|off)( \\[fixed\\])?`, 'm').exec(before);
    if (state === null || state[2] !== undefined) continue;
    const other = state[1] === 'on' ? 'off' : 'on';
    const switches: Record<string, string> = {
      'tx-checksumming': 'tx',
      'rx-checksumming': 'rx',
      'scatter-gather': 'sg',
      'tcp-segmentation-offload': 'tso',
      'rx-vlan-offload': 'rxvlan',
      'tx-vlan-offload': 'txvlan',
    };
    await guest.shell(`ethtool -K eth0 ${switches[feature]} ${other}; true`);
    expect(await guest.shell('ping -c 3 -i 0.2 10.0.2.2; true'), /3 packets received/);
    await guest.shell(`ethtool -K eth0 ${switches[feature]} ${state[1]}; true`);
    changed.push(feature);
  }
  expect(await guest.shell('ping -c 3 -i 0.2 10.0.2.2; true'), /3 packets received/);
  return changed.join(', ');
}

for (const model of values.model) {
  console.log(`== ${model}`);
  const capture = join(work, `${model}.pcap`);
  const guest = linuxInStrate({
    kernel: join(images, 'mini-amd64.vmlinuz'),
    initrd: join(images, 'tools-amd64.initrd'),
    memory: 512,
    model,
    network: `user,pcap=${capture}`,
  });
  await guest.until(/GUEST-MILESTONE: shell/, 600);
  await guest.shell(
    'stty -echo 2>/dev/null; mkdir -p /etc /tmp; echo root:x:0:0::/:/bin/sh >/etc/passwd; ip link set lo up; ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0; true',
  );
  await check('the driver, its link and speed', async () => {
    const text = await guest.shell('ethtool -i eth0; ethtool eth0; true');
    expect(text, /Link detected: yes/);
    return `${expect(text, /driver: (\S+)/)[1]}, ${/Speed: (\S+)/.exec(text)?.[1] ?? 'no speed'}`;
  });
  await check('ping', async () => {
    expect(await guest.shell('ping -c 3 -i 0.2 10.0.2.2'), /3 packets received/);
    return undefined;
  });
  if (model === 'e1000') {
    await check('ethtool -t', async () => {
      const text = await guest.shell('ethtool -t eth0 offline 2>&1; true', 120);
      const results = [...text.matchAll(/^(.+?)\s+(\d+)$/gm)].map(([, name, value]) => `${name!.trim()} ${value}`);
      expect(text, /The test result is PASS/);
      return results.join(', ');
    });
    await check('ping after the self-test', async () => {
      expect(await guest.shell('sleep 3; ip addr add 10.0.2.15/24 dev eth0 2>/dev/null; ping -c 5 -i 0.5 10.0.2.2; true'), /[345] packets received/);
      return undefined;
    });
  }
  await check('ethtool -K, each switch over and back, with a ping', () => offloads(guest));
  await check('VLAN: tagged frames on the cable, and none of them for the untagged', async () => {
    await guest.shell('ip link add link eth0 name eth0.7 type vlan id 7; ip link set eth0.7 up; ip addr add 192.0.2.1/24 dev eth0.7; true');
    await guest.shell('ping -c 2 -W 1 192.0.2.2; ip link del eth0.7; sleep 1; true');
    const tagged = framesOf(capture).filter((frame) => frame.readUInt16BE(12) === 0x8100 && (frame.readUInt16BE(14) & 0xfff) === 7);
    if (tagged.length === 0) throw new Error('no tagged frame is in the capture');
    return `${tagged.length} tagged frames`;
  });
  await check('multicast: the address list is taken', async () => {
    await guest.shell('/usr/bin/ip maddr add 01:00:5e:01:02:03 dev eth0; /usr/bin/ip maddr show dev eth0 | grep -q 01:00:5e:01:02:03');
    expect(await guest.shell('ping -c 2 -i 0.2 10.0.2.2; true'), /2 packets received/);
    return undefined;
  });
  await check('tcpdump in the guest and the capture on the cable have the same frames', async () => {
    const before = framesOf(capture).length;
    await guest.shell(
      'tcpdump -Z root -i eth0 -w /tmp/guest.pcap -U icmp 2>/tmp/tcpdump & sleep 4; ping -c 10 -i 0.2 -s 400 10.0.2.2 >/dev/null; sleep 2; kill $!; sleep 1; cat /tmp/tcpdump',
      60,
    );
    const hex = await guest.shell('od -An -v -tx1 /tmp/guest.pcap', 60);
    const bytes = Buffer.from(hex.replaceAll(/[^0-9a-f]/g, ''), 'hex');
    const inGuest: string[] = [];
    for (let at = 24; at + 16 <= bytes.length;) {
      const length = bytes.readUInt32LE(at + 8);
      inGuest.push(bytes.toString('hex', at + 16, at + 16 + length));
      at += 16 + length;
    }
    const onCable = framesOf(capture)
      .slice(before)
      .filter((frame) => frame.readUInt16BE(12) === 0x0800 && frame[23] === 1)
      .map((frame) => frame.toString('hex'));
    if (inGuest.length === 0 || inGuest.join() !== onCable.join())
      throw new Error(`${inGuest.length} in the guest, ${onCable.length} on the cable, not the same`);
    return `${inGuest.length} frames`;
  });
  guest.end();
}
rmSync(work, { recursive: true, force: true });
console.log(failed === 0 ? 'all passed' : `${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
