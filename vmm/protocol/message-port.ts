/** MessagePorts: the renderer's and a worker's (EventTarget), and Electron main's and utility processes' (EventEmitter). */
import type { Transport, TransportHandlers } from './transport.ts';

interface DomPort {
  postMessage(message: unknown): void;
  addEventListener(type: 'message' | 'close', listener: (event: { data?: unknown }) => void): void;
  start?(): void;
  close(): void;
}

/** Electron's MessagePortMain */
interface MainPort {
  postMessage(message: unknown): void;
  on(event: 'message', listener: (event: { data: unknown }) => void): unknown;
  on(event: 'close', listener: () => void): unknown;
  start(): void;
  close(): void;
}

/** A port tells only some hosts that its other end is gone, so each side says so before it closes. */
const BYE = 'bye';

export function messagePortTransport(port: DomPort | MainPort): Transport {
  let handlers: TransportHandlers | undefined;
  let open = true;
  const end = (reason?: string) => {
    if (!open) return;
    open = false;
    handlers?.closed(reason);
  };
  const receive = (data: unknown) => {
    if (!open) return;
    if (data === BYE) {
      port.close();
      end();
    } else handlers?.message(data instanceof ArrayBuffer ? new Uint8Array(data) : data);
  };
  return {
    buffered: 0,
    send(message) {
      if (open) port.postMessage(message);
    },
    start(given) {
      handlers = given;
      if ('addEventListener' in port) {
        port.addEventListener('message', (event) => {
          receive(event.data);
        });
        port.addEventListener('close', () => {
          end();
        });
        port.start?.();
      } else {
        port.on('message', (event) => {
          receive(event.data);
        });
        port.on('close', end);
        port.start();
      }
    },
    close(reason) {
      if (!open) return;
      port.postMessage(BYE);
      port.close();
      end(reason);
    },
  };
}
