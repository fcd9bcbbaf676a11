/** What tests do to a page over real machines. */
import { basename } from 'node:path';
import type { Page } from 'playwright-core';

const BOOT_TIMEOUT = 120_000;

/** Drops bytes on the window as a file of that name. */
export async function drop(page: Page, name: string, bytes: Uint8Array): Promise<void> {
  await page.evaluate(
    ({ fileName, base64 }) => {
      const data = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([data], fileName));
      for (const type of ['dragenter', 'dragover', 'drop']) {
        document.body.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer }));
      }
    },
    { fileName: name, base64: Buffer.from(bytes).toString('base64') },
  );
}

/** Drops a file on the window of the application, which is told where it lies. */
export async function dropPath(page: Page, path: string): Promise<void> {
  await page.evaluate(
    ({ file, name }) => {
      Object.assign(window, { __stratePaths: { [name]: file } });
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File(['the path counts'], name));
      for (const type of ['dragenter', 'dragover', 'drop']) {
        document.body.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer }));
      }
    },
    { file: path, name: basename(path) },
  );
}

export async function eventually<T>(read: () => T | undefined, seconds = 15): Promise<T> {
  for (let tries = 0; tries < seconds * 20; tries++) {
    const value = read();
    if (value !== undefined) return value;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`it did not happen within ${seconds} s`);
}

/** Waits until the text of the guest's screen, as the page shows it to a screen reader, has a line that matches. */
export async function waitForScreen(page: Page, pattern: RegExp, timeout = BOOT_TIMEOUT): Promise<void> {
  await page.waitForFunction(
    ([source, flags]) =>
      new RegExp(source!, flags).test([...document.querySelectorAll('.text-layer > div')].map((line) => line.textContent).join('\n')),
    [pattern.source, `${pattern.flags.replace('m', '')}m`],
    { timeout, polling: 250 },
  );
}

/** A call to a server of the page's own, from the page. @throws with the server's message */
export async function call<T>(page: Page, method: string, params: object, path = '/api/library'): Promise<T> {
  return page.evaluate(
    (request) =>
      new Promise<never>((resolve, reject) => {
        const socket = new WebSocket(`ws://${location.host}${request.path}`);
        socket.onopen = () => socket.send(JSON.stringify({ id: 1, method: request.method, params: request.params }));
        socket.onmessage = ({ data }) => {
          const message = JSON.parse(String(data)) as { id?: number; result?: never; error?: { message: string } };
          if (message.id !== 1) return;
          socket.close();
          if (message.error) reject(new Error(message.error.message));
          else resolve(message.result!);
        };
      }),
    { method, params, path },
  );
}

export async function makeVm(page: Page, config: object): Promise<string> {
  const { vm } = await call<{ vm: { id: string } }>(page, 'vm.create', { config });
  return vm.id;
}
