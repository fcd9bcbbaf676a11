import { z } from 'zod';
import type { Timer } from '../../bus/clock.ts';
import { defineDevice, type Device } from '../../bus/device.ts';
import { bool, bytes, guestTime, integer, u16, u8, upTo } from '../../bus/schema.ts';
import * as ps2 from './ps2-device.ts';
import * as codes from './scan-codes.ts';

/* The enhanced PS/2 keyboard (IBM PS/2 Technical Reference, "Keyboards (101- and 102-key)"). */

const SET_LEDS = 0xed;
const ECHO = 0xee;
const SCAN_CODE_SET = 0xf0;
const SET_ALL_TYPEMATIC = 0xf7;
const SET_ALL_MAKE_BREAK = 0xf8;
const SET_ALL_MAKE_ONLY = 0xf9;
const SET_ALL_TYPEMATIC_MAKE_BREAK = 0xfa;
const SET_KEY_TYPEMATIC = 0xfb;
const SET_KEY_MAKE_BREAK = 0xfc;
const SET_KEY_MAKE_ONLY = 0xfd;

const IDENTITY = [0xab, 0x83] as const;
const TYPEMATIC_DEFAULT = 0x2b; // 500 ms, 10.9 a second
const LED_NUM_LOCK = 2;
const MILLISECOND = 1e6;

/** Keys pressed while this many bytes wait are lost, whole, press and release. */
const CROWDED = 64;
const QUEUE_LIMIT = 1024;
const KEYS_DOWN_LIMIT = 128;

export interface Ps2KeyboardOptions {
  /** Scroll Lock (1), Num Lock (2), Caps Lock (4). */
  readonly leds?: (leds: number) => void;
}

export interface Ps2KeyboardState {
  scanning: boolean;
  set: number;
  leds: number;
  typematic: number;
  /** The command whose argument comes next, 0 = none. */
  expects: number;
  /** Answers to commands: they go out before scan codes. */
  answers: number[];
  queue: number[];
  lastSent: number;
  /** Keys that are held, in the order they were pressed. */
  down: number[];
  /** The key that repeats, and when next (guest ns; 0 = none). */
  repeatAt: number;
  set3Types: Uint8Array;
}

export interface Ps2Keyboard extends Device<Ps2KeyboardState>, ps2.Ps2Device {
  /** A key goes down or up. A key that is already so is ignored: the keyboard repeats by itself. */
  key(number: number, pressed: boolean): void;
  /** All keys go up. */
  releaseAll(): void;
  /** Bytes that wait for the host: typing aids go slowly while this is not 0. */
  readonly backlog: number;
}

