import { join } from 'node:path';
import type { BrowserWindow, Tray } from 'electron';
import { PAGE_URL } from './addresses.ts';
import { channel, type MenuSection } from './bridge.ts';
import type { Electron } from './electron.ts';
import { answerPages } from './ipc.main.ts';
import { LibraryProcess } from './library-process.main.ts';
import { menuTemplate } from './menu.main.ts';
import { filesOf } from './open-files.main.ts';
import { registerScheme, servePage } from './scheme.main.ts';
import { textsFor, type Texts } from './texts.ts';
import { harden, webPreferences } from './security.main.ts';
import { StayAwake } from './stay-awake.main.ts';
import { startUpdates } from './updates.main.ts';

export interface ApplicationOptions {
  /** dist/: page/, main/ and vmm/ lie in it. */
  readonly dist: string;
  readonly platform: NodeJS.Platform;
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Where a package keeps what lies beside the application. */
  readonly resources?: string;
}

/**
 * Machines run as plain Node, in threads and processes of their own, which know nothing of Electron's archives: all that they need lies beside the archive
 * (asarUnpack in build/electron-builder.json).
 */
function unpacked(path: string): string {
  return path.replace(/([\\/]app\.asar)(?=[\\/])/, '$1.unpacked');
}

/**
 * The desktop application: one instance, windows that show the page, the library process behind them. Closing a window leaves machines running (a
 * tray icon says so); quitting while some run asks once and never kills by itself.
 */
export class Application {
  readonly #electron: Electron;
  readonly #options: ApplicationOptions;
  readonly #library: LibraryProcess;
  readonly #windows = new Set<BrowserWindow>();
  readonly #awake: StayAwake;
  #tray: Tray | undefined;
  #mayQuit = false;
  /** Files to open, until a page is there to take them. */
  #pendingFiles: string[] = [];

