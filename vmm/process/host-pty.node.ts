/** A pseudo-terminal of the host without a process in it: other programs open it by its name. Needs the native module node-pty. */
import { spawnSync } from 'node:child_process';
import { closeSync, write } from 'node:fs';
import { Duplex, Writable } from 'node:stream';
import { ReadStream } from 'node:tty';
import { messageOf, VmmError } from '../base/errors.ts';

export interface HostPty {
  /** Name for other programs: /dev/pts/3 */
  readonly path: string;
  readonly stream: Duplex;
  close(): void;
}

interface UnixPty {
  open(columns: number, rows: number): { readonly master: number; readonly slave: number; readonly pty: string };
}

/** @throws VmmError `unsupported` where there are no pseudo-terminals, or the module was not built. */
export async function openHostPty(): Promise<HostPty> {
  if (process.platform === 'win32') throw new VmmError('unsupported', 'Windows has no pseudo-terminals with a name; use --serial pipe:NAME');
  const { native } = await loadNodePty();
  const { master, slave, pty } = (native as UnixPty).open(80, 24);
  // Held open, so that the first program that leaves does not end it; raw, so that the line discipline changes no byte and echoes none. Node's own
  // raw mode still turns line feeds into two bytes.
  spawnSync('stty', ['raw', '-echo'], { stdio: [slave, 'ignore', 'ignore'] });
  const output = new ReadStream(master);
  output.on('error', () => undefined);
  const stream = Duplex.from({ readable: output, writable: inputOf(master) } as never);
  stream.on('error', () => undefined);
  return {
    path: pty,
    stream,
    close() {
      stream.destroy();
      output.destroy();
      closeSync(slave);
    },
  };
}

/** How soon a terminal whose reader is behind is tried again, ms. */
const RETRY = 5;

/** Libuv reads the descriptor without blocking; writing goes beside it, and waits while the terminal's buffer is full. */
function inputOf(descriptor: number): Writable {
  const put = (data: Buffer, done: (error?: Error | null) => void): void => {
    write(descriptor, data, (error, written) => {
      if (error?.code === 'EAGAIN') setTimeout(() => put(data, done), RETRY);
      else if (error !== null) done(error);
      else if (written < data.length) put(data.subarray(written), done);
      else done();
    });
  };
  return new Writable({ write: (data: Buffer, _encoding, done) => put(data, done) });
}

type NodePty = typeof import('node-pty') & { readonly native: unknown };

/** The module `node-pty`. @throws VmmError `unsupported` with what to do where its native part is missing. */
export async function loadNodePty(): Promise<NodePty> {
  try {
    const loaded = (await import('node-pty')) as unknown as NodePty & { readonly default?: NodePty };
    const module = loaded.default ?? loaded;
    if (module.native === undefined || module.native === null) throw new Error('its native part is missing');
    return module;
  } catch (error) {
    throw new VmmError(
      'unsupported',
      `pseudo-terminals need the native module node-pty (${messageOf(error).split('\n')[0]}); npm rebuild node-pty builds it`,
      {},
      error,
    );
  }
}
