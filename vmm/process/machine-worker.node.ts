/** The machine thread as a worker of this process. */
import { Worker } from 'node:worker_threads';
import type { FromMachine, MachineThread, ToMachine } from './machine-messages.ts';
import type { MachineThreadData } from './machine-thread.node.ts';

/** A young generation that is large enough not to promote what lives for a slice, MiB. */
const YOUNG_GENERATION = 64;

export function machineWorker(data: MachineThreadData): MachineThread {
  const doorbell = new Int32Array(data.doorbell);
  let worker: Worker | undefined;
  return {
    post(message: ToMachine) {
      worker?.postMessage(message);
      Atomics.add(doorbell, 0, 1);
      Atomics.notify(doorbell, 0);
    },
    start(handlers) {
      worker = new Worker(new URL('./machine-thread.node.ts', import.meta.url), {
        name: 'machine',
        workerData: data,
        transferList: [data.disks.port],
        resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION },
      });
      let problem: string | undefined;
      worker.on('message', (received: FromMachine) => handlers.message(received));
      worker.on('error', (error: Error) => (problem = error.stack ?? error.message));
      worker.on('messageerror', (error: Error) => (problem = error.message));
      worker.on('exit', () => handlers.exited(problem));
    },
    terminate() {
      void worker?.terminate();
    },
  };
}
