/** The compiler of regions as another thread, spoken to without an event loop. */
import { MessageChannel, Worker, receiveMessageOnPort } from 'node:worker_threads';
import type { CompiledRegions, RegionCompiler } from '../accel/wasm/region-compiler.ts';
import type { EffectsTable } from '../cpu/isa/effects-table.ts';
import type { Region } from '../cpu/jit/region.ts';
import type { TranslatorData } from './translate-thread.node.ts';

/**
 * Regions wait until so many are there, or the first has waited so long: every module has an instance and memory for code of its own, and a processor whose time
 * goes by in hundreds of regions feels how many pages they are spread over.
 */
const BATCH = 48;
const PATIENCE_MS = 40;

export function regionWorker(effects?: EffectsTable): RegionCompiler {
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(new URL('./translate-thread.node.ts', import.meta.url), {
    name: 'translator',
    workerData: { port: port2, effects } satisfies TranslatorData,
    transferList: [port2],
  });
  worker.unref();
  const queues = [new Queue(port1), new Queue(port1)] as const;
  return {
    immediate: false,
    submit(regions: readonly Region[]) {
      for (const region of regions) queues[region.wide ? 1 : 0].add(region);
    },
    take() {
      for (const queue of queues) queue.flush();
      return (receiveMessageOnPort(port1) as { message: CompiledRegions } | undefined)?.message;
    },
  };
}

/** Regions of one kind on their way to the translating thread. */
class Queue {
  readonly #port: { postMessage(regions: readonly Region[]): void };
  readonly #regions: Region[] = [];
  #since = 0;

  constructor(port: { postMessage(regions: readonly Region[]): void }) {
    this.#port = port;
  }

  add(region: Region): void {
    if (this.#regions.length === 0) this.#since = performance.now();
    this.#regions.push(region);
  }

  flush(): void {
    while (this.#regions.length >= BATCH || (this.#regions.length > 0 && performance.now() - this.#since >= PATIENCE_MS)) {
      this.#port.postMessage(this.#regions.splice(0, BATCH));
    }
  }
}
