import { z } from 'zod';
import type { Region } from '../../bus/bus.ts';
import { defineDevice, type Device } from '../../bus/device.ts';
import { u8 } from '../../bus/schema.ts';

/* Ports that exist for developers of firmware and kernels: a console, a way out, and the code a firmware shows while it starts. */

const none = z.strictObject({});
type None = z.infer<typeof none>;

/** Bochs' and SeaBIOS' debug console says that it is there by this value. */
const CONSOLE_PRESENT = 0xe9;

export interface DebugConsole extends Device<None> {
  /** One port: E9h (Bochs) or 402h (SeaBIOS). */
  readonly port: Region;
}

/** A port that prints what is written to it. */
export const debugConsole = defineDevice<None, { readonly write: (byte: number) => void }, DebugConsole>({
  type: 'debug-console',
  state: { version: 1, schema: none },
  create: (_context, options) => ({
    state: {},
    port: { name: 'debug-console', sizes: 1, read: () => CONSOLE_PRESENT, write: (_offset, _size, value) => options.write(value) },
    reset: () => undefined,
  }),
});

export interface DebugExit extends Device<None> {
  /** Four ports from F4h. */
  readonly port: Region;
}

/** QEMU's isa-debug-exit: writing v ends the run with status (v << 1) | 1. */
export const debugExit = defineDevice<None, { readonly exit: (status: number) => void }, DebugExit>({
  type: 'isa-debug-exit',
  state: { version: 1, schema: none },
  create: (_context, options) => ({
    state: {},
    port: { name: 'isa-debug-exit', read: () => 0, write: (_offset, _size, value) => options.exit(((value << 1) | 1) & 0xff) },
    reset: () => undefined,
  }),
});

export interface PostPortState {
  code: number;
}

export interface PostPort extends Device<PostPortState> {
  /** Port 80h, above the DMA page register that lies there, too. */
  readonly port: Region;
}

/** The power-on self-test code: what firmware and kernels write to port 80h to show where they are, and to wait a little. */
export const postPort = defineDevice<PostPortState, { readonly changed?: (code: number) => void }, PostPort>({
  type: 'post-port',
  state: { version: 1, schema: z.strictObject({ code: u8 }) },
  create(_context, options) {
    const state: PostPortState = { code: 0 };
    return {
      state,
      port: {
        name: 'post',
        sizes: 1,
        read: () => state.code,
        write: (_offset, _size, value) => {
          if (value === state.code) return;
          state.code = value;
          options.changed?.(value);
        },
      },
      reset: () => {
        state.code = 0;
      },
      inspect: () => ({ code: `${state.code.toString(16)}h` }),
    };
  },
});
