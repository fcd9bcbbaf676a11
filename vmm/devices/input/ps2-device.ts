/** What is plugged into a PS/2 port, as the controller sees it. */
export interface Ps2Device {
  /** A byte from the host. */
  write(byte: number): void;
  /** The device has a byte to send. */
  readonly available: boolean;
  /** The next byte; called only while `available`. */
  read(): number;
  /** Set by the controller: called when `available` becomes true. */
  onAvailable: () => void;
}

// Bytes that every PS/2 device sends (IBM PS/2 Technical Reference, Keyboard and Auxiliary Device Controller)
export const ACKNOWLEDGE = 0xfa;
export const RESEND = 0xfe;
export const SELF_TEST_PASSED = 0xaa;
export const ERROR = 0xfc;

// Commands that every PS/2 device takes
export const COMMAND_IDENTIFY = 0xf2;
export const COMMAND_RATE = 0xf3;
export const COMMAND_ENABLE = 0xf4;
export const COMMAND_DISABLE = 0xf5;
export const COMMAND_DEFAULTS = 0xf6;
export const COMMAND_RESEND = 0xfe;
export const COMMAND_RESET = 0xff;
