/** The page's own address in the desktop application. A standard, secure scheme of ours: nothing is loaded from the network or from file:. */
export const SCHEME = 'strate';
export const PAGE_ORIGIN = `${SCHEME}://app`;
export const PAGE_URL = `${PAGE_ORIGIN}/index.html`;

/** True for the page itself and nothing else; a parse error is a stranger. */
export function isOwnPage(url: string): boolean {
  const parsed = URL.parse(url);
  return parsed !== null && parsed.protocol === `${SCHEME}:` && parsed.host === 'app';
}

/** The file of the page that a request names, relative to the page's folder; undefined where it names none. */
export function pageFile(url: string): string | undefined {
  const parsed = URL.parse(url);
  if (parsed === null || !isOwnPage(url)) return undefined;
  let path: string;
  try {
    path = decodeURIComponent(parsed.pathname);
  } catch {
    return undefined;
  }
  const parts = path.split('/').filter((part) => part !== '');
  const plain = parts.length > 0 && parts.every((part) => /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(part));
  return plain ? parts.join('/') : undefined;
}

/** Sent with every file of the page; the same rules as in index.html, and those that a meta element cannot give. */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "font-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');