/** A 102-key PS/2 keyboard with scan code sets 1, 2 and 3. The report of its self-test at power-on is left out: no firmware waits for it. */
export const ps2Keyboard = defineDevice<Ps2KeyboardState, Ps2KeyboardOptions, Ps2Keyboard>({
  type: 'ps2-keyboard',
  state: {
    version: 1,
    schema: z.strictObject({
      scanning: bool,
      set: integer(1, 3),
      leds: integer(0, 7),
      typematic: integer(0, 0x7f),
      expects: u8,
      answers: upTo(16, u8),
      queue: upTo(QUEUE_LIMIT, u8),
      lastSent: u8,
      down: upTo(KEYS_DOWN_LIMIT, u16),
      repeatAt: guestTime,
      set3Types: bytes(256),
    }),
  },
  create({ scheduler, log }, options) {
    const fresh = (): Ps2KeyboardState => ({
      scanning: true,
      set: 2,
      leds: 0,
      typematic: TYPEMATIC_DEFAULT,
      expects: 0,
      answers: [],
      queue: [],
      lastSent: 0,
      down: [],
      repeatAt: 0,
      set3Types: codes.defaultSet3Types(),
    });
    const state = fresh();
    let repeatTimer: Timer | undefined;

    const send = (queue: number[], ...bytesToSend: number[]) => {
      const news = keyboard.backlog === 0 && bytesToSend.length > 0;
      queue.push(...bytesToSend);
      if (news) keyboard.onAvailable();
    };
    const answer = (...bytesToSend: number[]) => {
      if (state.answers.length + bytesToSend.length > 16) state.answers.length = 0; // the host does not listen
      send(state.answers, ...bytesToSend);
    };

    // Typematic byte: bits 6-5 delay, bits 4-0 rate; period = (8 + A) * 2^B * 4.17 ms with A = bits 2-0, B = bits 4-3.
    const repeatDelay = () => ((state.typematic >> 5) + 1) * 250 * MILLISECOND;
    const repeatPeriod = () => Math.round((8 + (state.typematic & 7)) * 2 ** ((state.typematic >> 3) & 3) * 4.17 * MILLISECOND);

    const armRepeat = () => {
      repeatTimer?.cancel();
      repeatTimer = state.repeatAt === 0 ? undefined : scheduler.at(state.repeatAt, repeat);
    };
    const repeat = () => {
      const key = state.down[state.down.length - 1];
      state.repeatAt = key === undefined ? 0 : scheduler.now() + repeatPeriod();
      // A host that does not keep up gets no repetitions to work off later.
      if (key !== undefined && state.scanning && !keyboard.available && repeats(key)) send(state.queue, ...bytesOf(key, true));
      armRepeat();
    };
    const stopRepeating = () => {
      state.repeatAt = 0;
      armRepeat();
    };

    const set3Type = (key: number) => state.set3Types[codes.set3CodeOf(key) ?? 0];
    const repeats = (key: number) => {
      if (key === codes.KEY_PAUSE) return false;
      return state.set !== 3 || set3Type(key) === codes.KEY_TYPEMATIC || set3Type(key) === codes.KEY_TYPEMATIC_MAKE_BREAK;
    };
    const bytesOf = (key: number, pressed: boolean): number[] => {
      if (state.set !== 3) return codes.sequenceOf(state.set === 1 ? 1 : 2, key, pressed, state.down, (state.leds & LED_NUM_LOCK) !== 0);
      const code = codes.set3CodeOf(key);
      if (code === undefined) return [];
      if (pressed) return [code];
      const breaks = set3Type(key) === codes.KEY_MAKE_BREAK || set3Type(key) === codes.KEY_TYPEMATIC_MAKE_BREAK;
      return breaks ? [codes.BREAK_PREFIX, code] : [];
    };

    const setLeds = (leds: number) => {
      state.leds = leds;
      options.leds?.(leds);
    };
    const setDefaults = (scanning: boolean) => {
      Object.assign(state, { scanning, typematic: TYPEMATIC_DEFAULT, set3Types: codes.defaultSet3Types(), set: 2 });
      state.queue.length = 0;
      stopRepeating();
    };

    const argument = (command: number, value: number) => {
      switch (command) {
        case SET_LEDS:
          setLeds(value & 7);
          break;
        case ps2.COMMAND_RATE:
          state.typematic = value & 0x7f;
          break;
        case SCAN_CODE_SET:
          if (value > 3) {
            answer(ps2.RESEND);
            return;
          }
          if (value === 0) {
            answer(ps2.ACKNOWLEDGE, state.set);
            return;
          }
          state.set = value;
          state.queue.length = 0;
          break;
        default: {
          const type = KEY_TYPE_OF[command];
          if (type !== undefined) {
            state.set3Types[value] = type;
            state.expects = command; // until something that is a command comes
          }
        }
      }
      answer(ps2.ACKNOWLEDGE);
    };

    const command = (value: number) => {
      switch (value) {
        case ps2.COMMAND_RESET:
          state.answers.length = 0;
          setDefaults(true);
          setLeds(0);
          answer(ps2.ACKNOWLEDGE, ps2.SELF_TEST_PASSED);
          return;
        case ps2.COMMAND_RESEND:
          answer(state.lastSent);
          return;
        case ECHO:
          answer(ECHO);
          return;
        case ps2.COMMAND_IDENTIFY:
          answer(ps2.ACKNOWLEDGE, ...IDENTITY);
          return;
        case ps2.COMMAND_ENABLE:
          state.queue.length = 0;
          state.scanning = true;
          break;
        case ps2.COMMAND_DISABLE:
        case ps2.COMMAND_DEFAULTS:
          setDefaults(value === ps2.COMMAND_DEFAULTS);
          break;
        case SET_LEDS:
        case SCAN_CODE_SET:
        case ps2.COMMAND_RATE:
        case SET_KEY_TYPEMATIC:
        case SET_KEY_MAKE_BREAK:
        case SET_KEY_MAKE_ONLY:
          state.expects = value;
          break;
        default: {
          const type = ALL_KEYS_TYPE_OF[value];
          if (type === undefined) {
            log.guest('keyboard: unknown command', { command: value });
            answer(ps2.RESEND);
            return;
          }
          state.set3Types.fill(type);
        }
      }
      answer(ps2.ACKNOWLEDGE);
    };

    const keyboard: Ps2Keyboard = {
      state,
      onAvailable: () => undefined,
      get available() {
        return state.answers.length > 0 || state.queue.length > 0;
      },
      get backlog() {
        return state.answers.length + state.queue.length;
      },
      read() {
        const byte = state.answers.shift() ?? state.queue.shift() ?? 0;
        if (byte !== ps2.RESEND) state.lastSent = byte;
        return byte;
      },
      write(byte) {
        const { expects } = state;
        state.expects = 0;
        if (expects !== 0 && byte < SET_LEDS) argument(expects, byte);
        else command(byte);
      },
      key(number, pressed) {
        const index = state.down.indexOf(number);
        if (pressed === index >= 0 || !codes.isKey(number)) return;
        if (pressed) {
          if (state.queue.length > CROWDED || state.down.length >= KEYS_DOWN_LIMIT) return;
          if (state.scanning) send(state.queue, ...bytesOf(number, true));
          state.down.push(number);
          state.repeatAt = scheduler.now() + repeatDelay();
        } else {
          state.down.splice(index, 1);
          if (state.scanning && state.queue.length < QUEUE_LIMIT - 16) send(state.queue, ...bytesOf(number, false));
          if (index === state.down.length) state.repeatAt = 0; // the key that repeated went up: the others do not go on
        }
        armRepeat();
      },
      releaseAll() {
        for (const key of [...state.down].reverse()) keyboard.key(key, false);
      },
      reset() {
        Object.assign(state, fresh());
        setLeds(0);
        stopRepeating();
      },
      loaded() {
        options.leds?.(state.leds);
        armRepeat(); // what waits to be read, the controller looks for itself
      },
      inspect: () => ({
        'scan code set': state.set,
        scanning: state.scanning ? 'on' : 'off',
        LEDs: state.leds,
        'keys down': state.down.map((key) => key.toString(16)).join(' '),
        waiting: keyboard.backlog,
      }),
    };
    return keyboard;
  },
});

const KEY_TYPE_OF: Readonly<Record<number, number>> = {
  [SET_KEY_TYPEMATIC]: codes.KEY_TYPEMATIC,
  [SET_KEY_MAKE_BREAK]: codes.KEY_MAKE_BREAK,
  [SET_KEY_MAKE_ONLY]: codes.KEY_MAKE_ONLY,
};

const ALL_KEYS_TYPE_OF: Readonly<Record<number, number>> = {
  [SET_ALL_TYPEMATIC]: codes.KEY_TYPEMATIC,
  [SET_ALL_MAKE_BREAK]: codes.KEY_MAKE_BREAK,
  [SET_ALL_MAKE_ONLY]: codes.KEY_MAKE_ONLY,
  [SET_ALL_TYPEMATIC_MAKE_BREAK]: codes.KEY_TYPEMATIC_MAKE_BREAK,
};
