import { ManualClock, TimerQueue } from '../../bus/clock.ts';
import { createTestContext, describeDevice } from '../../bus/conformance.ts';
import { ProbeIrq, type IrqLine } from '../../bus/irq.ts';
import { secondsOf } from './calendar.ts';
import { rtcMc146818, type Rtc } from './rtc-mc146818.ts';

const START = secondsOf({ year: 1999, month: 12, day: 31, hour: 23, minute: 59, second: 57 });
const SET = 0x80;
const PIE = 0x40;
const AIE = 0x20;
const UIE = 0x10;
const DM = 0x04;
const H24 = 0x02;

function setUp(time = START) {
  const context = createTestContext();
  const irq = new ProbeIrq();
  return { rtc: rtcMc146818.create(context, { irq8: irq, time }), irq, scheduler: context.scheduler };
}

function read(rtc: Rtc, register: number): number {
  rtc.registers.write(0, 1, register);
  return rtc.registers.read(1, 1);
}

function write(rtc: Rtc, register: number, value: number): void {
  rtc.registers.write(0, 1, register);
  rtc.registers.write(1, 1, value);
}

/** Century, year, month, day, weekday, hour, minute, second, in hexadecimal as they stand in the registers. */
function time(rtc: Rtc): string {
  return [0x32, 9, 8, 7, 6, 4, 2, 0].map((register) => read(rtc, register).toString(16).padStart(2, '0')).join(' ');
}

describe('the clock', () => {
  test('counts over the turn of the century, in BCD and in binary, in 24 and 12 hours', () => {
    const { rtc, scheduler } = setUp();
    expect(time(rtc)).toBe('19 99 12 31 06 23 59 57');
    scheduler.advance(2_999_999_999);
    expect(time(rtc)).toBe('19 99 12 31 06 23 59 59');
    scheduler.advance(1);
    expect(time(rtc)).toBe('20 00 01 01 07 00 00 00');
    expect(read(rtc, 0x37)).toBe(0x20);
    write(rtc, 0x0b, SET | DM);
    for (const [register, value] of [[0x32, 20], [9, 24], [8, 2], [7, 28], [6, 4], [4, 0x80 | 11], [2, 59], [0, 58]] as const) write(rtc, register, value); // prettier-ignore
    scheduler.advance(5e9);
    expect(time(rtc)).toBe('14 18 02 1c 04 8b 3b 3a'); // SET: stands still
    write(rtc, 0x0b, DM);
    scheduler.advance(2e9);
    expect(time(rtc)).toBe('14 18 02 1d 05 0c 00 00'); // 12 AM of the 29th
    scheduler.advance(12 * 3600e9);
    expect(read(rtc, 4)).toBe(0x8c); // 12 PM
  });

  test('the day of the week is the guest’s own', () => {
    const { rtc, scheduler } = setUp();
    write(rtc, 6, 3);
    scheduler.advance(86400e9);
    expect(read(rtc, 6)).toBe(4);
  });

  test('a field written while it runs keeps the others and the phase', () => {
    const { rtc, scheduler } = setUp();
    scheduler.advance(700e6);
    write(rtc, 4, 0x12);
    expect(time(rtc)).toBe('19 99 12 31 06 12 59 57');
    scheduler.advance(300e6);
    expect(read(rtc, 0)).toBe(0x58);
  });

  test('impossible values are survived', () => {
    const { rtc, scheduler } = setUp();
    for (let register = 0; register < 10; register++) write(rtc, register, 0xff);
    scheduler.advance(5e9);
    expect(time(rtc)).toMatch(/^([0-9a-f]{2} ?){8}$/);
  });

  test('releasing the divider from reset makes the first update half a second later', () => {
    const { rtc, scheduler } = setUp();
    write(rtc, 0x0a, 0x66);
    scheduler.advance(10e9);
    expect(read(rtc, 0)).toBe(0x57);
    write(rtc, 0x0a, 0x26);
    scheduler.advance(499_999_999);
    expect(read(rtc, 0)).toBe(0x57);
    scheduler.advance(1);
    expect(read(rtc, 0)).toBe(0x58);
  });

  test('UIP is set for the 2.2 ms before an update, never while SET', () => {
    const { rtc, scheduler } = setUp();
    scheduler.advance(1e9 - 2_228_001);
    expect(read(rtc, 0x0a)).toBe(0x26);
    scheduler.advance(1);
    expect(read(rtc, 0x0a)).toBe(0xa6);
    write(rtc, 0x0b, SET | H24);
    expect(read(rtc, 0x0a)).toBe(0x26);
    write(rtc, 0x0b, H24);
    scheduler.advance(2_228_000);
    expect(read(rtc, 0x0a)).toBe(0x26);
  });

  test('can be set from outside', () => {
    const { rtc, scheduler } = setUp();
    scheduler.advance(123e6);
    rtc.setTime(START + 3600);
    expect(rtc.time).toBe(START + 3600);
    expect(time(rtc)).toBe('20 00 01 01 07 00 59 57');
  });
});

