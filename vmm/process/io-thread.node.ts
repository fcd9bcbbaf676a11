/**
 * The io thread: one worker that holds the block graph of a machine's drives and moves data between files and guest RAM. Orders come from the
 * control thread, requests through the ring from the machine thread.
 */
import { createWriteStream } from 'node:fs';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { messageOf, VmmError } from '../base/errors.ts';
import type { TraceRecord } from '../storage/filters/trace.ts';
import type { RingMessage } from '../storage/ring/layout.ts';
import { DiskServer } from '../storage/ring/server.ts';
import { LayeredDrive } from './layered-drive.node.ts';
import type { FromIo, IoAnswers, IoRequest, IoThreadData, OpenRequest, ToIo } from './io-messages.ts';

if (parentPort !== null && workerData !== null) serve(workerData as IoThreadData, parentPort);

function serve(data: IoThreadData, control: MessagePort): void {
  const doorbell = new Int32Array(data.doorbell);
  const say = (message: FromIo) => control.postMessage(message);
  const drives = new Map<number, LayeredDrive>();
  const server = new DiskServer({
    memory: data.ring,
    ring() {
      Atomics.add(doorbell, 0, 1);
      Atomics.notify(doorbell, 0);
    },
    onStall: (stall) => say({ type: 'stall', stall }),
    breathe: () => new Promise((resolve) => setImmediate(resolve)),
  });
  control.on('message', (message: ToIo | { readonly machine: MessagePort }) => {
    if ('machine' in message)
      message.machine.on(
        'message',
        (one: RingMessage | { readonly freeze: SharedArrayBuffer } | { readonly mark: number; readonly word: SharedArrayBuffer }) => {
          if (typeof one === 'object' && 'freeze' in one) freeze(drives, new Int32Array(one.freeze));
          else if (typeof one === 'object' && 'mark' in one) mark(drives, one.mark, new Int32Array(one.word));
          else server.message(one);
        },
      );
    else void answer({ server, drives }, message, say);
  });
}

/** The machine thread waits for it, with nothing in flight. */
function freeze(drives: ReadonlyMap<number, LayeredDrive>, word: Int32Array): void {
  for (const drive of drives.values()) drive.freeze();
  Atomics.store(word, 0, 1);
  Atomics.notify(word, 0);
}

function mark(drives: ReadonlyMap<number, LayeredDrive>, number: number, word: Int32Array): void {
  for (const drive of drives.values()) drive.undo.mark(number);
  Atomics.store(word, 0, 1);
  Atomics.notify(word, 0);
}

interface Attached {
  readonly server: DiskServer;
  readonly drives: Map<number, LayeredDrive>;
}

async function answer(attached: Attached, message: ToIo, say: (message: FromIo) => void): Promise<void> {
  try {
    const result = await perform(attached, message);
    say({ type: 'answer', id: message.id, result });
  } catch (error) {
    const known = error instanceof VmmError ? error : new VmmError('internal', messageOf(error), {}, error);
    say({ type: 'error', id: message.id, kind: known.kind, message: known.message, context: { ...known.context } });
  }
}

async function perform({ server, drives }: Attached, request: IoRequest): Promise<IoAnswers[keyof IoAnswers]> {
  switch (request.method) {
    case 'open':
      return open({ server, drives }, request.params);
    case 'close':
      drives.delete(request.params.drive);
      await close(server, request.params.drive);
      return null;
    case 'throttle':
      drives.get(request.params.drive)?.limit(request.params.limits);
      return null;
    case 'prepareLayer':
      await driveOf(drives, request.params.drive).prepare(request.params.file);
      return null;
    case 'forgetPoints': {
      const logs = [...drives.values()].map(({ undo }) => undo).filter(({ readOnly }) => !readOnly);
      for (const log of logs) log.forgetBefore(request.params.before);
      return { bytes: logs.reduce((sum, { bytes }) => sum + bytes, 0), since: logs.reduce((last, { since }) => Math.max(last, since), 0) };
    }
    case 'differing':
      return [...drives].filter(([, { undo }]) => undo.bytes > 0 && undo.at(request.params.point).size > 0).map(([number]) => number);
    case 'fillLayers':
      for (const drive of drives.values()) await drive.fillPending(request.params.point);
      return null;
    case 'putLayersOn':
      for (const drive of drives.values()) {
        drive.freeze({ always: true });
        drive.undo.wentBack(request.params.point);
        drive.undo.mark(request.params.point);
      }
      return null;
    case 'abandonLayers':
      for (const drive of drives.values()) await drive.abandon();
      return null;
    case 'settleLayers':
      return settle(drives);
    case 'flush':
      for (const { node } of drives.values()) if (!node.readOnly) await node.flush();
      return null;
    case 'replace': {
      const { drive, file, format, parentFolders } = request.params;
      await driveOf(drives, drive).replace(file, format, parentFolders);
      return null;
    }
    case 'retry':
      server.resume();
      return null;
    case 'shutdown':
      await Promise.all(server.drives.map((drive) => close(server, drive)));
      return null;
  }
}

async function open({ server, drives }: Attached, { policy, trace, ...request }: OpenRequest): Promise<IoAnswers['open']> {
  const drive = await LayeredDrive.open(request, { clock, trace: trace === undefined ? undefined : traceFile(trace) });
  const number = server.attach(drive.undo, policy);
  drives.set(number, drive);
  return { drive: number, size: drive.node.size, readOnly: drive.node.readOnly, file: request.file };
}

async function settle(drives: ReadonlyMap<number, LayeredDrive>): Promise<number[]> {
  const settled: number[] = [];
  for (const [number, drive] of drives) if (await drive.settle()) settled.push(number);
  return settled;
}

function driveOf(drives: ReadonlyMap<number, LayeredDrive>, number: number): LayeredDrive {
  const drive = drives.get(number);
  if (drive === undefined) throw new VmmError('internal', `there is no drive ${number}`);
  return drive;
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
