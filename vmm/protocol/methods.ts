/** The protocol: two servers, each one table of methods and one of events. */
import { libraryEvents, machineEvents } from './events.ts';
import { libraryMethods } from './library-methods.ts';
import { machineMethods } from './machine-methods.ts';
import type { EventTable, MethodTable } from './method.ts';

export { libraryMethods, type LibraryMethods } from './library-methods.ts';
export { machineMethods, type MachineMethods } from './machine-methods.ts';

/** Raised when an existing client would no longer be understood. */
export const protocolVersion = 1;

export type Role = 'library' | 'machine';

export interface Interface {
  readonly methods: MethodTable;
  readonly events: EventTable;
}

export const interfaces = {
  library: { methods: libraryMethods, events: libraryEvents },
  machine: { methods: machineMethods, events: machineEvents },
} as const satisfies Record<Role, Interface>;
