/** A server's WebSocket (package ws) as a transport. */
import type { WebSocket } from 'ws';
import { MAX_JSON_LENGTH, type Transport, type TransportHandlers } from './transport.ts';

export function webSocketTransport(socket: WebSocket): Transport {
  let handlers: TransportHandlers | undefined;
  const waiting: unknown[] = [];
  let ended: { reason: string | undefined } | undefined;
  socket.binaryType = 'nodebuffer';
  socket.on('message', (data: Buffer, isBinary) => {
    let message: unknown = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    if (!isBinary) {
      if (data.length > MAX_JSON_LENGTH) {
        socket.close(1009, 'message too long');
        return;
      }
      try {
        message = JSON.parse(data.toString('utf8'));
      } catch {
        socket.close(1007, 'not JSON');
        return;
      }
    }
    if (handlers === undefined) waiting.push(message);
    else handlers.message(message);
  });
  socket.on('close', (_code, reason) => {
    ended = { reason: reason.length > 0 ? reason.toString('utf8') : undefined };
    handlers?.closed(ended.reason);
  });
  socket.on('error', () => {
    socket.terminate(); // `close` follows
  });
  return {
    get buffered() {
      return socket.bufferedAmount;
    },
    send(message) {
      if (socket.readyState !== socket.OPEN) return;
      if (message instanceof Uint8Array) socket.send(message, { binary: true });
      else socket.send(JSON.stringify(message));
    },
    start(given) {
      handlers = given;
      for (const message of waiting.splice(0)) given.message(message);
      if (ended !== undefined) given.closed(ended.reason);
    },
    close(reason) {
      socket.close(1000, reason?.slice(0, 100));
    },
  };
}
