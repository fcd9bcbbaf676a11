/** The caller's side of the protocol: typed calls, events, binary messages, over any transport. */
import { describeIssues, issueLine } from './issues.ts';
import type { EventDataOf, EventTable, MethodTable, ParamsOf, ResultOf } from './method.ts';
import { type Interface, interfaces, protocolVersion, type Role } from './methods.ts';
import type { Transport } from './transport.ts';
import { fromServerSchema, fromWireError, type Hello, ProtocolError } from './wire.ts';

type Methods<R extends Role> = (typeof interfaces)[R]['methods'];
type Events<R extends Role> = (typeof interfaces)[R]['events'];

export interface Client<R extends Role> {
  readonly hello: Hello;
  /** @throws ProtocolError as the server answered, or of kind `closed` when the connection ended first. */
  call<M extends keyof Methods<R> & string>(method: M, params: ParamsOf<Methods<R>[M]>): Promise<ResultOf<Methods<R>[M]>>;
  /** Sends without an answer. */
  notify<M extends keyof Methods<R> & string>(method: M, params: ParamsOf<Methods<R>[M]>): void;
  /** Returns what removes the listener. */
  on<E extends keyof Events<R> & string>(event: E, listener: (data: EventDataOf<Events<R>[E]>) => void): () => void;
  onBinary(listener: (message: Uint8Array) => void): () => void;
  /** Resolves with the reason when the connection has ended. Never rejects. */
  readonly closed: Promise<string | undefined>;
  close(): void;
}

interface Pending {
  readonly method: string;
  resolve(result: object): void;
  reject(error: Error): void;
}

/** Waits for the server's hello. @throws ProtocolError `closed`, `unsupported` (another protocol), `invalid` (another role). */
export function connect<R extends Role>(transport: Transport, role: R): Promise<Client<R>> {
  return new Promise((resolve, reject) => {
    const connection = new Connection(transport, interfaces[role]);
    connection.greeted = (hello) => {
      const problem = checkHello(hello, role);
      if (problem === undefined) resolve(connection as unknown as Client<R>);
      else {
        reject(problem);
        transport.close();
      }
    };
    void connection.closed.then((reason) => {
      reject(new ProtocolError('closed', reason ?? 'the connection was closed'));
    });
    connection.start();
  });
}

function checkHello(hello: Hello, role: Role): ProtocolError | undefined {
  if (hello.protocol !== protocolVersion) {
    return new ProtocolError(
      'unsupported',
      `Strate ${hello.version} there speaks protocol ${hello.protocol}, this one ${protocolVersion}: use the same version on both sides`,
    );
  }
  return hello.role === role ? undefined : new ProtocolError('invalid', `this is a ${hello.role} server, not a ${role}`);
}

class Connection {
  readonly closed: Promise<string | undefined>;
  greeted: (hello: Hello) => void = () => undefined;
  readonly #transport: Transport;
  readonly #methods: MethodTable;
  readonly #events: EventTable;
  #hello: Hello | undefined;
  #nextId = 1;
  #ended = false;
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Map<string, Set<(data: object) => void>>();
  readonly #binaryListeners = new Set<(message: Uint8Array) => void>();
  #end: (reason: string | undefined) => void = () => undefined;

  constructor(transport: Transport, table: Interface) {
    this.#transport = transport;
    this.#methods = table.methods;
    this.#events = table.events;
    this.closed = new Promise((resolve) => (this.#end = resolve));
  }

  get hello(): Hello {
    if (this.#hello === undefined) throw new ProtocolError('internal', 'the server has not said hello');
    return this.#hello;
  }

  start(): void {
    this.#transport.start({
      message: (message) => {
        this.#receive(message);
      },
      closed: (reason) => {
        this.#ended = true;
        for (const pending of this.#pending.values())
          pending.reject(new ProtocolError('closed', reason ?? `the connection was closed before ${pending.method} was answered`));
        this.#pending.clear();
        this.#end(reason);
      },
    });
  }

  call(method: string, params: object): Promise<object> {
    if (this.#ended) return Promise.reject(new ProtocolError('closed', `${method}: the connection is closed`));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { method, resolve, reject });
      this.#transport.send({ id, method, params });
    });
  }

  notify(method: string, params: object): void {
    if (!this.#ended) this.#transport.send({ method, params });
  }

  on(event: string, listener: (data: object) => void): () => void {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  onBinary(listener: (message: Uint8Array) => void): () => void {
    this.#binaryListeners.add(listener);
    return () => void this.#binaryListeners.delete(listener);
  }

  close(): void {
    this.#transport.close();
  }

  #receive(raw: unknown): void {
    if (raw instanceof Uint8Array) {
      for (const listener of this.#binaryListeners) listener(raw);
      return;
    }
    const parsed = fromServerSchema.safeParse(raw);
    if (!parsed.success) return; // from a later server: tolerated
    const message = parsed.data;
    if ('hello' in message) {
      if (this.#hello !== undefined) return;
      this.#hello = message.hello;
      this.greeted(message.hello);
    } else if ('event' in message) {
      this.#dispatch(message.event, message.data);
    } else if (message.id !== null) {
      const pending = this.#pending.get(message.id);
      this.#pending.delete(message.id);
      if (pending === undefined) return;
      if ('error' in message) pending.reject(fromWireError(message.error));
      else this.#answer(pending, message.result);
    }
  }

  #answer(pending: Pending, raw: object): void {
    const result = this.#methods[pending.method]?.result.safeParse(raw);
    if (result === undefined || result.success) {
      pending.resolve((result?.data as object | undefined) ?? raw);
      return;
    }
    const issue = describeIssues(result.error)[0];
    pending.reject(
      new ProtocolError('invalid', `${pending.method}: the server's answer cannot be understood${issue ? ` (${issueLine(issue)})` : ''}`),
    );
  }

  #dispatch(event: string, raw: object): void {
    const data = this.#events[event]?.data.safeParse(raw);
    if (data?.success !== true) return;
    for (const listener of this.#listeners.get(event) ?? []) listener(data.data as object);
  }
}
