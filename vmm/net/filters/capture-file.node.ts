/** A capture's file: written behind, within bounds. */
import { createWriteStream } from 'node:fs';
import type { CaptureSink } from './capture.ts';

/** Bytes that wait for the disk; what comes then is not captured. */
const MOST_WAITING = 8 << 20;

export interface CaptureFile extends CaptureSink {
  readonly file: string;
  readonly dropped: number;
  close(): Promise<void>;
}

/** @throws the host's error when the file cannot be made. */
export async function captureFile(file: string): Promise<CaptureFile> {
  const stream = createWriteStream(file, { mode: 0o600 });
  await new Promise<void>((resolve, reject) => {
    stream.once('open', () => resolve());
    stream.once('error', reject);
  });
  let dropped = 0;
  let failed = false;
  stream.on('error', () => (failed = true));
  return {
    file,
    get dropped() {
      return dropped;
    },
    write(bytes) {
      if (failed || stream.writableLength > MOST_WAITING) dropped++;
      else stream.write(bytes);
    },
    close: () => new Promise((resolve) => void stream.end(() => resolve())),
  };
}
