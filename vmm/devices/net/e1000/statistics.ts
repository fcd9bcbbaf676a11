import type { Offload } from '../../../net/cable/cable.ts';
import { FCS_BYTES, isBroadcast, isMulticast, LEAST_ON_WIRE } from '../ethernet.ts';
import { Stat, STATISTICS_WORDS, WIDE_STATISTICS } from './registers.ts';

const MOST = 0xffff_ffff;
/** Upper bounds of the size classes behind PRC64 and PTC64. */
const SIZE_CLASSES = [64, 127, 255, 511, 1023];

/** Statistics (13.7): counters that are cleared when they are read and stick at their largest value. */
export class Statistics {
  readonly #counters: number[];

  constructor(counters: number[]) {
    this.#counters = counters;
  }

  read(index: number): number {
    const value = this.#counters[index]!;
    if (WIDE_STATISTICS.has(index)) return value; // with its high word
    this.#counters[index] = 0;
    if (WIDE_STATISTICS.has(index - 1)) this.#counters[index - 1] = 0;
    return value;
  }

  count(index: number, by = 1): void {
    this.#counters[index] = Math.min(this.#counters[index]! + by, MOST);
  }

  reset(): void {
    this.#counters.splice(0, STATISTICS_WORDS, ...new Array<number>(STATISTICS_WORDS).fill(0));
  }

  /** A frame that passed the filters. */
  received(frame: Uint8Array): void {
    this.#frame(frame, Stat.GPRC, Stat.GORC, Stat.TPR, Stat.TOR, Stat.PRC64, Stat.BPRC, Stat.MPRC);
  }

  transmitted(frame: Uint8Array, cut: Offload['cut']): void {
    this.#frame(frame, Stat.GPTC, Stat.GOTC, Stat.TPT, Stat.TOT, Stat.PTC64, Stat.BPTC, Stat.MPTC);
    if (cut === undefined) return;
    const frames = Math.ceil((frame.length - cut.headers) / cut.segment) - 1;
    this.count(Stat.TSCTC);
    this.count(Stat.GPTC, frames);
    this.count(Stat.TPT, frames);
  }

  #frame(
    frame: Uint8Array,
    good: number,
    goodOctets: number,
    total: number,
    totalOctets: number,
    sizes: number,
    broadcast: number,
    multicast: number,
  ): void {
    const bytes = Math.max(frame.length, LEAST_ON_WIRE) + FCS_BYTES;
    this.count(good);
    this.count(total);
    this.#octets(goodOctets, bytes);
    this.#octets(totalOctets, bytes);
    const sizeClass = SIZE_CLASSES.findIndex((most) => bytes <= most);
    this.count(sizes + (sizeClass < 0 ? SIZE_CLASSES.length : sizeClass));
    if (isBroadcast(frame)) this.count(broadcast);
    else if (isMulticast(frame)) this.count(multicast);
  }

  #octets(low: number, bytes: number): void {
    const sum = this.#counters[low]! + bytes;
    this.#counters[low] = sum >>> 0;
    if (sum > MOST) this.count(low + 1);
  }
}
