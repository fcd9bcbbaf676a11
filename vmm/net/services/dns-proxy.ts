/**
 * Passes a guest's questions to the host's name servers, and their answers back: over UDP, and over TCP what came over TCP. It notes which names the
 * guest asks for, and says no to those the user blocks.
 */
import type { HostEndpoint, HostNetwork, HostTcp, HostUdp, NetTime } from '../nat/host.ts';
import type { Policy } from '../nat/policy.ts';
import type { TrafficLog } from '../nat/traffic-log.ts';
import { sameAddress, versionOf } from '../wire/address.ts';
import { concat, copyOf, get16, put16 } from '../wire/bytes.ts';
import { DNS_HEADER, dnsCodes, emitDnsFailure, parseDns } from '../wire/dns.ts';

/** A name server that says nothing for so long is passed over for the next, ms. */
const PATIENCE = 3000;
/** A question is asked so often. */
const ATTEMPTS = 4;
const MAX_MESSAGE = 65535;

export interface DnsHost {
  readonly network: HostNetwork;
  readonly time: NetTime;
  readonly policy: Policy;
  readonly log: TrafficLog;
  /** 16 bits nobody can guess: answers from elsewhere must not be believed. */
  random(): number;
}

export class DnsProxy {
  readonly #host: DnsHost;
  readonly #limit: number;
  #running = 0;

  constructor(host: DnsHost, limit: number) {
    this.#host = host;
    this.#limit = limit;
  }

  get running(): number {
    return this.#running;
  }

  /** `answer` is called once, or never: for what is no question, and beyond the limit. */
  ask(query: Uint8Array, stream: boolean, answer: (message: Uint8Array) => void): void {
    const parsed = parseDns(query);
    if (parsed === undefined || parsed.isResponse || this.#running >= this.#limit) return;
    const { name } = parsed.question;
    const verdict = this.#host.policy.nameVerdict(name);
    this.#host.log.add({ kind: 'name', name, ...(!verdict.allowed && { blockedBy: verdict.rule }) });
    if (!verdict.allowed) return answer(emitDnsFailure(query, dnsCodes.nameError));
    this.#running++;
    const question = copyOf(query);
    let done = false;
    const finish = (message: Uint8Array | undefined) => {
      if (done) return;
      done = true;
      this.#running--;
      if (message !== undefined) this.#learn(message);
      answer(message ?? emitDnsFailure(question, dnsCodes.serverFailure));
    };
    this.#attempt(question, stream, 0, finish);
  }

  #attempt(query: Uint8Array, stream: boolean, attempt: number, finish: (message: Uint8Array | undefined) => void): void {
    const resolvers = this.#host.network.resolvers();
    const server = resolvers[attempt % Math.max(1, resolvers.length)];
    if (server === undefined || attempt >= Math.max(ATTEMPTS, resolvers.length)) return finish(undefined);
    const next = () => this.#attempt(query, stream, attempt + 1, finish);
    if (stream) new StreamQuery(this.#host, server, query, finish, next);
    else new DatagramQuery(this.#host, server, query, finish, next);
  }

  #learn(message: Uint8Array): void {
    const parsed = parseDns(message);
    // A chain of aliases ends at another name; what the guest asked for is what it means.
    for (const { address } of parsed?.answers ?? []) this.#host.policy.learn(parsed!.question.name, address);
  }
}

class DatagramQuery {
  readonly #socket: HostUdp | undefined;
  readonly #cancel: () => void;
  #over = false;

  constructor(host: DnsHost, server: HostEndpoint, query: Uint8Array, finish: (message: Uint8Array) => void, next: () => void) {
    const { network, time } = host;
    const id = host.random() & 0xffff;
    const asked = copyOf(query);
    put16(asked, 0, id);
    this.#socket = network.openUdp(versionOf(server.address), {
      message: (bytes, from) => {
        if (bytes.length < DNS_HEADER || get16(bytes, 0) !== id || from.port !== server.port || !sameAddress(from.address, server.address)) return;
        const answer = copyOf(bytes);
        put16(answer, 0, get16(query, 0));
        this.#end(() => finish(answer));
      },
      failed: () => this.#end(next),
    });
    this.#cancel = time.after(PATIENCE, () => this.#end(next));
    if (this.#socket === undefined) return;
    this.#socket.send(asked, server);
  }

  #end(then: () => void): void {
    if (this.#over) return;
    this.#over = true;
    this.#cancel();
    this.#socket?.close();
    then();
  }
}

class StreamQuery {
  #buffer: Uint8Array = new Uint8Array(0);
  #over = false;
  readonly #socket: HostTcp;
  readonly #cancel: () => void;

  constructor({ network, time }: DnsHost, server: HostEndpoint, query: Uint8Array, finish: (message: Uint8Array) => void, next: () => void) {
    this.#cancel = time.after(PATIENCE, () => this.#end(next));
    this.#socket = network.connect(server, {
      connected: () => this.#socket.write(framed(query), () => undefined),
      data: (bytes) => {
        this.#buffer = concat(this.#buffer, bytes);
        if (this.#buffer.length < 2 || this.#buffer.length < 2 + get16(this.#buffer, 0)) return;
        const message = this.#buffer.slice(2, 2 + get16(this.#buffer, 0));
        this.#end(() => (message.length >= DNS_HEADER && get16(message, 0) === get16(query, 0) ? finish(message) : next()));
      },
      end: () => this.#end(next),
      closed: () => this.#end(next),
    });
  }

  #end(then: () => void): void {
    if (this.#over) return;
    this.#over = true;
    this.#cancel();
    this.#socket.destroy(false);
    then();
  }
}

/** With its length in front (RFC 1035 4.2.2). */
export function framed(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(2 + Math.min(message.length, MAX_MESSAGE));
  put16(bytes, 0, bytes.length - 2);
  bytes.set(message.subarray(0, MAX_MESSAGE), 2);
  return bytes;
}
