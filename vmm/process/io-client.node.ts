/** The control thread's side of the io thread. */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { VmmError } from '../base/errors.ts';
import type { ThrottleLimits } from '../storage/filters/throttle.ts';
import { createRingMemory } from '../storage/ring/layout.ts';
import type { Stall } from '../storage/ring/server.ts';
import type { FromIo, IoAnswers, IoRequest, IoThreadData, OpenedDrive, OpenRequest, ToIo } from './io-messages.ts';

export interface IoEvents {
  /** The host failed at something a guest asked for; the request waits for `retry`. */
  stall?(stall: Stall): void;
  /** The io thread ended without being asked to. */
  failed?(error: Error): void;
}

/** What the machine thread is given to reach the io thread: goes into its workerData, `port` also into the transfer list. */
export interface MachineDisks {
  readonly ring: SharedArrayBuffer;
  readonly port: MessagePort;
}

export class IoThread {
  readonly machine: MachineDisks;
  readonly #worker: Worker;
  readonly #events: IoEvents;
  readonly #waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  #nextId = 1;
  #ended = false;

  /** `doorbell`: the word of shared memory the machine thread sleeps on. */
  constructor(doorbell: SharedArrayBuffer, events: IoEvents = {}) {
    this.#events = events;
    const ring = createRingMemory();
    const { port1, port2 } = new MessageChannel();
    this.machine = { ring, port: port1 };
    const data: IoThreadData = { ring, doorbell };
    this.#worker = new Worker(new URL('./io-thread.node.ts', import.meta.url), { workerData: data, name: 'io' });
    this.#worker.postMessage({ machine: port2 }, [port2]);
    this.#worker.on('message', (message: FromIo) => this.#message(message));
    this.#worker.on('error', (error: unknown) => this.#end(error instanceof Error ? error : new Error(String(error))));
    this.#worker.on('exit', () => this.#end(undefined));
  }

  open(request: OpenRequest): Promise<OpenedDrive> {
    return this.#ask('open', { method: 'open', params: request });
  }

  async close(drive: number): Promise<void> {
    await this.#ask('close', { method: 'close', params: { drive } });
  }

  async throttle(drive: number, limits: ThrottleLimits): Promise<void> {
    await this.#ask('throttle', { method: 'throttle', params: { drive, limits } });
  }

  async prepareLayer(drive: number, file: string): Promise<void> {
    await this.#ask('prepareLayer', { method: 'prepareLayer', params: { drive, file } });
  }

  async abandonLayers(): Promise<void> {
    await this.#ask('abandonLayers', { method: 'abandonLayers' });
  }

  settleLayers(): Promise<readonly number[]> {
    return this.#ask('settleLayers', { method: 'settleLayers' });
  }

  async flush(): Promise<void> {
    await this.#ask('flush', { method: 'flush' });
  }

  async replace(drive: number, file: string, format: OpenRequest['format'], parentFolders: readonly string[]): Promise<void> {
    await this.#ask('replace', { method: 'replace', params: { drive, file, format, parentFolders } });
  }

  forgetPoints(before: number): Promise<IoAnswers['forgetPoints']> {
    return this.#ask('forgetPoints', { method: 'forgetPoints', params: { before } });
  }

  differing(point: number): Promise<readonly number[]> {
    return this.#ask('differing', { method: 'differing', params: { point } });
  }

  async fillLayers(point: number): Promise<void> {
    await this.#ask('fillLayers', { method: 'fillLayers', params: { point } });
  }

  async putLayersOn(point: number): Promise<void> {
    await this.#ask('putLayersOn', { method: 'putLayersOn', params: { point } });
  }

  async retry(): Promise<void> {
    await this.#ask('retry', { method: 'retry' });
  }

  /** Flushes and closes all drives, then ends the thread. Call when the machine thread is gone. */
  async shutdown(): Promise<void> {
    if (this.#ended) return;
    await this.#ask('shutdown', { method: 'shutdown' });
    this.#ended = true;
    await this.#worker.terminate();
  }

  #ask<M extends IoRequest['method']>(_method: M, request: IoRequest): Promise<IoAnswers[M]> {
    if (this.#ended) return Promise.reject(new VmmError('internal', 'the io thread has ended'));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: (result) => resolve(result as IoAnswers[M]), reject });
      this.#worker.postMessage({ id, ...request } satisfies ToIo);
    });
  }

  #message(message: FromIo): void {
    if (message.type === 'stall') return this.#events.stall?.(message.stall);
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.type === 'answer') waiting?.resolve(message.result);
    else waiting?.reject(new VmmError(message.kind, message.message, message.context));
  }

  #end(error: Error | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    const reason = error ?? new VmmError('internal', 'the io thread ended unexpectedly');
    for (const waiting of this.#waiting.values()) waiting.reject(reason);
    this.#waiting.clear();
    this.#events.failed?.(reason);
  }
}
