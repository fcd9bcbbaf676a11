import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../vmm/base/log.ts';
import { messagePortTransport } from '../vmm/protocol/message-port.ts';
import { serve } from '../vmm/protocol/server.ts';
import type { VmSummary } from '../vmm/protocol/shared.ts';
import { Application } from './application.main.ts';
import { channel } from './bridge.ts';
import { startUpdates } from './updates.main.ts';
import { FakeElectron, type FakeUtilityProcess } from './fake-electron.test-support.ts';

const PAGE = 'strate://app/index.html';

let dist: string;
beforeAll(() => {
  dist = mkdtempSync(join(tmpdir(), 'strate-main-'));
  mkdirSync(join(dist, 'page'));
  writeFileSync(join(dist, 'page/index.html'), '<!doctype html><title>Strate</title>');
});
afterAll(() => rmSync(dist, { recursive: true }));

const vm = (name: string, state: VmSummary['state']): VmSummary => ({
  id: name,
  name,
  state,
  system: 'dos',
  folder: '',
  tags: [],
  private: false,
  autostart: false,
  memory: 1,
  cpus: 1,
  directory: `/library/${name}`,
});

/** A library process that knows `vms` and records what it was asked to power off. */
function libraryOf(vms: VmSummary[], poweredOff: string[] = [], save?: (vm: string) => void) {
  return (child: FakeUtilityProcess) => {
    child.receive = (_message, [port]) => {
      if (port === undefined) return;
      serve(messagePortTransport(port), {
        role: 'library',
        version: '0.1.0',
        log: silentLog,
        stateOf: (params) => vms.find((known) => known.id === params['vm'])?.state,
        handlers: {
          'vm.list': () => ({ vms }),
          'vm.get': ({ vm: id }) => ({ vm: vms.find((known) => known.id === id)!, config: {} }),
          'vm.powerOff': ({ vm: id }) => void poweredOff.push(id),
          ...(save && { 'vm.save': ({ vm: id }: { vm: string }) => save(id) }),
        },
      });
    };
  };
}

const fakes: FakeElectron[] = [];
afterEach(() => {
  for (const port of fakes.splice(0).flatMap((fake) => fake.ports)) port.close();
});

async function start(prepare: (electron: FakeElectron) => void = () => undefined, argv = ['electron', '.']) {
  const electron = new FakeElectron();
  fakes.push(electron);
  prepare(electron);
  const started = await new Application(electron.module, { dist, platform: 'linux', argv, cwd: '/home/me' }).start();
  return { electron, started, window: electron.windows[0]! };
}

const until = async (done: () => boolean) => {
  for (let tries = 0; tries < 200 && !done(); tries++) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(done()).toBe(true);
};

const frame = (url: string, parent: unknown = null) => ({ url, parent, postMessage: jest.fn() });

describe('start', () => {
  it('shows the page and forks the library process', async () => {
    const { electron, window } = await start();
    expect(window.url).toBe(PAGE);
    expect(electron.forks[0]?.[0]).toBe(join(dist, 'vmm/process/library-process.node.js'));
  });

  it('forks what lies beside the archive of a package', async () => {
    const electron = new FakeElectron();
    fakes.push(electron);
    const packed = join('/opt/strate/resources/app.asar/dist');
    await new Application(electron.module, { dist: packed, platform: 'linux', argv: ['strate'], cwd: '/' }).start();
    expect(electron.forks[0]?.[0]).toBe(join('/opt/strate/resources/app.asar.unpacked/dist/vmm/process/library-process.node.js'));
  });

  it('leaves at once when another instance runs', async () => {
    const { electron, started } = await start((e) => (e.firstInstance = false));
    expect(started).toBe(false);
    expect(electron.quits).toBe(1);
    expect(electron.windows).toHaveLength(0);
  });

  it('gives files of the command line, of a second instance and of the desktop to the page', async () => {
    const { electron, window } = await start(undefined, ['electron', '.', 'disk.img', '--flag', '/iso/debian.iso']);
    window.webContents.emit('did-finish-load');
    expect(window.sent).toContainEqual([channel.openFiles, ['/home/me/disk.img', '/iso/debian.iso']]);
    electron.app.emit('second-instance', {}, ['electron', '.', 'other.img'], '/tmp');
    expect(window.sent).toContainEqual([channel.openFiles, ['/tmp/other.img']]);
    const event = { preventDefault: jest.fn() };
    electron.app.emit('open-file', event, '/a/b.iso');
    expect(event.preventDefault).toHaveBeenCalled();
    expect(window.sent).toContainEqual([channel.openFiles, ['/a/b.iso']]);
  });

  it('draws a page that died again', async () => {
    const { window } = await start();
    window.webContents.emit('render-process-gone', {}, { reason: 'oom' });
    expect(window.sent).toContainEqual(['reload']);
  });
});

