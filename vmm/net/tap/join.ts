import type { NetBackend } from '../cable/cable.ts';
import { RingEnd } from '../ring/end.ts';

/** What a TAP interface of the host is to a cable. */
export interface Tap {
  /** Gives the host a frame. What it does not take is lost, as on any link. */
  write(frame: Uint8Array): void;
}

/**
 * Joins a cable with a TAP interface. What the host sends comes through `memory`, a ring that a thread of its own fills (it may wait for the host, this one may not);
 * call what is returned when it has put something in. A guest that is slow fills the ring; then the reader loses frames, so the host's own stack slows down.
 */
export function joinTap(cable: NetBackend, memory: SharedArrayBuffer, tap: Tap): () => void {
  const fromHost = new RingEnd(memory, 'net', () => undefined); // the reader never waits for room
  cable.attach({
    frame(bytes) {
      tap.write(bytes);
      return true;
    },
    room: () => fromHost.ready(),
  });
  fromHost.attach({ frame: (bytes) => cable.send(bytes) });
  return () => fromHost.drain();
}
