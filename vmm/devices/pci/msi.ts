import type { PciConfig } from './config-space.ts';

/* Message signalled interrupts (PCI Local Bus Specification 3.0, 6.8.1): a function signals by a memory write that software has composed. */

const CAPABILITY_MSI = 0x05;
const CONTROL = 2;
const ADDRESS = 4;
const DATA = 12;
const LENGTH = 14;
const CONTROL_ENABLE = 0x0001;
const CONTROL_64_BIT = 0x0080;

/** One 64-bit capable message without mask bits. All of its state is in the configuration space. */
export class PciMsi {
  readonly #config: PciConfig;
  readonly #at: number;

  constructor(config: PciConfig) {
    this.#config = config;
    this.#at = config.addCapability(CAPABILITY_MSI, LENGTH, [
      { offset: CONTROL, size: 2, reset: CONTROL_64_BIT, writable: CONTROL_ENABLE },
      { offset: ADDRESS, size: 4, writable: 0xffff_fffc },
      { offset: ADDRESS + 4, size: 4, writable: 0xffff_ffff },
      { offset: DATA, size: 2, writable: 0xffff },
    ]);
    config.replaceIntx(() => this.enabled);
  }

  get enabled(): boolean {
    return (this.#config.bytes[this.#at + CONTROL]! & CONTROL_ENABLE) !== 0;
  }

  /** An event: the message is sent, if software wants messages. */
  notify(): void {
    if (!this.enabled) return;
    const view = new DataView(this.#config.bytes.buffer, this.#config.bytes.byteOffset + this.#at);
    if (view.getUint32(ADDRESS + 4, true) === 0) this.#config.sendMessage(view.getUint32(ADDRESS, true), view.getUint16(DATA, true));
  }
}
