/**
 * The net thread: one worker that holds what is at the other ends of a machine's network cables: the NAT, the switch, sockets. Orders come from the control thread,
 * frames through a ring per cable from the machine thread, which rings the bell.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { messageOf, VmmError } from '../base/errors.ts';
import { createLog } from '../base/log.ts';
import { type OpenNetwork, openNetwork } from '../net/open.node.ts';
import { Plug } from '../net/cable/plug.ts';
import { RingEnd } from '../net/ring/end.ts';
import type { FromNet, NetRequest, NetThreadData, ToNet } from './net-messages.ts';

interface Attached {
  readonly cable: RingEnd;
  readonly plug: Plug;
  readonly network: OpenNetwork;
}

class NetServer {
  readonly #data: NetThreadData;
  readonly #control: MessagePort;
  readonly #nics = new Map<string, Attached>();

  constructor(data: NetThreadData, control: MessagePort) {
    this.#data = data;
    this.#control = control;
  }

  serve(): void {
    this.#control.on('message', (message: ToNet) => void this.#answer(message));
    void this.#listen(new Int32Array(this.#data.bell));
  }

  /** Serves the cables whenever the machine thread has rung. */
  async #listen(bell: Int32Array): Promise<never> {
    for (;;) {
      const rung = Atomics.load(bell, 0);
      for (const { cable } of this.#nics.values()) cable.drain();
      const wait = Atomics.waitAsync(bell, 0, rung);
      if (wait.async) await wait.value;
      // What was received may have made promises and sockets ready: they get their turn before a machine that never stops sending.
      else await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async #answer(message: ToNet): Promise<void> {
    const say = (answer: FromNet) => this.#control.postMessage(answer);
    try {
      await this.#perform(message);
      say({ type: 'answer', id: message.id, result: null });
    } catch (error) {
      const known = error instanceof VmmError ? error : new VmmError('internal', messageOf(error), {}, error);
      say({ type: 'error', id: message.id, kind: known.kind, message: known.message, context: { ...known.context } });
    }
  }

  async #perform(request: NetRequest): Promise<void> {
    switch (request.method) {
      case 'open':
        return this.#open(request.params);
      case 'setLink':
        this.#find(request.params.nic).plug.plug(request.params.up);
        return;
      case 'shutdown':
        await Promise.all([...this.#nics.values()].map(({ network }) => network.close()));
        return;
    }
  }

  async #open({ nic, cable: memory }: Extract<NetRequest, { method: 'open' }>['params']): Promise<void> {
    const doorbell = new Int32Array(this.#data.doorbell);
    const cable = new RingEnd(memory, 'net', () => {
      Atomics.add(doorbell, 0, 1);
      Atomics.notify(doorbell, 0);
    });
    const log = createLog(nic.id, (record) => this.#control.postMessage({ type: 'log', record } satisfies FromNet));
    const plug = new Plug(cable);
    plug.plug(nic.link);
    const network = await openNetwork(nic, plug, { directory: this.#data.directory, log });
    this.#nics.set(nic.id, { cable, plug, network });
  }

  #find(nic: string): Attached {
    const found = this.#nics.get(nic);
    if (found === undefined) {
      throw new VmmError('not-found', `this machine has no NIC ${JSON.stringify(nic)}; it has ${[...this.#nics.keys()].join(', ') || 'none'}`);
    }
    return found;
  }
}

if (parentPort !== null && workerData !== null) new NetServer(workerData as NetThreadData, parentPort).serve();
