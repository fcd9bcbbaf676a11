/** One machine in this process: its threads, its back ends, its session and its protocol server. */
import type { Readable, Writable } from 'node:stream';
import { messageOf, VmmError } from '../base/errors.ts';
import { createLog } from '../base/log.ts';
import { findBootRoms } from '../machine/firmware/find-boot-roms.node.ts';
import { type FirmwareImages, findFirmware } from '../machine/firmware/find-firmware.node.ts';
import type { VmConfig } from '../protocol/config.ts';
import { serve } from '../protocol/server.ts';
import type { Transport } from '../protocol/transport.ts';
import { notAvailable } from './availability.ts';
import { engineBinaries, readBootFiles } from './boot-files.node.ts';
import { type DiskThread, openDisks } from './disk-thread.node.ts';
import type { Drives } from './drives.ts';
import { hostTime, machineHost, processUse } from './host.node.ts';
import type { LogFile } from './log-file.node.ts';
import type { Counters, RunEnd } from './machine-messages.ts';
import { NetThread } from './net-client.node.ts';
import { forwardEvents, machineHandlers } from './machine-handlers.ts';
import { machineWorker } from './machine-worker.node.ts';
import { type Backend, type BackendHost, openByteSink, openSerial } from './serial-backends.node.ts';
import { Session } from './session.ts';
import { machineSnapshotHandlers } from './snapshots/machine-snapshot-handlers.node.ts';
import { LiveSnapshots } from './snapshots/live-snapshots.node.ts';
import { SnapshotTree } from '../snapshot/tree.node.ts';
import { runStats } from './stats.ts';
import { strateVersion } from './installation.node.ts';
import { resolveIn } from './vm-folder.node.ts';

/** Of a machine thread that could not build what the configuration asks for. */
const exitStatusOfUsage = 2;
/** ms; drivers look every two seconds where they get no interrupt. */
const UNPLUGGED = 2500;
const MIB = 1 << 20;

export interface VmOptions {
  readonly config: VmConfig;
  /** Relative paths of the configuration are relative to it. */
  readonly directory: string;
  readonly log: LogFile;
  readonly paused: boolean;
  /** For back ends `stdio`. */
  readonly stdin: Readable;
  readonly stdout: Writable;
  /** Of a machine that is in a folder of its own, and has snapshots there. */
  readonly snapshots?: { readonly folder: string; readonly store: string };
  /** Told when something takes time. */
  readonly progress?: (message: string) => void;
}

export class Vm {
  readonly session: Session;
  readonly drives: Drives;
  /** Absent: the machine has no folder to keep them in. */
  readonly snapshots: LiveSnapshots | undefined;
  /** How the run ended; all is closed then. Never rejects. */
  readonly ended: Promise<RunEnd>;
  readonly #options: VmOptions;
  readonly #nets: NetThread;
  readonly #version = strateVersion();
  readonly #started = processUse();
  #counters: Counters | undefined;

