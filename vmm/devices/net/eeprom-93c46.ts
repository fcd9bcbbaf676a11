import { z } from 'zod';
import { bool, exactly, integer, u16 } from '../../bus/schema.ts';

/* The Microwire EEPROM beside many network controllers: National NM93C46, 64 words of 16 bits. */

const WORDS = 64;
const ADDRESS_BITS = 6;
/** Start bit, two bits of operation, the address. */
const COMMAND_BITS = 2 + ADDRESS_BITS;
const WORD_BITS = 16;

const OPERATION = { extended: 0, write: 1, read: 2, erase: 3 } as const;
/** The two upper address bits of an extended operation. */
const EXTENDED = { writeDisable: 0, writeAll: 1, eraseAll: 2, writeEnable: 3 } as const;

export const eepromSchema = z.strictObject({
  words: exactly(WORDS, u16),
  /** What the chip waits for or does. */
  stage: z.enum(['idle', 'command', 'read', 'write', 'done']),
  /** Bits that were clocked in, and how many of them. */
  shift: u16,
  count: integer(0, WORD_BITS),
  address: integer(0, WORDS - 1),
  all: bool,
  writable: bool,
  clock: bool,
  selected: bool,
  output: bool,
});
export type EepromState = z.infer<typeof eepromSchema>;

export class Eeprom93c46 {
  readonly state: EepromState;
  readonly #factory: readonly number[];

  /** `words`: what the maker wrote; the rest is erased (FFFFh). */
  constructor(words: readonly number[]) {
    this.#factory = Array.from({ length: WORDS }, (_, index) => words[index] ?? 0xffff);
    this.state = { words: [...this.#factory], ...idle() };
  }

  word(address: number): number {
    return this.state.words[address & (WORDS - 1)]!;
  }

  /** Power off and on: the content stays, unless the machine is another one. */
  reset(): void {
    Object.assign(this.state, idle());
    this.rewrite();
  }

  /** What the maker wrote, again. */
  rewrite(): void {
    this.state.words.splice(0, WORDS, ...this.#factory);
  }

  /** DO, as the pull-up shows it when the chip is not driving it. */
  get output(): boolean {
    return this.state.output;
  }

  /** The three inputs change. Data are taken and put out with the rising clock. */
  pins(select: boolean, clock: boolean, data: boolean): void {
    const { state } = this;
    const rising = clock && !state.clock;
    state.clock = clock;
    if (!select) {
      Object.assign(state, { selected: false, stage: 'idle', output: true });
      return;
    }
    if (!state.selected) Object.assign(state, { selected: true, stage: 'idle' });
    if (rising) this.#clocked(data);
  }

  #clocked(data: boolean): void {
    const { state } = this;
    switch (state.stage) {
      case 'idle':
        if (data) Object.assign(state, { stage: 'command', shift: 0, count: 0 });
        return;
      case 'command':
        state.shift = (state.shift << 1) | (data ? 1 : 0);
        if (++state.count === COMMAND_BITS) this.#command(state.shift >> ADDRESS_BITS, state.shift & (WORDS - 1));
        return;
      case 'read':
        if (state.count === 0) {
          // Sequential read: the next word follows.
          state.address = (state.address + 1) & (WORDS - 1);
          [state.shift, state.count] = [this.word(state.address), WORD_BITS];
        }
        state.output = (state.shift & 0x8000) !== 0;
        state.shift = (state.shift << 1) & 0xffff;
        state.count--;
        return;
      case 'write':
        state.shift = ((state.shift << 1) | (data ? 1 : 0)) & 0xffff;
        if (++state.count === WORD_BITS) this.#store(state.shift);
        return;
      case 'done':
        return;
    }
  }

  #command(operation: number, address: number): void {
    const { state } = this;
    Object.assign(state, { stage: 'done', address, shift: 0, count: 0, all: false });
    if (operation === OPERATION.read) {
      Object.assign(state, { stage: 'read', shift: this.word(address), count: WORD_BITS, output: false }); // a zero goes ahead
    } else if (operation === OPERATION.write) state.stage = 'write';
    else if (operation === OPERATION.erase) this.#store(0xffff);
    else this.#extended(address >> (ADDRESS_BITS - 2));
  }

  #extended(operation: number): void {
    const { state } = this;
    if (operation === EXTENDED.writeEnable) state.writable = true;
    else if (operation === EXTENDED.writeDisable) state.writable = false;
    else {
      state.all = true;
      if (operation === EXTENDED.writeAll) state.stage = 'write';
      else this.#store(0xffff);
    }
  }

  #store(value: number): void {
    const { state } = this;
    Object.assign(state, { stage: 'done', output: true, shift: 0, count: 0 }); // ready at once: no program time
    if (!state.writable) return;
    if (state.all) state.words.fill(value);
    else state.words[state.address] = value;
  }
}

function idle(): Omit<EepromState, 'words'> {
  return { stage: 'idle', shift: 0, count: 0, address: 0, all: false, writable: false, clock: false, selected: false, output: true };
}
