/** The compiler of regions as another thread, spoken to without an event loop. */
import { MessageChannel, Worker, receiveMessageOnPort } from 'node:worker_threads';
import type { CompiledRegions, RegionCompiler } from '../accel/wasm/region-compiler.ts';
import type { Region } from '../cpu/jit/region.ts';

/** Regions compiled as one module: what is added to each grows with them, what is saved for each shrinks. */
const BATCH = 16;

export function regionWorker(): RegionCompiler {
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(new URL('./translate-thread.node.ts', import.meta.url), { name: 'translator', workerData: port2, transferList: [port2] });
  worker.unref();
  return {
    immediate: false,
    submit(regions: readonly Region[]) {
      for (const wide of [false, true]) {
        const alike = regions.filter((region) => region.wide === wide);
        for (let i = 0; i < alike.length; i += BATCH) port1.postMessage(alike.slice(i, i + BATCH));
      }
    },
    take() {
      return (receiveMessageOnPort(port1) as { message: CompiledRegions } | undefined)?.message;
    },
  };
}
