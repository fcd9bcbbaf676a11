import { z } from 'zod';

/** C0 and C1 control characters and DEL: they move cursors, ring bells and split lines where text is shown. */
export function hasControl(text: string): boolean {
  return /\p{Cc}/u.test(text);
}

/** One line of text for people, safe in a title bar, a terminal and a log. */
export const line = (max: number) =>
  z
    .string()
    .max(max)
    .refine((text) => !hasControl(text), 'must be one line without control characters');

/** A path on the host, or relative to the VM's folder. */
export const hostPath = z
  .string()
  .min(1, 'names no file')
  .max(4096)
  .refine((path) => !path.includes('\0'), 'must not contain a NUL character');
