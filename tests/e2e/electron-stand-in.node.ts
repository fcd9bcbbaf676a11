/**
 * Electron where its binary is not: main's own code runs in this process, the page in Chromium with the real, bundled preload script, the library
 * in a child process. Only what Electron itself does is played: windows, IPC, ports, the page's scheme, dialogs.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import type { Electron } from '../../main/electron.ts';
import type { FromChild, ToChild } from './utility-process-shim.node.ts';

/** Chromium knows no scheme of ours: the page lies at this address there, and main sees the one it knows. */
const STAND_IN_ORIGIN = 'http://strate-app.localhost';
const OWN_ORIGIN = 'strate://app';
const toOwn = (url: string) => url.replace(STAND_IN_ORIGIN, OWN_ORIGIN);

/** One end of a channel, with MessagePortMain's manners. */
export class StandInPort extends EventEmitter {
  other: StandInPort | undefined;
  #waiting: unknown[] | undefined = [];
  postMessage(data: unknown): void {
    const { other } = this;
    queueMicrotask(() => other?.receive(data));
  }
  start(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const data of waiting) this.emit('message', { data });
  }
  close(): void {
    const { other } = this;
    this.other = undefined;
    queueMicrotask(() => other?.emit('close'));
  }
  receive(data: unknown): void {
    if (this.#waiting) this.#waiting.push(data);
    else this.emit('message', { data });
  }
}

/** Binary messages cross Playwright's JSON as base64. */
const encode = (data: unknown) => (data instanceof Uint8Array ? { base64: Buffer.from(data).toString('base64') } : { json: data });
type Encoded = { readonly base64: string } | { readonly json: unknown };
const decode = (data: Encoded): unknown => ('base64' in data ? new Uint8Array(Buffer.from(data.base64, 'base64')) : data.json);

/** Runs before the page's scripts: the module `electron` as the preload script sees it, then the preload script. */
function preloadScript(source: string): string {
  return `(() => {
    const listeners = new Map();
    const ports = new Map();
    const encode = (data) => (data instanceof Uint8Array ? { base64: btoa(String.fromCharCode(...data)) } : { json: data });
    const decode = (data) => ('base64' in data ? Uint8Array.from(atob(data.base64), (c) => c.charCodeAt(0)) : data.json);
    window.__strateDeliver = (channel, args, portIds) => {
      const given = portIds.map((id) => {
        const { port1, port2 } = new MessageChannel();
        ports.set(id, port2);
        port2.onmessage = (event) => window.__stratePort(id, encode(event.data));
        return port1;
      });
      for (const listener of listeners.get(channel) ?? []) listener({ ports: given }, ...args);
    };
    window.__stratePortIn = (id, data) => ports.get(id)?.postMessage(decode(data));
    const electron = {
      contextBridge: { exposeInMainWorld: (name, api) => Object.defineProperty(window, name, { value: Object.freeze({ ...api }) }) },
      ipcRenderer: {
        send: (channel, ...args) => void window.__strateSend(channel, args),
        on: (channel, listener) => listeners.set(channel, [...(listeners.get(channel) ?? []), listener]),
      },
      webUtils: { getPathForFile: (file) => window.__stratePaths?.[file.name] ?? '' },
    };
    const process = { platform: 'linux' };
    const module = { exports: {} };
    const require = (name) => (name === 'electron' ? electron : undefined);
    ((module, exports, require) => { ${source} })(module, module.exports, require);
  })();`;
}

class WebContents extends EventEmitter {
  readonly ready: Promise<Page>;
  #loading = true;
  #openHandler: () => { action: string } = () => ({ action: 'allow' });

