/*
 * Network controllers, as chips.ts: on both boards in the same slots, with nobody at the other end of their cables. Where QEMU differs for a reason, it stands beside
 * the mask.
 */
import type { Chip, Command, Random, Step } from './chips.ts';

/** Slots on both boards. */
export const NIC_SLOTS = { e1000: 3, rtl8139: 4, pcnet: 5 } as const;
export const NIC_MAC = '52:54:00:12:34:56';

const E1000 = 0xe000_0000;
const RTL8139 = 0xc000;
const PCNET = 0xc100;
const NE2000 = 0x300;
const RING = 0x10_0000;
const BUFFER = 0x11_0000;

const out = (size: 'b' | 'w' | 'l', port: number, value: number): Command => ({ line: `out${size} ${port} ${value >>> 0}` });
const input = (size: 'b' | 'w' | 'l', port: number, mask: number): Command => ({ line: `in${size} ${port}`, mask });
const writel = (address: number, value: number): Command => ({ line: `writel ${address} ${value >>> 0}` });
const readl = (address: number, mask = 0xffff_ffff): Command => ({ line: `readl ${address}`, mask });
const step = (...commands: Command[]): Step => ({ commands });
const pick = <T>(random: Random, choices: readonly T[]): T => choices[random(choices.length)]!;
const word = (random: Random) => random(0x1_0000) * 0x1_0000 + random(0x1_0000);

const config = (slot: number, register: number, value: number): Command[] => [
  out('l', 0xcf8, 0x8000_0000 | (slot << 11) | register),
  out('l', 0xcfc, value),
];

// -- 82540EM

/** Registers that keep what is written, and the bits in which both agree. */
const kept: readonly (readonly [offset: number, mask: number])[] = [
  [0x2800, 0xffff_fff0],
  [0x2804, 0xffff_ffff],
  [0x2808, 0xf_ff80],
  [0x3800, 0xffff_fff0],
  [0x3804, 0xffff_ffff],
  [0x3808, 0xf_ff80],
  [0x0038, 0xffff],
  [0x00d0, 0x82d7], // IMS as far as QEMU knows causes
  [0x5200, 0xffff_ffff],
  [0x53fc, 0xffff_ffff],
  [0x5600, 0xffff_ffff],
  [0x5400, 0xffff_ffff],
  [0x5404, 0x8003_ffff],
];

const sendFrame = (random: Random, tail: number): Step => {
  const at = RING + 16 * tail;
  const length = 60 + random(1400);
  const command = pick(random, [0x09, 0x0b, 0x0b, 0x01, 0x0f]); // EOP with RS, FCS, a checksum
  return step(
    writel(at, BUFFER),
    writel(at + 4, 0),
    writel(at + 8, length | (random(60) << 16) | (command << 24)),
    writel(at + 12, random(40) << 8),
    writel(E1000 + 0x3818, (tail + 1) % 8),
    readl(E1000 + 0x3810, 0xffff),
    readl(at + 12, 0xff),
  );
};

const e1000: Chip = {
  name: 'e1000',
  prepare: [
    step(...config(NIC_SLOTS.e1000, 0x10, E1000), ...config(NIC_SLOTS.e1000, 4, 7)),
    step(writel(E1000, 0x0400_0000), writel(E1000 + 0xd8, 0xffff_ffff), { ...readl(E1000 + 0xc0), mask: 0 }),
    step(readl(E1000 + 0x5400), readl(E1000 + 0x5404, 0x8003_ffff), readl(E1000 + 0x08, 0x83)),
  ],
  steps: 400,
  random: (random) => {
    switch (random(7)) {
      case 0:
      case 1: {
        const [offset, mask] = pick(random, kept);
        return step(writel(E1000 + offset, word(random)), readl(E1000 + offset, mask));
      }
      case 2:
        return step(
          writel(E1000 + 0xd8, 0xffff_ffff),
          writel(E1000 + 0xc8, pick(random, [1, 4, 0x80, 0xd6])),
          readl(E1000 + 0xc0, 0x82d7),
          readl(E1000 + 0xc0, 0x82d7),
        );
      case 3:
        return step(writel(E1000 + 0x20, 0x0820_0000 | (pick(random, [0, 2, 3, 4]) << 16)), readl(E1000 + 0x20, 0x5000_ffff));
      case 4:
        return step(writel(E1000 + 0x14, (random(3) << 8) | 1), readl(E1000 + 0x14, 0xffff_0010));
      case 5:
        return step(
          writel(E1000 + 0x400, 0),
          ...([0x3800, 0x3804, 0x3808, 0x3810, 0x3818] as const).map((offset, index) => writel(E1000 + offset, [RING, 0, 128, 0, 0][index]!)),
          writel(E1000 + 0x400, 0x2),
          ...sendFrame(random, 0).commands,
          ...sendFrame(random, 1).commands,
          readl(E1000 + 0xc0, 1), // TXDW; TXQE comes with an empty ring in QEMU even where nothing was reported
        );
      default:
        return step(readl(E1000 + 0x4080 + 4 * random(2)), readl(E1000 + 0x40d4)); // frames sent; clear when read
    }
  },
};

