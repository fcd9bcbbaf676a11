/**
 * The machine thread: one worker in which the machine runs from power-on to its end. It never returns to the event loop in between; messages are
 * taken from the port when the doorbell word says that there are some.
 */
import { getRandomValues } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { Accelerator } from '../accel/accelerator.ts';
import { noAccelerator } from '../accel/none.ts';
import type { EngineBinaries } from '../accel/wasm/engine.ts';
import { regionWorker } from './region-worker.node.ts';
import { createWasmAccelerator } from '../accel/wasm/wasm.ts';
import { messageOf, VmmError } from '../base/errors.ts';
import { createLog } from '../base/log.ts';
import type { BootFiles } from '../machine/boot/boot-plan.ts';
import { buildMachine } from '../machine/build.ts';
import type { RunEnd as MachineEnd } from '../machine/host.ts';
import type { VmConfig } from '../protocol/config.ts';
import type { Nic } from '../protocol/config-net.ts';
import { DiskClient, type DriveHandle } from '../storage/ring/client.ts';
import { DiskCounts } from './disk-counts.ts';
import { RingEnd } from '../net/ring/end.ts';
import { MachineControl } from './machine-control.ts';
import type { MachineNets } from './net-client.node.ts';
import { NetCounts } from './net-counts.ts';
import type { FromMachine, RunEnd, ToMachine } from './machine-messages.ts';

/** What the control thread gives the machine thread at its start. */
export interface MachineThreadData {
  readonly config: VmConfig;
  readonly paused: boolean;
  /** One Int32: added to and notified by whoever wants the machine's attention. */
  readonly doorbell: SharedArrayBuffer;
  readonly engine: EngineBinaries;
  readonly bios: Uint8Array;
  readonly vgaBios?: Uint8Array;
  readonly nicRoms: ReadonlyMap<Nic['model'], Uint8Array>;
  readonly boot?: BootFiles;
  readonly disks: {
    readonly ring: SharedArrayBuffer;
    readonly port: MessagePort;
    readonly drives: readonly (readonly [id: string, handle: DriveHandle])[];
  };
  readonly nets: MachineNets;
}

if (parentPort !== null && workerData !== null) runMachine(workerData as MachineThreadData, parentPort);

function runMachine(data: MachineThreadData, port: MessagePort): void {
  const say = (message: FromMachine) => port.postMessage(message);
  try {
    say({ type: 'ended', end: run(data, port, say) });
  } catch (error) {
    const expected = error instanceof VmmError && error.kind !== 'internal';
    if (!expected)
      say({
        type: 'log',
        record: { level: 'error', component: 'machine', message: error instanceof Error ? (error.stack ?? error.message) : String(error) },
      });
    say({ type: 'ended', end: { how: 'error', status: expected ? 2 : 1, message: messageOf(error) } });
  }
  port.close();
  data.disks.port.close();
}

function run(data: MachineThreadData, port: MessagePort, say: (message: FromMachine) => void): RunEnd {
  const { config } = data;
  const doorbell = new Int32Array(data.doorbell);
  const log = (component: string) => createLog(component, (record) => say({ type: 'log', record }));
  const hostTime = () => performance.now() * 1e6;
  const counts = new DiskCounts();
  const disks = new DiskClient({
    memory: data.disks.ring,
    post: (message) => data.disks.port.postMessage(message),
    doorbell,
    hostTime: () => performance.now(),
  });
  const bell = new Int32Array(data.nets.bell);
  const cables = data.nets.cables.map(([id, memory]) => {
    const end = new RingEnd(memory, 'nic', () => {
      Atomics.add(bell, 0, 1);
      Atomics.notify(bell, 0);
    });
    return { id, end };
  });
  const netCounts = new NetCounts();
  const control = new MachineControl(config.serial.length, {
    say,
    counts,
    netCounts,
    snapshots: {
      settle: () => disks.settleAll(),
      freeze: (word) => data.disks.port.postMessage({ freeze: word }),
      mark(number, patience) {
        const word = new SharedArrayBuffer(4);
        data.disks.port.postMessage({ mark: number, word });
        if (Atomics.wait(new Int32Array(word), 0, 0, patience) === 'timed-out')
          throw new VmmError('host', 'the thread that serves the disks does not answer');
      },
      hostTime,
    },
    backend: (drive, handle) => counts.counted(drive, disks.backend(handle)),
  });
  const drain = () => {
    disks.drain();
    for (const { end } of cables) end.drain();
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) control.handle(next.message as ToMachine);
  };
  const built = buildMachine(config, {
    accelerator: acceleratorOf(config, data.engine),
    hostTime,
    wallTime: () => Date.now() / 1000,
    localOffset: () => -new Date().getTimezoneOffset() * 60,
    random: randomWords(),
    log,
    doorbell,
    drain,
    ...(availableParallelism() > 1 && { soon: () => disks.inFlight > 0 }),
    events: control.events,
    bios: data.bios,
    vgaBios: data.vgaBios,
    nicRoms: data.nicRoms,
    boot: data.boot,
    disks: new Map(data.disks.drives.map(([id, handle]) => [id, counts.counted(id, disks.backend(handle))])),
    nets: new Map(cables.map(({ id, end }) => [id, netCounts.counted(id, end)])),
    serial: control.serial,
    parallel: control.parallel.write,
    debugcon: control.debugcon.write,
  });
  if (data.paused) built.machine.pause();
  control.attach(built);
  const end = built.machine.run();
  control.finish();
  built.machine.dispose();
  return endOf(end);
}

function acceleratorOf(config: VmConfig, engine: EngineBinaries): Accelerator {
  if (config.accel === 'none') return noAccelerator;
  if (config.accel === 'kvm') throw new VmmError('unsupported', 'the accelerator kvm is not available yet; use --accel wasm');
  if (config.accel === 'interp') return createWasmAccelerator(engine);
  return createWasmAccelerator(engine, () => regionWorker(engine.effects));
}

function endOf(end: MachineEnd): RunEnd {
  switch (end.how) {
    case 'powered-off':
    case 'reset':
      return { how: end.how, status: 0 };
    case 'debug-exit':
      return { how: 'debug-exit', status: end.status };
    case 'interrupted':
      return { how: 'interrupted', status: 130 };
    case 'error':
      return { how: 'error', status: 1, message: end.message };
  }
}

/** 32 random bits at a time, drawn from the system in lots. */
function randomWords(): () => number {
  const words = new Uint32Array(256);
  let next = words.length;
  return () => {
    if (next === words.length) {
      getRandomValues(words);
      next = 0;
    }
    return words[next++]!;
  };
}