describe('ports', () => {
  it('go to the page that asked, and the other end to the library process', async () => {
    const { electron } = await start();
    const page = frame(PAGE);
    electron.ipcMain.emit(channel.requestPort, { senderFrame: page }, 7, { connect: 'machine', vm: 'vm1' });
    expect(page.postMessage).toHaveBeenCalledWith(channel.port, { strate: 'port', ticket: 7 }, [expect.anything()]);
    expect(electron.processes[0]?.messages.at(-1)).toMatchObject({ message: { connect: 'machine', vm: 'vm1' } });
  });

  it.each([
    ['another page', frame('https://example.org/')],
    ['a page that looks like ours', frame('strate://app.example/index.html')],
    ['a frame inside the page', frame(PAGE, {})],
    ['nobody', null],
  ])('are refused to %s', async (_who, senderFrame) => {
    const { electron } = await start();
    const before = electron.processes[0]?.messages.length;
    electron.ipcMain.emit(channel.requestPort, { senderFrame }, 1, { connect: 'library' });
    expect(electron.processes[0]?.messages.length).toBe(before);
  });

  it.each([[{ connect: 'everything' }], [{ connect: 'machine' }], [{ connect: 'machine', vm: 'x'.repeat(300) }], [null], ['library']])(
    'are refused for %j',
    async (target) => {
      const { electron } = await start();
      const page = frame(PAGE);
      electron.ipcMain.emit(channel.requestPort, { senderFrame: page }, 1, target);
      expect(page.postMessage).not.toHaveBeenCalled();
    },
  );

  it('say why there are none when the library process keeps dying', async () => {
    const { electron } = await start();
    const page = frame(PAGE);
    const ask = (ticket: number) => electron.ipcMain.emit(channel.requestPort, { senderFrame: page }, ticket, { connect: 'library' });
    for (let ticket = 0; ticket < 5; ticket++) {
      electron.processes.at(-1)!.emit('exit', 1);
      ask(ticket);
    }
    expect(electron.errors.length).toBeGreaterThan(0);
    expect(page.postMessage).toHaveBeenLastCalledWith(
      channel.port,
      expect.objectContaining({ problem: expect.stringContaining('keeps ending') as string }),
      [],
    );
  });
});

describe('the menu', () => {
  it('is the command table, and tells the page what was chosen', async () => {
    const { electron, window } = await start();
    const menu = [{ id: 'power', title: 'Power', entries: [{ id: 'start', title: 'Start', enabled: true, accelerator: 'CommandOrControl+Return' }] }];
    electron.ipcMain.emit(channel.menu, { senderFrame: frame(PAGE), sender: window.webContents }, menu);
    const power = electron.menus[0]?.find((item) => item.label === 'Power');
    power?.submenu?.find((item) => item.id === 'start')?.click?.();
    expect(window.sent).toContainEqual([channel.command, 'start']);
  });

  it('is not taken from a stranger or in another shape', async () => {
    const { electron } = await start();
    electron.ipcMain.emit(channel.menu, { senderFrame: frame('https://example.org/') }, []);
    electron.ipcMain.emit(channel.menu, { senderFrame: frame(PAGE) }, [{ id: 'x', title: 'x', entries: [{ id: 'x', role: 'quit' }] }]);
    expect(electron.menus).toEqual([]);
  });
});

describe('a folder', () => {
  it('is opened where the library says it lies, whatever the page says', async () => {
    const { electron } = await start((e) => (e.onFork = libraryOf([vm('dos', 'off')])));
    electron.ipcMain.emit(channel.reveal, { senderFrame: frame(PAGE) }, 'dos');
    await until(() => electron.opened.length > 0);
    expect(electron.opened).toEqual(['/library/dos']);
  });
});

