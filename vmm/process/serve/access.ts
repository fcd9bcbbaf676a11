/**
 * Who may speak to the server on loopback. Every program and every web page of this computer can reach the port, so: the request must be for our
 * own address (no DNS rebinding), carry the session cookie that opening the printed URL gave, and, where it changes anything, come from our
 * own page.
 */
export interface Access {
  readonly port: number;
  /** In the printed URL. */
  readonly token: string;
  /** In the cookie. */
  readonly session: string;
  /** Compares without telling by its time where they differ. */
  equal(a: string, b: string): boolean;
}

export interface RequestHead {
  readonly method: string;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  readonly cookie: string | undefined;
  /** Sec-Fetch-Site, which browsers set and pages cannot. */
  readonly site: string | undefined;
}

export type Verdict = 'ok' | 'wrong-host' | 'wrong-origin' | 'no-session';

const LOOPBACK_NAMES = ['127.0.0.1', 'localhost', '[::1]'];

export function cookieName(port: number): string {
  return `strate-${port}`; // cookies do not tell ports apart
}

export function hasOwnHost(access: Access, host: string | undefined): boolean {
  return LOOPBACK_NAMES.some((name) => host === `${name}:${access.port}`);
}

/** `changes`: a WebSocket or an upload; an Origin is demanded then. */
export function judge(access: Access, request: RequestHead, changes: boolean): Verdict {
  if (!hasOwnHost(access, request.host)) return 'wrong-host';
  const { origin } = request;
  if (origin !== undefined || changes) {
    if (origin !== `http://${request.host!}`) return 'wrong-origin';
  }
  if (request.site !== undefined && !['same-origin', 'none'].includes(request.site)) return 'wrong-origin';
  const session = cookiesOf(request.cookie).get(cookieName(access.port));
  return session !== undefined && access.equal(session, access.session) ? 'ok' : 'no-session';
}

function cookiesOf(header: string | undefined): Map<string, string> {
  const cookies = new Map<string, string>();
  for (const pair of (header ?? '').split(';')) {
    const equals = pair.indexOf('=');
    if (equals > 0) cookies.set(pair.slice(0, equals).trim(), pair.slice(equals + 1).trim());
  }
  return cookies;
}

/** Sent with every answer. */
export const securityHeaders: Readonly<Record<string, string>> = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self' 'unsafe-inline'", // xterm.js makes style elements
    "font-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};
