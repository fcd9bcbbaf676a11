/** The control thread's side of the memory thread. */
import { Worker } from 'node:worker_threads';
import { VmmError } from '../../base/errors.ts';
import type { FromMemory, MemoryAnswers, MemoryRequest, MemoryThreadData } from './messages.ts';

export class MemoryClient {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  #nextId = 1;
  #ended: VmmError | undefined;

  constructor(data: MemoryThreadData) {
    this.#worker = new Worker(new URL('./memory-thread.node.ts', import.meta.url), { workerData: data, name: 'memory' });
    this.#worker.on('message', (message: FromMemory) => {
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if ('failed' in message) waiting?.reject(new VmmError(message.failed.kind, message.failed.message));
      else waiting?.resolve(message.result);
    });
    this.#worker.on('error', (error: unknown) =>
      this.#end(new VmmError('internal', `the thread that saves memory has failed: ${String(error)}`, {}, error)),
    );
    this.#worker.on('exit', () => this.#end(new VmmError('internal', 'the thread that saves memory has ended')));
    this.#worker.unref();
  }

  ask<M extends MemoryRequest['method']>(
    method: M,
    params: Extract<MemoryRequest, { method: M }> extends { params: infer P } ? P : undefined,
  ): Promise<MemoryAnswers[M]> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: (result) => resolve(result as MemoryAnswers[M]), reject });
      this.#worker.postMessage({ id, method, params });
    });
  }

  async close(): Promise<void> {
    this.#end(new VmmError('state', 'the machine has ended'));
    await this.#worker.terminate();
  }

  #end(reason: VmmError): void {
    this.#ended ??= reason;
    for (const waiting of this.#waiting.values()) waiting.reject(this.#ended);
    this.#waiting.clear();
  }
}
