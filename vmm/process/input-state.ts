/** Keys and buttons that clients hold down, so that none stays down when its client goes or loses the focus. */
import { VmmError } from '../base/errors.ts';
import { codesOfStroke, keyNumbers, parseChord, strokesOf } from '../protocol/input.ts';
import type { ToMachine } from './machine-messages.ts';

/** Host time between two key events that are typed for somebody, ms: faster than a person, slow enough for a guest's 16-key buffer. */
const TYPING_PACE = 12;
/** A chord stays down this long, ms: some guests poll. */
const CHORD_HOLD = 60;

export interface InputHost {
  post(message: ToMachine): void;
  /** Resolves when the keyboard has passed on all its key events. */
  keysTaken(): Promise<void>;
  sleep(milliseconds: number): Promise<void>;
}

export class InputState {
  readonly #host: InputHost;
  readonly #held = new Map<object, Set<number>>();
  #buttons = 0;
  #typing: Promise<unknown> = Promise.resolve();

  constructor(host: InputHost) {
    this.#host = host;
  }

  /** @throws VmmError `usage` for a code that is no key. */
  key(client: object, code: string, down: boolean): void {
    const key = Object.hasOwn(keyNumbers, code) ? keyNumbers[code] : undefined;
    if (key === undefined) throw new VmmError('usage', `a PC keyboard has no key ${JSON.stringify(code)}`);
    const held = this.#held.get(client) ?? new Set();
    this.#held.set(client, held);
    if (down) held.add(key);
    else held.delete(key);
    this.#host.post({ type: 'key', key, down });
  }

  mouse(movement: { dx: number; dy: number; wheel: number; buttons: number }): void {
    this.#buttons = movement.buttons;
    this.#host.post({ type: 'mouse', ...movement });
  }

  pointer(position: { x: number; y: number; wheel: number; buttons: number }): void {
    this.#buttons = position.buttons;
    this.#host.post({ type: 'pointer', ...position });
  }

  /** Everything that `client` holds goes up. */
  release(client: object): void {
    for (const key of this.#held.get(client) ?? []) this.#host.post({ type: 'key', key, down: false });
    this.#held.delete(client);
    if (this.#buttons !== 0) this.mouse({ dx: 0, dy: 0, wheel: 0, buttons: 0 });
  }

  /** Presses chords one after the other. @throws VmmError `usage` before anything is pressed. */
  chords(chords: readonly string[]): Promise<void> {
    const parsed = chords.map(parseChord);
    return this.#inTurn(async () => {
      for (const codes of parsed) {
        await this.#press(codes, CHORD_HOLD);
        await this.#host.sleep(TYPING_PACE);
      }
    });
  }

  /** @throws VmmError `usage` for a layout that does not exist. */
  async type(text: string, layout: string): Promise<{ typed: number; skipped: string }> {
    const { strokes, skipped } = strokesOf(text, layout);
    await this.#inTurn(async () => {
      for (const stroke of strokes) await this.#press(codesOfStroke(stroke), TYPING_PACE);
    });
    return { typed: strokes.length, skipped };
  }

  async #press(codes: readonly string[], hold: number): Promise<void> {
    const keys = codes.map((code) => keyNumbers[code]!);
    for (const key of keys) this.#host.post({ type: 'key', key, down: true });
    await this.#host.sleep(hold);
    for (const key of keys.toReversed()) this.#host.post({ type: 'key', key, down: false });
    await this.#host.sleep(TYPING_PACE);
    await this.#host.keysTaken();
  }

  /** Two clients that type at once do not mix their letters. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#typing.then(work, work);
    this.#typing = turn.catch(() => undefined);
    return turn;
  }
}
