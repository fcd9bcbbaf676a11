/** A browser's WebSocket as a transport. */
import type { Transport, TransportHandlers } from './transport.ts';

export function webSocketTransport(socket: WebSocket): Transport {
  let handlers: TransportHandlers | undefined;
  let ended: { reason: string | undefined } | undefined;
  const waitingOut: (string | Uint8Array<ArrayBuffer>)[] = [];
  const waitingIn: unknown[] = [];
  socket.binaryType = 'arraybuffer';
  const receive = (data: unknown) => {
    if (handlers === undefined) waitingIn.push(data);
    else if (data instanceof ArrayBuffer) handlers.message(new Uint8Array(data));
    else if (typeof data === 'string') handlers.message(JSON.parse(data));
  };
  socket.addEventListener('message', (event) => {
    receive(event.data);
  });
  socket.addEventListener('open', () => {
    for (const message of waitingOut.splice(0)) socket.send(message);
  });
  socket.addEventListener('close', (event) => {
    ended = { reason: event.reason === '' ? undefined : event.reason };
    handlers?.closed(ended.reason);
  });
  return {
    get buffered() {
      return socket.bufferedAmount;
    },
    send(message) {
      const data = message instanceof Uint8Array ? new Uint8Array(message) : JSON.stringify(message);
      if (socket.readyState === WebSocket.CONNECTING) waitingOut.push(data);
      else if (socket.readyState === WebSocket.OPEN) socket.send(data);
    },
    start(given) {
      handlers = given;
      for (const data of waitingIn.splice(0)) receive(data);
      if (ended !== undefined) given.closed(ended.reason);
    },
    close(reason) {
      socket.close(1000, reason?.slice(0, 100));
    },
  };
}