  private constructor(
    options: VmOptions,
    session: Session,
    disks: DiskThread,
    nets: NetThread,
    backends: readonly Backend[],
    tree: SnapshotTree | undefined,
  ) {
    this.#options = options;
    this.session = session;
    this.#nets = nets;
    this.drives = disks.drives(session);
    const { snapshots, log } = options;
    this.snapshots =
      snapshots &&
      tree &&
      new LiveSnapshots({
        session,
        disks: disks.layers(this.drives),
        tree,
        store: snapshots.store,
        release: this.#version,
        log: createLog('snapshots', log.record),
      });
    this.ended = session.ended.then(async (end) => {
      await this.snapshots?.close();
      await closeAll(disks, nets, backends);
      if (tree !== undefined && options.config.undo === 'discard') await discardSession(tree, log);
      return end;
    });
    session.on('counters', (counters) => (this.#counters = counters));
  }

  /** @throws VmmError with one line for people when it cannot be started; nothing runs then. */
  static async start(options: VmOptions): Promise<Vm> {
    const { config, directory, log } = options;
    const [gap] = notAvailable(config);
    if (gap !== undefined) throw new VmmError('unsupported', gap);
    const boot = readBootFiles(config, directory);
    const firmware = await firmwareOf(options);
    const engine = await engineBinaries();
    const tree = options.snapshots && new SnapshotTree(options.snapshots.folder);
    tree?.cleanUp(); // what a crash left
    if (config.undo !== 'off') await tree?.beginUndo(config.drives);
    const saved = tree?.manifest.present.state !== undefined;
    const disks = await openDisks(config, directory, tree);
    const write = createLog('vm', log.record);
    const nets = await NetThread.open(config, directory, disks.doorbell, {
      log: log.record,
      failed: (error) => write.error(`the network has failed: ${error.message}`),
    }).catch(async (error: unknown) => {
      await disks.close();
      throw error;
    });
    write.info(`firmware from ${firmware.from}`);
    const thread = machineWorker({
      config,
      paused: options.paused || saved,
      doorbell: disks.doorbell,
      engine,
      bios: firmware.bios,
      ...(firmware.vgaBios && { vgaBios: firmware.vgaBios }),
      nicRoms: await findBootRoms(config),
      ...(boot && { boot }),
      disks: disks.forMachine(),
      nets: nets.forMachine(),
    });
    const session = new Session({ config, thread, time: hostTime, log: write, onLog: log.record, retryDisks: () => disks.retry() });
    disks.onStall((message) => session.pauseForHost(message));
    const backends: Backend[] = [];
    try {
      await openBackends(session, options, backends);
    } catch (error) {
      await closeAll(disks, nets, backends);
      throw error;
    }
    const vm = new Vm(options, session, disks, nets, backends, tree);
    session.start();
    await session.settled();
    if (session.state === 'off') {
      const { how, status, message } = await vm.ended;
      if (how === 'error') throw new VmmError(status === exitStatusOfUsage ? 'usage' : 'internal', message ?? 'the machine could not be built');
    }
    if (saved) await vm.#goOn(options.paused);
    vm.snapshots?.startTimeline(config.timeline);
    vm.snapshots?.rewind.start(config.discardWrites ? 0 : config.rewind.budget * MIB);
    return vm;
  }

  /** From a saved state. One that does not fit is kept, and the machine is off again. */
  async #goOn(paused: boolean): Promise<void> {
    try {
      const another = await this.snapshots!.resumeSaved();
      if (!paused) await this.session.resume();
      if (another) void this.#replug();
    } catch (error) {
      void this.session.powerOff();
      await this.ended;
      throw error;
    }
  }

  /** A fork is in another place than its guest believes: one that looks after its addresses asks for them anew when the cable was out for a moment. */
  async #replug(): Promise<void> {
    const plugged = this.#options.config.nics.filter(({ link, backend }) => link && backend.type !== 'none');
    for (const up of [false, true]) {
      for (const { id } of plugged) await this.#nets.ask({ method: 'setLink', params: { nic: id, up } }).catch(() => undefined); // it has ended
      if (!up) await new Promise((resolve) => void setTimeout(resolve, UNPLUGGED).unref());
    }
  }

  /** Serves a client. */
  attach(transport: Transport): void {
    const { log } = this.#options;
    const host = machineHost((count) => log.last(count), this.#started);
    const client = serve(transport, {
      role: 'machine',
      version: this.#version,
      handlers: {
        ...machineHandlers(this.session, this.drives, this.#nets, host),
        ...machineSnapshotHandlers(this.snapshots, this.#options.snapshots?.folder),
      },
      stateOf: () => this.session.state,
      log: createLog('protocol', log.record),
    });
    forwardEvents(this.session, this.drives, client);
    const stop = this.snapshots?.on('changed', () => client.emit('snapshots.changed', {}));
    client.onClose(() => stop?.());
    void this.ended.then(() => client.close('the machine has ended'));
  }

  /** Figures of the whole run, for `--stats`. */
  stats(end: RunEnd): object {
    const counters = this.#counters ?? { instructions: 0, guestTime: 0, idleTime: 0, exits: {}, drives: {}, nics: {}, accel: {} };
    return runStats(counters, processUse(), this.#started, end);
  }
}

/** Fills `backends` as they open, so that the caller can close those that did when a later one fails. */
async function openBackends(session: Session, { config, directory, stdin, stdout, log }: VmOptions, backends: Backend[]): Promise<void> {
  const host: BackendHost = {
    directory,
    stdin,
    stdout,
    log: createLog('serial', log.record),
    tell: (message) => session.emit('notice', { level: 'info', message }),
  };
  for (const [index, serial] of config.serial.entries()) backends.push(await openSerial(serial, session.serial[index]!, host, index + 1));
  backends.push(await openByteSink(config.debugcon, (listener) => session.on('debugcon', listener), host));
  backends.push(await openByteSink(config.parallel, (listener) => session.on('parallel', listener), host));
}

/** At power-off; a saved session goes on at the next start. */
async function discardSession(tree: SnapshotTree, { record }: LogFile): Promise<void> {
  try {
    if (tree.manifest.present.state !== undefined || !tree.undoable) return;
    await tree.endUndo('discard');
    while (await tree.mergeOne());
  } catch (error) {
    createLog('snapshots', record).error(`the session's changes could not be discarded: ${messageOf(error)}`);
  }
}

async function closeAll(disks: DiskThread, nets: NetThread, backends: readonly Backend[]): Promise<void> {
  await Promise.all([disks.close(), nets.close(), ...backends.map((backend) => backend.close())]);
}

async function firmwareOf({ config, directory, progress }: VmOptions): Promise<FirmwareImages> {
  const named = config.firmware === 'seabios' || config.firmware === 'uefi' ? config.firmware : resolveIn(directory, config.firmware);
  return findFirmware(named, progress === undefined ? {} : { progress });
}