// -- RTL8139C+

const rtl8139: Chip = {
  name: 'rtl8139',
  prepare: [
    step(...config(NIC_SLOTS.rtl8139, 0x10, RTL8139), ...config(NIC_SLOTS.rtl8139, 4, 7)),
    step(out('b', RTL8139 + 0x37, 0x10), out('b', RTL8139 + 0x37, 0x0c), out('w', RTL8139 + 0x3c, 0)),
    step(input('l', RTL8139, 0xffff_ffff), input('w', RTL8139 + 4, 0xffff), input('l', RTL8139 + 0x40, 0x7cc0_0000)),
  ],
  steps: 300,
  random: (random) => {
    switch (random(5)) {
      case 0: {
        const [port, mask] = pick(random, [[0x30, 0xffff_ffff], [0x08, 0xffff_ffff], [0x0c, 0xffff_ffff], [0x20, 0xffff_ffff], [0x2c, 0xffff_ffff]] as const); // prettier-ignore
        return step(out('l', RTL8139 + port, word(random)), input('l', RTL8139 + port, mask));
      }
      case 1:
        return step(out('w', RTL8139 + 0x3c, random(0x1_0000) & 0xe07f), input('w', RTL8139 + 0x3c, 0xe07f));
      case 2: {
        // The four buffers must be used in turn: from a reset on.
        const commands = [out('b', RTL8139 + 0x37, 0x10), out('b', RTL8139 + 0x37, 0x0c), out('w', RTL8139 + 0x3e, 0xffff)];
        for (let index = 0; index <= random(4); index++) {
          commands.push(out('l', RTL8139 + 0x20 + 4 * index, BUFFER), out('l', RTL8139 + 0x10 + 4 * index, 60 + random(1400)), input('l', RTL8139 + 0x10 + 4 * index, 0xbfff)); // prettier-ignore
        }
        return step(...commands, input('w', RTL8139 + 0x3e, 0x7f), out('w', RTL8139 + 0x3e, 4), input('w', RTL8139 + 0x3e, 0x7f));
      }
      case 3:
        return step(
          input('b', RTL8139 + 0x37, 0x1d),
          input('w', RTL8139 + 0x3a, 0xffff),
          input('w', RTL8139 + 0x64, 0x0004),
          input('b', RTL8139 + 0x58, 0x04),
        );
      default:
        return step(out('b', RTL8139 + 0x50, 0xc0), out('l', RTL8139, word(random)), input('l', RTL8139, 0xffff_ffff), out('b', RTL8139 + 0x50, 0));
    }
  },
};

// -- Am79C970A

const csr = (index: number, value: number): Command[] => [out('w', PCNET + 0x12, index), out('w', PCNET + 0x10, value)];
const readCsr = (index: number, mask: number): Command[] => [out('w', PCNET + 0x12, index), input('w', PCNET + 0x10, mask)];

