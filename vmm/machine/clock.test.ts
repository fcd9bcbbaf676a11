import { createTestContext } from '../bus/conformance.ts';
import { pit8254 } from '../devices/time/pit-8254.ts';
import { MachineScheduler } from './scheduler.ts';
import { RealClock, SteppedClock, VIRTUAL_INSTRUCTION_TIME, VirtualClock } from './clock.ts';

const SECOND = 1e9;

describe('real time', () => {
  function make() {
    let host = 7e15;
    const clock = new RealClock(() => host);
    return { clock, pass: (ns: number) => (host += ns) };
  }

  test('starts at 0, follows the host, and stands while the machine is paused', () => {
    const { clock, pass } = make();
    pass(SECOND);
    expect(clock.now()).toBe(0);
    clock.start();
    pass(3 * SECOND);
    expect(clock.now()).toBe(3 * SECOND);
    clock.stop();
    pass(100 * SECOND);
    expect(clock.now()).toBe(3 * SECOND);
    clock.start();
    pass(1);
    expect(clock.now()).toBe(3 * SECOND + 1);
  });

  test('leaves out the time the host slept, and says how long that was', () => {
    const { clock, pass } = make();
    clock.start();
    pass(SECOND);
    expect(clock.poll()).toBe(0);
    pass(3600 * SECOND);
    expect(clock.poll()).toBe(3600 * SECOND);
    expect(clock.now()).toBe(SECOND);
    pass(SECOND);
    expect(clock.poll()).toBe(0);
    expect(clock.now()).toBe(2 * SECOND);
  });

  test('never goes back: time that was seen in a long slice has passed', () => {
    const { clock, pass } = make();
    clock.start();
    expect(clock.poll()).toBe(0);
    pass(8 * SECOND);
    expect(clock.now()).toBe(8 * SECOND); // within a slice of a starved process
    pass(SECOND);
    expect(clock.poll()).toBe(SECOND);
    expect(clock.now()).toBe(8 * SECOND);
  });

  /** A guest that polls the clock, an instruction and 2 µs a time, while the host holds it up for `stall` after every millisecond. */
  function poll(stall: number, time: number) {
    const { clock, pass } = make();
    clock.start();
    const steps: number[] = [];
    let [host, last] = [0, clock.now()];
    while (host < time) {
      let executed = 0;
      clock.poll();
      clock.enter(() => executed);
      for (let i = 0; i < 1000; i++) {
        pass(2000);
        host += 2000;
        if (i === 500) {
          pass(stall);
          host += stall;
        }
        executed += 10;
        const now = clock.now();
        steps.push(now - last);
        last = now;
      }
      clock.leave();
    }
    return { clock, steps, host };
  }

  test('moments in which the host does something else are passed on in small steps', () => {
    const { clock, steps, host } = poll(1_000_000, SECOND / 10);
    expect(Math.max(...steps)).toBeLessThanOrEqual(60_000);
    expect(Math.min(...steps)).toBeGreaterThanOrEqual(0);
    expect(host - clock.now()).toBeLessThan(1_000_000); // caught up before the next
    clock.idleUntil(Infinity);
    expect(clock.now()).toBe(host); // at the latest when the guest halts
  });

  test('falls behind by no more than a little, however busy the host is', () => {
    const { clock, host } = poll(50_000_000, 10 * SECOND);
    expect(host - clock.now()).toBeLessThanOrEqual(20e6);
  });

  test('time that was computed through is no hold-up', () => {
    const { clock, pass } = make();
    clock.start();
    for (let slice = 0; slice < 20; slice++) {
      let executed = 0;
      clock.enter(() => executed);
      for (let i = 0; i < 4; i++) {
        clock.now();
        executed += 100_000;
        pass(500_000);
      }
      clock.leave();
    }
    expect(clock.now()).toBe(20 * 2_000_000);
  });

  test('a kernel can calibrate its time stamp counter by the 8254 on a busy host', () => {
    // Linux, quick_pit_calibrate: counter 2 in mode 0 from FFFFh; every value of its high byte has to be seen more than five times.
    const { clock, pass } = make();
    const context = { ...createTestContext(), scheduler: new MachineScheduler(clock, () => undefined) };
    const pit = pit8254.create(context, { irq0: { set: () => undefined } });
    clock.start();
    let [executed, polls] = [0, 0];
    clock.enter(() => executed);
    const access = <T>(action: () => T): T => {
      pass(1500);
      if (++polls % 700 === 0) pass(900_000); // the translator at work
      executed += 3;
      return action();
    };
    access(() => pit.systemControl.write(0, 1, 1));
    access(() => pit.counters.write(3, 1, 0xb0));
    access(() => pit.counters.write(2, 1, 0xff));
    access(() => pit.counters.write(2, 1, 0xff));
    const highByte = () => (access(() => pit.counters.read(2, 1)), access(() => pit.counters.read(2, 1)));
    highByte();
    for (let expected = 0xff; expected > 0xff - 90; expected--) {
      let seen = 0;
      while (highByte() === expected) {
        access(() => clock.now());
        seen++;
      }
      expect(seen).toBeGreaterThan(5);
    }
  });

  test('a pause is not a sleep of the host', () => {
    const { clock, pass } = make();
    clock.start();
    clock.stop();
    pass(3600 * SECOND);
    expect(clock.poll()).toBe(0);
    clock.start();
    expect(clock.poll()).toBe(0);
    expect(clock.now()).toBe(0);
  });

  test('learns the speed of execution', () => {
    const { clock, pass } = make();
    clock.start();
    for (let slice = 0; slice < 100; slice++) {
      clock.enter(() => 500_000);
      pass(1_000_000);
      clock.leave();
    }
    expect(clock.instructionsUntil(clock.now() + 1_000_000)).toBeCloseTo(500_000, -3);
  });

  test('takes over the time of a saved machine', () => {
    const { clock, pass } = make();
    clock.set(50 * SECOND);
    clock.start();
    pass(SECOND);
    expect(clock.now()).toBe(51 * SECOND);
  });
});

describe('virtual time', () => {
  test('passes with instructions only, also within a slice', () => {
    const clock = new VirtualClock();
    let executed = 0;
    clock.enter(() => executed);
    executed = 1000;
    expect(clock.now()).toBe(1000 * VIRTUAL_INSTRUCTION_TIME);
    clock.leave();
    clock.endRound();
    expect(clock.now()).toBe(1000 * VIRTUAL_INSTRUCTION_TIME);
    expect(clock.instructionsUntil(clock.now() + 400)).toBe(100);
  });

  test('a round of several vCPUs takes as long as its longest slice, and time never goes back', () => {
    const clock = new VirtualClock();
    for (const executed of [700, 300]) {
      clock.enter(() => executed);
      expect(clock.now()).toBe(700 * VIRTUAL_INSTRUCTION_TIME);
      clock.leave();
    }
    clock.endRound();
    expect(clock.now()).toBe(700 * VIRTUAL_INSTRUCTION_TIME);
  });

  test('idle time is skipped; without a deadline the host sleeps', () => {
    const clock = new VirtualClock();
    expect(clock.idleUntil(12_345)).toBe(0);
    expect(clock.now()).toBe(12_345);
    expect(clock.idleUntil(Infinity)).toBe(Infinity);
    expect(clock.now()).toBe(12_345);
  });
});

test('stepped time never goes back', () => {
  const clock = new SteppedClock();
  clock.set(100);
  clock.set(50);
  expect(clock.now()).toBe(100);
});