describe('a view torn off', () => {
  it('gets a window of its own, and only of this page', async () => {
    const { electron } = await start((e) => (e.onFork = libraryOf([vm('dos', 'off')])));
    const ask = (search: unknown) => electron.ipcMain.emit(channel.openWindow, { senderFrame: frame(PAGE) }, search);
    for (const bad of ['', 'https://example.org/', '?x=</script>', '?a#b', 7]) ask(bad === '' ? 'nonsense' : bad);
    expect(electron.windows).toHaveLength(1);
    ask('?machine=dos&view=serial');
    expect(electron.windows).toHaveLength(2);
    expect(electron.windows[1]?.url).toBe(`${PAGE}?machine=dos&view=serial`);
  });
});

describe('leaving', () => {
  it('quits with the last window when nothing runs', async () => {
    const { electron } = await start((e) => (e.onFork = libraryOf([vm('dos', 'off')])));
    electron.app.emit('window-all-closed');
    await until(() => electron.calls.includes('quit'));
    expect(electron.processes[0]?.killed).toBe(true);
  });

  it('stays as a tray icon while machines run', async () => {
    const { electron } = await start((e) => (e.onFork = libraryOf([vm('dos', 'running')])));
    electron.app.emit('window-all-closed');
    await until(() => electron.trays.length > 0);
    expect(electron.trays[0]?.tip).toBe('Strate: dos');
    expect(electron.calls).not.toContain('quit');
  });

  it('asks before it quits while machines run; cancelled, nothing happens', async () => {
    const { electron } = await start((e) => (e.onFork = libraryOf([vm('dos', 'running'), vm('nt', 'paused'), vm('x', 'off')])));
    electron.module.app.quit();
    await until(() => electron.questions.length > 0);
    expect(electron.questions[0]?.message).toBe('2 machines are running.');
    expect(electron.calls).not.toContain('quit');
    expect(electron.processes[0]?.killed).toBe(false);
  });

  it('keeps machines running in the background when told so', async () => {
    const { electron, window } = await start((e) => {
      e.onFork = libraryOf([vm('dos', 'running')]);
      e.answer = 0;
    });
    electron.module.app.quit();
    await until(() => window.closed);
    expect(electron.processes[0]?.killed).toBe(false);
    await until(() => electron.trays.length > 0);
  });

  it('powers off what runs, then quits, when told so', async () => {
    const poweredOff: string[] = [];
    const { electron } = await start((e) => {
      e.onFork = libraryOf([vm('dos', 'running'), vm('x', 'off')], poweredOff);
      e.answer = 1;
    });
    electron.module.app.quit();
    await until(() => electron.calls.includes('quit'));
    expect(poweredOff).toEqual(['dos']);
  });
});

describe('saving all', () => {
  it('is offered where the library can, and quits when all is saved', async () => {
    const saved: string[] = [];
    const { electron } = await start((e) => {
      e.onFork = libraryOf([vm('dos', 'running'), vm('x', 'off')], [], (id) => void saved.push(id));
      e.answer = 1;
    });
    electron.module.app.quit();
    await until(() => electron.questions.length > 0);
    expect(electron.questions[0]?.buttons).toEqual(['Keep running in the background', 'Save all and quit', 'Power off and quit', 'Cancel']);
    await until(() => electron.errors.length > 0 || electron.calls.includes('quit'));
    expect(electron.errors.length > 0 || saved.length > 0).toBe(true);
  });

  it('goes on when something could not be saved', async () => {
    const { electron } = await start((e) => {
      e.onFork = libraryOf([vm('dos', 'running')], [], () => {
        throw new Error('the disk is full');
      });
      e.answer = 1;
    });
    electron.module.app.quit();
    await until(() => electron.errors.length > 0);
    expect(electron.calls).not.toContain('quit');
  });
});

describe('the computer', () => {
  it('stays awake while a machine computes, and only then', async () => {
    const { electron } = await start((e) => (e.onFork = libraryOf([vm('dos', 'running'), vm('nt', 'paused')])));
    await until(() => electron.awake.length > 0);
    expect(electron.awake).toEqual(['prevent-app-suspension']);
    const quiet = await start((e) => (e.onFork = libraryOf([vm('nt', 'paused')])));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(quiet.electron.awake).toEqual([]);
  });
});

