import { MachineScheduler } from './scheduler.ts';

function make() {
  let time = 0;
  let kicks = 0;
  const scheduler = new MachineScheduler({ now: () => (time += 10) }, () => kicks++);
  return { scheduler, kicks: () => kicks, at: (to: number) => (time = to) };
}

test('time goes on between accesses and stands still within one', () => {
  const { scheduler } = make();
  expect(scheduler.now()).toBeLessThan(scheduler.now());
  scheduler.hold();
  const within = scheduler.now();
  expect(scheduler.atOnce(() => scheduler.now())).toBe(within);
  expect(scheduler.now()).toBe(within);
  scheduler.release();
  expect(scheduler.now()).toBeGreaterThan(within);
});

test('a failing access releases the clock', () => {
  const { scheduler } = make();
  expect(() =>
    scheduler.atOnce(() => {
      throw new Error('device');
    }),
  ).toThrow('device');
  expect(scheduler.now()).toBeLessThan(scheduler.now());
});

test('timers that fall due together see one present', () => {
  const { scheduler, at } = make();
  const seen: number[] = [];
  scheduler.at(100, () => seen.push(scheduler.now()));
  scheduler.at(120, () => seen.push(scheduler.now()));
  scheduler.runDue();
  expect(seen).toEqual([]);
  at(200);
  scheduler.runDue();
  expect(seen).toHaveLength(2);
  expect(seen[0]).toBe(seen[1]);
});

test('only a timer before the end of the slice ends it', () => {
  const { scheduler, kicks } = make();
  scheduler.at(50, () => undefined);
  scheduler.sliceEnd = 1000;
  scheduler.at(2000, () => undefined);
  expect(kicks()).toBe(0);
  scheduler.at(600, () => undefined);
  expect(kicks()).toBe(1);
  scheduler.at(700, () => undefined);
  expect(kicks()).toBe(1);
});
