import { EventEmitter } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import type { MessagePortMain } from 'electron';
import type { Electron } from './electron.ts';

/** A window as far as Application uses one; `sent` is what its page was told. */
export class FakeWindow extends EventEmitter {
  readonly sent: unknown[][] = [];
  readonly options: Record<string, unknown>;
  url = '';
  closed = false;
  openHandler: (() => { action: string }) | undefined;
  readonly webContents = Object.assign(new EventEmitter(), {
    send: (...message: unknown[]) => void this.sent.push(message),
    isLoading: () => this.url === '',
    reload: () => void this.sent.push(['reload']),
    getURL: () => this.url,
    setWindowOpenHandler: (handler: () => { action: string }) => void (this.openHandler = handler),
  });

  constructor(options: Record<string, unknown>) {
    super();
    this.options = options;
  }
  loadURL(url: string): Promise<void> {
    this.url = url;
    return Promise.resolve();
  }
  show(): void {
    this.emit('shown');
  }
  focus(): void {
    this.emit('focused');
  }
  restore(): void {
    this.emit('restored');
  }
  isMinimized(): boolean {
    return false;
  }
  close(): void {
    this.closed = true;
    this.emit('closed');
  }
}

/** Node's MessagePort with the manners of Electron's MessagePortMain: messages come as `{ data }`. */
function mainPort(port: MessageChannel['port1']): MessagePortMain {
  return {
    postMessage: (message: unknown) => port.postMessage(message),
    on: (event: string, listener: (event?: { data: unknown }) => void) =>
      port.on(event, (data: unknown) => listener(event === 'message' ? { data } : undefined)),
    start: () => port.start(),
    close: () => port.close(),
  } as unknown as MessagePortMain;
}

export class FakeUtilityProcess extends EventEmitter {
  readonly messages: { message: unknown; ports: MessagePortMain[] }[] = [];
  killed = false;
  /** What the process does with a message; set by tests. */
  receive: (message: unknown, ports: MessagePortMain[]) => void = () => undefined;
  postMessage(message: unknown, ports: MessagePortMain[]): void {
    this.messages.push({ message, ports });
    this.receive(message, ports);
  }
  kill(): boolean {
    this.killed = true;
    return true;
  }
}

type Handler = (...args: never[]) => unknown;

/** The module `electron` in memory: records what it is told, and lets a test play the desktop. */
export class FakeElectron {
  readonly windows: FakeWindow[] = [];
  readonly processes: FakeUtilityProcess[] = [];
  readonly forks: unknown[][] = [];
  readonly menus: { label?: string; role?: string; submenu?: { id?: string; enabled?: boolean; click?: () => void }[] }[][] = [];
  readonly errors: string[] = [];
  readonly trays: { tip: string; menu: unknown; destroyed: boolean }[] = [];
  readonly opened: string[] = [];
  readonly schemes: unknown[] = [];
  schemeHandler: ((request: Request) => Promise<Response>) | undefined;
  permissionRequest: Handler | undefined;
  permissionCheck: Handler | undefined;
  firstInstance = true;
  quits = 0;
  readonly awake: string[] = [];
  answer = 2;
  questions: { message: string; buttons: string[] }[] = [];
  onFork: (child: FakeUtilityProcess) => void = () => undefined;
  readonly app = Object.assign(new EventEmitter(), {
    isPackaged: false,
    requestSingleInstanceLock: () => this.firstInstance,
    enableSandbox: () => void this.calls.push('enableSandbox'),
    whenReady: () => Promise.resolve(),
    isReady: () => true,
    getLocale: () => 'en-GB',
    quit: () => {
      this.quits++;
      const event = { prevented: false, preventDefault: () => (event.prevented = true) };
      this.app.emit('before-quit', event);
      if (!event.prevented) this.calls.push('quit');
    },
  });
  readonly calls: string[] = [];
  /** Open ports keep a process alive: tests close them. */
  readonly ports: MessageChannel['port1'][] = [];
  readonly ipcMain = new EventEmitter();

  /** As Application takes it. */
  get module(): Electron {
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- classes below need the fake they belong to
    const fake = this;
    return {
      app: this.app,
      BrowserWindow: class extends FakeWindow {
        constructor(options: Record<string, unknown>) {
          super(options);
          fake.windows.push(this);
          fake.app.emit('web-contents-created', {}, this.webContents);
        }
      },
      ipcMain: this.ipcMain,
      Menu: {
        buildFromTemplate: (template: unknown) => template,
        setApplicationMenu: (menu: never) => void this.menus.push(menu),
      },
      MessageChannelMain: class {
        readonly port1;
        readonly port2;
        constructor() {
          const { port1, port2 } = new MessageChannel();
          fake.ports.push(port1, port2);
          this.port1 = mainPort(port1);
          this.port2 = mainPort(port2);
        }
      },
      dialog: {
        showErrorBox: (_title: string, message: string) => void this.errors.push(message),
        showMessageBox: (options: { message: string; buttons: string[] }) => {
          this.questions.push(options);
          return Promise.resolve({ response: this.answer });
        },
      },
      autoUpdater: Object.assign(new EventEmitter(), {
        setFeedURL: ({ url }: { url: string }) => void this.calls.push(`updates from ${url}`),
        checkForUpdates: () => undefined,
      }),
      powerSaveBlocker: {
        start: (kind: string) => this.awake.push(kind),
        stop: () => void this.awake.pop(),
      },
      nativeImage: { createFromPath: (path: string) => path },
      protocol: {
        registerSchemesAsPrivileged: (schemes: unknown[]) => void this.schemes.push(...schemes),
        handle: (_scheme: string, handler: (request: Request) => Promise<Response>) => (this.schemeHandler = handler),
      },
      session: {
        defaultSession: {
          setPermissionRequestHandler: (handler: Handler) => (this.permissionRequest = handler),
          setPermissionCheckHandler: (handler: Handler) => (this.permissionCheck = handler),
          setDevicePermissionHandler: (handler: () => boolean) => void this.calls.push(`device permission ${handler()}`),
        },
      },
      shell: {
        openPath: (path: string) => {
          this.opened.push(path);
          return Promise.resolve('');
        },
      },
      Tray: class extends EventEmitter {
        readonly record = { tip: '', menu: undefined as unknown, destroyed: false };
        constructor() {
          super();
          fake.trays.push(this.record);
        }
        setToolTip(tip: string): void {
          this.record.tip = tip;
        }
        setContextMenu(menu: unknown): void {
          this.record.menu = menu;
        }
        destroy(): void {
          this.record.destroyed = true;
        }
      },
      utilityProcess: {
        fork: (...args: unknown[]) => {
          this.forks.push(args);
          const child = new FakeUtilityProcess();
          this.processes.push(child);
          this.onFork(child);
          return child;
        },
      },
    } as unknown as Electron;
  }
}
