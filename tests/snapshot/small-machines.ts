/** Whole machines in this process, for tests: virtual time, media in memory, the interpreter. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createWasmAccelerator } from '../../vmm/accel/wasm/wasm.ts';
import { silentLog } from '../../vmm/base/log.ts';
import { buildMachine, type BuiltMachine } from '../../vmm/machine/build.ts';
import { parseConfig, type VmConfigInput } from '../../vmm/protocol/config.ts';
import { MemoryBackend } from '../../vmm/storage/memory-backend.ts';
import { encodePlain } from '../../vmm/snapshot/plain-data.ts';

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
let accelerator: ReturnType<typeof createWasmAccelerator> | undefined;

export interface SmallMachine extends BuiltMachine {
  readonly media: ReadonlyMap<string, MemoryBackend>;
  /** Runs until guest time `until`, ns. */
  run(until: number): void;
  /** Of everything that a saved machine holds, memory and media. */
  fingerprint(): string;
  readonly serial: string[];
}

export function smallMachine(config: Partial<VmConfigInput>, media: Readonly<Record<string, Uint8Array>>): SmallMachine {
  accelerator ??= createWasmAccelerator({
    guestMemory: engineFile('guest-memory.wasm'),
    system: engineFile('system.wasm'),
    interpreter: engineFile('interpreter.wasm'),
  });
  const disks = new Map(Object.entries(media).map(([id, bytes]) => [id, new MemoryBackend(new Uint8Array(bytes))]));
  const serial: string[] = [];
  const vgaBios = firmwareFile('vgabios-stdvga.bin');
  const built = buildMachine(
    parseConfig({ id: '00000000-0000-4000-8000-000000000001', name: 'test', memory: 16, time: 'virtual', seed: 1, ...config }),
    {
      accelerator,
      hostTime: () => 0,
      wallTime: () => 1e9,
      localOffset: () => 0,
      random: () => 4,
      log: () => silentLog,
      doorbell: new Int32Array(new SharedArrayBuffer(4)),
      drain: () => undefined,
      events: { reset: () => undefined, leds: () => undefined, tray: () => undefined, notice: () => undefined, pointerMode: () => undefined },
      bios: firmwareFile('bios-256k.bin')!,
      ...(vgaBios && { vgaBios }),
      disks,
      serial: [],
      nets: new Map(),
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
