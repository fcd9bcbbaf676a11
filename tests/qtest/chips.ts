/*
 * What is done to each chip on both boards: a preparation, then random steps. Where the boards differ for a reason, the step that would show it is left
 * out or its bits are not compared, and the reason stands beside it.
 */

/** A seeded stream of numbers: `random(n)` is below n. */
export type Random = (below: number) => number;

/** One qtest command, or `pass` and nanoseconds. Answers must agree in the bits of `mask`, or within `tolerance`. */
export interface Command {
  readonly line: string;
  readonly mask?: number;
  readonly tolerance?: number;
}

/** Commands that are made together. `join`: the answers of its last two (low and high byte) are compared as one number. */
export interface Step {
  readonly commands: readonly Command[];
  readonly join?: number;
}

export interface Chip {
  readonly name: string;
  readonly prepare: readonly Step[];
  readonly steps: number;
  readonly random: (random: Random) => Step;
}

const out = (port: number, value: number): Command => ({ line: `outb ${port} ${value}` });
const input = (port: number, mask = 0xff): Command => ({ line: `inb ${port}`, mask });
const step = (nanoseconds: number): Command => ({ line: `pass ${nanoseconds}` });
const one = (...commands: Command[]): Step => ({ commands });
const outs = (...pairs: readonly (readonly [number, number])[]): Step => ({ commands: pairs.map(([port, value]) => out(port, value)) });
const pick = <T>(random: Random, choices: readonly T[]): T => choices[random(choices.length)]!;
const readl = (address: number, mask = 0xffffffff): Command => ({ line: `readl ${address}`, mask });
const writel = (address: number, value: number): Command => ({ line: `writel ${address} ${value >>> 0}` });

// -- 8259A: IRQ 3 and 4 are driven by the transmitter-empty interrupts of the two serial ports

const initializePics: Step[] = [
  outs([0x20, 0x11], [0x21, 0x08], [0x21, 0x04], [0x21, 0x01], [0xa0, 0x11], [0xa1, 0x70], [0xa1, 0x02], [0xa1, 0x01], [0x21, 0], [0xa1, 0xff]),
];

const pic: Chip = {
  name: '8259A',
  // Level-triggered, because QEMU's edge-triggered requests outlast their line and ours, as the real chip's, do not.
  prepare: [...initializePics, outs([0x4d0, 0x18], [0x2fb, 3], [0x3fb, 3], [0x2fc, 8], [0x3fc, 8])],
  steps: 400,
  random: (random) => {
    switch (random(9)) {
      case 0:
        return one(out(pick(random, [0x2f9, 0x3f9]), pick(random, [0, 2]))); // a line goes down or up
      case 1:
        return one(out(0x20, 0x0c), input(0x20)); // poll
      case 2:
        return one(out(0x20, pick(random, [0x0a, 0x0b])), input(0x20));
      case 3:
        return one(out(0x20, pick(random, [0x20, 0xa0]))); // non-specific EOI
      case 4:
        return one(out(0x20, pick(random, [0x60, 0xe0, 0xc0]) | random(8)));
      case 5:
        return one(out(0x21, random(256) & ~pick(random, [0, 0x18])), input(0x21));
      case 6:
        return one(out(0x4d0, random(256) | 0x18), input(0x4d0));
      case 7:
        return one(out(0x4d1, random(256)), input(0x4d1));
      default:
        return one(out(0xa1, random(256)), input(0xa1));
    }
  },
};

// -- 8254: QEMU counts from the write, rounding; the real chip and ours load at the next clock: counts may differ by two

const readCount = (counter: number): Step => ({
  commands: [out(0x43, counter << 6), input(0x40 + counter), input(0x40 + counter)],
  join: 2,
});

