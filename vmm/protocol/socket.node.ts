/** A Unix socket or Windows named pipe as a transport; see framing.ts for the bytes. */
import type { Socket } from 'node:net';
import { messageOf } from '../base/errors.ts';
import { Deframer, frameBinaryHeader, frameJson } from './framing.ts';
import type { Transport, TransportHandlers } from './transport.ts';

export function socketTransport(socket: Socket): Transport {
  let handlers: TransportHandlers | undefined;
  let reason: string | undefined;
  let ended = false;
  const waiting: unknown[] = [];
  const deframer = new Deframer((message) => {
    if (handlers === undefined) waiting.push(message);
    else handlers.message(message);
  });
  socket.on('data', (chunk: Buffer) => {
    try {
      deframer.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    } catch (error) {
      reason = messageOf(error);
      socket.destroy();
    }
  });
  socket.on('error', (error) => {
    reason ??= error.message; // `close` follows
  });
  socket.on('close', () => {
    ended = true;
    handlers?.closed(reason);
  });
  return {
    get buffered() {
      return socket.writableLength;
    },
    send(message) {
      if (!socket.writable) return;
      if (message instanceof Uint8Array) {
        socket.cork();
        socket.write(frameBinaryHeader(message.length));
        socket.write(message);
        socket.uncork();
      } else socket.write(frameJson(message));
    },
    start(given) {
      handlers = given;
      for (const message of waiting.splice(0)) given.message(message);
      if (ended) given.closed(reason);
    },
    close(why) {
      reason ??= why;
      socket.end();
      socket.destroySoon();
    },
  };
}
