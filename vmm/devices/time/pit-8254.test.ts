import { ManualClock, TimerQueue } from '../../bus/clock.ts';
import { createTestContext, describeDevice } from '../../bus/conformance.ts';
import { createFrequency } from '../../bus/frequency.ts';
import { ProbeIrq, type IrqLine } from '../../bus/irq.ts';
import { PIT_HZ, pit8254, type Pit8254 } from './pit-8254.ts';

const clock = createFrequency(PIT_HZ);
const CONTROL = 3;

function setUp() {
  const context = createTestContext();
  const irq = new ProbeIrq();
  const pit = pit8254.create(context, { irq0: irq });
  const { scheduler } = context;
  /** Advances to the start of tick `n` counted from now's tick. */
  const ticks = (n: number) => {
    scheduler.advance(clock.timeOf(clock.ticksAt(scheduler.now()) + n) - scheduler.now());
  };
  return { pit, irq, scheduler, ticks };
}

function program(pit: Pit8254, counter: number, mode: number, count: number, bcd = 0): void {
  pit.counters.write(CONTROL, 1, (counter << 6) | 0x30 | (mode << 1) | bcd);
  pit.counters.write(counter, 1, count & 0xff);
  pit.counters.write(counter, 1, count >> 8);
}

function readCount(pit: Pit8254, counter: number): number {
  pit.counters.write(CONTROL, 1, counter << 6);
  const low = pit.counters.read(counter, 1);
  return low | (pit.counters.read(counter, 1) << 8);
}

function readStatus(pit: Pit8254, counter: number): number {
  pit.counters.write(CONTROL, 1, 0xe0 | (2 << counter));
  return pit.counters.read(counter, 1);
}

/** OUT of counter 2 at each of the next `n` ticks, as a string of 0 and 1. */
function trace({ pit, ticks }: ReturnType<typeof setUp>, n: number): string {
  let out = '';
  for (let i = 0; i < n; i++) {
    out += (pit.systemControl.read(0, 1) & 0x20) !== 0 ? '1' : '0';
    ticks(1);
  }
  return out;
}

const gate = (pit: Pit8254, level: boolean) => pit.systemControl.write(0, 1, level ? 1 : 0);

describe('modes (wave forms of the data sheet, counter 2)', () => {
  test.each([
    // the write falls in tick 0, the count is loaded at tick 1
    [0, 4, '00000' + '11111'],
    [2, 3, '1' + '110110110'],
    [3, 4, '1' + '11001100'],
    [3, 5, '1' + '1110011100'],
    [4, 3, '1' + '1110' + '11111'],
  ])('mode %d, count %d', (mode, count, wave) => {
    const bench = setUp();
    gate(bench.pit, true);
    program(bench.pit, 2, mode, count);
    expect(trace(bench, wave.length)).toBe(wave);
  });

  test('mode 1 is a retriggerable one-shot of GATE', () => {
    const bench = setUp();
    program(bench.pit, 2, 1, 3);
    expect(trace(bench, 3)).toBe('111');
    gate(bench.pit, true);
    expect(trace(bench, 6)).toBe('100011');
    gate(bench.pit, false);
    gate(bench.pit, true);
    expect(trace(bench, 3)).toBe('100');
    gate(bench.pit, false);
    gate(bench.pit, true);
    expect(trace(bench, 6)).toBe('000011');
  });

  test('mode 5 strobes after a trigger', () => {
    const bench = setUp();
    program(bench.pit, 2, 5, 3);
    expect(trace(bench, 3)).toBe('111');
    gate(bench.pit, true);
    expect(trace(bench, 8)).toBe('11110111');
  });

  test('GATE low holds modes 0 and 4, and sets OUT of modes 2 and 3 high until the trigger reloads', () => {
    const bench = setUp();
    gate(bench.pit, true);
    program(bench.pit, 2, 0, 10);
    bench.ticks(4); // loaded at 1, so 3 counted
    gate(bench.pit, false);
    expect(readCount(bench.pit, 2)).toBe(7);
    bench.ticks(100);
    expect(readCount(bench.pit, 2)).toBe(7);
    gate(bench.pit, true);
    expect(trace(bench, 8)).toBe('00000001');

    program(bench.pit, 2, 3, 6);
    bench.ticks(5);
    expect(trace(bench, 1)).toBe('0');
    gate(bench.pit, false);
    expect(trace(bench, 3)).toBe('111');
    gate(bench.pit, true);
    expect(trace(bench, 8)).toBe('11110001');
  });

  test('a new count of modes 2 and 3 is taken at the end of the cycle', () => {
    const bench = setUp();
    gate(bench.pit, true);
    program(bench.pit, 2, 2, 4);
    bench.ticks(2);
    bench.pit.counters.write(2, 1, 2);
    bench.pit.counters.write(2, 1, 0);
    expect(readStatus(bench.pit, 2) & 0x40).toBe(0x40); // null count
    expect(trace(bench, 7)).toBe('1101010');
    expect(readStatus(bench.pit, 2) & 0x40).toBe(0);

    program(bench.pit, 2, 3, 8);
    bench.ticks(3); // third of four high ticks
    bench.pit.counters.write(2, 1, 4);
    bench.pit.counters.write(2, 1, 0);
    expect(trace(bench, 8)).toBe('11001100');
  });
});