const pit: Chip = {
  name: '8254',
  // Channels 0 and 2; QEMU has no channel 1 behaviour beyond counting. GATE 2 stays high: QEMU restarts modes 0 and 4 at a gate change.
  prepare: [outs([0x61, 0x01], [0x43, 0x34], [0x40, 0], [0x40, 0], [0x43, 0xb6], [0x42, 0], [0x42, 0])],
  steps: 300,
  random: (random) => {
    const counter = pick(random, [0, 2]);
    switch (random(4)) {
      case 0: {
        // Counts of mode 3 are even and not small: QEMU rounds odd ones otherwise.
        const count = 0x200 + random(0x7000) * 2;
        const mode = pick(random, [0, 2, 3, 4]);
        return outs([0x43, (counter << 6) | 0x30 | (mode << 1)], [0x40 + counter, count & 0xff], [0x40 + counter, count >> 8]);
      }
      case 1:
        return one(step(random(20_000_000)));
      case 2:
        // The status but for OUT, which may lie two ticks apart, and "null count", which QEMU never sets.
        return one(out(0x43, 0xe0 | (2 << counter)), input(0x40 + counter, 0x3f));
      default:
        return readCount(counter);
    }
  },
};

// -- MC146818: valid times only, for QEMU decodes others in its own way

const bcd = (value: number) => ((Math.floor(value / 10) % 10) << 4) | (value % 10);
const rtcRead = (register: number, mask = 0xff) => one(out(0x70, register), input(0x71, mask));
const rtcWrite = (register: number, value: number) => outs([0x70, register], [0x71, value]);

const rtc: Chip = {
  name: 'MC146818',
  prepare: [rtcWrite(0x0a, 0x26), rtcWrite(0x0b, 0x02), one(out(0x70, 0x0c), { ...input(0x71), mask: 0 })],
  steps: 400,
  random: (random) => {
    switch (random(10)) {
      case 0:
      case 1:
      case 2:
        // Within SET: a field written while the clock runs restarts QEMU's second, the chip's divider goes on.
        return {
          commands: [
            ...rtcWrite(0x0b, 0x82).commands,
            ...rtcWrite(0, bcd(random(60))).commands,
            ...rtcWrite(2, bcd(random(60))).commands,
            ...rtcWrite(4, bcd(random(24))).commands,
            ...rtcWrite(0x0b, 0x02).commands,
          ],
        };
      case 3:
        return rtcWrite(pick(random, [1, 3]), pick(random, [0xff, bcd(random(60))]));
      case 4:
        return rtcWrite(5, pick(random, [0xff, bcd(random(24))]));
      case 5:
        // SET only around writes: QEMU notes ends of updates (UF) although it holds them off.
        return rtcWrite(0x0b, pick(random, [0x02, 0x12, 0x22, 0x32]));
      case 6:
        return one(step(1e6 + random(400) * 1e6));
      case 7:
        // Not UIP: QEMU sets it 244 µs before the update, the chip 1984 µs earlier. Not PF: QEMU sets it only while PIE is on.
        return random(2) === 0 ? rtcRead(0x0a, 0x7f) : rtcRead(0x0c, 0xbf);
      case 8: {
        const register = 0x0e + random(0x20);
        const value = random(256);
        return { commands: [...rtcWrite(register, value).commands, ...rtcRead(register).commands] };
      }
      default:
        return rtcRead(pick(random, [0, 2, 4, 6, 7, 8, 9, 0x32, 0x0b, 0x0d, 1, 3, 5]));
    }
  },
};

// -- 16550A

