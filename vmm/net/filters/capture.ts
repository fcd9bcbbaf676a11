/** Writes what passes into a capture in the pcap format, as tcpdump and Wireshark read it (draft-ietf-opsawg-pcap). Frames are whole: their checksums computed, long segments cut. */
import type { NetBackend, Offload } from '../cable/cable.ts';
import { cutFrames } from '../cable/offload.ts';
import { Filter } from './filter.ts';

const MAGIC_NANOSECONDS = 0xa1b23c4d;
const SNAP_LENGTH = 262_144;
const ETHERNET = 1;

export interface CaptureSink {
  /** Takes the bytes or drops them; never waits. */
  write(bytes: Uint8Array): void;
}

export class Capture extends Filter {
  readonly #wallTime: () => number;
  #sink: CaptureSink | undefined;
  /** Frames since the capture began. */
  frames = 0;

  /** `wallTime`: Unix ms */
  constructor(cable: NetBackend, wallTime: () => number) {
    super(cable);
    this.#wallTime = wallTime;
  }

  get active(): boolean {
    return this.#sink !== undefined;
  }

  /** Undefined: no more. */
  start(sink: CaptureSink | undefined): void {
    this.#sink = sink;
    this.frames = 0;
    sink?.write(pcapHeader());
  }

  override send(frame: Uint8Array, offload?: Offload): boolean {
    const taken = this.cable.send(frame, offload);
    if (taken) this.#record(frame, offload);
    return taken;
  }

  override frame(bytes: Uint8Array, offload?: Offload): boolean {
    const taken = super.frame(bytes, offload);
    if (taken) this.#record(bytes, offload);
    return taken;
  }

  #record(frame: Uint8Array, offload: Offload | undefined): void {
    const sink = this.#sink;
    if (sink === undefined) return;
    const put = (one: Uint8Array) => {
      this.frames++;
      sink.write(pcapRecord(one, this.#wallTime()));
    };
    if (offload === undefined) put(frame);
    else cutFrames(frame, offload, put);
  }
}

export function pcapHeader(): Uint8Array {
  const bytes = new Uint8Array(24);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC_NANOSECONDS, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, SNAP_LENGTH, true);
  view.setUint32(20, ETHERNET, true);
  return bytes;
}

export function pcapRecord(frame: Uint8Array, time: number): Uint8Array {
  const bytes = new Uint8Array(16 + frame.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, Math.floor(time / 1000), true);
  view.setUint32(4, Math.floor((time % 1000) * 1e6), true);
  view.setUint32(8, frame.length, true);
  view.setUint32(12, frame.length, true);
  bytes.set(frame, 16);
  return bytes;
}
