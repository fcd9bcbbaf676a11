import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket as WsClient } from 'ws';
import { silentLog } from '../../base/log.ts';
import { connect } from '../../protocol/client.ts';
import { webSocketTransport } from '../../protocol/web-socket.node.ts';
import { FakeLauncher } from '../library/fake-launcher.test-support.ts';
import { Library } from '../library/library.node.ts';
import { Store } from '../library/store.node.ts';
import { Uploads } from '../library/uploads.node.ts';
import { startWebServer, type WebServer } from './web-server.node.ts';

let root: string;
let page: string;
let server: WebServer;
let library: Library;
let launcher: FakeLauncher;
let cookie: string;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'strate-'));
  page = join(root, 'page');
  mkdirSync(join(page, 'assets'), { recursive: true });
  writeFileSync(join(page, 'index.html'), '<title>Strate</title>');
  writeFileSync(join(page, 'assets', 'main-1a2b.js'), 'export {}');
  writeFileSync(join(page, 'notes.txt'), 'of no known type');
  writeFileSync(join(root, 'secret.html'), 'secret');
  launcher = new FakeLauncher();
  library = new Library({ store: new Store(root), launcher, log: silentLog });
  server = await startWebServer({
    library,
    uploads: new Uploads(root, { file: 1000, reserve: 0 }),
    guests: { cache: root, available: false },
    version: '0',
    log: silentLog,
    port: 0,
    page,
  });
  const entered = await fetch(server.url, { redirect: 'manual' });
  cookie = entered.headers.get('set-cookie')!.split(';')[0]!;
});
afterEach(async () => {
  await server.close();
  await launcher.stopAll();
  await library.close();
  rmSync(root, { recursive: true });
});

const origin = () => `http://127.0.0.1:${server.port}`;
const get = (path: string, headers: Record<string, string> = {}) => fetch(origin() + path, { headers: { cookie, ...headers } });

/** fetch chooses Host and normalises paths; this does not. */
function raw(path: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port: server.port, path, headers: { cookie, ...headers } }, (response) => {
      response.resume();
      resolve(response.statusCode!);
    })
      .on('error', reject)
      .end();
  });
}

describe('the page', () => {
  it('needs the token once; then a cookie that scripts cannot read', async () => {
    const entered = await fetch(server.url, { redirect: 'manual' });
    expect(entered.status).toBe(303);
    expect(entered.headers.get('location')).toBe('/');
    expect(entered.headers.get('set-cookie')).toMatch(/^strate-\d+=[\w-]{43}; HttpOnly; SameSite=Strict; Path=\/$/);
    expect((await fetch(`${origin()}/?token=guess`, { redirect: 'manual' })).status).toBe(401);
    expect((await fetch(`${origin()}/`)).status).toBe(401);
    await expect((await get('/')).text()).resolves.toBe('<title>Strate</title>');
  });

  it('is sent with a strict policy', async () => {
    const { headers } = await get('/');
    expect(headers.get('content-security-policy')).toMatch(/^default-src 'none'; script-src 'self';.*frame-ancestors 'none'/);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('cache-control')).toBe('no-cache');
    expect((await get('/assets/main-1a2b.js')).headers.get('cache-control')).toContain('immutable');
  });

  it.each(['/../secret.html', '/..%2fsecret.html', '/%2e%2e/secret.html', '/notes.txt', '/nothing.js', '/.hidden', '/assets', '/%'])(
    'has nothing at %s',
    async (path) => {
      expect(await raw(path, {})).toBe(404);
    },
  );

  it('answers on its own address only', async () => {
    expect(await raw('/', { host: 'evil.example' })).toBe(421);
    expect(await raw('/', { 'sec-fetch-site': 'cross-site' })).toBe(403);
    expect((await fetch(`${origin()}/`, { method: 'DELETE', headers: { cookie, origin: origin() } })).status).toBe(405);
  });
});

describe('uploads', () => {
  const post = (body: string | Uint8Array, headers: Record<string, string> = { origin: origin() }) =>
    fetch(`${origin()}/api/upload?name=a.img`, { method: 'POST', body: body as BodyInit, headers: { cookie, ...headers } });

  it('are received', async () => {
    const answer = (await (await post('hello')).json()) as { upload: string; bytes: number };
    expect(answer.bytes).toBe(5);
    expect(existsSync(join(root, 'uploads', answer.upload, 'a.img'))).toBe(true);
  });

  it('are refused from other pages and when they are too large', async () => {
    expect((await post('x', { origin: 'http://evil.example' })).status).toBe(403);
    expect((await post('x', {})).status).toBe(403);
    const large = await post('x'.repeat(1001));
    expect(large.status).toBe(413);
    expect(await large.json()).toMatchObject({ error: { kind: 'usage', message: expect.stringContaining('a.img is larger than') as string } });
  });
});

describe('sockets', () => {
  const open = (path: string, headers: Record<string, string> = { origin: origin(), cookie }) =>
    new WsClient(`ws://127.0.0.1:${server.port}${path}`, { headers });
  const refusal = (socket: WsClient) => new Promise<string>((resolve) => socket.once('error', (error) => resolve(error.message)));

  it('speak for the library', async () => {
    const client = await connect(webSocketTransport(open('/api/library')), 'library');
    await expect(client.call('vm.list', {})).resolves.toEqual({ vms: [] });
    client.close();
  });

  it('reach a running machine', async () => {
    const client = await connect(webSocketTransport(open('/api/library')), 'library');
    const { vm } = await client.call('vm.create', { config: { name: 'a b' } });
    await client.call('vm.start', { vm: vm.id });
    launcher.runs.get(vm.directory)!.machine.print(0, 'hello');
    const machine = await connect(webSocketTransport(open(`/api/machine/${encodeURIComponent(vm.name)}`)), 'machine');
    expect((await machine.call('screen.text', {})).lines[0]).toBe('hello');
    const frame = new Promise<Uint8Array>((resolve) => machine.onBinary(resolve));
    await machine.call('display.subscribe', {});
    expect((await frame)[0]).toBe(1);
    await launcher.stopAll();
    await machine.closed;
    client.close();
  });

  it('say why a machine cannot be reached', async () => {
    await expect(connect(webSocketTransport(open('/api/machine/none')), 'machine')).rejects.toThrow('there is no machine "none"');
  });

  it('are refused without cookie, from other pages, and elsewhere', async () => {
    expect(await refusal(open('/api/library', { origin: origin() }))).toContain('401');
    expect(await refusal(open('/api/library', { cookie, origin: 'http://evil.example' }))).toContain('403');
    expect(await refusal(open('/api/library', { cookie }))).toContain('403');
    expect(await refusal(open('/api/nothing'))).toContain('404');
  });

  it('answer noise by closing, and the server goes on', async () => {
    const socket = open('/api/library');
    await new Promise((resolve) => socket.once('open', resolve));
    const closed = new Promise<number>((resolve) => socket.once('close', resolve));
    socket.send('not json');
    expect(await closed).toBe(1007);
    expect((await get('/')).status).toBe(200);
  });
});

it('says that a port is in use', async () => {
  await expect(
    startWebServer({
      library,
      uploads: new Uploads(root),
      guests: { cache: root, available: false },
      version: '0',
      log: silentLog,
      port: server.port,
      page,
    }),
  ).rejects.toMatchObject({
    kind: 'busy',
    message: expect.stringContaining(`port ${server.port} cannot be used: it is in use; choose another with --port`) as string,
  });
});

it('follows no link out of the page', async () => {
  symlinkSync(join(root, 'secret.html'), join(page, 'link.html'));
  expect(await raw('/link.html', {})).toBe(404);
});
