/** A pseudo-terminal of the host without a process in it: other programs open it by its name. Needs the native module node-pty. */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
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
  // Held open, so that the first program that leaves does not end it; raw, so that the line discipline changes no byte and echoes none.
  const held = new ReadStream(slave);
  held.setRawMode(true);
  held.pause();
  const stream = new Socket({ fd: master, readable: true, writable: true });
  stream.on('error', () => undefined);
  return {
    path: pty,
    stream,
    close() {
      stream.destroy();
      held.destroy();
    },
  };
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
