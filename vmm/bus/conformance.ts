import fc from 'fast-check';
import { silentLog, type Log } from '../base/log.ts';
import type { AccessSize, Region } from './bus.ts';
import { ManualClock, ManualScheduler, TimerQueue, type Timer } from './clock.ts';
import type { Device, DeviceContext, ResetKind, StateFormat } from './device.ts';
import type { Dma } from './dma.ts';
import type { ProbeIrq } from './irq.ts';
import { loadDevice, saveDevice, validateState } from './saved-state.ts';

/*
 * The suite every device runs (promises.md, isolation): whatever a guest does in whatever order, a device never throws, answers with values
 * of the access's width, does bounded work, reaches nothing but RAM, and its state is all there is to it. Usage:
 *
 *   describeDevice('uart 16550', (context) => {
 *     const irq = new ProbeIrq();
 *     const device = uart16550.create(context, { irq, ... });
 *     return { format: uart16550.state, device, regions: [{ region: device.registers, length: 8 }], irqs: [irq],
 *              events: { receive: (value) => device.receive(value & 0xff) } };
 *   });
 */

/** One device with everything around it, made afresh for each run. Two made alike and driven alike must behave alike. */
export interface DeviceFixture<S extends object> {
  readonly format: StateFormat<S>;
  readonly device: Device<S>;
  /** `hot`: offsets worth more attention than the rest of a large region. */
  readonly regions: readonly { readonly region: Region; readonly length: number; readonly hot?: readonly number[] }[];
  readonly irqs?: readonly ProbeIrq[];
  /** What else happens to the device: bytes that arrive, media that change, input lines. The argument is any unsigned 32-bit number. */
  readonly events?: Readonly<Record<string, (value: number) => void>>;
  /** Drains what is in flight to a back end, as freezing a machine does before it is saved. Given: awaited after each step, too. */
  readonly settle?: () => void | Promise<void>;
  /** Outputs beyond reads, state and interrupt lines that a loaded device must agree on. */
  readonly observe?: () => unknown;
  /** Top-level state fields that outlive `reset('power')` (battery-backed memory, media). */
  readonly retained?: readonly string[];
  /** Work units one access may cost: timers set, DMA calls, DMA pages, guest log lines. Default 4096. */
  readonly maxWork?: number;
}

export interface ConformanceOptions {
  readonly runs?: number;
  /** Given: sequences of all lengths up to it. Otherwise they are short, mostly. */
  readonly steps?: number;
  /** Longest single tick, ns (default 2 s). */
  readonly longestTick?: number;
}

/** One thing done to a device: plain data, so that a counterexample can be kept as a regression test (`runSteps`). */
export type Step =
  | { readonly do: 'read'; readonly region: number; readonly offset: number; readonly size: AccessSize }
  | { readonly do: 'write'; readonly region: number; readonly offset: number; readonly size: AccessSize; readonly value: number }
  /** `stall`: the host did nothing for that long, and all timers find themselves late at once. */
  | { readonly do: 'tick' | 'stall'; readonly nanoseconds: number }
  | { readonly do: 'reset'; readonly kind: ResetKind }
  | { readonly do: 'event'; readonly event: number; readonly value: number };

const RAM_BYTES = 1 << 20;
/** The same sequences every time; another SEED for others. */
const SEED = Number(process.env['SEED'] ?? 20261123);
const PAGE = 4096;
/** A device may call back at most this often in the long run: what is faster must be derived when it is read. */
const SHORTEST_CALLBACK_PERIOD = 5000;

class CountingScheduler extends TimerQueue {
  readonly #clock: ManualClock;
  #limit = Infinity;
  work = 0;

  constructor(now: number) {
    const clock = new ManualClock();
    clock.set(now);
    super(clock);
    this.#clock = clock;
  }

