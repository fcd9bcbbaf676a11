/** Where a serial port of the machine leads on this host. A back end that fails is reported and lets the machine go on. */
import { constants, createWriteStream, existsSync, openSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { connect, createServer, Socket } from 'node:net';
import { join } from 'node:path';
import type { Duplex, Readable, Writable } from 'node:stream';
import type { Log } from '../base/log.ts';
import { VmmError } from '../base/errors.ts';
import type { ByteSinkConfig, SerialConfig } from '../protocol/config.ts';
import { listenPath } from './control-socket.node.ts';
import { openHostPty } from './host-pty.node.ts';
import type { SerialPort } from './serial-hub.ts';
import { reasonOf, resolveIn } from './vm-folder.node.ts';

export interface BackendHost {
  /** Relative paths are relative to it. */
  readonly directory: string;
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly log: Log;
  /** One line that a person should see, where somebody looks. */
  readonly tell?: (message: string) => void;
}

export interface Backend {
  /** Resolves when what the guest has written is with the operating system. */
  close(): Promise<void>;
}

/** A reader that is behind by more loses output: the guest does not wait for it, and memory is finite. Bytes. */
const MAX_BEHIND = 16 << 20;

const nothing: Backend = { close: () => Promise.resolve() };

/** @throws VmmError when it cannot work from the start: no such folder, a port in use, nobody listening. */
export async function openSerial(config: SerialConfig, port: SerialPort, host: BackendHost, number = 1): Promise<Backend> {
  const backend = await openBackend(config, port, host, number);
  if (config.log === undefined) return backend;
  const kept = sinkOf(await openFile(resolveIn(host.directory, config.log)), (write) => port.listen(write), config.log, host.log);
  return {
    async close() {
      await Promise.all([backend.close(), kept.close()]);
    },
  };
}

async function openBackend(config: SerialConfig, port: SerialPort, host: BackendHost, number: number): Promise<Backend> {
  switch (config.backend) {
    case 'none':
      return nothing;
    case 'pty':
      return openPty(port, host, number);
    case 'stdio':
      feed(host.stdin, port);
      return sinkOf(host.stdout, (write) => port.listen(write), 'stdout', host.log, false);
    case 'file': {
      const stream = await openFile(resolveIn(host.directory, config.path));
      return sinkOf(stream, (write) => port.listen(write), config.path, host.log);
    }
    case 'tcp':
      return config.server
        ? acceptOne({ host: config.host, port: config.port }, `tcp:${config.host}:${config.port}`, port, host)
        : joinStream(await dial({ host: config.host, port: config.port }, `tcp:${config.host}:${config.port}`), port, config.host, host.log);
    case 'pipe':
      return openPipe(resolvePipe(host.directory, config.path), port, host);
    case 'unix': {
      const path = resolveIn(host.directory, config.path);
      return config.server ? acceptOne({ path }, `unix:${path}`, port, host) : joinStream(await dial({ path }, `unix:${path}`), port, path, host.log);
    }
  }
}

async function openPty(port: SerialPort, host: BackendHost, number: number): Promise<Backend> {
  const pty = await openHostPty();
  const link = join(host.directory, `com${number}.pty`);
  try {
    rmSync(link, { force: true });
    symlinkSync(pty.path, link);
  } catch {
    // the name in the log is enough
  }
  host.log.info(`COM${number} is the terminal ${pty.path}`);
  host.tell?.(`COM${number} is the terminal ${pty.path}`);
  const backend = joinStream(pty.stream, port, pty.path, host.log);
  return {
    async close() {
      await backend.close();
      pty.close();
      rmSync(link, { force: true });
    },
  };
}

/** Windows' pipes are servers by name; Unix' FIFOs exist already, one for both ways or one each. */
async function openPipe(path: string, port: SerialPort, host: BackendHost): Promise<Backend> {
  if (process.platform === 'win32') return acceptOne({ path }, path, port, host);
  const both = existsSync(`${path}.in`) && existsSync(`${path}.out`);
  const input = openFifo(both ? `${path}.in` : path);
  const output = both ? openFifo(`${path}.out`) : input;
  feed(input, port);
  return sinkOf(output, (write) => port.listen(write), path, host.log);
}

function openFifo(path: string): Socket {
  if (statSync(path, { throwIfNoEntry: false })?.isFIFO() !== true)
    throw new VmmError('usage', `serial pipe:${path}: there is no named pipe; make it with mkfifo ${path}`, { path });
  // For reading and writing: neither waits for a peer, and a peer that goes is no end.
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  return new Socket({ fd, readable: true, writable: true });
}

const resolvePipe = (directory: string, path: string) =>
  process.platform === 'win32' ? (path.startsWith('\\\\') ? path : `\\\\.\\pipe\\${path}`) : resolveIn(directory, path);

/** Bytes that only leave the machine: debug console, printer. */
export async function openByteSink(
  config: ByteSinkConfig,
  listen: (write: (data: Uint8Array) => void) => () => void,
  host: BackendHost,
): Promise<Backend> {
  if (config.backend === 'none') return nothing;
  if (config.backend === 'stdio') return sinkOf(host.stdout, listen, 'stdout', host.log, false);
  return sinkOf(await openFile(resolveIn(host.directory, config.path)), listen, config.path, host.log);
}

async function openFile(path: string): Promise<Writable> {
  const stream = createWriteStream(path);
  try {
    await new Promise((opened, fail) => stream.once('open', opened).once('error', fail));
  } catch (error) {
    throw new VmmError('usage', `${path} cannot be written: ${reasonOf(error)}`, { path }, error);
  }
  return stream;
}

type Target = { host: string; port: number } | { path: string };

async function dial(target: Target, name: string): Promise<Socket> {
  const socket = connect(target);
  try {
    await new Promise<void>((connected, fail) => socket.once('connect', connected).once('error', fail));
  } catch (error) {
    throw new VmmError('not-found', `serial ${name}: ${reasonOf(error)}`, {}, error);
  }
  socket.setNoDelay(true);
  return socket;
}

/** One peer at a time; the next may come when it has gone. The machine does not wait for any. */
async function acceptOne(target: Target, name: string, port: SerialPort, host: BackendHost): Promise<Backend> {
  let peer: { socket: Socket; backend: Backend } | undefined;
  const server = createServer((socket) => {
    if (peer !== undefined) {
      socket.destroy();
      return;
    }
    const mine = { socket, backend: joinStream(socket, port, name, host.log) };
    peer = mine;
    socket.on('close', () => (peer = undefined));
  });
  try {
    if ('path' in target) await listenPath(server, target.path);
    else await new Promise<void>((listening, fail) => server.once('error', fail).listen(target, listening));
  } catch (error) {
    if (error instanceof VmmError) throw error;
    throw new VmmError('usage', `serial ${name}: ${reasonOf(error)}`, {}, error);
  }
  return {
    async close() {
      server.close();
      await peer?.backend.close();
    },
  };
}

function joinStream(socket: Duplex, port: SerialPort, name: string, log: Log): Backend {
  feed(socket, port);
  return sinkOf(socket, (write) => port.listen(write), name, log);
}

/** Reads as fast as the guest does. */
function feed(from: Readable, port: SerialPort): void {
  from.on('data', (chunk: Buffer) => {
    const taken = port.input(new Uint8Array(chunk));
    if (port.accepts) return;
    from.pause();
    void taken.then(() => from.resume());
  });
  from.on('error', () => undefined); // the writing side reports it
}

function sinkOf(stream: Writable, listen: (write: (data: Uint8Array) => void) => () => void, name: string, log: Log, end = true): Backend {
  let open = true;
  let lost = 0;
  const stop = listen((data) => {
    if (!open) return;
    if (stream.writableLength > MAX_BEHIND) {
      if (lost === 0) log.warn(`${name} does not take what the guest writes; output is being lost`);
      lost += data.length;
      return;
    }
    stream.write(data);
  });
  const fail = (error: Error) => {
    if (open) log.warn(`${name}: ${reasonOf(error)}; the guest's output goes nowhere now`);
    open = false;
    stop();
  };
  stream.on('error', fail);
  stream.on('close', () => {
    open = false;
    stop();
  });
  return {
    close() {
      stop();
      if (!open) return Promise.resolve();
      return new Promise((resolve) => {
        if (end) stream.end(() => resolve());
        else stream.write('', () => resolve()); // flushed, but not ours to close
      });
    },
  };
}
