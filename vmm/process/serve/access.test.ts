import { type Access, judge, type RequestHead } from './access.ts';

const access: Access = { port: 8086, token: 'token', session: 'secret', equal: (a, b) => a === b };
const good: RequestHead = { method: 'GET', host: '127.0.0.1:8086', origin: undefined, cookie: 'other=1; strate-8086=secret', site: 'same-origin' };

it.each<[string, Partial<RequestHead>, boolean, string]>([
  ['our own page', {}, false, 'ok'],
  ['an address typed in', { site: 'none' }, false, 'ok'],
  ['localhost', { host: 'localhost:8086' }, false, 'ok'],
  ['a WebSocket of our page', { origin: 'http://127.0.0.1:8086' }, true, 'ok'],
  ['a WebSocket of localhost', { host: 'localhost:8086', origin: 'http://localhost:8086' }, true, 'ok'],
  ['a rebound name', { host: 'evil.example:8086' }, false, 'wrong-host'],
  ['no host', { host: undefined }, false, 'wrong-host'],
  ['another port', { host: '127.0.0.1:80' }, false, 'wrong-host'],
  ['a WebSocket without Origin', {}, true, 'wrong-origin'],
  ['a WebSocket of another page', { origin: 'http://evil.example' }, true, 'wrong-origin'],
  ['a WebSocket of another port of this computer', { origin: 'http://127.0.0.1:3000' }, true, 'wrong-origin'],
  ['a sandboxed page', { origin: 'null' }, true, 'wrong-origin'],
  ['an image in another page', { site: 'cross-site' }, false, 'wrong-origin'],
  ['another port of this computer', { site: 'same-site' }, false, 'wrong-origin'],
  ['no cookie', { cookie: undefined }, false, 'no-session'],
  ['a wrong cookie', { cookie: 'strate-8086=guess' }, false, 'no-session'],
  ["another server's cookie", { cookie: 'strate-8087=secret' }, false, 'no-session'],
])('%s', (_, change, changes, verdict) => {
  expect(judge(access, { ...good, ...change }, changes)).toBe(verdict);
});
