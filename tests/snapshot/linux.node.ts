/**
 * `node tests/snapshot/linux.node.ts KERNEL INITRD [--accel wasm|interp] [--nic MODEL] [--bus BUS] [--until S] [--every S] [--instants N]`: promises.md D9 for Linux, with disk
 * and network activity under way. In virtual time, one run without a save, then one that at N instants is saved and loaded into a machine that was just made. Both must have
 * the same processors, devices, RAM, video memory and disk at every checkpoint. KERNEL and INITRD: of ../shared/guests/build-mini.sh.
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { parseArgs } from 'node:util';
import type { Nic } from '../../vmm/protocol/config-net.ts';
import { busSlots, type Drive } from '../../vmm/protocol/config-drives.ts';
import { regionWorker } from '../../vmm/process/region-worker.node.ts';
import { behind, cpio } from './cpio.ts';
import { EchoCable } from './echo-cable.ts';
import { accelerator, keep, smallMachine, type SmallMachine, takeUp } from './small-machines.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    accel: { type: 'string', default: 'wasm' },
    nic: { type: 'string', default: 'e1000' },
    bus: { type: 'string', default: 'ide' },
    until: { type: 'string', default: '30' },
    every: { type: 'string', default: '1' },
    instants: { type: 'string', default: '24' },
    seed: { type: 'string', default: '1' },
    memory: { type: 'string', default: '96' },
  },
});
const [kernel, initrd] = positionals;
if (kernel === undefined || initrd === undefined) throw new Error('usage: node tests/snapshot/linux.node.ts KERNEL INITRD');

const S = 1e9;
const DISK = 8 << 20;
const modules: Readonly<Record<string, string>> = {
  ide: 'ata_piix',
  ahci: 'ahci',
  virtio: 'virtio_blk virtio_net',
  e1000: 'e1000',
  rtl8139: '8139cp',
  pcnet: 'pcnet32',
  ne2k: 'ne2k-pci',
};

/** Writes, reads back past the page cache, compares; pings all the while. */
const WORK = `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev
for m in virtio virtio_ring virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci failover net_failover mii 8390 crct10dif_common crc-t10dif crc64 crc64-rocksoft \\
  t10-pi scsi_common scsi_mod libata libahci ${modules[values.bus]} sd_mod ${modules[values.nic]}; do insmod /lib/modules/$m.ko; done
exec >/dev/ttyS0 2>&1
echo WORK begins
disk=/dev/$(ls /sys/block | grep -E '^([sv]d|hd)a$')
nic=$(ls /sys/class/net | grep -v lo | head -1)
ifconfig $nic 10.0.2.15 netmask 255.255.255.0 up
ping -i 0.02 10.0.2.2 >/pings &
n=0
while :; do
  n=$((n + 1))
  dd if=/dev/urandom of=/block bs=64k count=8 2>/dev/null
  dd if=/block of=$disk bs=64k seek=$((n % 10 * 8)) conv=fsync 2>/dev/null
  echo 3 >/proc/sys/vm/drop_caches
  a=$(md5sum </block) b=$(dd if=$disk bs=64k count=8 skip=$((n % 10 * 8)) 2>/dev/null | md5sum)
  [ "$a" = "$b" ] && echo "WORK $n $(grep -c from /pings)" || echo "WORK $n DIFFERS"
done
`;

const kernelFile = { name: 'kernel', data: new Uint8Array(readFileSync(kernel)) };
const initrdFile = { name: 'initrd', data: behind(new Uint8Array(readFileSync(initrd)), cpio({ work: WORK })) };
const accel = values.accel === 'interp' ? accelerator() : accelerator(() => regionWorker());

interface Linux extends SmallMachine {
  readonly cable: EchoCable;
}

function boot(): Linux {
  let cable!: EchoCable;
  const machine = smallMachine(
    {
      memory: Number(values.memory),
      display: { kind: 'none' },
      kernel: { file: kernel! },
      seed: Number(values.seed),
      drives: [{ bus: values.bus as Drive['bus'], file: 'disk' }],
      nics: [{ model: values.nic as Nic['model'] }],
    },
    { [busSlots[values.bus as Drive['bus']][0]!]: new Uint8Array(DISK) },
    {
      accelerator: accel,
      boot: { kernel: kernelFile, initrd: initrdFile, append: 'console=ttyS0,115200 rdinit=/work', modules: [] },
      nets: (ring) => new Map([['net0', (cable = new EchoCable(ring))]]),
    },
  );
  return { ...machine, cable };
}

const until = Number(values.until) * S;
const checkpoints: number[] = [];
for (let at = Number(values.every) * S; at <= until; at += Number(values.every) * S) checkpoints.push(at);
const text = (machine: Linux) => Buffer.from(machine.serial).toString('latin1').replaceAll('\r', '');
const seconds = (from: number) => `${((performance.now() - from) / 1000).toFixed(1)} s`;

let from = performance.now();
const plain = boot();
const wanted = checkpoints.map((at) => {
  plain.run(at);
  return plain.fingerprint();
});
const log = text(plain);
console.log(`without a save: ${until / S} s of guest time in ${seconds(from)}, ${plain.cable.answered} frames answered; its last lines:`);
console.log(log.trim().split('\n').slice(-2).join('\n'));
if (!/WORK \d+ [1-9]/.test(log) || log.includes('DIFFERS')) throw new Error('the guest did not work as it should');
plain.machine.dispose();

from = performance.now();
let machine = boot();
let said = '';
let failed = 0;
let saves = 0;
const instants = Array.from({ length: Number(values.instants) }, (_, index) => ((index * 0.618_033_988_7 + 0.05) % 1) * until).sort((a, b) => a - b);
const stops = [...checkpoints.map((at, index) => ({ at, index })), ...instants.map((at) => ({ at: Math.floor(at), index: undefined }))].sort(
  (a, b) => a.at - b.at,
);
let last = 0;
for (const { at, index } of stops) {
  machine.run(at);
  if (index === undefined) {
    const kept = keep(machine);
    const { underWay } = machine.cable;
    said += text(machine);
    machine.machine.dispose();
    machine = boot();
    takeUp(kept, machine);
    machine.cable.underWay = underWay;
    saves++;
    last = at;
  } else if (machine.fingerprint() !== wanted[index]) {
    console.log(`DIFFERS at ${at / S} s, last saved at ${last / S} s`);
    failed++;
    break;
  }
}
said += text(machine);
if (failed === 0 && said !== log) {
  console.log('the serial port said something else');
  failed++;
}
machine.machine.dispose();
console.log(
  `${values.accel}, ${values.bus}, ${values.nic}: ${saves} saves in ${seconds(from)}, ${failed === 0 ? `equal at ${checkpoints.length} checkpoints` : 'FAILED'}`,
);
console.log(`the last state's hash: ${wanted[wanted.length - 1]}`);
process.exit(failed === 0 ? 0 : 1);
