/** A cable that ends at a TAP interface of the host: bridged and routed networks, as far as the host's administrator lets the user. */
import { closeSync } from 'node:fs';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { messageOf } from '../../base/errors.ts';
import type { NetBackend } from '../cable/cable.ts';
import type { NetworkHost, OpenNetwork } from '../open.node.ts';
import { createCableMemory } from '../ring/layout.ts';
import { openTap, writeFrame } from './interface.node.ts';
import { joinTap } from './join.ts';
import type { TapReaderData } from './reader.node.ts';

/** @throws VmmError when there is no such interface, or it is not this user's. */
export function openTapNetwork(name: string, cable: NetBackend, { log }: NetworkHost): OpenNetwork {
  const fd = openTap(name);
  const data: TapReaderData = { fd, memory: createCableMemory(), stop: new SharedArrayBuffer(4) };
  const drain = joinTap(cable, data.memory, { write: (frame) => writeFrame(fd, frame) });
  const reader = new Worker(new URL('./reader.node.ts', import.meta.url), { workerData: data, name: 'tap' });
  reader.on('message', drain);
  reader.on('error', (error: unknown) => log.warn(`${name}: nothing is received any more: ${messageOf(error)}`));
  const ended = once(reader, 'exit');
  return {
    async close() {
      cable.attach({ frame: () => true });
      const stop = new Int32Array(data.stop);
      Atomics.store(stop, 0, 1);
      Atomics.notify(stop, 0);
      await ended;
      closeSync(fd);
    },
  };
}
