import { SharedIrq, type IrqLine } from '../bus/irq.ts';

export const ISA_IRQS = 16;
/** The cascade of the 8259s: not a line. */
const CASCADE = 2;
/** The timer's pin at the I/O APIC (MP specification 1.4, 5.3): its own pin is taken by the 8259s' INTR on real boards. */
const TIMER_PIN = 2;

/** Where the wires end. */
export interface InterruptInputs {
  readonly pic: (irq: number) => IrqLine;
  /** Absent on a machine without I/O APIC. */
  readonly ioApic?: ((pin: number) => IrqLine) | undefined;
}

/** The interrupt wires of the ISA bus: each reaches the 8259s and the I/O APIC, and is high while any of its sources is. */
export class IsaInterrupts {
  readonly #lines: readonly SharedIrq[];
  #intercept: ((irq: number, level: boolean) => void) | undefined;

  constructor(inputs: InterruptInputs) {
    this.#lines = Array.from({ length: ISA_IRQS }, (_, irq) => {
      const pic = irq === CASCADE ? undefined : inputs.pic(irq);
      const ioApic = irq === CASCADE ? undefined : inputs.ioApic?.(irq === 0 ? TIMER_PIN : irq);
      return new SharedIrq({
        set: (level) => {
          if (this.#intercept !== undefined) return this.#intercept(irq, level);
          pic?.set(level);
          ioApic?.set(level);
        },
      });
    });
  }

  /** A wire of one's own to interrupt `irq`. */
  source(irq: number): IrqLine {
    return this.#lines[irq]!.source();
  }

  /** From now on `listener` hears of the wires, and the controllers no longer do (qtest's irq_intercept_in). */
  intercept(listener: (irq: number, level: boolean) => void): void {
    this.#intercept = listener;
  }
}
