import type { AccessSize, Region } from '../../bus/bus.ts';

/** A register that may be read and written in parts, or together with its neighbours. */
export interface Register {
  readonly offset: number;
  /** Bytes, 1 to 4. */
  readonly size: number;
  readonly read: () => number;
  /** Absent: read-only. */
  readonly write?: (value: number) => void;
  /** Bits are cleared by writing 1, or the register is a command: bytes that are not written count as 0, not as what is read. */
  readonly command?: boolean;
}

/** Registers of a chip that takes accesses of any width at any place. What is between them reads as zero. */
export function registerFile(name: string, length: number, registers: readonly Register[]): Region {
  const at: (Register | undefined)[] = new Array<Register | undefined>(length).fill(undefined);
  for (const register of registers) at.fill(register, register.offset, register.offset + register.size);
  return {
    name,
    read(offset, size) {
      const whole = at[offset];
      if (whole !== undefined && whole.offset === offset && whole.size === size) return whole.read() >>> 0;
      let value = 0;
      for (let byte = 0; byte < size;) {
        const register = at[offset + byte];
        if (register === undefined) {
          byte++;
          continue;
        }
        // Read once, however many of its bytes are wanted: reading may have an effect.
        const within = offset + byte - register.offset;
        const count = Math.min(register.size - within, size - byte);
        const part = (register.read() >>> (8 * within)) & mask(count);
        value |= part << (8 * byte);
        byte += count;
      }
      return value >>> 0;
    },
    write(offset, size: AccessSize, value) {
      for (let byte = 0; byte < size;) {
        const register = at[offset + byte];
        if (register === undefined) {
          byte++;
          continue;
        }
        const within = offset + byte - register.offset;
        const count = Math.min(register.size - within, size - byte);
        const bits = (value >>> (8 * byte)) & mask(count);
        const kept = count === register.size || register.command === true ? 0 : register.read() & ~(mask(count) << (8 * within));
        register.write?.((kept | (bits << (8 * within))) >>> 0);
        byte += count;
      }
    },
  };
}

function mask(bytes: number): number {
  return bytes === 4 ? 0xffff_ffff : 2 ** (8 * bytes) - 1;
}
