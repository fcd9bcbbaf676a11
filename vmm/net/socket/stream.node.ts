import { connect, createServer, type Server, type Socket } from 'node:net';
import { messageOf, VmmError } from '../../base/errors.ts';
import type { NetBackend } from '../cable/cable.ts';
import type { NetworkHost, OpenNetwork } from '../open.node.ts';
import { describeAddress, type SocketAddress } from './address.ts';
import { framed, FrameReader } from './stream-framing.ts';

/** How long until a peer that is not there is called again, ms. */
const REDIAL = 1000;

/** One peer at a time on a TCP or Unix socket. The cable is plugged in while there is one. */
class StreamCable {
  readonly #cable: NetBackend;
  readonly #host: NetworkHost;
  #socket: Socket | undefined;
  #reader = new FrameReader();

  constructor(cable: NetBackend, host: NetworkHost) {
    this.#cable = cable;
    this.#host = host;
    cable.setLink(false);
    cable.attach({
      frame: (bytes) => this.#send(bytes),
      room: () => {
        if (this.#deliver()) this.#socket?.resume();
      },
    });
  }

  get busy(): boolean {
    return this.#socket !== undefined;
  }

  /** Takes a connected socket; calls `lost` when it is gone. */
  use(socket: Socket, lost: () => void): void {
    this.#socket = socket;
    this.#reader = new FrameReader();
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.#reader.push(chunk);
      if (!this.#deliver()) socket.pause();
    });
    socket.on('drain', () => this.#cable.ready());
    socket.on('error', (error) => this.#host.log.info(`the peer is gone: ${messageOf(error)}`));
    socket.on('close', () => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      this.#cable.setLink(false);
      this.#cable.ready(); // frames that waited for the peer are lost with it
      lost();
    });
    this.#cable.setLink(true);
  }

  close(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.destroy();
  }

  #send(bytes: Uint8Array): boolean {
    const socket = this.#socket;
    if (socket === undefined) return true;
    if (socket.writableNeedDrain) return false;
    socket.write(framed(bytes));
    return true;
  }

  /** False: the cable is full. */
  #deliver(): boolean {
    let room = true;
    const good = this.#reader.take((frame) => (room = this.#cable.send(frame)));
    if (!good) {
      this.#host.log.warn('what arrives on the socket are no frames; the connection is closed');
      this.#socket?.destroy();
    }
    return room;
  }
}

/** Waits for a peer: QEMU's `-netdev socket,connect=` or `-netdev stream,server=off`. */
export async function listenStream(address: SocketAddress, cable: NetBackend, host: NetworkHost): Promise<OpenNetwork> {
  const stream = new StreamCable(cable, host);
  const server: Server = createServer((socket) => {
    if (stream.busy) return void socket.destroy(); // a cable has two ends
    stream.use(socket, () => undefined);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new VmmError('host', `cannot listen on ${describeAddress(address)}: ${messageOf(error)}`, {}, error)));
    server.listen(address, () => resolve());
  });
  server.on('error', (error) => host.log.warn(messageOf(error)));
  return {
    close: () => {
      stream.close();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** Calls a peer, again and again until it answers: QEMU's `-netdev socket,listen=` or `-netdev stream,server=on`. */
export function connectStream(address: SocketAddress, cable: NetBackend, host: NetworkHost): OpenNetwork {
  const stream = new StreamCable(cable, host);
  let again: NodeJS.Timeout | undefined;
  let calling: Socket | undefined;
  const dial = (): void => {
    const socket = connect(address);
    calling = socket;
    const retry = () => (again = setTimeout(dial, REDIAL));
    socket.once('error', retry);
    socket.once('connect', () => {
      socket.off('error', retry);
      stream.use(socket, retry);
    });
  };
  dial();
  return {
    close: () => {
      clearTimeout(again);
      calling
        ?.removeAllListeners('error')
        .on('error', () => undefined)
        .destroy();
      stream.close();
      clearTimeout(again);
      return Promise.resolve();
    },
  };
}
