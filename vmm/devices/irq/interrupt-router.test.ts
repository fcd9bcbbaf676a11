import { z } from 'zod';
import { createTestContext, describeDevice } from '../../bus/conformance.ts';
import { ProbeIrq } from '../../bus/irq.ts';
import { createInterrupts, type InterruptOptions, type InterruptTarget } from './interrupt-router.ts';
import { ioApic } from './io-apic.ts';
import { localApic, type LocalApic } from './local-apic.ts';
import { pic8259 } from './pic-8259.ts';

const [ID, TPR, PPR, EOI, LDR, DFR, SVR, ESR, ICR, ICR_HIGH] = [0x20, 0x80, 0xa0, 0xb0, 0xd0, 0xe0, 0xf0, 0x280, 0x300, 0x310];
const [ISR, TMR, IRR] = [0x100, 0x180, 0x200];
const [LVT_TIMER, LVT_LINT0, LVT_LINT1, LVT_ERROR] = [0x320, 0x350, 0x360, 0x370];
const [INITIAL, CURRENT, DIVIDE] = [0x380, 0x390, 0x3e0];
const MASKED = 0x10000;
const LEVEL = 0x8000;

class Target implements InterruptTarget {
  readonly intr = new ProbeIrq();
  readonly events: string[] = [];
  interrupt(pending: boolean) {
    this.intr.set(pending);
  }
  nmi() {
    this.events.push('nmi');
  }
  smi() {
    this.events.push('smi');
  }
  init() {
    this.events.push('init');
  }
  startup(vector: number) {
    this.events.push(`startup ${vector.toString(16)}`);
  }
}

function setUp(processors = 1, options: Partial<InterruptOptions> = {}) {
  const context = createTestContext();
  const targets = Array.from({ length: processors }, () => new Target());
  const board = createInterrupts((_name, type, each) => type.create(context, each), { processors: targets, apic: true, ...options });
  const read = (register: number, cpu = 0) => board.localApics[cpu]!.registers.read(register, 4);
  const write = (register: number, value: number, cpu = 0) => board.localApics[cpu]!.registers.write(register, 4, value >>> 0);
  const { ioApic: io } = board;
  const ioRead = (register: number) => {
    io!.registers.write(0, 4, register);
    return io!.registers.read(0x10, 4);
  };
  const ioWrite = (register: number, value: number) => {
    io!.registers.write(0, 4, register);
    io!.registers.write(0x10, 4, value >>> 0);
  };
  const redirect = (pin: number, low: number, destination = 0) => {
    ioWrite(0x11 + 2 * pin, destination << 24);
    ioWrite(0x10 + 2 * pin, low);
  };
  const enable = () => {
    for (let cpu = 0; cpu < processors; cpu++) write(SVR, 0x1ff, cpu);
  };
  const initializePics = () => {
    for (const [region, base] of [
      [board.pic.master, 0x08],
      [board.pic.slave, 0x70],
    ] as const) {
      // prettier-ignore
      region.write(0, 1, 0x11);
      for (const value of [base, base === 8 ? 4 : 2, 1, 0]) region.write(1, 1, value);
    }
  };
  return { ...board, targets, read, write, ioRead, ioWrite, redirect, enable, initializePics, scheduler: context.scheduler };
}

describe('a board without APICs', () => {
  test('the 8259s drive INTR and NMI is an edge', () => {
    const { targets, initializePics, isaLine, pending, acknowledge, nmi, ioApic: io, localApics } = setUp(1, { apic: false });
    initializePics();
    isaLine(4).set(true);
    expect([targets[0]!.intr.level, pending(), acknowledge()]).toEqual([true, true, 0x0c]);
    nmi.set(true);
    expect(targets[0]!.events).toEqual(['nmi']);
    expect([io, localApics.length]).toEqual([undefined, 0]);
  });
});

