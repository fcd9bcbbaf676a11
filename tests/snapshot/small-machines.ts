/** Whole machines in this process, for tests: virtual time, media in memory, the interpreter. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Accelerator } from '../../vmm/accel/accelerator.ts';
import { createWasmAccelerator } from '../../vmm/accel/wasm/wasm.ts';
import { silentLog } from '../../vmm/base/log.ts';
import type { BootFiles } from '../../vmm/machine/boot/boot-plan.ts';
import { buildMachine, type BuiltMachine } from '../../vmm/machine/build.ts';
import type { NetBackend } from '../../vmm/net/cable/cable.ts';
import { parseConfig, type VmConfigInput } from '../../vmm/protocol/config.ts';
import { MemoryBackend } from '../../vmm/storage/memory-backend.ts';
import type { SavedMachine } from '../../vmm/machine/machine.ts';
import { decodePlain, encodePlain } from '../../vmm/snapshot/plain-data.ts';

const root = join(import.meta.dirname, '../..');
const guestFolders = [process.env['STRATE_GUESTS'], join(root, '../shared/guests'), join(root, '.cache/guests')].filter((one) => one !== undefined);

/** A guest's file, where there is one on this host. */
export function guestFile(name: string): Buffer | undefined {
  const found = guestFolders.map((folder) => join(folder, name)).find((path) => existsSync(path));
  return found === undefined ? undefined : readFileSync(found);
}

export function firmwareFile(name: string): Uint8Array | undefined {
  const path = join('/usr/share/seabios', name);
  return existsSync(path) ? new Uint8Array(readFileSync(path)) : undefined;
}

const engineFile = (name: string) => new Uint8Array(readFileSync(join(root, 'dist/engine', name)));

/** The interpreter; with a compiler, the translator. */
export function accelerator(compiler?: Parameters<typeof createWasmAccelerator>[1]): Accelerator {
  return createWasmAccelerator(
    { guestMemory: engineFile('guest-memory.wasm'), system: engineFile('system.wasm'), interpreter: engineFile('interpreter.wasm') },
    compiler,
  );
}

let interpreter: Accelerator | undefined;

export interface SmallMachine extends BuiltMachine {
  readonly media: ReadonlyMap<string, MemoryBackend>;
  /** Runs until guest time `until`, ns. */
  run(until: number): void;
  /** Of everything that a saved machine holds, memory and media. */
  fingerprint(): string;
  /** What the guest wrote to COM1, a byte each. */
  readonly serial: number[];
}

export interface SmallMachineParts {
  readonly accelerator?: Accelerator;
  readonly boot?: BootFiles;
  /** ns, of a machine whose time is real. */
  readonly hostTime?: () => number;
  /** In place of the host's SeaBIOS; there is no video BIOS then. */
  readonly bios?: Uint8Array;
  /** What network controllers are plugged into, by id. `ring`: there is something to `drain`. */
  readonly nets?: (ring: () => void) => ReadonlyMap<string, NetBackend & { drain(): void }>;
}

export function smallMachine(
  config: Partial<VmConfigInput>,
  media: Readonly<Record<string, Uint8Array>>,
  { accelerator: accel = (interpreter ??= accelerator()), boot, bios, hostTime, nets: netsOf = () => new Map() }: SmallMachineParts = {},
): SmallMachine {
  const doorbell = new Int32Array(new SharedArrayBuffer(4));
  const nets = netsOf(() => void Atomics.add(doorbell, 0, 1));
  const disks = new Map(Object.entries(media).map(([id, bytes]) => [id, new MemoryBackend(new Uint8Array(bytes))]));
  const serial: number[] = [];
  const vgaBios = bios === undefined ? firmwareFile('vgabios-stdvga.bin') : undefined;
  const built = buildMachine(
    parseConfig({ id: '00000000-0000-4000-8000-000000000001', name: 'test', memory: 16, time: 'virtual', seed: 1, ...config }),
    {
      accelerator: accel,
      hostTime: hostTime ?? (() => 0),
      wallTime: () => 1e9,
      localOffset: () => 0,
      random: () => 4,
      log: () => silentLog,
      doorbell,
      drain: () => {
        for (const net of nets.values()) net.drain();
      },
      events: { reset: () => undefined, leds: () => undefined, tray: () => undefined, notice: () => undefined, pointerMode: () => undefined },
      bios: bios ?? firmwareFile('bios-256k.bin')!,
      ...(vgaBios && { vgaBios }),
      boot,
      disks,
      serial: [{ transmit: (byte) => void serial.push(byte) }],
      nets,
      nicRoms: new Map(),
    },
  );
  const { machine } = built;
  machine.clock.start();
  return {
    ...built,
    media: disks,
    serial,
    run(until) {
      machine.board.scheduler.at(until, () => undefined);
      while (machine.clock.now() < until) if (machine.pass() !== undefined) return;
    },
    fingerprint() {
      const hash = createHash('sha256').update(encodePlain(machine.save()));
      for (const block of machine.board.memory.blocks) hash.update(block.bytes);
      for (const { bytes } of disks.values()) hash.update(bytes);
      return hash.digest('hex');
    },
  };
}

/** What a saved machine consists of, in memory. */
export interface KeptMachine {
  readonly saved: string;
  readonly blocks: readonly Uint8Array[];
  readonly media: ReadonlyMap<string, Uint8Array>;
}

export function keep({ machine, media }: SmallMachine): KeptMachine {
  return {
    saved: encodePlain(machine.save()),
    blocks: machine.board.memory.blocks.map(({ bytes }) => bytes.slice()),
    media: new Map([...media].map(([id, { bytes }]) => [id, bytes.slice()])),
  };
}

/** Puts a kept machine in place of what `into` is. */
export function takeUp(kept: KeptMachine, { machine, media }: SmallMachine): void {
  const load = machine.prepare(decodePlain(kept.saved) as SavedMachine);
  load(() => {
    machine.board.memory.blocks.forEach((block, index) => block.bytes.set(kept.blocks[index]!));
    for (const [id, bytes] of kept.media) media.get(id)!.bytes.set(bytes);
  });
}