describe('interrupts', () => {
  test('update-ended, cleared by reading register C; flags are set without enables, too', () => {
    const { rtc, irq, scheduler } = setUp();
    scheduler.advance(1e9);
    expect(read(rtc, 0x0c) & 0x90).toBe(0x10);
    expect(read(rtc, 0x0c)).toBe(0);
    write(rtc, 0x0b, UIE | H24);
    scheduler.advance(999_999_999);
    expect(irq.level).toBe(false);
    scheduler.advance(1);
    expect(irq.level).toBe(true);
    expect(read(rtc, 0x0c)).toBe(0xd0); // IRQF, UF, and PF of the 1024 Hz rate
    expect(irq.level).toBe(false);
    scheduler.advance(3e9);
    expect(irq.edges).toBe(2); // high until read
  });

  test.each([
    [3, 8192],
    [6, 1024],
    [15, 2],
    [1, 256],
    [2, 128],
  ])('periodic rate %d is %d Hz', (rate, hz) => {
    const { rtc, irq, scheduler } = setUp();
    write(rtc, 0x0a, 0x20 | rate);
    write(rtc, 0x0b, PIE | H24);
    read(rtc, 0x0c);
    const before = irq.edges;
    for (let i = 0; i < 20_000; i++) {
      scheduler.advance(100_000);
      if (irq.level) expect(read(rtc, 0x0c) & 0xc0).toBe(0xc0);
    }
    expect(irq.edges - before).toBe(2 * hz);
  });

  test.each([
    ['at a time of day', [0x01, 0x00, 0x05], 5 + 60 + 3 - 4], // 00:01:... is 5 s after the minute
    ['every minute', [0xff, 0xff, 0x30], 33],
    ['every second', [0xff, 0xc0, 0xff], 1],
    ['every hour', [0xff, 0x00, 0x00], 3],
  ])('alarm %s', (name, [hour, minute, second], seconds) => {
    const { rtc, irq, scheduler } = setUp();
    if (name === 'at a time of day') {
      write(rtc, 5, 0x00);
      write(rtc, 3, 0x01);
      write(rtc, 1, 0x01);
    } else for (const [register, value] of [[5, hour!], [3, minute!], [1, second!]] as const) write(rtc, register, value); // prettier-ignore
    write(rtc, 0x0b, AIE | H24);
    scheduler.advance(seconds * 1e9 - 1);
    expect(irq.level).toBe(false);
    scheduler.advance(1);
    expect(irq.level).toBe(true);
    expect(read(rtc, 0x0c) & 0xa0).toBe(0xa0);
  });

  test('an alarm earlier in the day rings tomorrow, in 12-hour mode', () => {
    const { rtc, irq, scheduler } = setUp(START);
    write(rtc, 0x0b, SET);
    write(rtc, 4, 0x91); // 11 PM in BCD
    write(rtc, 5, 0x81); // 1 PM
    write(rtc, 3, 0x00);
    write(rtc, 1, 0x00);
    write(rtc, 0x0b, AIE);
    scheduler.advance((14 * 3600 - 59 * 60 - 57) * 1e9 - 1);
    expect(irq.level).toBe(false);
    scheduler.advance(1);
    expect(irq.level).toBe(true);
  });

  test('an alarm that matches no time never rings', () => {
    const { rtc, scheduler } = setUp();
    write(rtc, 5, 0x7f);
    write(rtc, 0x0b, AIE | H24);
    scheduler.advance(172800e9);
    expect(read(rtc, 0x0c) & 0x20).toBe(0);
  });

  test('SET clears UIE and holds updates off, reset clears the enables', () => {
    const { rtc, irq, scheduler } = setUp();
    write(rtc, 0x0b, SET | UIE | H24);
    expect(read(rtc, 0x0b)).toBe(SET | H24);
    scheduler.advance(5e9);
    expect(read(rtc, 0x0c) & 0x10).toBe(0);
    write(rtc, 0x0b, PIE | H24);
    scheduler.advance(1e9);
    expect(irq.level).toBe(true);
    rtc.reset('warm');
    expect([irq.level, read(rtc, 0x0b), read(rtc, 0x0c)]).toEqual([false, H24, 0]);
  });

  test('periodic interrupts missed while the host stood still come later', () => {
    const manual = new ManualClock();
    const scheduler = new TimerQueue(manual);
    let level = false;
    let served = 0;
    const irq8: IrqLine = { set: (to) => (level = to) };
    const rtc = rtcMc146818.create({ ...createTestContext(), scheduler }, { irq8, time: START });
    const pass = (ns: number) => {
      manual.set(manual.now() + ns);
      scheduler.runDue();
    };
    const run = (ticks: number) => {
      for (let i = 0; i < ticks; i++) {
        pass(100_000);
        if (level && (read(rtc, 0x0c) & PIE) !== 0) served++;
      }
    };
    write(rtc, 0x0b, PIE | H24);
    run(10_000);
    expect(served).toBe(1024);
    pass(500e6);
    expect(rtc.state.owed).toBe(511);
    run(5000);
    expect(served).toBe(2048);
    expect(rtc.state.owed).toBe(0);
  });
});

