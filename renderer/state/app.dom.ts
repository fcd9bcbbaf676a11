import { createStore } from 'zustand/vanilla';
import type { JobInfo, VmSummary } from '../../vmm/protocol/shared.ts';
import { alive } from '../../vmm/protocol/states.ts';
import type { Host, LibraryClient } from '../connection/host.ts';
import { createDraft, type Draft } from '../create/draft.ts';
import { translate } from '../i18n/i18n.ts';
import type { QuickPick } from '../palette/quick-pick.ts';
import type { Confirmation } from '../ui/feedback.dom.tsx';
import { createLayoutStore, openTab, parseLayout, type LayoutStore, type Solo, soloLayout } from './layout-store.ts';
import { createLibraryStore, followLibrary, type LibraryStore } from './library-store.ts';
import { createNoticeStore, type NoticeStore } from './notices.ts';
import { MachineSession } from './session.dom.ts';
import { createSettingsStore, parseSettings, type Settings, type SettingsStore } from './settings.ts';

interface Transient {
  /** The palette is open: with every command, or with the few choices that a command asks for. */
  readonly palette: boolean | QuickPick;
  readonly query: string;
  readonly confirmation: Confirmation | undefined;
  /** VMs that are marked in the library, for what is done to many at once. */
  readonly selection: ReadonlySet<string>;
  /** The VM whose name is being edited in the sidebar. */
  readonly renaming: string | undefined;
  /** The text of a text-mode screen can be selected, and the mouse is the person's. */
  readonly selectText: boolean;
  /** The bar that searches a text-mode screen is open. */
  readonly find: boolean;
  /** How much larger than its room a screen is drawn; 1 fits. */
  readonly zoom: number;
  /** Little room: the panels float over the centre, one at a time, and close when something is chosen. */
  readonly narrow: boolean;
  readonly overlay: 'sidebar' | 'inspector' | undefined;
  /** Bumped when a draft or a session comes or goes. */
  readonly revision: number;
}

export interface Stage {
  toggleFullScreen(): void;
  /** Gives keyboard and mouse back to the person. */
  release(): void;
}

const LAYOUT_KEY = 'strate.layout';
/** Waits between attempts to reach a server that went away, ms. */
const RETRY = [500, 1000, 2000, 5000];

/** Everything behind the page, without any of its looks. One per window; made by main.dom.tsx and by tests. */
export class App {
  readonly host: Host;
  readonly document: Document;
  readonly solo: Solo | undefined;
  readonly library: LibraryStore = createLibraryStore();
  readonly layout: LayoutStore;
  readonly settings: SettingsStore = createSettingsStore();
  readonly notices: NoticeStore = createNoticeStore();
  readonly transient = createStore<Transient>(() => ({
    palette: false,
    query: '',
    selection: new Set(),
    confirmation: undefined,
    renaming: undefined,
    selectText: false,
    find: false,
    zoom: 1,
    narrow: false,
    overlay: undefined,
    revision: 0,
  }));
  readonly sessions = new Map<string, MachineSession>();
  readonly drafts = new Map<string, Draft>();
  /** What the console on screen lets commands do; undefined while none is shown. */
  stage: Stage | undefined;
  readonly #storage: Storage | undefined;
  #client: LibraryClient | undefined;
  #attempt = 0;
  #nextDraft = 1;
  #stopped = false;
  #retry: ReturnType<typeof setTimeout> | undefined;
  readonly #jobWaiters = new Map<string, (job: JobInfo) => void>();

  /** `solo`: the window shows this one view and nothing around it; its layout is not kept. */
  constructor(host: Host, document: Document, storage?: Storage, solo?: Solo) {
    this.host = host;
    this.solo = solo;
    this.document = document;
    this.#storage = storage;
    this.layout = createLayoutStore(solo ? soloLayout(solo) : parseLayout(storage?.getItem(LAYOUT_KEY) ?? null));
    this.layout.subscribe((layout, before) => {
      if (layout.tabs !== before.tabs || layout.active !== before.active) this.transient.setState({ overlay: undefined });
      if (solo === undefined) this.#storage?.setItem(LAYOUT_KEY, JSON.stringify(layout));
      this.#openSessions();
    });
    this.library.subscribe(() => {
      this.#openSessions();
      this.#settleJobs();
    });
  }

