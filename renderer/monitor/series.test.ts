import type { Stats } from '../../vmm/protocol/shared.ts';
import { seriesOf } from './series.ts';

const sample = (time: number, read: number, frames: number): Stats => ({
  time,
  instructions: 0,
  mips: time / 100,
  hostCpu: 0.5,
  rss: 2 ** 20,
  framesSent: frames,
  exits: {},
  drives: { hda: { readBytes: read, writeBytes: 0, reads: 0, writes: 0 } },
  nics: { net0: { receivedBytes: read / 1024, sentBytes: 0 } },
});

it('turns counters into rates', () => {
  const series = seriesOf([sample(1000, 0, 0), sample(2000, 2 ** 20, 30), sample(4000, 2 ** 20, 90)]);
  expect(series.time).toEqual([2, 4]);
  expect(series.mips).toEqual([20, 40]);
  expect(series.hostCpu).toEqual([50, 50]);
  expect(series.memory).toEqual([1, 1]);
  expect(series.diskRead).toEqual([1, 0]);
  expect(series.netIn).toEqual([1, 0]);
  expect(series.frames).toEqual([30, 30]);
});

it('shows no negative rates after a reset, and nothing for a single sample', () => {
  expect(seriesOf([sample(1000, 500, 5), sample(2000, 0, 0)]).diskRead).toEqual([0]);
  expect(seriesOf([sample(1000, 0, 0)]).time).toEqual([]);
});
