/**
 * A bus master's access to guest RAM. It reaches RAM and ROM only, never another device's registers (no re-entrancy; promises.md, isolation).
 * Addresses are physical, lengths in bytes; what lies outside RAM reads as 0xFF and is not written, as an aborted PCI cycle.
 */
export interface Dma {
  /** Guest RAM itself when [addr, addr+length) is contiguous plain RAM; undefined otherwise. Writers must call `wrote` afterwards. */
  view(addr: number, length: number): Uint8Array | undefined;
  /** Tells the CPU that RAM changed behind its back, so that translated code there is dropped. `write` does it by itself. */
  wrote(addr: number, length: number): void;
  read(addr: number, into: Uint8Array): void;
  write(addr: number, from: Uint8Array): void;
}