  constructor(ready: Promise<Page>) {
    super();
    this.ready = ready;
  }
  loaded(): void {
    this.#loading = false;
    this.emit('did-finish-load');
  }
  isLoading(): boolean {
    return this.#loading;
  }
  getURL(): string {
    return this.#loading ? '' : `${OWN_ORIGIN}/index.html`;
  }
  setWindowOpenHandler(handler: () => { action: string }): void {
    this.#openHandler = handler;
  }
  mayOpen(): boolean {
    return this.#openHandler().action !== 'deny';
  }
  reload(): void {
    void this.ready.then((page) => page.reload());
  }
  send(channel: string, ...args: unknown[]): void {
    void this.deliver(channel, args, []);
  }
  async deliver(channel: string, args: unknown[], ports: readonly number[]): Promise<void> {
    const page = await this.ready;
    await page.evaluate(
      ([name, values, ids]) => {
        (window as unknown as { __strateDeliver(...all: unknown[]): void }).__strateDeliver(name, values, ids);
      },
      [channel, args, ports] as const,
    );
  }
}

export class ElectronStandIn {
  readonly app = Object.assign(new EventEmitter(), {
    isPackaged: true,
    requestSingleInstanceLock: () => true,
    enableSandbox: () => undefined,
    whenReady: () => Promise.resolve(),
    isReady: () => true,
    getLocale: () => 'en-GB',
    quit: () => {
      const event = { prevented: false, preventDefault: () => (event.prevented = true) };
      this.app.emit('before-quit', event);
      if (!event.prevented) this.quitted = true;
    },
  });
  quitted = false;
  /** Which button of a question is pressed, by its text. */
  answer = '';
  readonly questions: string[] = [];
  menu: { label?: string; submenu?: { id?: string; label?: string; enabled?: boolean; click?: () => void }[] }[] = [];
  readonly pages: Page[] = [];
  readonly #browser: Browser;
  readonly #ipcMain = new EventEmitter();
  readonly #children: ChildProcess[] = [];
  #handler: ((request: Request) => Promise<Response>) | undefined;
  #nextPort = 1;

  constructor(browser: Browser) {
    this.#browser = browser;
  }

  async close(): Promise<void> {
    await Promise.all(this.pages.map((page) => page.context().close()));
    for (const child of this.#children) child.kill();
  }

  async #openPage(contents: () => WebContents, preload: string): Promise<Page> {
    const context: BrowserContext = await this.#browser.newContext({ viewport: { width: 1280, height: 820 }, locale: 'en-GB' });
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await context.route(`${STAND_IN_ORIGIN}/**`, async (route) => {
      const response = await this.#handler?.(new Request(toOwn(route.request().url())));
      if (response === undefined) return route.abort();
      // 'self' is another origin here; everything else of the policy stands.
      return route.fulfill({
        status: response.status,
        headers: Object.fromEntries(response.headers),
        body: Buffer.from(await response.arrayBuffer()),
      });
    });
    const page = await context.newPage();
    const ports = new Map<number, StandInPort>();
    await page.exposeFunction('__strateSend', (channel: string, args: unknown[]) => {
      const senderFrame = {
        url: toOwn(page.url()),
        parent: null,
        postMessage: (name: string, message: unknown, given: StandInPort[]) => {
          const ids = given.map((port) => {
            const id = this.#nextPort++;
            ports.set(id, port);
            return id;
          });
          void contents()
            .deliver(name, [message], ids)
            .then(() => {
              for (const id of ids) {
                const port = ports.get(id)!;
                port.on('message', ({ data }: { data: unknown }) => {
                  void page
                    .evaluate(([to, value]) => (window as unknown as { __stratePortIn(...all: unknown[]): void }).__stratePortIn(to, value), [
                      id,
                      encode(data),
                    ] as const)
                    .catch(() => undefined); // the window was closed
                });
                port.start();
              }
            });
        },
      };
      this.#ipcMain.emit(channel, { senderFrame, sender: contents() }, ...args);
    });
    await page.exposeFunction('__stratePort', (id: number, data: Encoded) => ports.get(id)?.postMessage(decode(data)));
    await page.addInitScript(preloadScript(readFileSync(preload, 'utf8')));
    this.pages.push(page);
    return page;
  }