  /** @throws when there is no connection: what needs one is greyed out, and errors of calls become notices. */
  get client(): LibraryClient {
    if (this.#client === undefined) throw new Error('Strate is not connected');
    return this.#client;
  }

  /** The connection, now or as soon as there is one. */
  whenConnected(): Promise<LibraryClient> {
    return new Promise((resolve) => {
      const check = () => {
        if (this.#client !== undefined && this.library.getState().link === 'open') {
          stop();
          resolve(this.#client);
        }
      };
      const stop = this.library.subscribe(check);
      check();
    });
  }

  async start(): Promise<void> {
    try {
      const client = await this.host.openLibrary();
      this.#client = client;
      client.on('settings.changed', ({ settings }) => this.settings.setState(parseSettings(settings['ui']), true));
      client.on('vm.notice', ({ id, level, message }) => {
        if (this.#showsConsoleOf(id)) return; // it stands over the screen already
        const name = this.library.getState().vms.get(id)?.name ?? '';
        this.notices.show({ tone: level === 'error' ? 'bad' : level === 'warning' ? 'warn' : 'info', title: name, body: message, vm: id });
      });
      void client.closed.then((reason) => this.#lost(reason));
      const { settings } = await client.call('settings.get', {});
      this.settings.setState(parseSettings(settings['ui']), true);
      await followLibrary(client, this.library);
      this.#attempt = 0;
    } catch (error) {
      this.#lost(error instanceof Error ? error.message : String(error));
    }
  }

  #lost(reason: string | undefined): void {
    if (this.#stopped) return;
    this.#client?.close();
    this.#client = undefined;
    this.library.setState({ link: 'lost', linkProblem: reason });
    const wait = RETRY[Math.min(this.#attempt++, RETRY.length - 1)];
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.start(), wait);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#retry);
    for (const session of this.sessions.values()) session.dispose();
    this.sessions.clear();
    this.#client?.close();
  }

  /** A session for each VM that has a process and an open tab; none for the others. */
  #openSessions(): void {
    const { vms, link } = this.library.getState();
    if (link !== 'open') return;
    const wanted = new Set<string>();
    for (const tab of this.layout.getState().tabs) {
      const vm = tab.kind === 'machine' ? vms.get(tab.vm) : undefined;
      if (vm && (alive.includes(vm.state) || vm.state === 'stopping')) wanted.add(vm.id);
    }
    let changed = false;
    for (const [id, session] of this.sessions) {
      const ended = session.store.getState().link === 'closed';
      if (wanted.has(id) && !ended) continue;
      session.dispose();
      this.sessions.delete(id);
      changed = true;
    }
    for (const id of wanted) {
      if (this.sessions.has(id)) continue;
      const session = new MachineSession(this.host, id, this.document);
      // What can be done depends on whether the machine is reachable.
      session.store.subscribe((state, before) => {
        if (state.link !== before.link || state.textMode !== before.textMode) this.#revise();
      });
      this.sessions.set(id, session);
      changed = true;
    }
    if (changed) this.#revise();
  }

  #showsConsoleOf(id: string): boolean {
    const { tabs, active } = this.layout.getState();
    const tab = tabs.find((open) => open.id === active);
    return tab?.kind === 'machine' && tab.vm === id && tab.view === 'console' && this.sessions.get(id)?.isOpen === true;
  }

  #revise(): void {
    this.transient.setState((s) => ({ revision: s.revision + 1 }));
  }

  #settleJobs(): void {
    for (const [id, settle] of this.#jobWaiters) {
      const job = this.library.getState().jobs.get(id);
      if (job === undefined || job.state === 'running') continue;
      this.#jobWaiters.delete(id);
      settle(job);
    }
  }

  readonly waitForJob = (id: string): Promise<JobInfo> =>
    new Promise((resolve) => {
      this.#jobWaiters.set(id, resolve);
      this.#settleJobs();
    });

  /** Shows or hides a panel. */
  togglePanel(panel: 'sidebar' | 'inspector'): void {
    if (this.transient.getState().narrow) this.transient.setState((s) => ({ overlay: s.overlay === panel ? undefined : panel }));
    else this.layout.setState((layout) => ({ [panel]: !layout[panel] }));
  }

  isPanelShown(panel: 'sidebar' | 'inspector'): boolean {
    const { narrow, overlay } = this.transient.getState();
    return narrow ? overlay === panel : this.layout.getState()[panel];
  }

  newDraft(): Draft {
    const draft = createDraft(`create:${this.#nextDraft++}`, this.settings.getState().copyImages);
    this.drafts.set(draft.id, draft);
    this.layout.setState((layout) => openTab(layout, { kind: 'create', id: draft.id }), true);
    return draft;
  }

  dropDraft(id: string): void {
    this.drafts.get(id)?.cancel(this.#client);
    this.drafts.delete(id);
  }

  /** What went wrong, as one message that passes no window's way. */
  reportError(error: unknown, vm?: VmSummary): void {
    const message = error instanceof Error ? error.message : String(error);
    this.notices.show({ tone: 'bad', title: vm?.name ?? translate('notice.failed'), body: message, vm: vm?.id });
  }

  async changeSettings(change: Partial<Settings>): Promise<void> {
    const ui = { ...this.settings.getState(), ...change };
    this.settings.setState(ui, true); // at once; the server's event confirms it
    await this.client.call('settings.set', { settings: { ui } });
  }
}
