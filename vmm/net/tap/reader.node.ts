/** A thread that waits for frames of a TAP interface and puts them on a ring: waiting needs poll(2), which would stop the net thread. */
import { parentPort, workerData } from 'node:worker_threads';
import { MOST_SEGMENT } from '../cable/cable.ts';
import { RingEnd } from '../ring/end.ts';
import { pollerOf, readFrame } from './interface.node.ts';

export interface TapReaderData {
  readonly fd: number;
  readonly memory: SharedArrayBuffer;
  /** One Int32: not 0 ends the thread. */
  readonly stop: SharedArrayBuffer;
}

/** How soon it notices that it is to end, ms. */
const PATIENCE = 100;
/** The interface is down or gone: poll returns at once then. */
const PAUSE = 50;

const { fd, memory, stop } = workerData as TapReaderData;
const stopped = new Int32Array(stop);
const ring = new RingEnd(memory, 'nic', () => parentPort!.postMessage(null));
const ready = pollerOf(fd);
const buffer = new Uint8Array(MOST_SEGMENT);
while (Atomics.load(stopped, 0) === 0) {
  if (!ready(PATIENCE)) continue;
  let frame = readFrame(fd, buffer);
  if (frame === undefined) Atomics.wait(stopped, 0, 0, PAUSE);
  for (; frame !== undefined; frame = readFrame(fd, buffer)) ring.send(frame); // full: lost
}