test('wires can be listened to instead', () => {
  const { intercept, initializePics, isaLine, pending } = setUp();
  const heard: [number, boolean][] = [];
  initializePics();
  intercept((irq, level) => heard.push([irq, level]));
  isaLine(4).set(true);
  expect([heard, pending()]).toEqual([[[4, true]], false]);
});

describe('virtual wire mode', () => {
  test('works after reset, through LINT0', () => {
    const { targets, initializePics, isaLine, acknowledge, pending } = setUp();
    initializePics();
    isaLine(4).set(true);
    expect([targets[0]!.intr.level, acknowledge(), pending()]).toEqual([true, 0x0c, false]);
  });

  test('ends when LINT0 is masked, and goes on as INTR when the APIC is taken away', () => {
    const { initializePics, isaLine, pending, write, localApics } = setUp();
    initializePics();
    isaLine(4).set(true);
    write(LVT_LINT0, MASKED | 0x700);
    expect(pending()).toBe(false);
    const { msr } = localApics[0]!;
    expect(msr.read()).toBe(0xfee00900n);
    expect(msr.write(0xfee00100n)).toBe(true);
    expect(pending()).toBe(true);
    expect(msr.write(0xfee00d00n)).toBe(false); // x2APIC
  });

  test('an ExtINT input of the I/O APIC leads to the 8259s, too', () => {
    const { initializePics, isaLine, pending, acknowledge, write, enable, redirect } = setUp();
    initializePics();
    enable();
    write(LVT_LINT0, MASKED);
    redirect(0, 0x700);
    isaLine(3).set(true);
    isaLine(1).set(true);
    expect([pending(), acknowledge(), pending()]).toEqual([true, 0x09, false]);
  });

  test('fixed delivery through LINT0, and NMI through LINT1', () => {
    const { targets, initializePics, isaLine, acknowledge, write, enable, nmi } = setUp();
    initializePics();
    enable();
    write(LVT_LINT0, 0x31);
    isaLine(0).set(true);
    expect(acknowledge()).toBe(0x31);
    nmi.set(true);
    nmi.set(false);
    expect(targets[0]!.events).toEqual([]); // masked after reset
    write(LVT_LINT1, 0x400);
    nmi.set(true);
    expect(targets[0]!.events).toEqual(['nmi']);
  });
});

