import type { Device, DeviceType } from '../../bus/device.ts';
import { SharedIrq, type IrqLine } from '../../bus/irq.ts';
import { ApicBus } from './apic-bus.ts';
import { IO_APIC_PINS, ioApic, type IoApic } from './io-apic.ts';
import { localApic, type LocalApic, type ProcessorSignals } from './local-apic.ts';
import { pic8259, type Pic8259 } from './pic-8259.ts';

const ISA_IRQS = 16;
const CASCADE = 2;
const TIMER_IRQ = 0;
/** ISA IRQ 0 enters the I/O APIC at input 2: the MADT's interrupt source override says so. Input 0 is the 8259s' INT (ExtINT). */
const TIMER_PIN = 2;
const EXTINT_PIN = 0;

/** The processor as the interrupt controllers see it: INTR, and what only an APIC can do to it. */
export interface InterruptTarget extends ProcessorSignals {
  /** Level of INTR. */
  interrupt(pending: boolean): void;
}

/** Makes a device of a board and registers it under `name` for reset, save and load (machine/board.ts). */
export type Install = <S extends object, Options, D extends Device<S>>(name: string, type: DeviceType<S, Options, D>, options: Options) => D;

export interface InterruptOptions {
  /** One per processor; the first is the bootstrap processor. */
  readonly processors: readonly InterruptTarget[];
  /** Without APICs the 8259s drive the one processor's INTR themselves, as on a board before the Pentium. */
  readonly apic: boolean;
  /** See LocalApicOptions. */
  readonly relocated?: (processor: number, base: number, enabled: boolean) => void;
  readonly timeOfTsc?: (processor: number, tsc: bigint) => number;
  /** IRQ `irq` was acknowledged at the 8259s. */
  readonly acknowledged?: (irq: number) => void;
}

/** All interrupt controllers of a board, wired as on an i440FX board with a PIIX3 and an 82093AA. */
export interface Interrupts {
  readonly pic: Pic8259;
  readonly apicBus: ApicBus;
  /** Empty and undefined on a board without APICs. */
  readonly localApics: readonly LocalApic[];
  readonly ioApic: IoApic | undefined;
  /** A new source on ISA interrupt `irq` (0-15 but 2): it reaches the 8259s and the I/O APIC. Several sources on one wire are or-ed. */
  readonly isaLine: (irq: number) => IrqLine;
  /** A new source on I/O APIC input 16-23, which the 8259s do not have. */
  readonly gsiLine: (gsi: number) => IrqLine;
  /** NMI as the board raises it (LINT1), and the gate in front of it: bit 7 of port 70h. */
  readonly nmi: IrqLine;
  readonly maskNmi: (masked: boolean) => void;
  readonly pending: (processor?: number) => boolean;
  /** From now on `listener` hears of the ISA wires, and the controllers no longer do (qtest's irq_intercept_in). */
  readonly intercept: (listener: (irq: number, level: boolean) => void) => void;
  /** The processor takes INTR. Returns the vector. */
  readonly acknowledge: (processor?: number) => number;
}

/** Makes the interrupt controllers and the wires between them. Call it before other devices are made: they are then loaded first, too. */
export function createInterrupts(install: Install, options: InterruptOptions): Interrupts {
  const bootstrap = options.processors[0]!;
  const apicBus = new ApicBus();
  const board = options.apic ? install('ioapic', ioApic, { bus: apicBus }) : undefined;
  const localApics: LocalApic[] = [];
  const extInt = board?.pin(EXTINT_PIN);

  const pic = install('pic', pic8259, {
    intr: {
      set: (level) => {
        if (board === undefined) bootstrap.interrupt(level);
        else {
          for (const each of localApics) each.lint0.set(level);
          extInt?.set(level);
        }
      },
    },
    ...(options.acknowledged && { acknowledged: options.acknowledged }),
  });

  const { timeOfTsc } = options;
  if (options.apic) {
    for (const [id, processor] of options.processors.entries()) {
      localApics.push(
        install(`lapic${id}`, localApic, {
          id,
          bus: apicBus,
          intr: { set: (level) => processor.interrupt(level) },
          signals: processor,
          acknowledgeExternal: () => pic.acknowledge(),
          relocated: (base, enabled) => options.relocated?.(id, base, enabled),
          ...(timeOfTsc && { timeOfTsc: (tsc) => timeOfTsc(id, tsc) }),
        }),
      );
    }
  }

  let listener: ((irq: number, level: boolean) => void) | undefined;
  const isaWires = Array.from({ length: ISA_IRQS }, (_, irq) => {
    const toPic = irq === CASCADE ? undefined : pic.line(irq);
    const toBoard = irq === CASCADE ? undefined : board?.pin(irq === TIMER_IRQ ? TIMER_PIN : irq);
    return new SharedIrq({
      set: (level) => {
        if (listener !== undefined) {
          listener(irq, level);
          return;
        }
        toPic?.set(level);
        toBoard?.set(level);
      },
    });
  });
  const boardWires = Array.from({ length: IO_APIC_PINS - ISA_IRQS }, (_, index) => {
    const pin = board?.pin(ISA_IRQS + index);
    return new SharedIrq({ set: (level) => pin?.set(level) });
  });

  const nmi = { raised: false, masked: false };
  const nmiLevel = () => nmi.raised && !nmi.masked;
  const driveNmi = (change: Partial<typeof nmi>) => {
    const before = nmiLevel();
    Object.assign(nmi, change);
    for (const each of localApics) each.lint1.set(nmiLevel());
    if (board === undefined && nmiLevel() && !before) bootstrap.nmi();
  };

  return {
    pic,
    apicBus,
    localApics,
    ioApic: board,
    isaLine: (irq) => isaWires[irq]!.source(),
    gsiLine: (gsi) => boardWires[gsi - ISA_IRQS]!.source(),
    nmi: { set: (raised) => driveNmi({ raised }) },
    maskNmi: (masked) => driveNmi({ masked }),
    intercept: (to) => {
      listener = to;
    },
    pending: (processor = 0) => localApics[processor]?.pending ?? pic.pending,
    acknowledge: (processor = 0) => localApics[processor]?.acknowledge() ?? pic.acknowledge(),
  };
}
