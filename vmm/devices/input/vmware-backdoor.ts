import { z } from 'zod';
import type { Region } from '../../bus/bus.ts';
import { defineDevice, type Device } from '../../bus/device.ts';
import { bool, integer, u32, upTo } from '../../bus/schema.ts';

/*
 * VMware's back door (open-vm-tools, lib/include/backdoor_def.h; Linux, drivers/input/mouse/vmmouse.c): IN EAX, DX with a magic number in EAX and a
 * command in CX is answered in the general registers. Here it gives the version, the memory, and the absolute pointer. The guest hears of movement by
 * the PS/2 mouse's interrupt, whose packet it ignores, and fetches positions here.
 */

/** Linux looks for the pointer only under this name (CPUID leaf 4000_0000h). */
export const HYPERVISOR_NAME = 'VMwareVMware';
export const BACKDOOR_PORT = 0x5658;
export const BACKDOOR_PORTS = 4;
const MAGIC = 0x564d5868; // 'VMXh'

const GET_VERSION = 10;
const GET_MEMORY = 20;
const GET_HZ = 45;
const POINTER_DATA = 39;
const POINTER_STATUS = 40;
const POINTER_COMMAND = 41;

const VERSION = 6;
/** What answers: VMX_TYPE_WORKSTATION. */
const PRODUCT = 4;
const ALL_ONES = 0xffff_ffff;

// Values of POINTER_COMMAND
const READ_ID = 0x45414552;
const DISABLE = 0xf5;
const REQUEST_RELATIVE = 0x4c455252;
const REQUEST_ABSOLUTE = 0x53424152;
/** What the guest finds in the queue when it has enabled the pointer. */
const POINTER_ID = 0x3442554a;

/** High half of the status: the guest and we disagree; it enables the pointer anew. */
const STATUS_ERROR = 0xffff_0000;
const BUTTON_LEFT = 0x20;
const BUTTON_RIGHT = 0x10;
const BUTTON_MIDDLE = 0x08;

const WORDS_PER_PACKET = 4;
const MOST_PACKETS = 256;
const QUEUE_MAX = MOST_PACKETS * WORDS_PER_PACKET + 1;
/** Most words that the registers carry: EAX, EBX, ECX, EDX, ESI, EDI. */
const MOST_WORDS = 6;
const POSITION_MAX = 0xffff;

/** General registers by their number in instructions. */
const EAX = 0;
const ECX = 1;
const EDX = 2;
const EBX = 3;
const ESI = 6;
const EDI = 7;

/** The registers of the processor that makes the access, low 32 bits. */
export interface CallerRegisters {
  read(register: number): number;
  write(register: number, value: number): void;
}

export interface VmwareBackdoorState {
  enabled: boolean;
  absolute: boolean;
  /** A command that is none, or a read of words that are not there. */
  confused: boolean;
  /** Words that the guest has not fetched: buttons and flags, x, y, wheel. */
  queue: number[];
  /** As the guest knows them, in its own bits. */
  buttons: number;
}

export interface VmwareBackdoor extends Device<VmwareBackdoorState> {
  readonly port: Region;
  /** Position 0..1 from the top left, wheel steps (towards the user is positive), buttons as the PS/2 mouse has them. */
  pointer(x: number, y: number, wheel: number, buttons: number): void;
}

export interface VmwareBackdoorOptions {
  readonly registers: CallerRegisters;
  /** MiB */
  readonly memory: number;
  /** The time stamp counter's frequency: Linux takes it from here instead of measuring it. */
  readonly timeStampHz: number;
  /** Positions wait: the mouse is to interrupt. */
  readonly wake: () => void;
  /** The guest wants positions, or no longer does. */
  readonly absolute: (on: boolean) => void;
}

