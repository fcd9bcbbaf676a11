/** Where a serial port of the machine leads on this host. A back end that fails is reported and lets the machine go on. */
import { createWriteStream } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import type { Duplex, Readable, Writable } from 'node:stream';
import type { Log } from '../base/log.ts';
import { VmmError } from '../base/errors.ts';
import type { ByteSinkConfig, SerialConfig } from '../protocol/config.ts';
import { listenPath } from './control-socket.node.ts';
import type { SerialPort } from './serial-hub.ts';
import { reasonOf, resolveIn } from './vm-folder.node.ts';

export interface BackendHost {
  /** Relative paths are relative to it. */
  readonly directory: string;
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly log: Log;
}

export interface Backend {
  /** Resolves when what the guest has written is with the operating system. */
  close(): Promise<void>;
}

/** A reader that is behind by more loses output: the guest does not wait for it, and memory is finite. Bytes. */
const MAX_BEHIND = 16 << 20;

const nothing: Backend = { close: () => Promise.resolve() };

/** @throws VmmError when it cannot work from the start: no such folder, a port in use, nobody listening. */
export async function openSerial(config: SerialConfig, port: SerialPort, host: BackendHost): Promise<Backend> {
  switch (config.backend) {
    case 'none':
      return nothing;
    case 'pty':
      throw new VmmError('unsupported', 'serial pty is not available yet');
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
        : join(await dial({ host: config.host, port: config.port }, `tcp:${config.host}:${config.port}`), port, config.host, host.log);
    case 'unix': {
      const path = resolveIn(host.directory, config.path);
      return config.server ? acceptOne({ path }, `unix:${path}`, port, host) : join(await dial({ path }, `unix:${path}`), port, path, host.log);
    }
  }
}

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
    const mine = { socket, backend: join(socket, port, name, host.log) };
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

function join(socket: Duplex, port: SerialPort, name: string, log: Log): Backend {
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
