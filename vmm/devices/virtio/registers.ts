import type { AccessSize, Region } from '../../bus/bus.ts';

/** A register of a structure in a BAR: where, how wide, what it shows and what a write does. Absent `write`: read-only. */
export interface Field {
  readonly offset: number;
  readonly size: AccessSize;
  readonly read: () => number;
  readonly write?: (value: number) => void;
}

/** Bytes of a device-specific configuration (2.5). */
export interface DeviceConfig {
  readonly length: number;
  read(offset: number): number;
  write?(offset: number, value: number): void;
}

/** Reads any part of any field, bytes of several too. Writes must be of a whole field: drivers access each with its own width (4.1.3.1). */
export function fieldsAccess(fields: readonly Field[]): Pick<Region, 'read' | 'write'> {
  const byOffset = new Map(fields.map((field) => [field.offset, field]));
  const byByte = new Map(fields.flatMap((field) => Array.from({ length: field.size }, (_, byte) => [field.offset + byte, { field, byte }] as const)));
  return {
    read(offset, size) {
      const whole = byOffset.get(offset);
      if (whole?.size === size) return whole.read();
      let value = 0;
      for (let byte = 0; byte < size; byte++) {
        const part = byByte.get(offset + byte);
        if (part !== undefined) value |= ((part.field.read() >>> (8 * part.byte)) & 0xff) << (8 * byte);
      }
      return value >>> 0;
    },
    write(offset, size, value) {
      const field = byOffset.get(offset);
      if (field?.size === size) field.write?.(value);
    },
  };
}

export function configAccess(config: DeviceConfig): Pick<Region, 'read' | 'write'> {
  return {
    read(offset, size) {
      let value = 0;
      for (let byte = 0; byte < size; byte++) if (offset + byte < config.length) value |= config.read(offset + byte) << (8 * byte);
      return value >>> 0;
    },
    write(offset, size, value) {
      for (let byte = 0; byte < size; byte++) if (offset + byte < config.length) config.write?.(offset + byte, (value >>> (8 * byte)) & 0xff);
    },
  };
}
