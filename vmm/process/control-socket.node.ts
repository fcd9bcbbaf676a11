/** The socket on which a VMM process speaks the protocol: in the VM's folder, for its owner only. */
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { VmmError } from '../base/errors.ts';
import { socketTransport } from '../protocol/socket.node.ts';
import type { Transport } from '../protocol/transport.ts';
import { reasonOf } from './vm-folder.node.ts';

/** unix(7): sun_path has 108 bytes on Linux, 104 on macOS and BSD, the last one zero. */
const MAX_PATH = 103;

/** Where a VM's socket is. */
export function controlPath(directory: string): string {
  const absolute = resolve(directory);
  const name = createHash('sha256').update(absolute).digest('hex').slice(0, 24);
  if (process.platform === 'win32') return `\\\\.\\pipe\\strate-${name}`;
  const path = join(absolute, 'control.sock');
  if (Buffer.byteLength(path) <= MAX_PATH) return path;
  const base = process.env['XDG_RUNTIME_DIR'] ?? join(tmpdir(), `strate-${userInfo().uid}`);
  return join(base, `strate-${name}.sock`);
}

export interface ControlSocket {
  close(): void;
}

/** @throws VmmError `usage` or `host` when there can be no socket at that path, `busy` when somebody listens there. */
export async function listenOnSocket(path: string, accept: (transport: Transport) => void): Promise<ControlSocket> {
  if (process.platform !== 'win32' && Buffer.byteLength(path) > MAX_PATH)
    throw new VmmError('usage', `${path}: the path of a socket has at most ${MAX_PATH} bytes`);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    accept(socketTransport(socket));
  });
  await listenPath(server, path);
  return {
    close() {
      server.close();
      for (const socket of sockets) socket.destroySoon(); // what was sent arrives
    },
  };
}

/**
 * Listens on a Unix socket that only its owner may use.
 * @throws VmmError `usage` or `host` when there can be no socket at that path, `busy` when somebody listens there.
 */
export async function listenPath(server: Server, path: string): Promise<void> {
  if (process.platform !== 'win32') {
    if (Buffer.byteLength(path) > MAX_PATH) throw new VmmError('usage', `${path}: the path of a socket has at most ${MAX_PATH} bytes`);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    await removeStale(path);
  }
  try {
    await new Promise<void>((listening, fail) => {
      server.once('error', fail);
      const umask = process.umask(0o177); // 0600 from the first moment on
      server.listen(path, listening); // binds before it returns
      process.umask(umask);
    });
  } catch (error) {
    throw new VmmError('host', `the socket ${path} cannot be made: ${reasonOf(error)}`, { path }, error);
  }
}

/** Takes away a socket that a process left behind; nothing else. */
async function removeStale(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket()) throw new VmmError('usage', `${path} exists and is not a socket`, { path });
  const answered = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
  if (answered) throw new VmmError('busy', `another process listens on ${path}`, { path });
  rmSync(path, { force: true });
}