const uart: Chip = {
  name: '16550A',
  prepare: [outs([0x3fb, 0x83], [0x3f8, 1], [0x3f9, 0], [0x3fb, 0x03], [0x3fc, 0x10], [0x3fa, 0x07]), one({ ...input(0x3fe), mask: 0 })],
  steps: 500,
  random: (random) => {
    switch (random(10)) {
      case 0:
        return one(out(0x3f8, random(256)));
      case 1:
        // Without modem status: QEMU notes no changes of the looped modem lines, the chip does.
        return one(out(0x3f9, random(8)));
      case 2:
        // FIFOs stay as they are, but may be cleared; trigger levels change.
        return one(out(0x3fa, 0x01 | pick(random, [0, 0, 2, 4]) | (random(4) << 6)));
      case 3:
        // Modem outputs, always in loopback: QEMU's null line has inputs of its own.
        return one(out(0x3fc, 0x10 | random(16)));
      case 4:
        return one(out(0x3ff, random(256)), input(0x3ff));
      case 5:
        return one(input(0x3fd));
      case 6:
        return one(input(0x3fa));
      case 7:
        return one(input(0x3fe, 0xf0));
      case 8:
        return one(step(random(2_000_000)));
      default:
        // An empty receiver answers with its last byte in QEMU, with 0 here: both are undefined. So only after a byte was looped.
        return one(out(0x3f8, random(256)), { ...input(0x3f8), mask: 0 });
    }
  },
};

// -- 8042, keyboard, mouse: answers are compared a while after the question, for QEMU's wire takes no time

const answers: Command[] = Array.from({ length: 4 }, () => [step(3_000_000), input(0x64, 0x25), input(0x60)]).flat();
const ask = (...commands: Command[]): Step => one(...commands, ...answers);

const i8042: Chip = {
  name: '8042',
  prepare: [ask(out(0x64, 0xaa)), ask(out(0x64, 0x60), out(0x60, 0x44)), ask(out(0x60, 0xff)), ask(out(0x64, 0xd4), out(0x60, 0xff))],
  steps: 250,
  random: (random) => {
    switch (random(6)) {
      case 0:
        return ask(out(0x64, pick(random, [0x20, 0xa9, 0xaa, 0xab, 0xad, 0xae, 0xa7, 0xa8])));
      case 1:
        return ask(out(0x64, 0x60), out(0x60, pick(random, [0x04, 0x44, 0x47])));
      case 2:
        return ask(out(0x64, pick(random, [0xd2, 0xd3])), out(0x60, random(256)));
      case 3: {
        const keyboard = pick(random, [[0xf2], [0xee], [0xf3, random(128)], [0xed, random(8)], [0xf4], [0xf5], [0xf6], [0xf0, 2], [0xf0, 0]]);
        return { commands: keyboard.flatMap((byte) => ask(out(0x60, byte)).commands) };
      }
      case 4: {
        const rate = [0xf3, pick(random, [10, 20, 40, 60, 80, 100, 200])];
        const mouse = pick(random, [[0xf2], rate, rate, [0xe8, random(4)], [0xe6], [0xe7], [0xe9], [0xea], [0xf0], [0xf4], [0xf5], [0xf6], [0xeb]]);
        return { commands: mouse.flatMap((byte) => ask(out(0x64, 0xd4), out(0x60, byte)).commands) };
      }
      default:
        return ask(out(0x64, 0xd4), out(0x60, 0xf2));
    }
  },
};

// -- 8237A

const dma: Chip = {
  name: '8237A',
  prepare: [outs([0x0d, 0], [0xda, 0], [0x0c, 0], [0xd8, 0])],
  steps: 500,
  random: (random) => {
    const [base, scale] = pick(random, [[0, 1], [0xc0, 2]] as const); // prettier-ignore
    const at = (index: number) => base + index * scale;
    const register = random(8);
    switch (random(6)) {
      case 0:
        // Both bytes: QEMU takes a new address or count over with the high byte, the chip each byte at once.
        return { commands: [out(at(12), 0), ...Array.from({ length: 2 }, () => out(at(register), random(256)))] };
      case 1:
        return one(input(at(random(8))));
      case 2:
        return one(out(at(12), 0));
      case 3:
        return one(out(at(10), random(8)), out(at(11), random(4) | pick(random, [0x44, 0x48, 0x58])));
      case 4: {
        // The pages of channels; the others are not memory in QEMU.
        const page = pick(random, [0x81, 0x82, 0x83, 0x87, 0x89, 0x8a, 0x8b]);
        return one(out(page, random(256)), input(page));
      }
      default:
        return one(input(at(8)));
    }
  },
};

