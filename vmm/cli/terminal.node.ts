/** The terminal under `--serial stdio`: raw, with an escape key, and always put back as it was. */
import type { Readable } from 'node:stream';
import { Transform } from 'node:stream';

const CTRL_A = 0x01;

/** Ctrl-A X ends the run, Ctrl-A Ctrl-A sends Ctrl-A, as in QEMU and screen. */
export interface TerminalKeys {
  quit(): void;
  /** Ctrl-A followed by another key than those above. */
  help(): void;
}

/** The keyboard's bytes without the escapes. Where it is no terminal, bytes pass as they are. */
export function guestInput(stdin: NodeJS.ReadStream, keys: TerminalKeys): Readable {
  if (!stdin.isTTY) return stdin;
  stdin.setRawMode(true);
  process.on('exit', () => stdin.setRawMode(false));
  let escaped = false;
  const filter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const out: number[] = [];
      for (const byte of chunk) {
        if (!escaped) {
          if (byte === CTRL_A) escaped = true;
          else out.push(byte);
          continue;
        }
        escaped = false;
        const key = String.fromCharCode(byte).toLowerCase();
        if (byte === CTRL_A) out.push(CTRL_A);
        else if (key === 'x') keys.quit();
        else keys.help();
      }
      done(null, out.length > 0 ? Buffer.from(out) : undefined);
    },
  });
  return stdin.pipe(filter);
}
