/**
 * What Electron's utility process gives to its script, in a plain child process: `process.parentPort`, and message ports that arrive with
 * messages. Started by the stand-in (electron-stand-in.node.ts) with the script as its argument.
 */
import { EventEmitter } from 'node:events';
import process from 'node:process';
import { pathToFileURL } from 'node:url';

export type ToChild =
  | { readonly kind: 'message'; readonly data: unknown; readonly ports: readonly number[] }
  | { readonly kind: 'port'; readonly port: number; readonly data: unknown }
  | { readonly kind: 'close'; readonly port: number };
export type FromChild = { readonly kind: 'port'; readonly port: number; readonly data: unknown } | { readonly kind: 'close'; readonly port: number };

/** One end of a channel whose other end is in the parent. Keeps what comes before `start`, as MessagePortMain does. */
class ChildPort extends EventEmitter {
  readonly #id: number;
  #waiting: unknown[] | undefined = [];

  constructor(id: number) {
    super();
    this.#id = id;
  }
  postMessage(data: unknown): void {
    send({ kind: 'port', port: this.#id, data });
  }
  start(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const data of waiting) this.emit('message', { data });
  }
  close(): void {
    send({ kind: 'close', port: this.#id });
  }
  receive(data: unknown): void {
    if (this.#waiting) this.#waiting.push(data);
    else this.emit('message', { data });
  }
}

function send(message: FromChild): void {
  if (process.connected) process.send?.(message);
}

const script = process.argv[2];
if (import.meta.main && script !== undefined) {
  const ports = new Map<number, ChildPort>();
  const parentPort = new EventEmitter();
  Object.assign(process, { parentPort });
  process.on('disconnect', () => process.exit(0));
  process.on('message', (message: ToChild) => {
    if (message.kind === 'message') {
      const given = message.ports.map((id) => {
        const port = new ChildPort(id);
        ports.set(id, port);
        return port;
      });
      parentPort.emit('message', { data: message.data, ports: given });
    } else if (message.kind === 'port') ports.get(message.port)?.receive(message.data);
    else {
      ports.get(message.port)?.emit('close');
      ports.delete(message.port);
    }
  });
  process.argv.splice(1, 1);
  await import(pathToFileURL(script).href);
}
