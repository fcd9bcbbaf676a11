import type { Log } from '../base/log.ts';
import { AddressSpace } from '../bus/address-space.ts';
import type { Device, DeviceContext, DeviceType, ResetKind } from '../bus/device.ts';
import { PortSpace } from '../bus/port-space.ts';
import { loadDevice, saveDevice, validateState, type SavedDevice } from '../bus/saved-state.ts';
import { VmmError } from '../base/errors.ts';
import { GuestDma } from '../memory/dma.ts';
import { PhysicalMap, type GuestMemory } from '../memory/physical-map.ts';
import type { MachineScheduler } from './scheduler.ts';

/** A device in its place, with what is needed to save and load it, its type forgotten. */
interface Installed {
  readonly name: string;
  readonly type: string;
  readonly device: Device;
  readonly save: () => SavedDevice;
  /** Checks a saved state without touching the device; calling the result loads it. */
  readonly prepare: (saved: SavedDevice) => () => void;
}

/** The buses of one machine and the devices on them. Devices are reset and loaded in the order they were installed. */
export class Board {
  readonly memory: GuestMemory;
  readonly physical: PhysicalMap;
  readonly ports = new PortSpace();
  readonly space: AddressSpace;
  readonly dma: GuestDma;
  readonly scheduler: MachineScheduler;
  readonly #log: (component: string) => Log;
  readonly #installed = new Map<string, Installed>();

  constructor(memory: GuestMemory, scheduler: MachineScheduler, log: (component: string) => Log) {
    this.memory = memory;
    this.physical = new PhysicalMap(memory);
    this.space = new AddressSpace(this.physical);
    this.dma = new GuestDma(this.physical);
    this.scheduler = scheduler;
    this.#log = log;
  }

  /** Makes a device; `name` is its own in this machine, in saved states and in the inspector. */
  install<S extends object, Options, D extends Device<S>>(name: string, type: DeviceType<S, Options, D>, options: Options): D {
    const context: DeviceContext = { scheduler: this.scheduler, dma: this.dma, log: this.#log(name) };
    const device = type.create(context, options);
    this.#installed.set(name, {
      name,
      type: type.type,
      device,
      save: () => saveDevice(device, type.state),
      prepare: (saved) => {
        const state = validateState(name, type.state, saved);
        return () => loadDevice(device, state);
      },
    });
    return device;
  }

  reset(kind: ResetKind): void {
    for (const { device } of this.#installed.values()) device.reset(kind);
  }

  save(): Record<string, SavedDevice> {
    return Object.fromEntries([...this.#installed.values()].map(({ name, save }) => [name, save()]));
  }

  /** Checks the states of all devices; calling the result loads them. Throws VmmError 'invalid' or 'unsupported' naming the device. */
  prepare(saved: Readonly<Record<string, SavedDevice>>): () => void {
    for (const name of Object.keys(saved)) {
      if (!this.#installed.has(name)) throw new VmmError('invalid', `the saved state has a device that this machine lacks: ${name}`);
    }
    const loads = [...this.#installed.values()].map(({ name, prepare }) => {
      const state = saved[name];
      if (state === undefined) throw new VmmError('invalid', `the saved state lacks the device ${name}`);
      return prepare(state);
    });
    return () => {
      for (const load of loads) load();
    };
  }

  identify(): void {
    for (const { device } of this.#installed.values()) device.identify?.();
  }

  inspect(): { name: string; type: string; values: Record<string, string | number> }[] {
    return [...this.#installed.values()].map(({ name, type, device }) => ({ name, type, values: device.inspect?.() ?? {} }));
  }
}