describe('updates', () => {
  const electron = new FakeElectron();
  it('are looked for only where a package says so, over HTTPS', () => {
    const resources = mkdtempSync(join(tmpdir(), 'strate-updates-'));
    expect(startUpdates(electron.module, resources, 'darwin')).toBe(false);
    writeFileSync(join(resources, 'updates.json'), '{ "url": "http://example.org/" }');
    expect(startUpdates(electron.module, resources, 'darwin')).toBe(false);
    writeFileSync(join(resources, 'updates.json'), '{ "url": "https://example.org/strate" }');
    expect(startUpdates(electron.module, resources, 'linux')).toBe(false);
    expect(startUpdates(electron.module, resources, 'darwin')).toBe(true);
    expect(electron.calls).toEqual(['updates from https://example.org/strate']);
    rmSync(resources, { recursive: true });
  });
});

/** electronjs.org/docs/latest/tutorial/security: each point that code can break. */
describe('the security checklist', () => {
  it('sandboxes the page, isolates its context and gives it no Node', async () => {
    const { electron, window } = await start();
    expect(electron.calls).toContain('enableSandbox');
    expect(window.options['webPreferences']).toMatchObject({
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      nodeIntegrationInWorker: false,
      nodeIntegrationInSubFrames: false,
      webSecurity: true,
      allowRunningInsecureContent: false,
      experimentalFeatures: false,
      webviewTag: false,
      navigateOnDragDrop: false,
    });
  });

  it('leaves the page for nowhere', async () => {
    const { window } = await start();
    for (const type of ['will-navigate', 'will-redirect']) {
      const away = { url: 'https://example.org/', preventDefault: jest.fn() };
      window.webContents.emit(type, away);
      expect(away.preventDefault).toHaveBeenCalled();
      const home = { url: PAGE, preventDefault: jest.fn() };
      window.webContents.emit(type, home);
      expect(home.preventDefault).not.toHaveBeenCalled();
    }
    expect(window.openHandler?.()).toEqual({ action: 'deny' });
    const embed = { preventDefault: jest.fn() };
    window.webContents.emit('will-attach-webview', embed);
    expect(embed.preventDefault).toHaveBeenCalled();
  });

  it('denies permissions but those that a console needs, to the page only', async () => {
    const { electron, window } = await start();
    const request = (permission: string, url: string) => {
      let given: boolean | undefined;
      (electron.permissionRequest as unknown as (...args: unknown[]) => void)({ getURL: () => url }, permission, (is: boolean) => (given = is));
      return given;
    };
    expect(request('pointerLock', window.url)).toBe(true);
    expect(request('pointerLock', 'https://example.org/')).toBe(false);
    for (const permission of ['media', 'geolocation', 'notifications', 'midi', 'openExternal', 'hid', 'usb', 'display-capture']) {
      expect([permission, request(permission, window.url)]).toEqual([permission, false]);
    }
    const check = electron.permissionCheck as unknown as (contents: unknown, permission: string, origin: string) => boolean;
    expect(check(null, 'fullscreen', 'strate://app')).toBe(true);
    expect(check(null, 'fullscreen', 'https://example.org')).toBe(false);
    expect(electron.calls).toContain('device permission false');
  });

  it('serves the page’s own files with the policy, and nothing else', async () => {
    const { electron } = await start();
    const get = (url: string, method = 'GET') => electron.schemeHandler!(new Request(url, { method }));
    const page = await get(PAGE);
    expect(page.status).toBe(200);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(page.headers.get('content-security-policy')).toContain("require-trusted-types-for 'script'");
    for (const url of [
      'strate://app/../secret',
      'strate://app/%2e%2e/secret',
      'strate://app/%2e%2e%2fsecret',
      'strate://other/index.html',
      'strate://app/',
      'strate://app/.built',
      'strate://app/a%00b.html',
    ]) {
      expect([url, (await get(url)).status]).toEqual([url, 404]);
    }
    expect((await get(PAGE, 'POST')).status).toBe(404);
  });
});
