/** The serving side of the protocol: checks each request against the table before a handler sees it. */
import type { Log } from '../base/log.ts';
import { describeIssues, issueLine } from './issues.ts';
import type { CheckedParamsOf, EventDataOf, MethodTable, ResultOf } from './method.ts';
import { interfaces, protocolVersion, type Role } from './methods.ts';
import type { VmState } from './states.ts';
import type { Transport } from './transport.ts';
import { type Hello, ProtocolError, type Request, requestSchema, toWireError } from './wire.ts';

type Methods<R extends Role> = (typeof interfaces)[R]['methods'];
type Events<R extends Role> = (typeof interfaces)[R]['events'];
/** Without the index signature of a tolerant schema: a handler's typing error must not pass as an extra field. */
type Loose<T> = T extends object ? { [K in keyof T as string extends K ? never : K]: T[K] } : T;

export type Handlers<R extends Role> = {
  readonly [M in keyof Methods<R>]?: (params: CheckedParamsOf<Methods<R>[M]>, session: Session<R>) => HandlerResult<ResultOf<Methods<R>[M]>>;
};
type HandlerResult<T> = Loose<T> | Promise<Loose<T>> | (Record<string, never> extends Loose<T> ? void | Promise<void> : never);

export interface ServerOptions<R extends Role> {
  readonly role: R;
  readonly version: string;
  readonly handlers: Handlers<R>;
  /** Optional features beyond the methods that have handlers. */
  readonly capabilities?: readonly string[];
  /** State of the VM that a call is about, for `when`. undefined: no such VM, the handler says so. */
  readonly stateOf: (params: Readonly<Record<string, unknown>>) => VmState | undefined | Promise<VmState | undefined>;
  readonly log: Log;
}

/** One client. Handlers keep what belongs to it (subscriptions) in their own maps, keyed by it, and let go in `onClose`. */
export interface Session<R extends Role> {
  emit<E extends keyof Events<R> & string>(event: E, data: Loose<EventDataOf<Events<R>[E]>>): void;
  sendBinary(message: Uint8Array): void;
  readonly buffered: number;
  onClose(listener: () => void): void;
  close(reason?: string): void;
}

/** A client may have this many calls unanswered; more are refused, so that none can fill the server's memory. */
const MAX_PENDING = 256;

/** Serves one client: says hello at once, answers until the transport closes. */
export function serve<R extends Role>(transport: Transport, options: ServerOptions<R>): Session<R> {
  return new ServerSession(transport, options);
}

type AnyHandler = (params: unknown, session: unknown) => unknown;

class ServerSession<R extends Role> implements Session<R> {
  readonly #transport: Transport;
  readonly #options: ServerOptions<R>;
  readonly #methods: MethodTable;
  readonly #closeListeners: (() => void)[] = [];
  #pending = 0;
  #open = true;

  constructor(transport: Transport, options: ServerOptions<R>) {
    this.#transport = transport;
    this.#options = options;
    this.#methods = interfaces[options.role].methods;
    const hello: Hello = {
      product: 'strate',
      version: options.version,
      protocol: protocolVersion,
      role: options.role,
      capabilities: [...Object.keys(options.handlers), ...(options.capabilities ?? [])],
    };
    transport.send({ hello });
    transport.start({
      message: (message) => {
        this.#receive(message);
      },
      closed: () => {
        this.#open = false;
        for (const listener of this.#closeListeners.splice(0)) listener();
      },
    });
  }

  get buffered(): number {
    return this.#transport.buffered;
  }

  readonly emit: Session<R>['emit'] = (event, data) => {
    if (this.#open) this.#transport.send({ event, data });
  };

  sendBinary(message: Uint8Array): void {
    if (this.#open) this.#transport.send(message);
  }

  onClose(listener: () => void): void {
    if (this.#open) this.#closeListeners.push(listener);
    else listener();
  }

  close(reason?: string): void {
    this.#transport.close(reason);
  }

  #receive(raw: unknown): void {
    if (raw instanceof Uint8Array) return; // clients send none
    const parsed = requestSchema.safeParse(raw);
    if (!parsed.success) {
      this.#respond(null, new ProtocolError('invalid', `not a request: ${describeIssues(parsed.error).map(issueLine).join('; ')}`));
      return;
    }
    const request = parsed.data;
    if (this.#pending >= MAX_PENDING) {
      this.#respond(request.id, new ProtocolError('busy', `more than ${MAX_PENDING} calls are unanswered`));
      return;
    }
    this.#pending++;
    void this.#handle(request)
      .then(
        (result) => this.#respond(request.id, undefined, result),
        (error: unknown) => {
          this.#respond(request.id, error);
          if (toWireError(error).kind === 'internal')
            this.#options.log.error(`${request.method} failed`, { error: error instanceof Error ? error.stack : error });
          else if (request.id === undefined) this.#options.log.debug(`${request.method}: ${toWireError(error).message}`);
        },
      )
      .finally(() => this.#pending--);
  }

  async #handle(request: Request): Promise<unknown> {
    const name = request.method;
    const method = Object.hasOwn(this.#methods, name) ? this.#methods[name] : undefined;
    if (method === undefined) throw new ProtocolError('unknown-method', `there is no method ${name}`);
    const params = method.params.safeParse(request.params ?? {});
    if (!params.success) {
      const issues = describeIssues(params.error, 'there is no such parameter');
      throw new ProtocolError('usage', issues.map((issue) => `${name}: ${issueLine(issue)}`).join('\n'), { issues });
    }
    const handler = (this.#options.handlers as Readonly<Record<string, AnyHandler | undefined>>)[name];
    if (handler === undefined) throw new ProtocolError('unsupported', `${name} is not available yet`);
    if (method.when !== undefined) {
      const found = this.#options.stateOf(params.data as Record<string, unknown>);
      const state = found instanceof Promise ? await found : found; // a machine knows at once: its input stays in order
      if (state !== undefined && !method.when.includes(state)) {
        throw new ProtocolError('state', `${name} is not possible while the machine is ${state}; it must be ${method.when.join(' or ')}`, { state });
      }
    }
    return handler(params.data, this);
  }

  #respond(id: number | undefined | null, error: unknown, result?: unknown): void {
    if (id === undefined || !this.#open) return;
    if (error !== undefined) this.#transport.send({ id, error: toWireError(error) });
    else this.#transport.send({ id, result: result ?? {} });
  }
}
