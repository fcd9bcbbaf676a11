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
