import { z } from 'zod';
import type { Timer } from '../../bus/clock.ts';
import { defineDevice, type Device } from '../../bus/device.ts';
import { bool, exactly, guestTime, integer, u8, upTo } from '../../bus/schema.ts';
import * as ps2 from './ps2-device.ts';

/*
 * The PS/2 mouse (IBM PS/2 Technical Reference, "Auxiliary Device Controller") with Microsoft's extensions: IntelliMouse (wheel) and
 * IntelliMouse Explorer (wheel, five buttons), which a driver unlocks by setting three sample rates in a row.
 */

const SCALING_1_1 = 0xe6;
const SCALING_2_1 = 0xe7;
const SET_RESOLUTION = 0xe8;
const STATUS = 0xe9;
const STREAM_MODE = 0xea;
const READ_DATA = 0xeb;
const RESET_WRAP = 0xec;
const WRAP_MODE = 0xee;
const REMOTE_MODE = 0xf0;

const ID_STANDARD = 0;
const ID_WHEEL = 3;
const ID_EXPLORER = 4;
const KNOCK_WHEEL = '200,100,80';
const KNOCK_EXPLORER = '200,200,80';

const STATUS_REMOTE = 0x40;
const STATUS_ENABLED = 0x20;
const STATUS_SCALING_2_1 = 0x10;

const PACKET_ALWAYS = 0x08;
const PACKET_X_SIGN = 0x10;
const PACKET_Y_SIGN = 0x20;
/** A packet carries nine bits of movement each way; what is more goes into the next one. */
const PACKET_MAX = 255;
const WHEEL_MAX = 127;
const EXPLORER_WHEEL_MAX = 7;
/** Movement that the guest did not fetch is kept up to this many counts. */
const KEPT_MAX = 4096;

const RATE_DEFAULT = 100;
const RESOLUTION_DEFAULT = 2;
const SECOND = 1e9;

export const BUTTON_LEFT = 1;
export const BUTTON_RIGHT = 2;
export const BUTTON_MIDDLE = 4;

export interface Ps2MouseState {
  id: number;
  /** Stream mode: data reporting is enabled. */
  reporting: boolean;
  remote: boolean;
  wrap: boolean;
  scaling2: boolean;
  resolution: number;
  rate: number;
  /** The last three sample rates: the knock. */
  rates: number[];
  expects: number;
  answers: number[];
  /** The rest of the packet under way. */
  packet: number[];
  lastSent: number;
  buttons: number;
  /** Movement since the last packet: y grows upwards, wheel towards the user. */
  x: number;
  y: number;
  wheel: number;
  /** Something changed that no packet has told. */
  changed: boolean;
  /** The next packet is sent no earlier (guest ns). */
  nextSample: number;
}

export interface Ps2Mouse extends Device<Ps2MouseState>, ps2.Ps2Device {
  /** Relative movement in counts (y grows downwards), wheel steps (towards the user is positive) and the buttons that are down (BUTTON_*). */
  move(dx: number, dy: number, wheel: number, buttons: number): void;
  /** Sends a packet that tells of nothing: its interrupt is what the guest's driver waits for (see vmware-backdoor.ts). */
  poke(): void;
}

