import type { Stats } from '../../vmm/protocol/shared.ts';

/** What the charts draw: time (seconds, Unix) and one array per line. */
export interface Series {
  readonly time: readonly number[];
  readonly mips: readonly number[];
  readonly hostCpu: readonly number[];
  readonly memory: readonly number[];
  readonly diskRead: readonly number[];
  readonly diskWrite: readonly number[];
  readonly netIn: readonly number[];
  readonly netOut: readonly number[];
  readonly frames: readonly number[];
}

const sum = <T>(all: Readonly<Record<string, T>>, of: (one: T) => number) => Object.values(all).reduce((total, one) => total + of(one), 0);

const totals = (stats: Stats) => ({
  diskRead: sum(stats.drives, (d) => d.readBytes),
  diskWrite: sum(stats.drives, (d) => d.writeBytes),
  netIn: sum(stats.nics, (n) => n.receivedBytes),
  netOut: sum(stats.nics, (n) => n.sentBytes),
  frames: stats.framesSent,
});

/** Counters become rates between neighbouring samples; the first sample has none and is left out. */
export function seriesOf(samples: readonly Stats[]): Series {
  const pairs = samples.slice(1).map((now, at) => {
    const before = samples[at]!;
    const seconds = Math.max(0.001, (now.time - before.time) / 1000);
    const [a, b] = [totals(before), totals(now)];
    const rate = (key: keyof typeof a) => Math.max(0, (b[key] - a[key]) / seconds); // a reset starts counters again
    return { now, rate };
  });
  return {
    time: pairs.map(({ now }) => now.time / 1000),
    mips: pairs.map(({ now }) => now.mips),
    hostCpu: pairs.map(({ now }) => now.hostCpu * 100),
    memory: pairs.map(({ now }) => now.rss / 2 ** 20),
    diskRead: pairs.map(({ rate }) => rate('diskRead') / 2 ** 20),
    diskWrite: pairs.map(({ rate }) => rate('diskWrite') / 2 ** 20),
    netIn: pairs.map(({ rate }) => rate('netIn') / 1024),
    netOut: pairs.map(({ rate }) => rate('netOut') / 1024),
    frames: pairs.map(({ rate }) => rate('frames')),
  };
}
