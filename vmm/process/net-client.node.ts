/** The control thread's side of the net thread: the networks of one machine. A machine without NICs has no such thread. */
import { Worker } from 'node:worker_threads';
import { VmmError } from '../base/errors.ts';
import type { LogRecord } from '../base/log.ts';
import { createCableMemory } from '../net/ring/layout.ts';
import type { VmConfig } from '../protocol/config.ts';
import type { FromNet, NetAnswers, NetRequest, NetThreadData, ToNet } from './net-messages.ts';

/** What the machine thread is given to reach the net thread. */
export interface MachineNets {
  readonly bell: SharedArrayBuffer;
  readonly cables: readonly (readonly [nic: string, cable: SharedArrayBuffer])[];
}

export interface NetEvents {
  log(record: LogRecord): void;
  /** The net thread ended without being asked to. */
  failed(error: Error): void;
}

export class NetThread {
  readonly #worker: Worker | undefined;
  readonly #events: NetEvents;
  readonly #bell = new SharedArrayBuffer(4);
  readonly #cables = new Map<string, SharedArrayBuffer>();
  readonly #waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  #nextId = 1;
  #ended = false;

  private constructor(data: Omit<NetThreadData, 'bell'> | undefined, events: NetEvents) {
    this.#events = events;
    if (data === undefined) return;
    const workerData: NetThreadData = { ...data, bell: this.#bell };
    this.#worker = new Worker(new URL('./net-thread.node.ts', import.meta.url), { workerData, name: 'net' });
    this.#worker.on('message', (message: FromNet) => this.#message(message));
    this.#worker.on('error', (error: unknown) => this.#end(error instanceof Error ? error : new Error(String(error))));
    this.#worker.on('exit', () => this.#end(undefined));
  }

  /** Opens the networks of all NICs. @throws VmmError naming the NIC; nothing stays open then. */
  static async open(config: VmConfig, directory: string, doorbell: SharedArrayBuffer, events: NetEvents): Promise<NetThread> {
    const thread = new NetThread(config.nics.length === 0 ? undefined : { doorbell, directory }, events);
    try {
      for (const nic of config.nics) {
        const cable = createCableMemory();
        thread.#cables.set(nic.id, cable);
        await thread.ask({ method: 'open', params: { nic, cable } });
      }
    } catch (error) {
      await thread.close();
      throw error;
    }
    return thread;
  }

  forMachine(): MachineNets {
    return { bell: this.#bell, cables: [...this.#cables] };
  }

  ask<R extends NetRequest>(request: R): Promise<NetAnswers[R['method']]> {
    if (this.#worker === undefined) return Promise.reject(new VmmError('not-found', 'this machine has no NIC'));
    if (this.#ended) return Promise.reject(new VmmError('internal', 'the net thread has ended'));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: (result) => resolve(result as NetAnswers[R['method']]), reject });
      this.#worker!.postMessage({ id, ...request } satisfies ToNet);
    });
  }

  async close(): Promise<void> {
    if (this.#worker === undefined || this.#ended) return;
    await this.ask({ method: 'shutdown' });
    this.#ended = true;
    await this.#worker.terminate();
  }

  #message(message: FromNet): void {
    if (message.type === 'log') return this.#events.log(message.record);
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.type === 'answer') waiting?.resolve(message.result);
    else waiting?.reject(new VmmError(message.kind, message.message, message.context));
  }

  #end(error: Error | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    const reason = error ?? new VmmError('internal', 'the net thread ended unexpectedly');
    for (const waiting of this.#waiting.values()) waiting.reject(reason);
    this.#waiting.clear();
    this.#events.failed(reason);
  }
}