describe('I/O APIC', () => {
  test('registers', () => {
    const { ioRead, ioWrite } = setUp();
    expect([ioRead(0), ioRead(1), ioRead(0x10), ioRead(0x11), ioRead(0x40)]).toEqual([0, 0x00170020, MASKED, 0, 0]);
    ioWrite(0, 0x0f000000);
    ioWrite(0x3e, 0xffffffff);
    ioWrite(0x3f, 0xffffffff);
    expect([ioRead(0), ioRead(2), ioRead(0x3e), ioRead(0x3f)]).toEqual([0x0f000000, 0x0f000000, 0x1afff, 0xff000000]);
  });

  test('an edge is delivered once; IRQ 0 enters at input 2', () => {
    const { pending, acknowledge, write, redirect, enable, isaLine } = setUp();
    enable();
    write(LVT_LINT0, MASKED);
    redirect(2, 0x40);
    redirect(4, 0x41);
    isaLine(0).set(true);
    expect([pending(), acknowledge(), pending()]).toEqual([true, 0x40, false]);
    write(EOI, 0);
    expect(pending()).toBe(false);
    const line = isaLine(4);
    line.set(true);
    expect(acknowledge()).toBe(0x41);
    write(EOI, 0);
    line.set(false);
    line.set(true);
    expect(pending()).toBe(true);
  });

  test('an edge on a masked input is lost', () => {
    const { pending, write, redirect, enable, isaLine } = setUp();
    enable();
    write(LVT_LINT0, MASKED);
    isaLine(4).set(true);
    redirect(4, 0x41);
    expect(pending()).toBe(false);
  });

  test('a level is delivered again after EOI while it lasts, with remote IRR between', () => {
    const { pending, acknowledge, read, write, ioRead, redirect, enable, isaLine } = setUp();
    enable();
    write(LVT_LINT0, MASKED);
    redirect(10, LEVEL | 0x51);
    const first = isaLine(10);
    const second = isaLine(10);
    first.set(true);
    second.set(true);
    expect([acknowledge(), ioRead(0x24)]).toEqual([0x51, LEVEL | 0x4051]);
    expect(read(TMR + 0x20)).toBe(1 << 17);
    first.set(false);
    write(EOI, 0);
    expect([pending(), acknowledge()]).toEqual([true, 0x51]);
    second.set(false);
    write(EOI, 0);
    expect([pending(), ioRead(0x24)]).toEqual([false, LEVEL | 0x51]);
  });

  test('remote IRR can be cleared by switching to edge and back, and by the EOI register', () => {
    const { ioApic: io, pending, acknowledge, ioRead, write, redirect, enable, gsiLine } = setUp();
    enable();
    write(LVT_LINT0, MASKED);
    redirect(17, LEVEL | 0x52);
    const line = gsiLine(17);
    line.set(true);
    acknowledge();
    line.set(false);
    redirect(17, MASKED | 0x52);
    redirect(17, LEVEL | 0x52);
    expect(ioRead(0x32)).toBe(LEVEL | 0x52);
    line.set(true);
    expect(pending()).toBe(false); // still in service
    io!.registers.write(0x40, 4, 0x52);
    expect(ioRead(0x32) & 0x4000).toBe(0x4000); // sent again
  });

  test('what a disabled processor does not take is sent when it is enabled', () => {
    const { pending, write, redirect, enable, isaLine } = setUp();
    write(LVT_LINT0, MASKED);
    redirect(10, LEVEL | 0x51);
    isaLine(10).set(true);
    expect(pending()).toBe(false);
    enable();
    expect(pending()).toBe(true);
  });
});

