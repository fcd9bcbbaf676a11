import type { AccessSize, Bus, Mapping, Region } from '../bus/bus.ts';
import { readRegion, writeRegion } from '../bus/split.ts';
import type { MachineScheduler } from './scheduler.ts';

const PAGE = 4096;

/** A bus as a processor uses it: time stands still while a device answers. */
export class ProcessorBus implements Bus {
  readonly #bus: Bus;
  readonly #scheduler: MachineScheduler;

  constructor(bus: Bus, scheduler: MachineScheduler) {
    this.#bus = bus;
    this.#scheduler = scheduler;
  }

  map(base: number, length: number, region: Region, priority?: number): Mapping {
    return this.#bus.map(base, length, region, priority);
  }

  read(address: number, size: AccessSize): number {
    this.#scheduler.hold();
    try {
      return this.#bus.read(address, size);
    } finally {
      this.#scheduler.release();
    }
  }

  write(address: number, size: AccessSize, value: number): void {
    this.#scheduler.hold();
    try {
      this.#bus.write(address, size, value);
    } finally {
      this.#scheduler.release();
    }
  }
}

/** Physical memory as one processor sees it: its local APIC answers before the access leaves the processor (SDM vol.3 11.4.1). */
export class LocalApicWindow implements Bus {
  readonly #outside: Bus;
  readonly #registers: Region;
  #base: number;

  constructor(outside: Bus, registers: Region, base: number) {
    this.#outside = outside;
    this.#registers = registers;
    this.#base = base;
  }

  /** IA32_APIC_BASE was written. */
  relocate(base: number, enabled: boolean): void {
    this.#base = enabled ? base : Infinity;
  }

  map(base: number, length: number, region: Region, priority?: number): Mapping {
    return this.#outside.map(base, length, region, priority);
  }

  read(address: number, size: AccessSize): number {
    const offset = address - this.#base;
    return offset >= 0 && offset < PAGE ? readRegion(this.#registers, offset, size) : this.#outside.read(address, size);
  }

  write(address: number, size: AccessSize, value: number): void {
    const offset = address - this.#base;
    if (offset >= 0 && offset < PAGE) writeRegion(this.#registers, offset, size, value);
    else this.#outside.write(address, size, value);
  }
}