// -- 82093AA

const IO_APIC = 0xfec00000;

const ioApic: Chip = {
  name: '82093AA',
  prepare: [],
  steps: 300,
  random: (random) => {
    const register = pick(random, [0, 1, 0x10 + random(48)]);
    const select = writel(IO_APIC, register);
    // The reserved bits of an entry are memory in QEMU.
    const mask = register < 0x10 ? 0xffffffff : (register & 1) === 0 ? 0x1bfff : 0xff000000;
    if (random(2) === 0) return one(select, readl(IO_APIC + 0x10, mask));
    // Entries stay masked: there is no processor to take an interrupt.
    return one(select, writel(IO_APIC + 0x10, register >= 0x10 && (register & 1) === 0 ? random(0x10000) | 0x10000 : random(256) << 24));
  },
};

// -- HPET

const HPET = 0xfed00000;

const hpet: Chip = {
  name: 'HPET',
  prepare: [], // it runs already
  steps: 400,
  random: (random) => {
    const timer = HPET + 0x100 + 0x20 * random(3);
    switch (random(6)) {
      case 0:
        return one(step(random(5_000_000)));
      case 1:
        return one({ ...readl(HPET + 0xf0), tolerance: 1 }, readl(HPET + 0xf4));
      case 2:
        // 32-bit, level-triggered or not, interrupt off: the status shows what happened.
        return one(writel(timer, 0x100 | pick(random, [0, 2])));
      case 3:
        return one(readl(timer, 0x017e), readl(HPET), readl(HPET + 4), readl(HPET + 0x10));
      case 4:
        return one(writel(timer + 8, random(0x7fffffff)), readl(timer + 8));
      default:
        return one(readl(timer + 8));
    }
  },
};

// -- PIIX4 power management at 600h, as SeaBIOS sets it up

const config = (register: number, value: number): Command[] => [
  { line: `outl 0xcf8 ${(0x80000000 | (1 << 11) | (3 << 8) | register) >>> 0}` },
  { line: `outl 0xcfc ${value >>> 0}` },
];
const inw = (port: number, mask = 0xffff): Command => ({ line: `inw ${port}`, mask });
const outw = (port: number, value: number): Command => ({ line: `outw ${port} ${value}` });

const pm: Chip = {
  name: 'PIIX4 power management',
  prepare: [one(...config(0x40, 0x601), ...config(0x80, 1), ...config(0x04, 1))],
  steps: 300,
  random: (random) => {
    switch (random(6)) {
      case 0:
        return one(step(random(60_000_000)));
      case 1:
        return one({ line: 'inl 0x608', tolerance: 2, mask: 0xffffff });
      case 2:
        // Not bit 11 and the other reserved ones, which are memory in QEMU.
        return one(outw(0x602, random(0x10000)), inw(0x602, 0x0521));
      case 3:
        return one(outw(0x600, random(0x10000)));
      case 4:
        return one(outw(0x604, pick(random, [0x0000, 0x0001, 0x0400, 0x1c01])), inw(0x604, 0x1c01));
      default:
        return one(inw(0x600, 0x0521));
    }
  },
};

// -- parallel port

const parallel: Chip = {
  name: 'parallel port',
  prepare: [outs([0x37a, 0x0c], [0x378, 0])],
  steps: 150,
  random: (random) => {
    switch (random(4)) {
      case 0:
        return one(out(0x378, random(256)), input(0x378));
      case 1:
        // The strobe is a pulse: QEMU's printer is busy while it lasts.
        return one(out(0x37a, random(2)), out(0x37a, random(16) << 1), input(0x37a));
      case 2:
        return one(input(0x37a));
      default:
        return one(input(0x379, 0xf8)); // the lower bits differ: QEMU knows no interrupt status
    }
  },
};

export const CHIPS: readonly Chip[] = [pic, pit, rtc, uart, i8042, dma, ioApic, hpet, pm, parallel];
