import type { z } from 'zod';
import type { Log } from '../base/log.ts';
import type { Scheduler } from './clock.ts';
import type { Dma } from './dma.ts';

/** `power`: everything as after power-on. `warm`: what the platform reset line (port CF9h, 92h, the i8042, triple fault) does to it. */
export type ResetKind = 'power' | 'warm';

/**
 * A device. `state` holds every guest-visible register and nothing else, as plain data (numbers, booleans, strings, arrays, Uint8Array,
 * nested objects): save, load, the inspector and tests read this object. Host handles, caches and timers live outside it and are rebuilt by
 * `loaded`, which is called after `state` was replaced in place.
 */
export interface Device<S extends object = object> {
  readonly state: S;
  reset(kind: ResetKind): void;
  loaded?(): void;
  /** The state that was loaded is another machine's, of which this one is a fork: what its maker wrote into the device is its own again. */
  identify?(): void;
  inspect?(): Record<string, string | number>;
}

/** What every device is given. Interrupt lines, buses, the host's side and configuration come as further arguments of its `create`. */
export interface DeviceContext {
  readonly scheduler: Scheduler;
  readonly dma: Dma;
  readonly log: Log;
}

/** The saved form of a device: a version from its first commit on, a schema that treats data as hostile, and steps from older versions. */
export interface StateFormat<S extends object> {
  readonly version: number;
  readonly schema: z.ZodType<S>;
  /** Turns the state of `version` into that of `version + 1`; called repeatedly until current. */
  readonly migrate?: (state: unknown, version: number) => unknown;
}

/** A kind of device: its name, the saved form of its state, and how one is made. */
export interface DeviceType<S extends object, Options, D extends Device<S>> {
  readonly type: string;
  readonly state: StateFormat<S>;
  create(context: DeviceContext, options: Options): D;
}

/** Identity, for inference: a device in one file is `export const uart16550 = defineDevice({ type, state, create })`. */
export function defineDevice<S extends object, Options, D extends Device<S>>(type: DeviceType<S, Options, D>): DeviceType<S, Options, D> {
  return type;
}