describe('RAM and index', () => {
  test('is kept, status registers C and D are read only, bit 7 of the index masks NMI', () => {
    const masks: boolean[] = [];
    const { scheduler, dma, log } = createTestContext();
    const cmos = new Uint8Array(128).fill(0x5a);
    const rtc = rtcMc146818.create({ scheduler, dma, log }, { irq8: new ProbeIrq(), time: START, cmos, nmiMasked: (masked) => masks.push(masked) });
    expect([read(rtc, 0x0e), read(rtc, 0x7f), read(rtc, 0x0d)]).toEqual([0x5a, 0x5a, 0x80]);
    write(rtc, 0x0d, 0);
    write(rtc, 0x40, 0x99);
    rtc.reset('power');
    expect([read(rtc, 0x0d), read(rtc, 0x40)]).toEqual([0x80, 0x99]);
    rtc.registers.write(0, 1, 0x8f);
    expect(masks.at(-1)).toBe(true);
    expect(rtc.registers.read(0, 1)).toBe(0xff);
    expect(rtc.registers.read(1, 1)).toBe(0x5a);
  });
});

describeDevice('MC146818', (context) => {
  const irq = new ProbeIrq();
  const rtc = rtcMc146818.create(context, { irq8: irq, time: START });
  return {
    format: rtcMc146818.state,
    device: rtc,
    regions: [{ region: rtc.registers, length: 2 }],
    irqs: [irq],
    events: {
      setTime: (value) => rtc.setTime(value),
      poke: (value) => write(rtc, value & 15, (value >> 4) & 0xff),
      peek: (value) => read(rtc, value & 15),
    },
    observe: () => rtc.time,
    retained: ['cmos', 'seconds', 'origin', 'weekdayShift'],
  };
});
