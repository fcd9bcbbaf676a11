import { VmmError } from '../base/errors.ts';
import type { Device, StateFormat } from './device.ts';

/** What a container holds for one device. */
export interface SavedDevice {
  readonly version: number;
  readonly state: unknown;
}

/** A copy of everything the guest can see of `device`, detached from it. */
export function saveDevice<S extends object>(device: Device<S>, format: StateFormat<S>): SavedDevice {
  return { version: format.version, state: structuredClone(device.state) };
}

/**
 * Checks a saved state, migrating it from older versions, without touching any device: a container is validated as a whole before anything
 * is discarded. Throws `invalid` or `unsupported`, naming the device.
 */
export function validateState<S extends object>(name: string, format: StateFormat<S>, saved: SavedDevice): S {
  let { state, version } = saved;
  if (!Number.isInteger(version) || version < 1) throw new VmmError('invalid', `saved state of ${name}: bad version`, { version });
  if (version > format.version) {
    throw new VmmError('unsupported', `saved state of ${name} is of version ${version}; this release reads up to ${format.version}`, { version });
  }
  for (; version < format.version; version++) {
    if (format.migrate === undefined) throw new VmmError('unsupported', `saved state of ${name} is of version ${version}, which cannot be migrated`);
    try {
      state = format.migrate(state, version);
    } catch (error) {
      throw new VmmError('invalid', `saved state of ${name} (version ${version}) is damaged`, {}, error);
    }
  }
  const result = format.schema.safeParse(state);
  if (!result.success) {
    const issue = result.error.issues[0];
    throw new VmmError('invalid', `saved state of ${name} is damaged at ${issue?.path.join('.') ?? '?'}: ${issue?.message ?? 'unreadable'}`);
  }
  return result.data;
}

/** Puts a validated state into a device in place (references into `device.state` stay good), then lets it re-arm timers and lines. */
export function loadDevice<S extends object>(device: Device<S>, state: S): void {
  assignDeep(device.state, state);
  device.loaded?.();
}

type Tree = Record<string | number, unknown>;

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !ArrayBuffer.isView(value);
}

function assignDeep(target: object, source: object): void {
  const to = target as Tree;
  const from = source as Tree;
  if (Array.isArray(target) && Array.isArray(source)) target.length = source.length;
  else for (const key of Object.keys(to)) if (!(key in from)) Reflect.deleteProperty(to, key);
  for (const key of Object.keys(from)) {
    const next = from[key];
    const present = to[key];
    if (next instanceof Uint8Array && present instanceof Uint8Array && next.length === present.length) present.set(next);
    else if (isTree(next) && isTree(present) && Array.isArray(next) === Array.isArray(present)) assignDeep(present, next);
    else to[key] = next;
  }
}
