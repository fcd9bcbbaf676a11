/**
 * The net thread: one worker that holds what is at the other ends of a machine's network cables: the NAT, the switch, sockets. Orders come from the control thread,
 * frames through a ring per cable from the machine thread, which rings the bell.
 */
import { resolve } from 'node:path';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { messageOf, VmmError } from '../base/errors.ts';
import { createLog } from '../base/log.ts';
import { type OpenNetwork, openNetwork } from '../net/open.node.ts';
import { Capture } from '../net/filters/capture.ts';
import { type CaptureFile, captureFile } from '../net/filters/capture-file.node.ts';
import { Faults } from '../net/filters/faults.ts';
import { nodeTime } from '../net/nat/time.node.ts';
import { Plug } from '../net/cable/plug.ts';
import { RingEnd } from '../net/ring/end.ts';
import { comeAtOnce } from './thread-priority.node.ts';
import type { FromNet, NetAnswers, NetRequest, NetThreadData, ToNet } from './net-messages.ts';

interface Attached {
  readonly cable: RingEnd;
  readonly plug: Plug;
  readonly capture: Capture;
  readonly faults: Faults;
  file: CaptureFile | undefined;
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
    comeAtOnce();
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
      say({ type: 'answer', id: message.id, result: await this.#perform(message) });
    } catch (error) {
      const known = error instanceof VmmError ? error : new VmmError('internal', messageOf(error), {}, error);
      say({ type: 'error', id: message.id, kind: known.kind, message: known.message, context: { ...known.context } });
    }
  }

  async #perform(request: NetRequest): Promise<NetAnswers[NetRequest['method']]> {
    switch (request.method) {
      case 'open':
        await this.#open(request.params);
        return null;
      case 'setLink':
        this.#find(request.params.nic).plug.plug(request.params.up);
        return null;
      case 'network': {
        const { network } = this.#find(request.params.nic);
        if (network.control === undefined) throw new VmmError('unsupported', `${request.params.nic} is on no user network`);
        return network.control(request.params.request);
      }
      case 'faults':
        this.#find(request.params.nic).faults.settings = request.params.faults;
        return null;
      case 'capture':
        await this.#capture(this.#find(request.params.nic), request.params.file);
        return null;
      case 'cable': {
        const { plug, faults, capture, file } = this.#find(request.params.nic);
        const { settings, lost } = faults;
        return { link: plug.link, faults: settings, lost, capture: file ? { file: file.file, frames: capture.frames, dropped: file.dropped } : null };
      }
      case 'shutdown':
        await Promise.all([...this.#nics.values()].map((one) => this.#close(one)));
        return null;
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
    const capture = new Capture(plug, () => Date.now());
    const faults = new Faults(capture, { ...nodeTime, chance: () => Math.random() });
    if (nic.faults !== undefined) faults.settings = nic.faults;
    const file = nic.pcap === undefined ? undefined : await this.#openCapture(nic.pcap);
    if (file !== undefined) capture.start(file);
    const network = await openNetwork(nic, faults, { directory: this.#data.directory, log });
    this.#nics.set(nic.id, { cable, plug, capture, faults, file, network });
  }

  #openCapture(path: string): Promise<CaptureFile> {
    return captureFile(resolve(this.#data.directory, path)).catch((error: unknown) => {
      throw new VmmError('host', `the capture ${path} cannot be written: ${messageOf(error)}`, {}, error);
    });
  }

  async #capture(nic: Attached, path: string | null): Promise<void> {
    const file = path === null ? undefined : await this.#openCapture(path);
    nic.capture.start(file);
    const old = nic.file;
    nic.file = file;
    await old?.close();
  }

  async #close({ network, faults, file }: Attached): Promise<void> {
    await network.close();
    faults.close();
    await file?.close();
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