/** A PS/2 mouse with wheel and up to five buttons. */
export const ps2Mouse = defineDevice<Ps2MouseState, object, Ps2Mouse>({
  type: 'ps2-mouse',
  state: {
    version: 1,
    schema: z.strictObject({
      id: z.union([z.literal(ID_STANDARD), z.literal(ID_WHEEL), z.literal(ID_EXPLORER)]),
      reporting: bool,
      remote: bool,
      wrap: bool,
      scaling2: bool,
      resolution: integer(0, 3),
      rate: integer(1, 255),
      rates: exactly(3, u8),
      expects: u8,
      answers: upTo(16, u8),
      packet: upTo(4, u8),
      lastSent: u8,
      buttons: integer(0, 31),
      x: integer(-KEPT_MAX, KEPT_MAX),
      y: integer(-KEPT_MAX, KEPT_MAX),
      wheel: integer(-KEPT_MAX, KEPT_MAX),
      changed: bool,
      nextSample: guestTime,
    }),
  },
  create({ scheduler, log }) {
    const fresh = (): Ps2MouseState => ({
      id: ID_STANDARD,
      reporting: false,
      remote: false,
      wrap: false,
      scaling2: false,
      resolution: RESOLUTION_DEFAULT,
      rate: RATE_DEFAULT,
      rates: [0, 0, 0],
      expects: 0,
      answers: [],
      packet: [],
      lastSent: 0,
      buttons: 0,
      x: 0,
      y: 0,
      wheel: 0,
      changed: false,
      nextSample: 0,
    });
    const state = fresh();
    let sampleTimer: Timer | undefined;

    const answer = (...bytes: number[]) => {
      if (state.answers.length + bytes.length > 16) state.answers.length = 0; // the host does not listen
      const wasAvailable = mouse.available;
      state.answers.push(...bytes);
      if (!wasAvailable) mouse.onAvailable();
    };

    /** Takes up to `max` counts out of an accumulator, scaled in stream mode as the 2:1 command asks. */
    const take = (axis: 'x' | 'y' | 'wheel', max: number, scaled = false): number => {
      const limit = scaled ? max >> 1 : max;
      const counts = Math.max(-limit, Math.min(limit, state[axis]));
      state[axis] -= counts;
      return scaled ? scale2(counts) : counts;
    };
    const makePacket = (scaled: boolean): number[] => {
      const x = take('x', PACKET_MAX, scaled);
      const y = take('y', PACKET_MAX, scaled);
      const bytes = [PACKET_ALWAYS | (state.buttons & 7) | (x < 0 ? PACKET_X_SIGN : 0) | (y < 0 ? PACKET_Y_SIGN : 0), x & 0xff, y & 0xff];
      if (state.id === ID_WHEEL) bytes.push(take('wheel', WHEEL_MAX) & 0xff);
      else if (state.id === ID_EXPLORER) bytes.push((take('wheel', EXPLORER_WHEEL_MAX) & 0x0f) | ((state.buttons & 0x18) << 1));
      else state.wheel = 0;
      state.changed = state.x !== 0 || state.y !== 0 || state.wheel !== 0;
      return bytes;
    };

    /** Stream mode: a packet per sample interval while there is something to tell, the earlier one gone. */
    const sample = () => {
      sampleTimer?.cancel();
      sampleTimer = undefined;
      if (!state.changed || !state.reporting || state.remote || state.wrap || mouse.available) return;
      const now = scheduler.now();
      if (now < state.nextSample) {
        sampleTimer = scheduler.at(state.nextSample, sample);
        return;
      }
      state.nextSample = now + Math.round(SECOND / state.rate);
      state.packet = makePacket(state.scaling2);
      mouse.onAvailable();
    };

    const forget = () => Object.assign(state, { x: 0, y: 0, wheel: 0, changed: false, packet: [] });
    const setDefaults = () => {
      Object.assign(state, { reporting: false, remote: false, wrap: false, scaling2: false, resolution: RESOLUTION_DEFAULT, rate: RATE_DEFAULT });
      forget();
    };

    const setRate = (rate: number) => {
      state.rate = rate === 0 ? RATE_DEFAULT : rate;
      state.rates = [...state.rates.slice(1), rate];
      const knock = state.rates.join(',');
      if (knock === KNOCK_WHEEL && state.id === ID_STANDARD) state.id = ID_WHEEL;
      else if (knock === KNOCK_EXPLORER && state.id !== ID_EXPLORER) state.id = ID_EXPLORER;
    };

    const statusBytes = (): [number, number, number] => {
      const { buttons } = state;
      const pressed = (buttons & BUTTON_LEFT ? 4 : 0) | (buttons & BUTTON_MIDDLE ? 2 : 0) | (buttons & BUTTON_RIGHT ? 1 : 0);
      const modes = (state.remote ? STATUS_REMOTE : 0) | (state.reporting ? STATUS_ENABLED : 0) | (state.scaling2 ? STATUS_SCALING_2_1 : 0);
      return [modes | pressed, state.resolution, state.rate];
    };

    /** Commands that only change something and are acknowledged. */
    const SIMPLE: Readonly<Record<number, () => void>> = {
      [SCALING_1_1]: () => (state.scaling2 = false),
      [SCALING_2_1]: () => (state.scaling2 = true),
      [SET_RESOLUTION]: () => (state.expects = SET_RESOLUTION),
      [ps2.COMMAND_RATE]: () => (state.expects = ps2.COMMAND_RATE),
      [STREAM_MODE]: () => {
        state.remote = false;
        forget();
      },
      [REMOTE_MODE]: () => {
        state.remote = true;
        forget();
      },
      [WRAP_MODE]: () => (state.wrap = true),
      [RESET_WRAP]: forget,
      [ps2.COMMAND_ENABLE]: () => {
        state.reporting = true;
        forget();
      },
      [ps2.COMMAND_DISABLE]: () => {
        state.reporting = false;
        forget();
      },
      [ps2.COMMAND_DEFAULTS]: setDefaults,
    };

    const command = (value: number) => {
      const simple = SIMPLE[value];
      if (simple !== undefined) {
        simple();
        answer(ps2.ACKNOWLEDGE);
        return;
      }
      switch (value) {
        case STATUS:
          answer(ps2.ACKNOWLEDGE, ...statusBytes());
          break;
        case READ_DATA:
          answer(ps2.ACKNOWLEDGE, ...makePacket(false));
          break;
        case ps2.COMMAND_IDENTIFY:
          answer(ps2.ACKNOWLEDGE, state.id);
          break;
        case ps2.COMMAND_RESEND:
          answer(state.lastSent);
          break;
        case ps2.COMMAND_RESET:
          state.answers.length = 0;
          setDefaults();
          Object.assign(state, { id: ID_STANDARD, rates: [0, 0, 0] });
          answer(ps2.ACKNOWLEDGE, ps2.SELF_TEST_PASSED, ID_STANDARD);
          break;
        default:
          log.guest('mouse: unknown command', { command: value });
          answer(ps2.ERROR);
      }
    };

    const mouse: Ps2Mouse = {
      state,
      onAvailable: () => undefined,
      get available() {
        return state.answers.length > 0 || state.packet.length > 0;
      },
      read() {
        const byte = state.answers.shift() ?? state.packet.shift() ?? 0;
        if (byte !== ps2.RESEND) state.lastSent = byte;
        sample();
        return byte;
      },
      write(byte) {
        const { expects } = state;
        state.expects = 0;
        state.packet = []; // a command cuts a packet short
        if (state.wrap && byte !== ps2.COMMAND_RESET && byte !== RESET_WRAP) answer(byte);
        else if (state.wrap && byte === RESET_WRAP) {
          state.wrap = false;
          answer(ps2.ACKNOWLEDGE);
        } else if (expects !== 0) {
          if (expects === SET_RESOLUTION) state.resolution = byte & 3;
          else setRate(byte);
          answer(ps2.ACKNOWLEDGE);
        } else command(byte);
      },
      move(dx, dy, wheel, buttons) {
        const add = (kept: number, more: number) => Math.max(-KEPT_MAX, Math.min(KEPT_MAX, kept + Math.trunc(more)));
        const before = [state.x, state.y, state.wheel, state.buttons];
        Object.assign(state, { x: add(state.x, dx), y: add(state.y, -dy), wheel: add(state.wheel, wheel), buttons: buttons & 31 });
        if (before[0] !== state.x || before[1] !== state.y || before[2] !== state.wheel || before[3] !== state.buttons) state.changed = true;
        sample();
      },
      poke() {
        state.changed = true;
        sample();
      },
      reset() {
        Object.assign(state, fresh());
        sample();
      },
      loaded() {
        sample(); // what waits to be read, the controller looks for itself
      },
      inspect: () => ({
        protocol: state.id === ID_EXPLORER ? 'Explorer' : state.id === ID_WHEEL ? 'IntelliMouse' : 'PS/2',
        mode: state.wrap ? 'wrap' : state.remote ? 'remote' : 'stream',
        reporting: state.reporting ? 'on' : 'off',
        rate: state.rate,
        buttons: state.buttons,
      }),
    };
    return mouse;
  },
});

/** 2:1 scaling as the reference table gives it. */
function scale2(counts: number): number {
  const magnitude = Math.abs(counts);
  const scaled = [0, 1, 1, 3, 6, 9][magnitude] ?? 2 * magnitude;
  return counts < 0 ? -scaled : scaled;
}
