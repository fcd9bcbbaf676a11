/** The images of one machine: opened on the io thread, handed to the machine thread, changed while it runs. */
import { VmmError } from '../base/errors.ts';
import type { Drive, VmConfig } from '../protocol/config.ts';
import type { DriveStatus } from '../protocol/shared.ts';
import type { MediumRole } from '../storage/open.node.ts';
import type { DriveHandle } from '../storage/ring/client.ts';
import type { Drives } from './drives.ts';
import { type IoEvents, IoThread } from './io-client.node.ts';
import type { OpenedDrive, OpenRequest } from './io-messages.ts';
import type { MachineThreadData } from './machine-thread.node.ts';
import type { Session } from './session.ts';
import type { SnapshotTree } from '../snapshot/tree.node.ts';
import type { DiskLayers } from './snapshots/live-snapshots.node.ts';
import { resolveIn } from './vm-folder.node.ts';

export interface DiskThread {
  readonly doorbell: SharedArrayBuffer;
  forMachine(): MachineThreadData['disks'];
  /** Told in one line when the host cannot do what the guest asked. */
  onStall(listener: (message: string) => void): void;
  drives(session: Session): Drives;
  /** The disks as snapshots need them. */
  layers(drives: Drives): DiskLayers;
  /** Tries again what the host could not do. */
  retry(): void;
  /** Flushes and closes every image. */
  close(): Promise<void>;
}

/** `tree`: the machine's snapshots; they know the newest image of each drive. @throws VmmError naming the drive and the file; nothing stays open then. */
export async function openDisks(config: VmConfig, directory: string, tree?: SnapshotTree): Promise<DiskThread> {
  const doorbell = new SharedArrayBuffer(4);
  let stalled: (message: string) => void = () => undefined;
  const events: IoEvents = {
    stall: ({ drive, message }) => stalled(`${driveName(open, drive)}: ${message}; the machine waits. Make room or repair it, then let it go on`),
    failed: (error) => stalled(`the thread that serves the disks has failed (${error.message}); the machine cannot go on`),
  };
  const io = new IoThread(doorbell, events);
  const open = new Map<string, OpenedDrive>();
  try {
    for (const drive of config.drives) {
      const file = mediumOf(drive, tree);
      if (file === null) continue;
      const layer = tree?.diskOf(drive);
      const spec = specOf(config, directory, drive, resolveIn(directory, file), drive.readOnly);
      const known = { ...spec, ...layer, parentFolders: [...(spec.parentFolders ?? []), ...(tree?.imageFolders ?? [])] };
      open.set(drive.id, await io.open(layer === undefined ? spec : known));
    }
  } catch (error) {
    await io.shutdown();
    throw error;
  }
  return {
    doorbell,
    forMachine: () => ({
      ...io.machine,
      drives: [...open].map(([id, { drive, size, readOnly }]): [string, DriveHandle] => [id, { drive, size, readOnly }]),
    }),
    onStall: (listener) => (stalled = listener),
    drives: (session) => new OpenDrives(config, directory, io, open, session),
    layers: (drives) => layersOf(config, io, open, drives),
    retry: () => void io.retry(),
    close: () => io.shutdown(),
  };
}

/** A removable drive of a machine that goes on holds what it held. */
function mediumOf(drive: Drive, tree: SnapshotTree | undefined): string | null {
  const removable = drive.media === 'cdrom' || drive.bus === 'floppy';
  const kept = removable && tree?.manifest.present.state !== undefined ? tree.manifest.present.media?.[drive.id] : undefined;
  return kept === undefined ? drive.file : kept;
}

function layersOf(config: VmConfig, io: IoThread, open: ReadonlyMap<string, OpenedDrive>, drives: Drives): DiskLayers {
  const writable = () => config.drives.filter((drive) => open.get(drive.id)?.readOnly === false);
  const numberOf = (id: string): number => {
    const opened = open.get(id);
    if (opened === undefined) throw new VmmError('state', `${id} is empty now`);
    return opened.drive;
  };
  return {
    get writable() {
      return writable();
    },
    size: (drive) => open.get(drive)?.size ?? 0,
    media() {
      const written = new Set(writable().map(({ id }) => id));
      return Object.fromEntries(config.drives.filter(({ id }) => !written.has(id)).map(({ id }) => [id, open.get(id)?.file ?? null]));
    },
    prepare: (drive, file) => io.prepareLayer(numberOf(drive), file),
    abandon: () => io.abandonLayers(),
    async settle() {
      const settled = new Set(await io.settleLayers());
      return [...open].filter(([, { drive }]) => settled.has(drive)).map(([id]) => id);
    },
    flush: () => io.flush(),
    forgetPoints: (before) => io.forgetPoints(before),
    async differing(point) {
      const numbers = new Set(await io.differing(point));
      return [...open].filter(([, { drive }]) => numbers.has(drive)).map(([id]) => id);
    },
    fillLayers: (point) => io.fillLayers(point),
    putLayersOn: (point) => io.putLayersOn(point),
    replace: (drive, file, parentFolders) => io.replace(numberOf(drive), file, 'qcow2', parentFolders),
    async insert(drive, file) {
      if (file === null) await drives.eject(drive, true);
      else await drives.insert(drive, file, true);
    },
  };
}