  constructor(electron: Electron, options: ApplicationOptions) {
    this.#electron = electron;
    this.#options = options;
    this.#awake = new StayAwake(electron);
    this.#library = new LibraryProcess(electron, {
      entry: join(unpacked(options.dist), 'vmm/process/library-process.node.js'),
      ...(options.env && { env: options.env }),
      onGivenUp: (code) => {
        electron.dialog.showErrorBox('Strate', this.#texts.libraryGone(code));
      },
    });
  }

  get #texts(): Texts {
    return textsFor(this.#electron.app.getLocale());
  }

  /** @returns false when another instance runs already: that one shows its window and opens our files. */
  async start(): Promise<boolean> {
    const { app } = this.#electron;
    if (!app.requestSingleInstanceLock()) {
      app.quit();
      return false;
    }
    registerScheme(this.#electron);
    app.enableSandbox();
    app.on('second-instance', (_event, argv, cwd) => {
      this.#openFiles(filesOf(argv, app.isPackaged, cwd));
      this.#show();
    });
    app.on('open-file', (event, path) => {
      event.preventDefault();
      this.#openFiles([path]);
    });
    app.on('window-all-closed', () => void this.#lastWindowClosed());
    app.on('activate', () => this.#show());
    app.on('before-quit', (event) => {
      if (this.#mayQuit) return;
      event.preventDefault();
      void this.#askToQuit();
    });
    this.#pendingFiles.push(...filesOf(this.#options.argv, app.isPackaged, this.#options.cwd));

    await app.whenReady();
    harden(this.#electron);
    servePage(this.#electron, join(this.#options.dist, 'page'));
    answerPages(this.#electron, {
      library: this.#library,
      onMenu: (menu) => this.#setMenu(menu),
      revealFolder: (vm) => void this.#reveal(vm),
      openWindow: (search) => void this.#newWindow(search),
    });
    this.#library.start();
    void this.#awake.follow(this.#library).catch(() => undefined);
    startUpdates(this.#electron, this.#options.resources, this.#options.platform);
    this.#newWindow();
    return true;
  }

  /** `search`: what a torn-off window shows, see renderer/state/layout-store.ts. */
  #newWindow(search = ''): BrowserWindow {
    const window = new this.#electron.BrowserWindow({
      width: search === '' ? 1280 : 900,
      height: search === '' ? 820 : 680,
      minWidth: 480,
      minHeight: 360,
      show: false,
      title: 'Strate',
      backgroundColor: '#101516',
      webPreferences: webPreferences(join(this.#options.dist, 'main/page.preload.cjs')),
    });
    this.#windows.add(window);
    window.once('ready-to-show', () => window.show());
    window.on('closed', () => this.#windows.delete(window));
    window.webContents.on('did-finish-load', () => {
      const files = this.#pendingFiles.splice(0);
      if (files.length > 0) window.webContents.send(channel.openFiles, files);
    });
    // A page that dies is drawn again; machines do not live in it.
    window.webContents.on('render-process-gone', (_event, { reason }) => {
      if (reason !== 'clean-exit') window.webContents.reload();
    });
    this.#tray?.destroy();
    this.#tray = undefined;
    void window.loadURL(`${PAGE_URL}${search}`);
    return window;
  }

  #show(): void {
    const [window] = this.#windows;
    if (window === undefined) {
      if (this.#electron.app.isReady()) this.#newWindow();
      return;
    }
    if (window.isMinimized()) window.restore();
    window.show();
    window.focus();
  }

  #openFiles(files: readonly string[]): void {
    if (files.length === 0) return;
    const [window] = this.#windows;
    if (window === undefined || window.webContents.isLoading()) this.#pendingFiles.push(...files);
    else window.webContents.send(channel.openFiles, files);
    if (window === undefined) this.#show();
  }

  #setMenu(sections: readonly MenuSection[]): void {
    const { Menu } = this.#electron;
    const choose = (id: string) => {
      const [window] = this.#windows;
      window?.webContents.send(channel.command, id);
    };
    Menu.setApplicationMenu(Menu.buildFromTemplate(menuTemplate(sections, this.#options.platform === 'darwin', choose)));
  }

  /** The path is the library's, never the page's. */
  async #reveal(vm: string): Promise<void> {
    const client = await this.#library.client();
    const { vm: summary } = await client.call('vm.get', { vm });
    await this.#electron.shell.openPath(summary.directory);
  }

  async #lastWindowClosed(): Promise<void> {
    if (this.#options.platform === 'darwin') return;
    const running = await this.#library.runningMachines().catch(() => []);
    if (running.length === 0) this.#quit();
    else this.#showTray(running);
  }

  #showTray(running: readonly string[]): void {
    const { app, Menu, nativeImage, Tray } = this.#electron;
    const tray = new Tray(nativeImage.createFromPath(join(this.#options.dist, 'main/tray.png')));
    tray.setToolTip(`Strate: ${running.join(', ')}`);
    tray.setContextMenu(
      Menu.buildFromTemplate([
        { label: this.#texts.showStrate, click: () => this.#show() },
        { type: 'separator' },
        { label: this.#texts.quit, click: () => app.quit() },
      ]),
    );
    tray.on('click', () => this.#show());
    this.#tray = tray;
  }

  async #askToQuit(): Promise<void> {
    const running = await this.#library.runningMachines().catch(() => []);
    if (running.length === 0) {
      this.#quit();
      return;
    }
    const texts = this.#texts;
    const canSave = (await this.#library.client()).hello.capabilities.includes('vm.save');
    const choices = canSave
      ? (['keepRunning', 'saveAndQuit', 'powerOffAndQuit', 'cancel'] as const)
      : (['keepRunning', 'powerOffAndQuit', 'cancel'] as const);
    const { response } = await this.#electron.dialog.showMessageBox({
      type: 'question',
      message: running.length === 1 ? texts.oneRunning(running[0] ?? '') : texts.manyRunning(running.length),
      detail: running.length === 1 ? '' : running.join('\n'),
      buttons: choices.map((choice) => texts[choice]),
      defaultId: 0,
      cancelId: choices.length - 1,
      noLink: true,
    });
    const choice = choices[response];
    if (choice === 'keepRunning') {
      for (const window of this.#windows) window.close();
      if (this.#tray === undefined) this.#showTray(running);
    } else if (choice === 'saveAndQuit') {
      const failed = await this.#saveAll();
      if (failed.length === 0) this.#quit();
      else this.#electron.dialog.showErrorBox('Strate', texts.notSaved(failed.join(', '))); // they run on: nothing is lost
    } else if (choice === 'powerOffAndQuit') {
      await this.#powerOffAll();
      this.#quit();
    }
  }

  /** @returns a line for each that could not be saved */
  async #saveAll(): Promise<string[]> {
    const client = await this.#library.client();
    const { vms } = await client.call('vm.list', {});
    const failed: string[] = [];
    for (const vm of vms.filter(({ state }) => state === 'running' || state === 'paused')) {
      try {
        await client.call('vm.save' as 'vm.pause', { vm: vm.id }); // offered only where the library has it
      } catch (error) {
        failed.push(`${vm.name}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    return failed;
  }

  async #powerOffAll(): Promise<void> {
    const client = await this.#library.client();
    const { vms } = await client.call('vm.list', {});
    const alive = vms.filter((vm) => ['starting', 'running', 'paused', 'stopping'].includes(vm.state));
    await Promise.allSettled(alive.map((vm) => client.call('vm.powerOff', { vm: vm.id })));
  }

  #quit(): void {
    this.#mayQuit = true;
    this.#tray?.destroy();
    this.#library.stop();
    this.#electron.app.quit();
  }
}
