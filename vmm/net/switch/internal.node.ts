/**
 * A network between the machines of one user: whoever comes first is the switch and listens on a socket in the user's runtime directory, the others
 * are its ports. When the switch's process ends, one of the others takes its place.
 */
import { chmodSync, closeSync, mkdirSync, openSync, statSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { messageOf, VmmError } from '../../base/errors.ts';
import type { CableUser, NetBackend } from '../cable/cable.ts';
import type { NetworkHost, OpenNetwork } from '../open.node.ts';
import { framed, FrameReader } from '../socket/stream-framing.ts';
import { Switch, type SwitchPort } from './switch.ts';

/** Bytes that wait for one port; more are lost to it. */
const MOST_WAITING = 4 << 20;
const MAX_PORTS = 64;
const RETRY = 100;
/** Who takes the switch's place holds a lock; one that is older is left over from a process that was killed. ms */
const LOCK_AGE = 5000;

/** `strate` in the user's runtime directory, 0700. @throws VmmError when it is somebody else's. */
export function networkDirectory(): string {
  const runtime = process.env['XDG_RUNTIME_DIR'];
  const { uid } = userInfo();
  const directory = runtime !== undefined && runtime !== '' ? join(runtime, 'strate') : join(tmpdir(), `strate-${uid}`);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const status = statSync(directory);
  if (uid >= 0 && (status.uid !== uid || (status.mode & 0o077) !== 0))
    throw new VmmError('host', `${directory} is not this user's alone; internal networks need a directory that is (mode 0700)`);
  return directory;
}

export async function openInternal(name: string, cable: NetBackend, host: NetworkHost, directory = networkDirectory()): Promise<OpenNetwork> {
  const member = new Member(join(directory, `net-${name}.sock`), cable, host);
  await member.join();
  return { close: () => member.close() };
}

class Member implements CableUser {
  readonly #path: string;
  readonly #cable: NetBackend;
  readonly #host: NetworkHost;
  #role: { send(frame: Uint8Array): boolean; close(): Promise<void> } | undefined;
  #closed = false;
  #again: NodeJS.Timeout | undefined;

  constructor(path: string, cable: NetBackend, host: NetworkHost) {
    this.#path = path;
    this.#cable = cable;
    this.#host = host;
    cable.attach(this);
  }

  frame(bytes: Uint8Array): boolean {
    return this.#role?.send(bytes) ?? true;
  }

  /** Resolves when it is a port, or the switch. */
  async join(): Promise<void> {
    while (!this.#closed) {
      const socket = await dial(this.#path);
      if (socket !== undefined) {
        this.#usePort(socket);
        return;
      }
      if (await this.#lead()) return;
      await new Promise((resolve) => (this.#again = setTimeout(resolve, RETRY * (0.5 + Math.random()))));
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#again);
    await this.#role?.close();
  }

  #usePort(socket: Socket): void {
    const link = new StreamPort(socket, (frame) => void this.#cable.send(frame.slice()));
    this.#role = { send: (frame) => link.send(frame), close: () => link.close() };
    socket.on('close', () => {
      this.#role = undefined;
      if (!this.#closed) void this.join().catch((error: unknown) => this.#host.log.warn(messageOf(error)));
    });
  }

  /** Becomes the switch. False: somebody else is about to. */
  async #lead(): Promise<boolean> {
    const lock = `${this.#path}.lock`;
    if (!takeLock(lock)) return false;
    try {
      const answering = await dial(this.#path);
      if (answering !== undefined) {
        answering.destroy();
        return false;
      }
      removeFile(this.#path);
      const hub = new Switch(() => performance.now());
      const own: SwitchPort = { send: (frame) => this.#cable.send(frame) };
      hub.add(own);
      const sockets = new Set<Socket>();
      const server = createServer((socket) => {
        if (sockets.size >= MAX_PORTS) return void socket.destroy();
        sockets.add(socket);
        const port: StreamPort = new StreamPort(socket, (frame) => hub.receive(port, frame));
        hub.add(port);
        socket.on('close', () => {
          sockets.delete(socket);
          hub.remove(port);
        });
      });
      await listen(server, this.#path);
      this.#role = {
        send(frame) {
          hub.receive(own, frame);
          return true;
        },
        close: () => {
          for (const socket of sockets) socket.destroy();
          return new Promise((resolve) => server.close(() => resolve()));
        },
      };
      return true;
    } finally {
      removeFile(lock);
    }
  }
}

/** Frames on a stream. */
class StreamPort implements SwitchPort {
  readonly #socket: Socket;

  constructor(socket: Socket, frame: (bytes: Uint8Array) => void) {
    this.#socket = socket;
    const reader = new FrameReader();
    socket.on('data', (chunk: Buffer) => {
      reader.push(chunk);
      const good = reader.take((bytes) => {
        frame(bytes);
        return true;
      });
      if (!good) socket.destroy();
    });
    socket.on('error', () => undefined); // `close` follows
  }

  send(frame: Uint8Array): boolean {
    if (this.#socket.writableLength > MOST_WAITING) return false;
    this.#socket.write(framed(frame));
    return true;
  }
  close(): Promise<void> {
    this.#socket.destroy();
    return Promise.resolve();
  }
}

function dial(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('error', () => resolve(undefined));
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
  });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      chmodSync(path, 0o600);
      resolve();
    });
  });
}

function takeLock(path: string): boolean {
  try {
    closeSync(openSync(path, 'wx', 0o600));
    return true;
  } catch {
    try {
      if (Date.now() - statSync(path).mtimeMs > LOCK_AGE) unlinkSync(path);
    } catch {
      // it is gone: the next try will tell
    }
    return false;
  }
}

function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // it was not there
  }
}
