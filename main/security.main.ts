import type { IpcMainEvent, WebContents, WebPreferences } from 'electron';
import { isOwnPage } from './addresses.ts';
import type { Electron } from './electron.ts';

/** Every window's, spelled out even where Electron's default is the same: a test asserts each (electronjs.org, security checklist). */
export function webPreferences(preload: string): WebPreferences {
  return {
    preload,
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
    spellcheck: false,
  };
}

/** What the page needs of the browser's permissions: the clipboard to type it, the pointer and the whole screen for a guest. */
const ALLOWED_PERMISSIONS: ReadonlySet<string> = new Set([
  'clipboard-read',
  'clipboard-sanitized-write',
  'pointerLock',
  'keyboardLock',
  'fullscreen',
]);

/** No contents of any kind may leave the page, open windows, embed others, or ask for more than the list above. */
export function harden({ app, session }: Pick<Electron, 'app' | 'session'>): void {
  app.on('web-contents-created', (_event, contents) => {
    contents.on('will-navigate', (event) => {
      if (!isOwnPage(event.url)) event.preventDefault();
    });
    contents.on('will-redirect', (event) => {
      if (!isOwnPage(event.url)) event.preventDefault();
    });
    contents.on('will-attach-webview', (event) => event.preventDefault());
    contents.setWindowOpenHandler(() => ({ action: 'deny' }));
  });
  const { defaultSession } = session;
  defaultSession.setPermissionRequestHandler((contents: WebContents | null, permission, answer) => {
    answer(contents !== null && isOwnPage(contents.getURL()) && ALLOWED_PERMISSIONS.has(permission));
  });
  defaultSession.setPermissionCheckHandler((_contents, permission, origin) => isOwnPage(origin) && ALLOWED_PERMISSIONS.has(permission));
  defaultSession.setDevicePermissionHandler(() => false);
}

/** True when a message comes from the page in the main frame of a window; every IPC handler asks first. */
export function isFromPage(event: Pick<IpcMainEvent, 'senderFrame'>): boolean {
  const frame = event.senderFrame;
  return frame !== null && frame.parent === null && isOwnPage(frame.url);
}
