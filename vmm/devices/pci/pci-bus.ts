import { assert } from '../../base/errors.ts';
import type { AccessSize, Bus } from '../../bus/bus.ts';
import { SharedIrq, type IrqLine } from '../../bus/irq.ts';
import type { MemoryBus } from '../../bus/memory-bus.ts';
import { openBus } from '../../bus/split.ts';
import type { PciFunction } from './function.ts';

export const PIRQ_COUNT = 4;

export interface PciBusOptions {
  readonly ports: Bus;
  readonly memory: MemoryBus;
  /** The board's PIRQA#..PIRQD# wires. */
  readonly pirqs: readonly IrqLine[];
  /** Interrupt messages (writes to FEExxxxxh) to the local APICs, on a board that has some. */
  readonly message?: ((address: number, data: number) => void) | undefined;
}

/** A bus with up to 32 slots of 8 functions; its interrupt pins are wired to the PIRQs in the order this board has. */
export class PciBus {
  readonly #functions = new Map<number, PciFunction>();
  readonly #options: PciBusOptions;
  readonly #pirqs: readonly SharedIrq[];

  constructor(options: PciBusOptions) {
    assert(options.pirqs.length === PIRQ_COUNT, 'a PCI bus has four PIRQs');
    this.#options = options;
    this.#pirqs = options.pirqs.map((line) => new SharedIrq(line));
  }

  /** Puts `device` at slot.function and maps its BARs. */
  add(slot: number, fn: number, device: PciFunction): void {
    const key = (slot << 3) | fn;
    assert(slot >= 0 && slot < 32 && fn >= 0 && fn < 8, `no PCI slot ${slot}.${fn}`);
    assert(!this.#functions.has(key), `PCI slot ${slot}.${fn} is taken`);
    this.#functions.set(key, device);
    const { ports, memory, message } = this.#options;
    const pin = device.config.identity.interruptPin ?? 1;
    device.config.connect({ ports, memory, intx: this.#pirqs[pirqOf(slot, pin)]!.source(), message });
  }

  /** The lowest slot without function 0, from `first` on. */
  freeSlot(first = 3): number {
    let slot = first;
    while (this.#functions.has(slot << 3)) slot++;
    assert(slot < 32, 'all PCI slots are taken');
    return slot;
  }

  at(slot: number, fn: number): PciFunction | undefined {
    return this.#functions.get((slot << 3) | fn);
  }

  /** Everything on the bus, in order of slot and function. */
  functions(): { slot: number; fn: number; device: PciFunction }[] {
    return [...this.#functions].sort(([a], [b]) => a - b).map(([key, device]) => ({ slot: key >> 3, fn: key & 7, device }));
  }

  /** A configuration cycle of type 0. Nobody there: master abort, all ones. `offset + size` stays within a double word. */
  read(slot: number, fn: number, offset: number, size: AccessSize): number {
    return this.at(slot, fn)?.config.read(offset, size) ?? openBus(size);
  }

  write(slot: number, fn: number, offset: number, size: AccessSize, value: number): void {
    this.at(slot, fn)?.config.write(offset, size, value);
  }
}

/** INTA#..INTD# of slot 1 are PIRQA..PIRQD, each further slot is rotated by one: the wiring SeaBIOS and the DSDT's _PRT know. */
export function pirqOf(slot: number, pin: 1 | 2 | 3 | 4): number {
  return (pin - 1 + slot - 1) & (PIRQ_COUNT - 1);
}
