import { createStore } from 'zustand/vanilla';
import { decodeSerial, kindOf } from '../../vmm/protocol/frames.ts';
import type { DriveStatus, MachineStatus, ScreenText, Stats } from '../../vmm/protocol/shared.ts';
import type { Host, MachineClient } from '../connection/host.ts';
import type { Mode } from '../console/scale.ts';
import { Screen } from '../console/screen.dom.ts';

export interface SessionState {
  readonly link: 'connecting' | 'open' | 'closed';
  readonly problem?: string | undefined;
  readonly status?: MachineStatus | undefined;
  readonly mode: Mode;
  readonly textMode: boolean;
  readonly text?: ScreenText | undefined;
  readonly drives: readonly DriveStatus[];
  readonly absolute: boolean;
  readonly leds: { readonly scroll: boolean; readonly num: boolean; readonly caps: boolean };
  /** The last thing that the machine had to tell a person; they may dismiss it. */
  readonly notice?: { readonly level: 'info' | 'warning' | 'error'; readonly message: string } | undefined;
  /** The last samples, oldest first; see STATS_KEPT. */
  readonly stats: readonly Stats[];
}

const initial: SessionState = {
  link: 'connecting',
  mode: { width: 0, height: 0, aspect: [0, 0] },
  textMode: false,
  drives: [],
  absolute: false,
  leds: { scroll: false, num: false, caps: false },
  stats: [],
};

/** Samples kept for the charts: five minutes at one a second. */
export const STATS_KEPT = 300;
/** The text of a text-mode screen is fetched at most this often, ms. */
const TEXT_INTERVAL = 200;

export type SerialListener = (data: Uint8Array) => void;

/** The page's side of one running machine: its connection, its picture, its serial ports. Lives as long as the machine's process. */
export class MachineSession {
  readonly id: string;
  readonly store = createStore<SessionState>(() => initial);
  readonly screen: Screen;
  readonly #host: Host;
  #client: MachineClient | undefined;
  #disposed = false;
  #watchers = 0;
  #statsTimer: ReturnType<typeof setInterval> | undefined;
  #statsWatchers = 0;
  #textTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #serial = new Map<number, { backlog: Uint8Array[]; bytes: number; listeners: Set<SerialListener> }>();

  constructor(host: Host, id: string, document: Document) {
    this.#host = host;
    this.id = id;
    this.screen = new Screen(document);
    void this.#open();
  }

  /** @throws when the connection is not open; callers grey out what needs it. */
  get client(): MachineClient {
    if (this.#client === undefined) throw new Error('the machine is not reachable');
    return this.#client;
  }

  get isOpen(): boolean {
    return this.store.getState().link === 'open';
  }

  async #open(): Promise<void> {
    try {
      const client = await this.#host.openMachine(this.id);
      if (this.#disposed) {
        client.close();
        return;
      }
      this.#client = client;
      this.#listen(client);
      const [status, media] = await Promise.all([client.call('machine.status', {}), client.call('media.list', {})]);
      this.store.setState({ link: 'open', status, drives: media.drives, textMode: status.display?.text ?? false });
      if (this.#watchers > 0) await client.call('display.subscribe', {});
      for (const port of this.#serial.keys()) await client.call('serial.subscribe', { port });
    } catch (error) {
      this.store.setState({ link: 'closed', problem: error instanceof Error ? error.message : String(error) });
    }
  }

  #listen(client: MachineClient): void {
    client.on('machine.state', ({ state, reason, notice }) => {
      this.store.setState((s) => (s.status ? { status: { ...s.status, state, reason, notice } } : {}));
    });
    client.on('machine.notice', ({ level, message }) => this.store.setState({ notice: { level, message } }));
    client.on('display.mode', ({ text }) => {
      this.store.setState({ textMode: text, ...(text ? {} : { text: undefined }) });
      this.#fetchTextSoon();
    });
    client.on('keyboard.leds', (leds) => this.store.setState({ leds }));
    client.on('pointer.mode', ({ absolute }) => this.store.setState({ absolute }));
    client.on('media.changed', ({ drive }) => {
      this.store.setState((s) => ({ drives: s.drives.map((known) => (known.id === drive.id ? drive : known)) }));
    });
    client.onBinary((message) => {
      const kind = kindOf(message);
      if (kind === 'frame') this.#draw(client, message);
      else if (kind === 'serial') this.#receiveSerial(message);
    });
    void client.closed.then((reason) => {
      this.#client = undefined;
      clearInterval(this.#statsTimer);
      clearTimeout(this.#textTimer);
      this.store.setState({ link: 'closed', problem: reason });
    });
  }

  #draw(client: MachineClient, message: Uint8Array): void {
    if (this.screen.draw(message)) this.store.setState({ mode: this.screen.mode });
    // The credit goes back with the next repaint: a page in the background draws nothing and is sent nothing.
    requestAnimationFrame(() => {
      if (this.#client === client) client.notify('display.credit', { frames: 1 });
    });
    this.#fetchTextSoon();
  }

  /** While anybody watches, the machine sends frames. @returns a function that ends it */
  watchScreen(): () => void {
    if (this.#watchers++ === 0) void this.#client?.call('display.subscribe', {}).catch(() => undefined);
    return () => {
      if (--this.#watchers === 0) void this.#client?.call('display.unsubscribe', {}).catch(() => undefined);
    };
  }

  #fetchTextSoon(): void {
    if (this.#textTimer !== undefined || !this.store.getState().textMode || this.#watchers === 0) return;
    this.#textTimer = setTimeout(() => {
      this.#textTimer = undefined;
      void this.#client
        ?.call('screen.text', {})
        .then((text) => this.store.setState(text.text ? { text } : { text: undefined }))
        .catch(() => undefined);
    }, TEXT_INTERVAL);
  }

  /** Takes a sample a second while anybody watches. */
  watchStats(): () => void {
    if (this.#statsWatchers++ === 0) {
      const sample = () =>
        void this.#client
          ?.call('machine.stats', {})
          .then((stats) => this.store.setState((s) => ({ stats: [...s.stats, stats].slice(-STATS_KEPT) })))
          .catch(() => undefined);
      sample();
      this.#statsTimer = setInterval(sample, 1000);
    }
    return () => {
      if (--this.#statsWatchers === 0) clearInterval(this.#statsTimer);
    };
  }

  /** What the guest writes to a port, from the last 64 KiB on. @returns a function that ends it */
  listenSerial(port: number, listener: SerialListener): () => void {
    let entry = this.#serial.get(port);
    if (entry === undefined) {
      entry = { backlog: [], bytes: 0, listeners: new Set() };
      this.#serial.set(port, entry);
      void this.#client?.call('serial.subscribe', { port }).catch(() => undefined);
    }
    for (const data of entry.backlog) listener(data);
    entry.listeners.add(listener);
    const { listeners } = entry;
    return () => listeners.delete(listener);
  }

  #receiveSerial(message: Uint8Array): void {
    const { port, data } = decodeSerial(message);
    const entry = this.#serial.get(port);
    if (entry === undefined) return;
    entry.backlog.push(data.slice());
    entry.bytes += data.length;
    while (entry.bytes > SERIAL_BACKLOG && entry.backlog.length > 1) entry.bytes -= entry.backlog.shift()?.length ?? 0;
    for (const listener of entry.listeners) listener(data);
  }

  dispose(): void {
    this.#disposed = true;
    clearInterval(this.#statsTimer);
    clearTimeout(this.#textTimer);
    this.#client?.close();
    this.#client = undefined;
    this.store.setState({ link: 'closed' });
  }
}

const SERIAL_BACKLOG = 256 * 1024;