  override at(deadline: number, fire: () => void): Timer {
    if (!Number.isFinite(deadline)) throw new Error(`timer set for ${deadline}`);
    if (++this.work > this.#limit) throw new Error(`unbounded work: timers set more often than every ${SHORTEST_CALLBACK_PERIOD} ns`);
    return super.at(deadline, fire);
  }

  /** Lets `nanoseconds` pass, each timer seeing its own deadline as the present. */
  advance(nanoseconds: number): void {
    const end = this.now() + nanoseconds;
    this.#limit = this.work + 4096 + nanoseconds / SHORTEST_CALLBACK_PERIOD;
    for (let next = this.next(); next !== undefined && next <= end; next = this.next()) {
      this.#clock.set(Math.max(next, this.now()));
      this.runDue();
    }
    this.#clock.set(end);
    this.#limit = Infinity;
  }

  /** Lets `nanoseconds` pass in one jump, as when the host did not run: every timer finds itself late. */
  stall(nanoseconds: number): void {
    this.#clock.set(this.now() + nanoseconds);
    this.#limit = this.work + 4096;
    this.runDue();
    this.#limit = Infinity;
  }
}

/** RAM for tests: within bounds plain memory, beyond it aborted cycles. Refuses arguments that no address generator makes. */
export class CheckedDma implements Dma {
  readonly ram = new Uint8Array(RAM_BYTES);
  work = 0;

  private check(addr: number, length: number): void {
    if (!Number.isInteger(addr) || addr < 0 || !Number.isInteger(length) || length < 0) throw new Error(`DMA of ${length} bytes at ${addr}`);
    this.work += 1 + Math.floor(length / PAGE);
  }

  view(addr: number, length: number): Uint8Array | undefined {
    this.check(addr, length);
    return addr + length <= RAM_BYTES ? this.ram.subarray(addr, addr + length) : undefined;
  }

  wrote(addr: number, length: number): void {
    this.check(addr, length);
    if (addr + length > RAM_BYTES) throw new Error(`wrote outside RAM: ${length} bytes at ${addr}`);
  }

  read(addr: number, into: Uint8Array): void {
    this.check(addr, into.length);
    into.fill(0xff);
    if (addr < RAM_BYTES) into.set(this.ram.subarray(addr, Math.min(addr + into.length, RAM_BYTES)));
  }

  write(addr: number, from: Uint8Array): void {
    this.check(addr, from.length);
    if (addr < RAM_BYTES) this.ram.set(from.subarray(0, Math.min(from.length, RAM_BYTES - addr)), addr);
  }
}

/** What a device's own unit tests give it: a clock moved by hand, a megabyte of RAM, and no log. */
export function createTestContext(): { readonly scheduler: ManualScheduler; readonly dma: CheckedDma; readonly log: Log } {
  return { scheduler: new ManualScheduler(), dma: new CheckedDma(), log: silentLog };
}

export interface FixtureContext extends DeviceContext {
  readonly scheduler: CountingScheduler;
  readonly dma: CheckedDma;
}

export type MakeFixture<S extends object> = (context: FixtureContext) => DeviceFixture<S>;

/** A fixture under test together with its context. */
class Bench<S extends object> {
  readonly context: FixtureContext;
  readonly fixture: DeviceFixture<S>;
  #guestLines = 0;

  constructor(make: MakeFixture<S>, now = 0) {
    const log: Log = { ...silentLog, guest: () => this.#guestLines++ };
    this.context = { scheduler: new CountingScheduler(now), dma: new CheckedDma(), log };
    this.fixture = make(this.context);
  }

  private get work(): number {
    return this.context.scheduler.work + this.context.dma.work + this.#guestLines;
  }

  /** Does one step; the result is what a guest sees of it. */
  async step(step: Step): Promise<number | undefined> {
    const before = this.work;
    const seen = this.perform(step);
    const limit = (this.fixture.maxWork ?? 4096) + ('nanoseconds' in step ? 8192 + (4 * step.nanoseconds) / SHORTEST_CALLBACK_PERIOD : 0);
    if (this.work - before > limit) throw new Error(`unbounded work: ${this.work - before} units in ${JSON.stringify(step)}`);
    if (this.fixture.settle !== undefined) await this.fixture.settle();
    return seen;
  }

  private perform(step: Step): number | undefined {
    switch (step.do) {
      case 'read': {
        const value = this.region(step.region).read(step.offset, step.size);
        if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * step.size)) {
          throw new Error(`read of ${step.size} bytes at ${step.offset} of ${this.region(step.region).name} gave ${value}`);
        }
        return value;
      }
      case 'write':
        this.region(step.region).write(step.offset, step.size, step.value);
        return undefined;
      case 'tick':
        this.context.scheduler.advance(step.nanoseconds);
        return undefined;
      case 'stall':
        this.context.scheduler.stall(step.nanoseconds);
        return undefined;
      case 'reset':
        this.fixture.device.reset(step.kind);
        return undefined;
      case 'event':
        Object.values(this.fixture.events ?? {})[step.event]?.(step.value);
        return undefined;
    }
  }