  #fork(
    entry: string,
    options: { env?: NodeJS.ProcessEnv },
  ): EventEmitter & { postMessage(data: unknown, ports?: StandInPort[]): void; kill(): boolean } {
    const child = fork(join(import.meta.dirname, 'utility-process-shim.node.ts'), [entry], {
      serialization: 'advanced',
      env: options.env ?? process.env,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#children.push(child);
    const ports = new Map<number, StandInPort>();
    const tell = (message: ToChild) => {
      if (child.connected) child.send(message, () => undefined); // it may be ending at this very moment
    };
    child.on('message', (message: FromChild) => {
      const port = ports.get(message.port);
      if (message.kind === 'port') port?.postMessage(message.data);
      else port?.close();
    });
    const utility = new EventEmitter();
    child.on('exit', (code) => utility.emit('exit', code ?? 1));
    return Object.assign(utility, {
      postMessage: (data: unknown, given: StandInPort[] = []) => {
        const ids = given.map((port) => {
          const id = this.#nextPort++;
          ports.set(id, port);
          port.on('message', (event: { data: unknown }) => tell({ kind: 'port', port: id, data: event.data }));
          port.on('close', () => tell({ kind: 'close', port: id }));
          return id;
        });
        tell({ kind: 'message', data, ports: ids });
        for (const port of given) port.start();
      },
      kill: () => child.kill(),
    });
  }

  /** The module as main takes it. */
  get module(): Electron {
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- the classes below need the stand-in they belong to
    const standIn = this;
    return {
      app: this.app,
      BrowserWindow: class extends EventEmitter {
        readonly webContents: WebContents;
        constructor(options: { webPreferences: { preload: string } }) {
          super();
          this.webContents = new WebContents(standIn.#openPage(() => this.webContents, options.webPreferences.preload));
          standIn.app.emit('web-contents-created', {}, this.webContents);
        }
        async loadURL(url: string): Promise<void> {
          const page = await this.webContents.ready;
          page.on('popup', (popup) => void (this.webContents.mayOpen() || popup.close()));
          await page.goto(url.replace(OWN_ORIGIN, STAND_IN_ORIGIN));
          this.webContents.loaded();
          this.emit('ready-to-show');
        }
        show(): void {
          this.emit('show');
        }
        focus(): void {
          void this.webContents.ready.then((page) => page.bringToFront());
        }
        restore(): void {
          this.show();
        }
        isMinimized(): boolean {
          return false;
        }
        close(): void {
          this.emit('closed');
          void this.webContents.ready.then((page) => page.context().close());
          standIn.app.emit('window-all-closed');
        }
      },
      ipcMain: this.#ipcMain,
      Menu: { buildFromTemplate: (template: unknown) => template, setApplicationMenu: (menu: never) => (this.menu = menu) },
      MessageChannelMain: class {
        readonly port1 = new StandInPort();
        readonly port2 = new StandInPort();
        constructor() {
          this.port1.other = this.port2;
          this.port2.other = this.port1;
        }
      },
      dialog: {
        showErrorBox: (_title: string, message: string) => this.questions.push(message),
        showMessageBox: ({ message, buttons }: { message: string; buttons: string[] }) => {
          this.questions.push(message);
          return Promise.resolve({ response: Math.max(0, buttons.indexOf(this.answer)) });
        },
      },
      autoUpdater: new EventEmitter(),
      powerSaveBlocker: { start: () => 1, stop: () => undefined },
      nativeImage: { createFromPath: (path: string) => path },
      protocol: {
        registerSchemesAsPrivileged: () => undefined,
        handle: (_scheme: string, handler: (request: Request) => Promise<Response>) => (this.#handler = handler),
      },
      session: {
        defaultSession: {
          setPermissionRequestHandler: () => undefined,
          setPermissionCheckHandler: () => undefined,
          setDevicePermissionHandler: () => undefined,
        },
      },
      shell: { openPath: () => Promise.resolve('') },
      Tray: class extends EventEmitter {
        setToolTip(): void {
          this.emit('tip');
        }
        setContextMenu(): void {
          this.emit('menu');
        }
        destroy(): void {
          this.removeAllListeners();
        }
      },
      utilityProcess: { fork: (entry: string, _args: string[], options: { env?: NodeJS.ProcessEnv }) => this.#fork(entry, options) },
    } as unknown as Electron;
  }
}