export const vmwareBackdoor = defineDevice<VmwareBackdoorState, VmwareBackdoorOptions, VmwareBackdoor>({
  type: 'vmware-backdoor',
  state: {
    version: 1,
    schema: z.strictObject({ enabled: bool, absolute: bool, confused: bool, queue: upTo(QUEUE_MAX, u32), buttons: integer(0, 0x38) }),
  },
  create({ log }, { registers, memory, timeStampHz, wake, absolute }) {
    const state: VmwareBackdoorState = { enabled: false, absolute: false, confused: false, queue: [], buttons: 0 };
    let told = false;
    const tell = () => {
      const now = state.enabled && state.absolute;
      if (now !== told) absolute((told = now));
    };
    const quiet = () => Object.assign(state, { enabled: false, absolute: false, confused: false, queue: [], buttons: 0 });

    const command = (value: number) => {
      switch (value) {
        case READ_ID:
          Object.assign(state, { enabled: true, confused: false, queue: [POINTER_ID], buttons: 0 });
          break;
        case REQUEST_ABSOLUTE:
          state.absolute = state.enabled;
          break;
        case REQUEST_RELATIVE:
          state.absolute = false;
          break;
        case DISABLE:
          quiet();
          state.confused = true; // a driver that asks for the status of a disabled pointer is told so
          break;
        default:
          log.guest('vmware pointer: unknown command', { command: value });
      }
      tell();
    };

    const data = (words: number): number => {
      if (words === 0 || words > MOST_WORDS || words > state.queue.length) {
        state.confused = true;
        state.queue = [];
        return ALL_ONES;
      }
      const [eax, ...rest] = state.queue.splice(0, words);
      const places = [EBX, ECX, EDX, ESI, EDI];
      rest.forEach((word, at) => registers.write(places[at]!, word));
      return eax!;
    };

    const call = (): number => {
      if (registers.read(EAX) !== MAGIC) return ALL_ONES;
      const what = registers.read(ECX) & 0xffff;
      switch (what) {
        case GET_VERSION:
          registers.write(EBX, MAGIC);
          registers.write(ECX, PRODUCT);
          return VERSION;
        case GET_MEMORY:
          return memory;
        case GET_HZ:
          registers.write(EBX, Math.floor(timeStampHz / 2 ** 32));
          registers.write(ECX, 0); // of the local APIC's bus: not told, so it is measured
          return timeStampHz >>> 0;
        case POINTER_STATUS:
          return (state.confused ? STATUS_ERROR : state.queue.length) >>> 0;
        case POINTER_DATA:
          return data(registers.read(EBX) & 0xff);
        case POINTER_COMMAND:
          command(registers.read(EBX));
          return 0;
        default:
          return ALL_ONES; // restricting the pointer to ring 0 is of no use here, and everything else is not there
      }
    };

    return {
      state,
      port: {
        name: 'vmware-backdoor',
        read: (offset, size) => (offset === 0 && size === 4 ? call() : ALL_ONES >>> (32 - 8 * size)),
        write: () => undefined,
      },
      pointer(x, y, wheel, buttons) {
        if (!state.enabled || !state.absolute || state.confused) return;
        const own = (buttons & 1 ? BUTTON_LEFT : 0) | (buttons & 2 ? BUTTON_RIGHT : 0) | (buttons & 4 ? BUTTON_MIDDLE : 0);
        const place = (part: number) => Math.round(Math.max(0, Math.min(1, part)) * POSITION_MAX);
        const full = state.queue.length >= MOST_PACKETS * WORDS_PER_PACKET;
        if (full && own === state.buttons) return; // a guest that does not listen; presses and releases still overtake
        if (full) state.queue.splice(0, WORDS_PER_PACKET);
        state.buttons = own;
        state.queue.push(own, place(x), place(y), Math.max(-128, Math.min(127, Math.trunc(wheel))) >>> 0);
        wake();
      },
      reset() {
        quiet();
        tell();
      },
      loaded: tell,
      inspect: () => ({
        port: '5658h',
        pointer: !state.enabled ? 'off' : state.absolute ? 'absolute' : 'relative',
        waiting: Math.floor(state.queue.length / WORDS_PER_PACKET),
      }),
    };
  },
});
