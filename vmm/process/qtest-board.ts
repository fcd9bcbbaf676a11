import type { IrqLine } from '../bus/irq.ts';
import type { BuiltMachine } from '../machine/build.ts';
import type { QtestBoard } from './qtest.ts';

/** A machine without a processor, whose time stands until it is stepped, as qtest drives it. */
export function qtestBoard({ machine, parts }: BuiltMachine): QtestBoard {
  const { board, clock } = machine;
  const wires = new Map<number, IrqLine>();
  return {
    ports: board.ports,
    space: board.space,
    now: () => clock.now(),
    nextTimer: () => board.scheduler.next(),
    advanceTo(time) {
      for (let next = board.scheduler.next(); next !== undefined && next <= time; next = board.scheduler.next()) {
        clock.set(next);
        board.scheduler.runDue();
      }
      clock.set(time);
    },
    interceptIrqs: (listener) => parts.interrupts.intercept(listener),
    setIrq(irq, level) {
      const wire = wires.get(irq) ?? parts.interrupts.isaLine(irq);
      wires.set(irq, wire);
      wire.set(level);
    },
  };
}