describe('local APIC', () => {
  test('registers after reset', () => {
    const { read } = setUp(2);
    expect([ID, 0x30, TPR, PPR, LDR, DFR, SVR, LVT_TIMER, LVT_LINT0, LVT_LINT1].map((register) => read(register, 1))).toEqual([
      0x01000000,
      0x50014,
      0,
      0,
      0,
      0xffffffff,
      0xff,
      MASKED,
      MASKED,
      MASKED,
    ]);
    expect(read(LVT_LINT0)).toBe(0x700);
  });

  test('dispenses by priority, holds off what is not above the processor’s', () => {
    const { apicBus, pending, acknowledge, read, write, enable } = setUp();
    enable();
    write(LVT_LINT0, MASKED);
    const send = (vector: number) => apicBus.deliver({ destination: 0, logical: false, mode: 0, vector, levelTriggered: false });
    for (const vector of [0x31, 0x52, 0x91]) send(vector);
    expect(acknowledge()).toBe(0x91);
    expect([read(ISR + 0x40), read(PPR), pending()]).toEqual([1 << 17, 0x90, false]);
    send(0x9f);
    expect(pending()).toBe(false); // the same class
    send(0xa0);
    expect(acknowledge()).toBe(0xa0);
    write(EOI, 0);
    write(EOI, 0);
    expect(acknowledge()).toBe(0x9f);
    write(EOI, 0);
    write(TPR, 0x40);
    expect(acknowledge()).toBe(0x52);
    write(EOI, 0);
    expect([pending(), read(IRR + 0x10)]).toEqual([false, 1 << 17]);
    write(TPR, 0x20);
    expect(acknowledge()).toBe(0x31);
  });

  test('CR8 is the upper half of TPR; a request that is held off at the last moment gives the spurious vector', () => {
    const { apicBus, localApics, acknowledge, read, enable } = setUp();
    enable();
    apicBus.deliver({ destination: 0, logical: false, mode: 0, vector: 0x31, levelTriggered: false });
    localApics[0]!.msr.writeTaskPriority(9);
    expect([read(TPR), localApics[0]!.msr.readTaskPriority()]).toEqual([0x90, 9]);
    expect(acknowledge()).toBe(0xff);
  });

  test('software disable masks the LVT and refuses interrupts', () => {
    const { read, write, enable } = setUp();
    enable();
    write(LVT_ERROR, 0x33);
    write(SVR, 0xff);
    write(LVT_TIMER, 0x30);
    expect([read(LVT_ERROR), read(LVT_TIMER)]).toEqual([MASKED | 0x33, MASKED | 0x30]);
  });

  test('illegal vectors are errors, readable after a write to ESR', () => {
    const { acknowledge, read, write, enable } = setUp();
    enable();
    write(LVT_ERROR, 0x33);
    write(ICR, 0x40005);
    expect(acknowledge()).toBe(0x33);
    expect(read(ESR)).toBe(0);
    write(ESR, 0);
    expect(read(ESR)).toBe(0x20);
    write(ESR, 0);
    expect(read(ESR)).toBe(0);
  });

  test('accesses that are not 32 bits on a boundary do nothing', () => {
    const { localApics, read, write, enable } = setUp();
    enable();
    const { registers } = localApics[0]!;
    registers.write(TPR, 1, 0x55);
    registers.write(TPR + 4, 4, 0x55);
    expect(read(TPR)).toBe(0);
    write(TPR, 0x66);
    expect([registers.read(TPR, 1), registers.read(TPR + 4, 4), registers.read(0x32, 2)]).toEqual([0x66, 0, 0x0005]);
  });

  describe('timer', () => {
    test('one-shot', () => {
      const { pending, acknowledge, read, write, enable, scheduler } = setUp();
      enable();
      write(DIVIDE, 0x3); // 16
      write(LVT_TIMER, 0x30);
      write(INITIAL, 1_000_000);
      scheduler.advance(8e6);
      expect(read(CURRENT)).toBe(500_000);
      scheduler.advance(8e6 - 1);
      expect([pending(), read(CURRENT)]).toEqual([false, 1]);
      scheduler.advance(1);
      expect([acknowledge(), read(CURRENT)]).toEqual([0x30, 0]);
      scheduler.advance(1e9);
      write(EOI, 0);
      expect(pending()).toBe(false);
    });

    test('periodic, without drift; a new divisor counts on', () => {
      const { pending, acknowledge, read, write, enable, scheduler } = setUp();
      enable();
      write(DIVIDE, 0xb); // 1
      write(LVT_TIMER, 0x20030);
      write(INITIAL, 4_000_000); // 250 Hz
      let count = 0;
      for (let i = 0; i < 10_000; i++) {
        scheduler.advance(1e6);
        if (!pending()) continue;
        expect(acknowledge()).toBe(0x30);
        write(EOI, 0);
        count++;
      }
      expect(count).toBe(2500);
      scheduler.advance(1e6);
      expect(read(CURRENT)).toBe(3_000_000);
      write(DIVIDE, 0x0); // 2
      scheduler.advance(2e6);
      expect(read(CURRENT)).toBe(2_000_000);
      write(INITIAL, 0);
      scheduler.advance(1e9);
      expect(pending()).toBe(false);
    });

    test('masked, it counts without interrupting', () => {
      const { pending, read, write, enable, scheduler } = setUp();
      enable();
      write(LVT_TIMER, MASKED | 0x30);
      write(INITIAL, 0xffffffff);
      scheduler.advance(2e9);
      expect([pending(), read(CURRENT)]).toEqual([false, 0xffffffff - 1e9]);
    });

    test('TSC deadline', () => {
      const { localApics, pending, acknowledge, read, write, enable, scheduler } = setUp(1, { timeOfTsc: (_processor, tsc) => Number(tsc) / 2 });
      const [lapic] = localApics as [LocalApic];
      enable();
      lapic.msr.writeTscDeadline(1000n);
      expect(lapic.msr.readTscDeadline()).toBe(0n); // not in that mode
      write(LVT_TIMER, 0x40030);
      lapic.msr.writeTscDeadline(2_000_000n);
      write(INITIAL, 5);
      expect([lapic.msr.readTscDeadline(), read(CURRENT)]).toEqual([2_000_000n, 0]);
      scheduler.advance(1e6 - 1);
      expect(pending()).toBe(false);
      scheduler.advance(1);
      expect([acknowledge(), lapic.msr.readTscDeadline()]).toEqual([0x30, 0n]);
      write(EOI, 0);
      lapic.msr.writeTscDeadline(10n); // in the past
      scheduler.advance(0);
      expect(pending()).toBe(true);
    });
  });
});