const pcnet: Chip = {
  name: 'pcnet',
  prepare: [
    step(...config(NIC_SLOTS.pcnet, 0x10, PCNET), ...config(NIC_SLOTS.pcnet, 4, 7)),
    step({ ...input('w', PCNET + 0x14, 0) }, ...readCsr(0, 0xffff), ...readCsr(88, 0xffff), ...readCsr(89, 0x0fff)),
    step(input('b', PCNET, 0xff), input('b', PCNET + 5, 0xff), input('b', PCNET + 14, 0xff)),
  ],
  steps: 300,
  random: (random) => {
    switch (random(5)) {
      case 0: {
        const index = pick(random, [1, 2, 8, 9, 11, 12, 13, 14]);
        return step(...csr(0, 4), ...csr(index, random(0x1_0000)), ...readCsr(index, 0xffff));
      }
      case 1:
        return step(...csr(3, random(0x1_0000)), ...readCsr(3, 0x5f00));
      case 2:
        // An initialization block of style 0, and what it leaves in the registers (but for CSR24-31: QEMU keeps the rings' addresses elsewhere).
        return step(
          ...csr(0, 4),
          writel(RING, word(random) & 0xffff_0000),
          writel(RING + 4, word(random)),
          writel(RING + 8, word(random)),
          writel(RING + 12, word(random)),
          writel(RING + 16, 0x0012_0000 | (random(8) << 29)),
          writel(RING + 20, 0x0013_0000 | (random(8) << 29)),
          ...csr(1, RING & 0xffff),
          ...csr(2, RING >>> 16),
          ...csr(0, 1),
          ...readCsr(0, 0x0183),
          // CSR76 and CSR78 hold the two's complement of the ring lengths (Am79C970A data sheet); QEMU's hold the lengths.
          ...[8, 9, 10, 11, 12, 13, 14].flatMap((index) => readCsr(index, 0xffff)),
        );
      case 3:
        return step(...csr(0, 4), ...csr(0, 0x42), ...readCsr(0, 0x0076));
      default:
        return step(...csr(0, pick(random, [0x0100, 0x0040, 0x0004, 0x0200])), ...readCsr(0, 0x0044));
    }
  },
};

// -- NE2000 on the ISA bus

const outs = (...pairs: readonly (readonly [number, number])[]): Command[] => pairs.map(([register, value]) => out('b', NE2000 + register, value));
const remote = (command: number, address: number, count: number): Command[] =>
  outs([10, count & 255], [11, count >> 8], [8, address & 255], [9, address >> 8], [0, command]);

const ne2000: Chip = {
  name: 'ne2000',
  prepare: [
    step({ ...input('b', NE2000 + 0x1f, 0) }, ...outs([0, 0x21], [14, 0x49], [7, 0xff], [15, 0], [1, 0x46], [2, 0x80], [3, 0x46], [0, 0x22])),
  ],
  steps: 300,
  random: (random) => {
    switch (random(6)) {
      case 0: {
        const at = 0x4000 + random(0x1f80) * 2;
        const data = Array.from({ length: 4 }, () => out('w', NE2000 + 0x10, random(0x1_0000)));
        const back = Array.from({ length: 4 }, () => input('w', NE2000 + 0x10, 0xffff));
        return step(
          ...remote(0x12, at, 8),
          ...data,
          input('b', NE2000 + 7, 0x40),
          ...outs([7, 0x40]),
          ...remote(0x0a, at, 8),
          ...back,
          input('b', NE2000 + 7, 0x40),
        );
      }
      case 1:
        return step(...remote(0x0a, 0, 12), ...Array.from({ length: 6 }, () => input('w', NE2000 + 0x10, 0xffff)));
      case 2: {
        const register = 1 + random(7);
        const value = register === 7 ? 0x46 + random(0x3a) : random(256);
        return step(...outs([0, 0x62], [register, value]), input('b', NE2000 + register, 0xff), ...outs([0, 0x22]));
      }
      case 3:
        return step(...outs([3, 0x46 + random(0x3a)]), input('b', NE2000 + 3, 0xff));
      case 4:
        return step(
          ...outs([4, 0x40], [5, 60 + random(190)], [6, random(4)], [7, 0x7f], [0, 0x26]),
          input('b', NE2000 + 7, 0x0a),
          input('b', NE2000, 0x04),
          input('b', NE2000 + 4, 0x01),
        );
      default:
        return step(...outs([7, random(256) & 0x7f]), input('b', NE2000 + 7, 0x4a), input('b', NE2000, 0x03));
    }
  },
};

export const NICS: readonly Chip[] = [e1000, rtl8139, pcnet, ne2000];
