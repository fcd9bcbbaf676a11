/**
 * The io thread: one worker that holds the block graph of a machine's drives and moves data between files and guest RAM. Orders come from the
 * control thread, requests through the ring from the machine thread.
 */
import { createWriteStream } from 'node:fs';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { messageOf, VmmError } from '../base/errors.ts';
import { filtered } from '../storage/filters/filtered.ts';
import type { ThrottleLimits, ThrottleNode } from '../storage/filters/throttle.ts';
import type { TraceRecord } from '../storage/filters/trace.ts';
import { openImage } from '../storage/open.node.ts';
import type { RingMessage } from '../storage/ring/layout.ts';
import { DiskServer } from '../storage/ring/server.ts';
import type { FromIo, IoAnswers, IoRequest, IoThreadData, OpenRequest, ToIo } from './io-messages.ts';

if (parentPort !== null && workerData !== null) serve(workerData as IoThreadData, parentPort);

function serve(data: IoThreadData, control: MessagePort): void {
  const doorbell = new Int32Array(data.doorbell);
  const say = (message: FromIo) => control.postMessage(message);
  const server = new DiskServer({
    memory: data.ring,
    ring() {
      Atomics.add(doorbell, 0, 1);
      Atomics.notify(doorbell, 0);
    },
    onStall: (stall) => say({ type: 'stall', stall }),
    breathe: () => new Promise((resolve) => setImmediate(resolve)),
  });
  const disks: Disks = { server, throttles: new Map() };
  control.on('message', (message: ToIo | { readonly machine: MessagePort }) => {
    if ('machine' in message) message.machine.on('message', (one: RingMessage) => server.message(one));
    else void answer(disks, message, say);
  });
}

interface Disks {
  readonly server: DiskServer;
  /** By drive. */
  readonly throttles: Map<number, ThrottleNode>;
}

async function answer(disks: Disks, message: ToIo, say: (message: FromIo) => void): Promise<void> {
  try {
    const result = await perform(disks, message);
    say({ type: 'answer', id: message.id, result });
  } catch (error) {
    const known = error instanceof VmmError ? error : new VmmError('internal', messageOf(error), {}, error);
    say({ type: 'error', id: message.id, kind: known.kind, message: known.message, context: { ...known.context } });
  }
}

async function perform({ server, throttles }: Disks, request: IoRequest): Promise<IoAnswers[keyof IoAnswers]> {
  switch (request.method) {
    case 'open':
      return open(server, throttles, request.params);
    case 'close':
      await close(server, request.params.drive);
      return null;
    case 'throttle':
      setLimits(throttles.get(request.params.drive), request.params.limits);
      return null;
    case 'retry':
      server.resume();
      return null;
    case 'shutdown':
      await Promise.all(server.drives.map((drive) => close(server, drive)));
      return null;
  }
}

async function open(
  server: DiskServer,
  throttles: Disks['throttles'],
  { policy, filters = {}, trace, ...spec }: OpenRequest,
): Promise<IoAnswers['open']> {
  const image = await openImage(spec);
  const { node, throttle } = filtered(image.node, filters, { clock, trace: trace === undefined ? undefined : traceFile(trace) });
  const drive = server.attach(node, policy);
  throttles.set(drive, throttle);
  return { drive, size: node.size, readOnly: node.readOnly, file: spec.file };
}

function setLimits(throttle: ThrottleNode | undefined, limits: ThrottleLimits): void {
  if (throttle !== undefined) throttle.limits = limits;
}

const clock = {
  now: () => performance.now(),
  sleep: (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds)),
};

/** Lines of time (ms), operation, offset, length, duration (ms) and error. */
function traceFile(path: string): (record: TraceRecord) => void {
  const lines = createWriteStream(path, { flags: 'a' });
  lines.on('error', () => lines.destroy()); // a trace that cannot be written is not worth a machine
  return ({ at, operation, offset, length, took, error = '' }) =>
    lines.write(`${at.toFixed(3)} ${operation} ${offset} ${length} ${took.toFixed(3)} ${error}`.trimEnd() + '\n');
}

async function close(server: DiskServer, drive: number): Promise<void> {
  const node = await server.detach(drive);
  try {
    await node?.flush();
  } finally {
    await node?.close();
  }
}
