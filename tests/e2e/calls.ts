import type { Page } from 'playwright-core';

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
