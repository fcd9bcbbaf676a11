/** `strate serve`: the page, the library and the machines over HTTP and WebSocket on loopback. */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { messageOf, VmmError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { MAX_JSON_LENGTH } from '../../protocol/transport.ts';
import { webSocketTransport } from '../../protocol/web-socket.node.ts';
import { toWireError } from '../../protocol/wire.ts';
import { type LibraryServices, serveLibrary } from '../library/library-handlers.node.ts';
import { dialMachine } from '../library/machine-link.node.ts';
import { runStateOf } from '../run-record.node.ts';
import { reasonOf } from '../vm-folder.node.ts';
import { type Access, cookieName, hasOwnHost, judge, type RequestHead, securityHeaders, type Verdict } from './access.ts';
import { sendPageFile } from './page-files.node.ts';
import { relay } from './relay.ts';

export interface WebServerOptions extends LibraryServices {
  /** 0: any free one */
  readonly port: number;
  /** Folder of the built page. */
  readonly page: string;
  readonly log: Log;
}

export interface WebServer {
  /** With the token: to be shown to the person who started the server, and to nobody else. */
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

const LOOPBACK = '127.0.0.1';
const refusals: Readonly<Record<Exclude<Verdict, 'ok'>, { status: number; message: string }>> = {
  'wrong-host': { status: 421, message: 'This server answers on its own address only' },
  'wrong-origin': { status: 403, message: 'Requests from other pages are refused' },
  'no-session': { status: 401, message: 'Open the address that strate serve has printed: it carries the token' },
};

/** @throws VmmError `busy` when the port is in use. */
export async function startWebServer(options: WebServerOptions): Promise<WebServer> {
  const server = createServer({ requestTimeout: 0 }); // an upload takes as long as it takes
  const port = await listen(server, options.port);
  const access: Access = { port, token: secret(), session: secret(), equal };
  const handler = new Handler(options, access);
  server.on('request', (request, response) => void handler.answer(request, response));
  server.on('upgrade', (request, socket: Duplex, head: Buffer) => handler.upgrade(request, socket, head));
  return {
    url: `http://${LOOPBACK}:${port}/?token=${access.token}`,
    port,
    async close() {
      handler.close();
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

async function listen(server: Server, port: number): Promise<number> {
  try {
    await new Promise<void>((listening, fail) => server.once('error', fail).listen(port, LOOPBACK, listening));
  } catch (error) {
    throw new VmmError(
      'busy',
      `port ${port} cannot be used: ${reasonOf(error)}; choose another with --port, or let --port 0 find one`,
      { port },
      error,
    );
  }
  return (server.address() as AddressInfo).port;
}

function secret(): string {
  return randomBytes(32).toString('base64url');
}

function equal(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

class Handler {
  readonly #options: WebServerOptions;
  readonly #access: Access;
  readonly #sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_JSON_LENGTH, perMessageDeflate: false });

  constructor(options: WebServerOptions, access: Access) {
    this.#options = options;
    this.#access = access;
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(securityHeaders)) response.setHeader(name, value);
    try {
      const url = new URL(request.url ?? '/', `http://${LOOPBACK}:${this.#access.port}`);
      if (request.method === 'GET' && url.searchParams.has('token')) {
        this.#enter(request, response, url);
        return;
      }
      const verdict = judge(this.#access, headOf(request), request.method !== 'GET' && request.method !== 'HEAD');
      if (verdict !== 'ok') {
        refuse(response, refusals[verdict].status, refusals[verdict].message);
        return;
      }
      if (request.method === 'POST' && url.pathname === '/api/upload') {
        await this.#upload(request, response, url);
        return;
      }
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        refuse(response, 405, 'Not this way');
        return;
      }
      if (!(await sendPageFile(response, this.#options.page, url.pathname, request.method === 'HEAD')))
        refuse(response, 404, 'There is no such page');
    } catch (error) {
      this.#options.log.error('a request failed', { error: messageOf(error) });
      if (response.headersSent) response.destroy();
      else refuse(response, 500, 'Internal error');
    }
  }

  /** The printed URL: the token becomes a cookie, and leaves the address. */
  #enter(request: IncomingMessage, response: ServerResponse, url: URL): void {
    if (!hasOwnHost(this.#access, request.headers.host)) return refuse(response, 421, refusals['wrong-host'].message);
    if (!equal(url.searchParams.get('token')!, this.#access.token)) return refuse(response, 401, refusals['no-session'].message);
    const { port, session } = this.#access;
    response.setHeader('set-cookie', `${cookieName(port)}=${session}; HttpOnly; SameSite=Strict; Path=/`);
    response.setHeader('cache-control', 'no-store');
    if (request.headers['sec-fetch-site'] === 'cross-site') {
      // A link in another page was followed: a redirect would count as that page's, and go without the cookie.
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
      response.end('<!doctype html><meta http-equiv="refresh" content="0;url=/">');
    } else response.writeHead(303, { location: '/' }).end();
  }

  async #upload(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const length = request.headers['content-length'];
    try {
      const result = await this.#options.uploads.receive(
        url.searchParams.get('name') ?? 'upload',
        request,
        length === undefined ? undefined : Number(length),
      );
      sendJson(response, 200, result);
    } catch (error) {
      const { kind, message } = toWireError(error);
      response.setHeader('connection', 'close'); // the rest of the body is not read
      sendJson(response, kind === 'usage' ? 413 : kind === 'host' ? 507 : 500, { error: { kind, message } });
    }
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => undefined);
    const verdict = judge(this.#access, headOf(request), true);
    if (verdict !== 'ok') return refuseUpgrade(socket, refusals[verdict].status);
    const path = new URL(request.url ?? '/', `http://${LOOPBACK}`).pathname;
    const machine = /^\/api\/machine\/([^/]+)$/.exec(path)?.[1];
    if (path === '/api/library') {
      this.#sockets.handleUpgrade(request, socket, head, (peer) => serveLibrary(webSocketTransport(peer), this.#options));
    } else if (machine !== undefined) {
      this.#sockets.handleUpgrade(request, socket, head, (peer) => void this.#connectMachine(decodeURIComponent(machine), webSocketTransport(peer)));
    } else refuseUpgrade(socket, 404);
  }

  async #connectMachine(vm: string, client: ReturnType<typeof webSocketTransport>): Promise<void> {
    try {
      const entry = this.#options.library.find(vm);
      const run = runStateOf(entry.directory);
      if (run.state !== 'running') throw new VmmError('state', `${entry.name} is not running`);
      relay(client, await dialMachine(run.run.socket));
    } catch (error) {
      client.close(messageOf(error));
    }
  }

  close(): void {
    for (const client of this.#sockets.clients) client.terminate();
    this.#sockets.close();
  }
}

function headOf(request: IncomingMessage): RequestHead {
  const { host, origin, cookie } = request.headers;
  const site = request.headers['sec-fetch-site'];
  return { method: request.method ?? '', host, origin, cookie, site: typeof site === 'string' ? site : undefined };
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
  response.end(`${message}\n`);
}

function sendJson(response: ServerResponse, status: number, data: object): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(data));
}

function refuseUpgrade(socket: Duplex, status: number): void {
  socket.end(`HTTP/1.1 ${status} Refused\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
