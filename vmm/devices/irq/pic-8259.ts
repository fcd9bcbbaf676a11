import { z } from 'zod';
import type { Region } from '../../bus/bus.ts';
import { defineDevice, type Device } from '../../bus/device.ts';
import type { IrqLine } from '../../bus/irq.ts';
import { newPicChip, PicChip, picChipSchema, type PicChipState } from './pic-8259-chip.ts';

const CASCADE = 2;
const CASCADE_BIT = 1 << CASCADE;
const FLOATING_BUS = 0xff;

/** IRQs whose trigger mode is fixed to edge: timer, keyboard, cascade on the master, RTC and FERR# on the slave (82371SB 4.2.4). */
const ELCR_WRITABLE = [0xf8, 0xde] as const;

export interface Pic8259Options {
  /** INT of the master. */
  readonly intr: IrqLine;
  /** Called after IRQ `irq` (0-15) was acknowledged by INTA: a periodic source knows then that its tick was seen. */
  readonly acknowledged?: (irq: number) => void;
}

export interface Pic8259State {
  master: PicChipState;
  slave: PicChipState;
}

export interface Pic8259 extends Device<Pic8259State> {
  /** Ports 20h-21h, A0h-A1h and 4D0h-4D1h. */
  readonly master: Region;
  readonly slave: Region;
  readonly elcr: Region;
  /** IRQ 0-15; 2 is the cascade and not a line. */
  line(irq: number): IrqLine;
  /** The level of INT. */
  readonly pending: boolean;
  /** The interrupt acknowledge cycle: a vector, 0-255. */
  acknowledge(): number;
  /** Whether `irq` is masked here, or its request not yet acknowledged: what a periodic source needs to know about lost ticks. */
  masked(irq: number): boolean;
  requested(irq: number): boolean;
}

/** The two cascaded 8259A of a PC with the edge/level control registers of the 82371SB (PIIX3). */
export const pic8259 = defineDevice<Pic8259State, Pic8259Options, Pic8259>({
  type: 'pic-8259',
  state: { version: 1, schema: z.strictObject({ master: picChipSchema, slave: picChipSchema }) },
  create(_context, options) {
    const state: Pic8259State = { master: newPicChip(), slave: newPicChip() };
    let intr = false;

    const master: PicChip = new PicChip(state.master, CASCADE_BIT, () => {
      intr = master.requesting !== undefined;
      options.intr.set(intr);
    });
    const slave: PicChip = new PicChip(state.slave, 0, () => {
      master.drive(CASCADE, slave.requesting !== undefined);
    });
    const chipOf = (irq: number) => (irq < 8 ? master : slave);

    /** The slave answers the second INTA if the master names it on the cascade lines and it was told the same number. */
    const acknowledgeSlave = (): number => {
      if ((state.slave.icw3 & 7) !== CASCADE) return FLOATING_BUS;
      // INT falls during INTA, so that a further request of the slave is a new edge for the master.
      master.drive(CASCADE, false);
      const request = slave.requesting;
      const input = slave.acknowledge();
      master.drive(CASCADE, slave.requesting !== undefined);
      if (request !== undefined) options.acknowledged?.(8 + request);
      return state.slave.vectorBase | input;
    };

    const registers = (name: string, chip: PicChip): Region => ({
      name,
      sizes: 1,
      read: (offset) => (offset === 0 ? chip.readEven() : chip.readOdd()),
      write: (offset, _size, value) => {
        if (offset === 0) chip.writeEven(value);
        else chip.writeOdd(value);
      },
    });

    return {
      state,
      master: registers('pic-master', master),
      slave: registers('pic-slave', slave),
      elcr: {
        name: 'elcr',
        sizes: 1,
        read: (offset) => (offset === 0 ? state.master.elcr : state.slave.elcr),
        write: (offset, _size, value) => {
          if (offset === 0) master.setTriggerModes(value & ELCR_WRITABLE[0]);
          else slave.setTriggerModes(value & ELCR_WRITABLE[1]);
        },
      },
      line: (irq) => ({
        set: (level) => {
          chipOf(irq).drive(irq & 7, level);
        },
      }),
      get pending() {
        return intr;
      },
      acknowledge() {
        const request = master.requesting;
        options.intr.set(false); // INT falls during INTA: a further request is a new edge where it leads
        const input = master.acknowledge();
        options.intr.set(intr);
        if (request === CASCADE && (state.master.icw3 & CASCADE_BIT) !== 0 && !state.master.single) return acknowledgeSlave();
        if (request !== undefined) options.acknowledged?.(request);
        return state.master.vectorBase | input;
      },
      masked: (irq) => (chipOf(irq).state.imr & (1 << (irq & 7))) !== 0,
      requested: (irq) => (chipOf(irq).state.irr & (1 << (irq & 7))) !== 0,
      reset() {
        // Input lines belong to the devices that drive them: a reset of the controller does not change their levels.
        for (const chip of [state.master, state.slave]) Object.assign(chip, newPicChip(), { lines: chip.lines });
        slave.setTriggerModes(0);
        master.setTriggerModes(0);
      },
      loaded() {
        intr = master.requesting !== undefined;
        options.intr.set(intr);
      },
      inspect: () => ({
        ...describeChip('master', state.master),
        ...describeChip('slave', state.slave),
        INT: intr ? 1 : 0,
      }),
    };
  },
});

function describeChip(name: string, chip: PicChipState): Record<string, string | number> {
  const binary = (value: number) => value.toString(2).padStart(8, '0');
  return {
    [`${name} IRR`]: binary(chip.irr),
    [`${name} ISR`]: binary(chip.isr),
    [`${name} IMR`]: binary(chip.imr),
    [`${name} ELCR`]: binary(chip.elcr),
    [`${name} vectors`]: `${chip.vectorBase.toString(16)}h`,
  };
}