  private region(index: number): Region {
    return this.fixture.regions[index]!.region;
  }

  /** A second bench, made anew and loaded with this one's state and RAM. */
  reincarnate(make: MakeFixture<S>): Bench<S> {
    const { device, format } = this.fixture;
    const saved = saveDevice(device, format);
    const state = validateState('device', format, saved);
    expect(state).toEqual(saved.state);
    const next = new Bench(make, this.context.scheduler.now());
    next.context.dma.ram.set(this.context.dma.ram);
    loadDevice(next.fixture.device, state);
    return next;
  }

  get view(): { state: unknown; irqs: boolean[]; observed: unknown } {
    const { device, irqs, observe } = this.fixture;
    return { state: structuredClone(device.state), irqs: (irqs ?? []).map((line) => line.level), observed: observe?.() };
  }
}

/** Drives one fixture through `steps`; returns what each read gave. For regression tests of sequences that once failed. */
export async function runSteps<S extends object>(make: MakeFixture<S>, steps: readonly Step[]): Promise<(number | undefined)[]> {
  const bench = new Bench(make);
  const seen: (number | undefined)[] = [];
  for (const step of steps) seen.push(await bench.step(step));
  return seen;
}

const anyValue = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 0xff }) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 31 }).map((n) => 2 ** n) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 0xffff }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 0xffffffff }) },
  { weight: 1, arbitrary: fc.constantFrom(0, 0xff, 0xffff, 0xffffffff, 0x80000000, 0x7fffffff) },
);

function stepArbitrary<S extends object>(fixture: DeviceFixture<S>, longestTick: number): fc.Arbitrary<Step> {
  const places = fixture.regions.map(({ region, length, hot }, index) => {
    const offset = fc.integer({ min: 0, max: length - 1 });
    return fc
      .tuple(hot && hot.length > 0 ? fc.oneof(offset, fc.constantFrom(...hot)) : offset, fc.constantFrom<AccessSize>(1, 2, 4))
      .map(([at, size]) => ({ region: index, offset: at, size: legalSize(region, length - at, size) }));
  });
  const time = fc.oneof(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 0, max: 3_000_000 }), fc.integer({ min: 0, max: longestTick }));
  const eventCount = Object.keys(fixture.events ?? {}).length;
  const choices: fc.WeightedArbitrary<Step>[] = [
    { weight: 8, arbitrary: time.map((nanoseconds) => ({ do: 'tick', nanoseconds })) },
    { weight: 2, arbitrary: time.map((nanoseconds) => ({ do: 'stall', nanoseconds })) },
    { weight: 1, arbitrary: fc.constantFrom<ResetKind>('power', 'warm').map((kind) => ({ do: 'reset', kind })) },
  ];
  if (places.length > 0) {
    const place = fc.oneof(...places);
    choices.push({ weight: 30, arbitrary: place.map((at) => ({ do: 'read', ...at })) });
    choices.push({
      weight: 40,
      arbitrary: fc.tuple(place, anyValue).map(([at, value]) => ({ do: 'write', ...at, value: value % 2 ** (8 * at.size) })),
    });
  }
  if (eventCount > 0) {
    const event = fc.integer({ min: 0, max: eventCount - 1 });
    choices.push({ weight: 20, arbitrary: fc.tuple(event, anyValue).map(([index, value]) => ({ do: 'event', event: index, value })) });
  }
  return fc.oneof(...choices);
}

