import { z } from 'zod';

/*
 * Field schemas for saved device states. A saved state is hostile data: every number has its register's range and every array its length, so
 * that code which loads one needs no further checks before it uses a field as an index.
 */

export const bool = z.boolean();

/** An unsigned register of `bits` bits (1 to 53). */
export function unsigned(bits: number): z.ZodNumber {
  return z
    .number()
    .int()
    .min(0)
    .max(2 ** bits - 1);
}

export const u8 = unsigned(8);
export const u16 = unsigned(16);
export const u32 = unsigned(32);

/** An integer in [min, max]. */
export function integer(min: number, max: number): z.ZodNumber {
  return z.number().int().min(min).max(max);
}

/** Guest time, ns. The bound (about 146 years) keeps arithmetic on times finite; below 2^53 ns (104 days) it is exact. */
export const guestTime = z
  .number()
  .min(0)
  .max(2 ** 62);

/** A buffer of exactly `length` bytes. */
export function bytes(length: number): z.ZodType<Uint8Array> {
  return z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length === length, { error: `expected ${length} bytes` });
}

/** An array of exactly `length` items. */
export function exactly<T extends z.ZodType>(length: number, item: T): z.ZodArray<T> {
  return z.array(item).length(length);
}

/** An array of up to `length` items. */
export function upTo<T extends z.ZodType>(length: number, item: T): z.ZodArray<T> {
  return z.array(item).max(length);
}