test.each([true, false])('port 70h keeps NMI from the processor (APICs: %j)', (apic) => {
  const { targets, nmi, maskNmi, localApics, write, enable } = setUp(1, { apic });
  if (apic) {
    enable();
    write(LVT_LINT1, 0x400);
  }
  expect(localApics.length).toBe(apic ? 1 : 0);
  const [{ events }] = targets as [Target];
  maskNmi(true);
  nmi.set(true);
  nmi.set(false);
  expect(events).toEqual([]);
  nmi.set(true);
  maskNmi(false); // the request still stands
  expect(events).toEqual(['nmi']);
  maskNmi(true);
  maskNmi(false); // a new edge
  nmi.set(false);
  expect(events).toEqual(['nmi', 'nmi']);
});

describe('interprocessor interrupts', () => {
  const bench = () => {
    const board = setUp(3);
    board.enable();
    for (const target of board.targets) target.events.length = 0;
    const ipi = (low: number, high = 0, from = 0) => {
      board.write(ICR_HIGH, high, from);
      board.write(ICR, low, from);
    };
    const pendings = () => [0, 1, 2].map((cpu) => board.pending(cpu));
    return { ...board, ipi, pendings };
  };

  test('INIT and SIPI start a processor', () => {
    const { ipi, targets, read } = bench();
    ipi(0x0000c500, 0x02000000);
    ipi(0x00008500, 0x02000000); // de-assert: nothing
    ipi(0x00004609, 0x02000000);
    expect(targets.map((target) => target.events)).toEqual([[], [], ['init', 'startup 9']]);
    expect(read(SVR, 2)).toBe(0xff);
  });

  test('shorthands: self, all, all but self', () => {
    const { ipi, pendings, acknowledge, targets } = bench();
    ipi(0x44000 | 0x60, 0, 1);
    expect([pendings(), acknowledge(1)]).toEqual([[false, true, false], 0x60]);
    ipi(0xc4000 | 0x71, 0, 1);
    expect([pendings(), acknowledge(0), acknowledge(2)]).toEqual([[true, false, true], 0x71, 0x71]);
    ipi(0x80400);
    expect(targets.map((target) => target.events)).toEqual([['nmi'], ['nmi'], ['nmi']]);
  });

  test('logical destinations, flat and clustered', () => {
    const { ipi, pendings, write } = bench();
    for (const cpu of [0, 1, 2]) write(LDR, (1 << cpu) << 24, cpu);
    ipi(0x800 | 0x60, 0x06000000);
    expect(pendings()).toEqual([false, true, true]);
    for (const cpu of [0, 1, 2]) {
      write(DFR, 0, cpu);
      write(LDR, (0x10 | (1 << cpu)) << 24, cpu);
      write(SVR, 0xff, cpu);
      write(SVR, 0x1ff, cpu);
    }
    ipi(0x800 | 0x60, 0x21000000);
    ipi(0x800 | 0x61, 0x11000000);
    expect(pendings()[0]).toBe(true);
  });

  test('lowest priority goes to the least busy, and in turns', () => {
    const { ipi, write, localApics } = bench();
    for (const cpu of [0, 1, 2]) write(LDR, (1 << cpu) << 24, cpu);
    write(TPR, 0x30, 0);
    for (let i = 0; i < 4; i++) ipi(0x900 | (0x80 + i), 0x07000000);
    const counts = localApics.map((each) => each.state.irr.reduce((total, word) => total + word.toString(2).split('1').length - 1, 0));
    expect(counts).toEqual([0, 2, 2]);
  });

  test('messages of devices (MSI)', () => {
    const { apicBus, acknowledge } = bench();
    expect(apicBus.messageSignalled(0xfee01000, 0x0081)).toBe(true);
    expect(acknowledge(1)).toBe(0x81);
    expect(apicBus.messageSignalled(0xfee09000, 0x0081)).toBe(false);
  });
});