function legalSize(region: Region, room: number, wanted: AccessSize): AccessSize {
  let size = wanted;
  while (size > 1 && (size > (region.sizes ?? 4) || size > room)) size = size === 4 ? 2 : 1;
  return size;
}

function firstDifference(a: Uint8Array, b: Uint8Array): number {
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return index;
  return -1;
}

/** Every leaf of a plain-data tree, as a path. */
function leafPaths(value: unknown, path: readonly string[] = []): string[][] {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return [[...path]];
  return Object.entries(value).flatMap(([key, child]) => leafPaths(child, [...path, key]));
}

function replaceAt(root: unknown, path: readonly string[], junk: unknown): void {
  let node = root as Record<string, unknown>;
  for (const key of path.slice(0, -1)) node = node[key] as Record<string, unknown>;
  const last = path.at(-1);
  if (last !== undefined) node[last] = junk;
}

const junk = fc.oneof(
  anyValue,
  fc.constantFrom<unknown>(-1, 0.5, NaN, Infinity, 2 ** 53, 1e300, true, false, null, 'x', [], {}),
  fc.integer({ min: 0, max: 2 ** 50 }),
);

/** The conformance suite of one device, as jest tests. Not called for devices whose register file is only a view of another device's. */
export function describeDevice<S extends object>(name: string, make: MakeFixture<S>, options: ConformanceOptions = {}): void {
  const numRuns = options.runs ?? 60;
  const sample = new Bench(make).fixture;
  const step = stepArbitrary(sample, options.longestTick ?? 2_000_000_000);
  const steps = fc.array(step, options.steps === undefined ? { maxLength: 60 } : { maxLength: options.steps, size: 'max' });

  describe(`${name}: conformance`, () => {
    test('power reset gives the state of a new device', async () => {
      await fc.assert(
        fc.asyncProperty(steps, async (sequence) => {
          const bench = new Bench(make);
          for (const each of sequence) await bench.step(each);
          await bench.fixture.settle?.();
          await bench.step({ do: 'reset', kind: 'power' });
          const fresh = new Bench(make, bench.context.scheduler.now());
          const [after, wanted] = [bench.view, fresh.view];
          for (const key of bench.fixture.retained ?? []) {
            Reflect.deleteProperty(after.state as object, key);
            Reflect.deleteProperty(wanted.state as object, key);
          }
          expect(after.state).toEqual(wanted.state);
          expect(after.irqs).toEqual(wanted.irqs);
        }),
        { numRuns, seed: SEED },
      );
    });

    test('any sequence is survived, and a saved and loaded device goes on the same', async () => {
      await fc.assert(
        fc.asyncProperty(steps, steps, async (before, after) => {
          const first = new Bench(make);
          for (const each of before) await first.step(each);
          await first.fixture.settle?.();
          const second = first.reincarnate(make);
          expect(second.view).toEqual(first.view);
          for (const each of after) expect([each, await second.step(each)]).toEqual([each, await first.step(each)]);
          expect(second.view).toEqual(first.view);
          expect(firstDifference(second.context.dma.ram, first.context.dma.ram)).toBe(-1);
        }),
        { numRuns, seed: SEED },
      );
    });

    test('a damaged saved state is refused or harmless', async () => {
      await fc.assert(
        fc.asyncProperty(steps, fc.array(fc.tuple(fc.nat(), junk), { minLength: 1, maxLength: 4 }), steps, async (before, damage, after) => {
          const first = new Bench(make);
          for (const each of before) await first.step(each);
          await first.fixture.settle?.();
          const { format, device } = first.fixture;
          const saved = saveDevice(device, format);
          for (const [where, value] of damage) {
            const paths = leafPaths(saved.state).filter((path) => path.length > 0);
            const path = paths[where % paths.length];
            if (path !== undefined) replaceAt(saved.state, path, value);
          }
          const parsed = format.schema.safeParse(saved.state);
          if (!parsed.success) return;
          const second = new Bench(make, first.context.scheduler.now());
          loadDevice(second.fixture.device, parsed.data);
          for (const each of after) await second.step(each);
        }),
        { numRuns, seed: SEED },
      );
    });
  });
}