function driveName(open: ReadonlyMap<string, OpenedDrive>, number: number): string {
  return [...open].find(([, { drive }]) => drive === number)?.[0] ?? 'a drive';
}

function roleOf({ media, bus }: Drive): MediumRole {
  return media === 'cdrom' ? 'cdrom' : bus === 'floppy' ? 'floppy' : 'disk';
}

function specOf(config: VmConfig, directory: string, drive: Drive, file: string, readOnly: boolean): OpenRequest {
  const { format, media, throttle, cache, faults, trace } = drive;
  return {
    file,
    format,
    role: roleOf(drive),
    readOnly: readOnly || media === 'cdrom',
    discardWrites: config.discardWrites,
    ...(drive.parents && { parentFolders: drive.parents.map((folder) => resolveIn(directory, folder)) }),
    filters: { throttle, faults, ...(cache !== undefined && { cache: cache * MIB }) },
    ...(trace !== undefined && { trace: resolveIn(directory, trace) }),
  };
}

const MIB = 1 << 20;

class OpenDrives implements Drives {
  readonly #config: VmConfig;
  readonly #directory: string;
  readonly #io: IoThread;
  readonly #open: Map<string, OpenedDrive>;
  readonly #session: Session;
  readonly #locked = new Set<string>();
  readonly #listeners = new Set<(drive: DriveStatus) => void>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(config: VmConfig, directory: string, io: IoThread, open: Map<string, OpenedDrive>, session: Session) {
    this.#config = config;
    this.#directory = directory;
    this.#io = io;
    this.#open = open;
    this.#session = session;
    session.on('tray', ({ drive, open: isOpen, locked }) => {
      if (locked) this.#locked.add(drive);
      else this.#locked.delete(drive);
      if (isOpen)
        void this.#inTurn(() => this.#takeOut(drive)); // the guest has ejected it
      else this.#tell(drive);
    });
  }

  list(): DriveStatus[] {
    return this.#config.drives.map((drive) => this.#status(drive));
  }

  insert(id: string, file: string, readOnly: boolean): Promise<DriveStatus> {
    const drive = this.#removable(id);
    return this.#inTurn(async () => {
      // Opened first: an image that cannot be used leaves the drive as it was.
      const opened = await this.#io.open(
        specOf(
          this.#config,
          this.#directory,
          { ...drive, format: drive.media === 'cdrom' ? 'iso' : 'raw' },
          resolveIn(this.#directory, file),
          readOnly,
        ),
      );
      try {
        await this.#ejectNow(drive, false);
      } catch (error) {
        await this.#io.close(opened.drive);
        throw error;
      }
      this.#open.set(id, opened);
      this.#session.post({ type: 'insert', drive: id, handle: { drive: opened.drive, size: opened.size, readOnly: opened.readOnly } });
      return this.#tell(id);
    });
  }

  eject(id: string, force: boolean): Promise<DriveStatus> {
    const drive = this.#removable(id);
    return this.#inTurn(async () => {
      await this.#ejectNow(drive, force);
      return this.#tell(id);
    });
  }

  async throttle(id: string, limits: NonNullable<Drive['throttle']>): Promise<void> {
    if (!this.#config.drives.some((drive) => drive.id === id)) throw new VmmError('not-found', `this machine has no drive ${JSON.stringify(id)}`);
    const opened = this.#open.get(id);
    if (opened !== undefined) await this.#io.throttle(opened.drive, limits);
  }

  onChange(listener: (drive: DriveStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #removable(id: string): Drive {
    const drive = this.#config.drives.find((one) => one.id === id);
    if (drive === undefined) {
      throw new VmmError(
        'not-found',
        `this machine has no drive ${JSON.stringify(id)}; it has ${this.#config.drives.map((one) => one.id).join(', ') || 'none'}`,
      );
    }
    if (drive.media !== 'cdrom' && drive.bus !== 'floppy')
      throw new VmmError('usage', `${id} is a hard disk; its image cannot be changed while the machine runs`);
    return drive;
  }

  async #ejectNow(drive: Drive, force: boolean): Promise<void> {
    if (!this.#open.has(drive.id)) return;
    if (!(await this.#session.eject(drive.id, force)))
      throw new VmmError('state', `the guest has locked ${drive.id}; eject it in the guest, or force it`);
    await this.#takeOut(drive.id);
  }

  async #takeOut(id: string): Promise<void> {
    const opened = this.#open.get(id);
    if (opened === undefined) return;
    this.#open.delete(id);
    await this.#io.close(opened.drive);
    this.#tell(id);
  }

  #status(drive: Drive): DriveStatus {
    const opened = this.#open.get(drive.id);
    const removable = drive.media === 'cdrom' || drive.bus === 'floppy';
    return {
      id: drive.id,
      bus: drive.bus,
      media: drive.media,
      removable,
      file: opened?.file ?? null,
      format: drive.format,
      readOnly: opened?.readOnly ?? drive.readOnly,
      ...(opened && { size: opened.size }),
      ...(removable && { locked: this.#locked.has(drive.id) }),
    };
  }

  #tell(id: string): DriveStatus {
    const status = this.#status(this.#config.drives.find((drive) => drive.id === id)!);
    for (const listener of this.#listeners) listener(status);
    return status;
  }

  /** One change of media after the other. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work, work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}
