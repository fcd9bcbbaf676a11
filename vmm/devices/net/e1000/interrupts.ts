import type { Scheduler, Timer } from '../../../bus/clock.ts';
import type { IrqLine } from '../../../bus/irq.ts';
import { Cause, CAUSES } from './registers.ts';
import type { E1000State } from './state.ts';

/** ITR counts in 256 ns, the delay timers in 1.024 µs (13.4.18, 13.4.30). */
const THROTTLE_UNIT = 256;
const DELAY_UNIT = 1024;

type TimerName = keyof E1000State['timers'];

/** Causes, masks, and the timers that hold interrupts back (3.2.7, 3.4.3). */
export class Interrupts {
  readonly #state: E1000State;
  readonly #scheduler: Scheduler;
  readonly #line: IrqLine;
  readonly #timers = new Map<TimerName, Timer>();
  readonly #fire: Record<TimerName, () => void>;

  constructor(state: E1000State, scheduler: Scheduler, line: IrqLine, transmitMore: () => void) {
    this.#state = state;
    this.#scheduler = scheduler;
    this.#line = line;
    const receive = () => this.#delayedReceive();
    const transmit = () => this.#delayedTransmit();
    this.#fire = {
      throttled: () => this.#update(),
      receivePacket: receive,
      receiveAbsolute: receive,
      transmitPacket: transmit,
      transmitAbsolute: transmit,
      transmitMore,
    };
  }

  /** Reading ICR clears it. */
  readCauses(): number {
    const { icr } = this.#state;
    this.#state.icr = 0;
    this.#update();
    return icr;
  }

  clear(causes: number): void {
    this.#state.icr &= ~causes;
    this.#update();
  }

  set(causes: number): void {
    this.#state.icr |= causes & CAUSES;
    this.#update();
  }

  mask(bits: number, on: boolean): void {
    const { state } = this;
    state.ims = on ? (state.ims | bits) & CAUSES : state.ims & ~bits;
    this.#update();
  }

  private get state(): E1000State {
    return this.#state;
  }

  /** A frame was put into memory. */
  received(): void {
    const { rdtr, registers } = this.#state;
    if (rdtr === 0) return this.set(Cause.RXT0);
    this.arm('receivePacket', rdtr * DELAY_UNIT);
    if (registers.RADV !== 0 && this.#state.timers.receiveAbsolute === 0) this.arm('receiveAbsolute', registers.RADV * DELAY_UNIT);
  }

  /** A descriptor was written back; `delayed` is its IDE bit. */
  transmitted(delayed: boolean): void {
    const { TIDV, TADV } = this.#state.registers;
    if (!delayed || TIDV === 0) return this.set(Cause.TXDW);
    this.arm('transmitPacket', TIDV * DELAY_UNIT);
    if (TADV !== 0 && this.#state.timers.transmitAbsolute === 0) this.arm('transmitAbsolute', TADV * DELAY_UNIT);
  }

  /** Writing RDTR with FPD. */
  flushReceive(): void {
    if (this.#state.timers.receivePacket !== 0) this.#delayedReceive();
  }

  arm(name: TimerName, delay: number): void {
    this.disarm(name);
    this.#state.timers[name] = this.#scheduler.now() + delay;
    this.#schedule(name);
  }

  disarm(name: TimerName): void {
    this.#timers.get(name)?.cancel();
    this.#timers.delete(name);
    this.#state.timers[name] = 0;
  }

  reset(): void {
    for (const name of Object.keys(this.#fire) as TimerName[]) this.disarm(name);
    this.#state.asserted = 0;
    this.#line.set(false);
  }

  loaded(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    for (const name of Object.keys(this.#fire) as TimerName[]) if (this.#state.timers[name] !== 0) this.#schedule(name);
    this.#line.set(this.#state.asserted === 1);
  }

  #schedule(name: TimerName): void {
    this.#timers.set(
      name,
      this.#scheduler.at(this.#state.timers[name], () => {
        this.#timers.delete(name);
        this.#state.timers[name] = 0;
        this.#fire[name]();
      }),
    );
  }

  #delayedReceive(): void {
    this.disarm('receivePacket');
    this.disarm('receiveAbsolute');
    this.set(Cause.RXT0);
  }

  #delayedTransmit(): void {
    this.disarm('transmitPacket');
    this.disarm('transmitAbsolute');
    this.set(Cause.TXDW);
  }

  /** The line follows ICR and IMS, but rises at most once in the interval of ITR. */
  #update(): void {
    const { state } = this;
    const wanted = (state.icr & state.ims) !== 0;
    if (!wanted) {
      if (state.asserted === 1) this.#line.set(false);
      state.asserted = 0;
      return;
    }
    if (state.asserted === 1 || state.timers.throttled !== 0) return;
    state.asserted = 1;
    this.#line.set(true);
    if (state.registers.ITR !== 0) this.arm('throttled', state.registers.ITR * THROTTLE_UNIT);
  }
}