describe('reading', () => {
  test('the count of each mode', () => {
    const { pit, ticks } = setUp();
    program(pit, 0, 2, 1000);
    ticks(11);
    expect(readCount(pit, 0)).toBe(990);
    program(pit, 0, 3, 1000);
    ticks(11);
    expect(readCount(pit, 0)).toBe(980);
    program(pit, 0, 0, 5);
    ticks(8);
    expect(readCount(pit, 0)).toBe(0xfffe);
  });

  test('BCD counts', () => {
    const { pit, ticks } = setUp();
    program(pit, 0, 0, 0x1234, 1);
    ticks(36);
    expect(readCount(pit, 0)).toBe(0x1199);
    program(pit, 0, 2, 0, 1); // 0 is 10000
    ticks(2);
    expect(readCount(pit, 0)).toBe(0x9999);
  });

  test('a latch holds until it is read, a second latch command is ignored', () => {
    const { pit, ticks } = setUp();
    program(pit, 0, 2, 0x8000);
    ticks(1);
    pit.counters.write(CONTROL, 1, 0x00);
    ticks(500);
    pit.counters.write(CONTROL, 1, 0x00);
    expect([pit.counters.read(0, 1), pit.counters.read(0, 1)]).toEqual([0x00, 0x80]);
    expect(pit.counters.read(0, 1)).toBe(0x0c); // 8000h - 500
  });

  test('read-back latches several counters, status before count', () => {
    const { pit, ticks } = setUp();
    program(pit, 0, 2, 100);
    pit.counters.write(CONTROL, 1, 0x50 | (3 << 1)); // counter 1, low byte only, mode 3
    pit.counters.write(1, 1, 18);
    ticks(2);
    pit.counters.write(CONTROL, 1, 0xc0 | 2 | 4);
    ticks(7);
    expect([pit.counters.read(0, 1), pit.counters.read(0, 1), pit.counters.read(0, 1)]).toEqual([0xb4, 99, 0]);
    expect([pit.counters.read(1, 1), pit.counters.read(1, 1)]).toEqual([0x96, 16]);
  });

  test('port 61h: writable bits, OUT 2 and the refresh toggle', () => {
    const { pit, ticks } = setUp();
    pit.systemControl.write(0, 1, 0xff);
    expect(pit.systemControl.read(0, 1) & 0xcf).toBe(0x0f);
    const seen = new Set<number>();
    for (let i = 0; i < 40; i++) {
      seen.add(pit.systemControl.read(0, 1) & 0x10);
      ticks(1);
    }
    expect(seen.size).toBe(2);
  });

  test('the speaker has a tone while it is enabled, gated and in mode 3', () => {
    const { pit, scheduler } = setUp();
    program(pit, 2, 3, 1193);
    expect(pit.speaker(scheduler.now())).toEqual({ level: false, tone: undefined });
    pit.systemControl.write(0, 1, 3);
    expect(pit.speaker(scheduler.now()).tone).toBeCloseTo(1000.15, 1);
  });
});