describeDevice('8259s, local APICs and I/O APIC', (context) => {
  const targets = [new Target(), new Target()];
  const moves: string[] = [];
  const board = createInterrupts((_name, type, each) => type.create(context, each), {
    processors: targets,
    apic: true,
    timeOfTsc: (_processor, tsc) => Number(tsc) / 2,
    relocated: (cpu, base, enabled) => (moves[cpu] = `${base} ${enabled}`),
  });
  const lines = Array.from({ length: 24 }, (_, gsi) => (gsi < 16 ? board.isaLine(gsi) : board.gsiLine(gsi)));
  const parts = [board.pic, board.ioApic!, ...board.localApics];
  const [lapic0, lapic1] = board.localApics as [LocalApic, LocalApic];
  let seenVectors = 0;
  return {
    format: {
      version: 1,
      schema: z.strictObject({ pic: pic8259.state.schema, io: ioApic.state.schema, lapic0: localApic.state.schema, lapic1: localApic.state.schema }),
    },
    device: {
      state: { pic: board.pic.state, io: board.ioApic!.state, lapic0: lapic0.state, lapic1: lapic1.state },
      reset: (kind) => {
        for (const line of lines) line.set(false);
        board.nmi.set(false);
        for (const part of parts) part.reset(kind);
      },
      loaded: () => {
        // Devices drive their lines again; here their wires are what the I/O APIC remembers of them.
        lines.forEach((line, gsi) => line.set((board.ioApic!.state.lines & (1 << (gsi === 0 ? 2 : gsi))) !== 0 && gsi !== 2));
        for (const part of parts) part.loaded?.();
      },
    },
    regions: [
      { region: lapic0.registers, length: 0x400, hot: [EOI, TPR, SVR, ICR, ICR_HIGH, LVT_TIMER, LVT_LINT0, INITIAL, DIVIDE, ESR] },
      { region: lapic1.registers, length: 0x400, hot: [EOI, SVR, LVT_TIMER, INITIAL, LDR, DFR] },
      { region: board.ioApic!.registers, length: 0x100, hot: [0, 0x10, 0x40] },
      { region: board.pic.master, length: 2 },
      { region: board.pic.slave, length: 2 },
    ],
    irqs: targets.map((target) => target.intr),
    events: {
      line: (value) => {
        if ((value & 31) < 24 && (value & 31) !== 2) lines[value & 31]!.set((value & 32) !== 0);
      },
      redirect: (value) => {
        board.ioApic!.registers.write(0, 4, 0x10 + 2 * (value % 24));
        board.ioApic!.registers.write(0x10, 4, (value & 0x8000) | (0x20 + (value & 0xdf)));
      },
      acknowledge: (value) => {
        if (board.pending(value & 1)) seenVectors = (seenVectors * 31 + board.acknowledge(value & 1)) & 0xffff;
      },
      msr: (value) => lapic0.msr.write((BigInt(value) << 8n) | 0x800n),
      deadline: (value) => lapic0.msr.writeTscDeadline(BigInt(value) * 1000n),
      enable: (value) => (value & 1 ? lapic0 : lapic1).registers.write(SVR, 4, 0x1ff),
      message: (value) => board.apicBus.messageSignalled(value, value >>> 8),
    },
    observe: () => [board.pending(0), board.pending(1)],
  };
});
