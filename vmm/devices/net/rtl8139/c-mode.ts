import type { Dma } from '../../../bus/dma.ts';
import { FCS_BYTES, frameCheck, LEAST_ON_WIRE, padded } from '../ethernet.ts';
import { Isr, Rcr, RxHeader, Tsd } from './registers.ts';
import type { Rtl8139State } from './state.ts';

/* The way of the RTL8139 before the C+: four buffers to send from, one ring of bytes to receive into. */

const HEADER_BYTES = 4;
/** CAPR is behind the driver's place by this much. */
const READ_LAG = 16;

/** Bytes of the receive ring. */
function ringSize(state: Rtl8139State): number {
  return 8192 << ((state.rxConfig >>> Rcr.RBLEN_SHIFT) & 3);
}

/** Nothing is in the receive ring: CR.BUFE. */
export function ringEmpty(state: Rtl8139State): boolean {
  const size = ringSize(state);
  return (state.readPointer + READ_LAG) % size === state.writePointer % size;
}

/** Puts a frame into the ring. False: there is no room. */
export function receiveIntoRing(state: Rtl8139State, dma: Dma, received: Uint8Array, flags: number): boolean {
  const size = ringSize(state);
  const frame = padded(received);
  const length = frame.length + FCS_BYTES;
  const total = (HEADER_BYTES + length + 3) & ~3;
  const write = state.writePointer % size;
  const free = ringEmpty(state) ? size : ((state.readPointer + READ_LAG) % size) - write + (write < (state.readPointer + READ_LAG) % size ? 0 : size);
  if (total >= free) return false;
  const record = new Uint8Array(total);
  const view = new DataView(record.buffer);
  view.setUint16(0, RxHeader.ROK | flags, true);
  view.setUint16(2, length, true);
  record.set(frame, HEADER_BYTES);
  view.setUint32(HEADER_BYTES + frame.length, frameCheck(frame), true);
  const first = size - write;
  // With WRAP the frame goes on behind the ring's end: the driver has made its buffer longer (not with 64 KiB, the data sheet says).
  if (total <= first || ((state.rxConfig & Rcr.WRAP) !== 0 && size < 65536)) dma.write(state.rxBuffer + write, record);
  else {
    dma.write(state.rxBuffer + write, record.subarray(0, first));
    dma.write(state.rxBuffer, record.subarray(first));
  }
  state.writePointer = (write + total) % size;
  return true;
}

/**
 * Sends what is in the four buffers, in their order. Returns the interrupt causes. `output` answers false when the cable is full.
 */
export function sendBuffers(state: Rtl8139State, dma: Dma, output: (frame: Uint8Array) => boolean): number {
  let causes = 0;
  for (let count = 0; count < 4; count++) {
    const status = state.txStatus[state.txNext]!;
    if ((status & Tsd.OWN) !== 0) return causes;
    const frame = new Uint8Array(Math.max(status & Tsd.SIZE, LEAST_ON_WIRE));
    dma.read(state.txAddress[state.txNext]!, frame.subarray(0, status & Tsd.SIZE));
    if (!output(frame)) return causes;
    state.txStatus[state.txNext] = (status | Tsd.OWN | Tsd.TOK) >>> 0;
    state.txNext = (state.txNext + 1) & 3;
    causes |= Isr.TOK;
  }
  return causes;
}