describe('IRQ 0', () => {
  test('ten minutes of mode 2 ticks neither drifts nor loses one', () => {
    const { pit, irq, scheduler } = setUp();
    program(pit, 0, 2, 11932);
    const before = irq.edges;
    scheduler.advance(600e9);
    expect(irq.edges - before).toBe(Math.floor((600 * PIT_HZ - 1) / 11932));
  });

  test('mode 0 interrupts once', () => {
    const { pit, irq, ticks } = setUp();
    program(pit, 0, 0, 100);
    ticks(100);
    expect(irq.edges).toBe(0);
    ticks(1);
    expect(irq.edges).toBe(1);
    ticks(200_000);
    expect(irq.edges).toBe(1);
  });

  test('mode 4, as Linux uses it for one-shot ticks, interrupts once per count', () => {
    const { pit, irq, ticks } = setUp();
    pit.counters.write(CONTROL, 1, 0x38);
    const before = irq.edges;
    for (const count of [1000, 2000]) {
      pit.counters.write(0, 1, count & 0xff);
      pit.counters.write(0, 1, count >> 8);
      ticks(3000);
    }
    expect(irq.edges - before).toBe(2);
  });

  test('a switch of the count is an edge also when the count is read before it is noticed', () => {
    const { pit, irq, scheduler } = setUp();
    program(pit, 0, 2, 1000);
    scheduler.advance(clock.timeOf(500));
    pit.counters.write(0, 1, 0xd0);
    pit.counters.write(0, 1, 0x07); // 2000
    const before = irq.edges;
    scheduler.advance(clock.timeOf(2400));
    expect(irq.edges - before).toBe(1);
    scheduler.advance(clock.timeOf(200));
    expect(irq.edges - before).toBe(2);
  });

  describe('ticks the guest could not see', () => {
    /** A guest with a 10 ms tick that takes each interrupt at the next `run`, on a host that can stand still. */
    function withGuest() {
      const manual = new ManualClock();
      const scheduler = new TimerQueue(manual);
      const guest = { wanted: true, requested: false, ticks: 0 };
      const irq: IrqLine = { set: (level) => (guest.requested ||= level) };
      const feedback = { wanted: () => guest.wanted, requested: () => guest.requested };
      const pit = pit8254.create({ ...createTestContext(), scheduler }, { irq0: irq, irq0Feedback: feedback });
      program(pit, 0, 2, 11932);
      guest.requested = false;
      const stall = (ns: number) => {
        manual.set(manual.now() + ns);
        scheduler.runDue();
      };
      const run = (ms: number) => {
        for (let i = 0; i < ms; i++) {
          stall(1e6);
          if (!guest.requested) continue;
          guest.requested = false;
          guest.ticks++;
          pit.irq0Acknowledged();
        }
      };
      return { pit, guest, stall, run };
    }

    test('come later, none is lost, and not faster than four times the rate', () => {
      const { pit, guest, stall, run } = withGuest();
      run(105);
      expect(guest.ticks).toBe(10);
      stall(100e6);
      expect(pit.state.owed).toBe(9);
      run(10);
      expect(guest.ticks).toBeLessThanOrEqual(10 + 1 + 5);
      run(90);
      expect(guest.ticks).toBe(30);
      expect(pit.state.owed).toBe(0);
    });

    test('also count when the guest itself was too slow to acknowledge', () => {
      const { guest, stall, run } = withGuest();
      for (let i = 0; i < 35; i++) stall(1e6);
      run(40);
      expect(guest.ticks).toBe(7);
    });

    test('are bounded to a second after a long sleep of the host', () => {
      const { pit, stall } = withGuest();
      stall(3600e9);
      expect(pit.state.owed).toBe(100);
    });

    test('are forgotten when IRQ 0 is masked', () => {
      const { pit, guest, stall, run } = withGuest();
      stall(500e6);
      guest.wanted = false;
      run(20);
      expect(pit.state.owed).toBe(0);
    });
  });
});

describeDevice('8254', (context) => {
  const irq = new ProbeIrq();
  const pit = pit8254.create(context, { irq0: irq, irq0Feedback: { wanted: () => true, requested: () => irq.level } });
  return {
    format: pit8254.state,
    device: pit,
    regions: [
      { region: pit.counters, length: 4 },
      { region: pit.systemControl, length: 1 },
    ],
    irqs: [irq],
    events: {
      acknowledge: () => {
        pit.irq0Acknowledged();
      },
    },
    observe: () => pit.speaker(context.scheduler.now()),
  };
});
