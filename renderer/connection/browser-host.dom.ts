import { connect } from '../../vmm/protocol/client.ts';
import { webSocketTransport } from '../../vmm/protocol/web-socket.dom.ts';
import type { Host, Offer, Source } from './host.ts';

/** `strate serve`: WebSockets and one upload address, all on the page's own origin. */
export function browserHost(location: Location): Host {
  const socketAt = (path: string) => {
    const url = new URL(path, location.href);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    return webSocketTransport(new WebSocket(url));
  };
  return {
    kind: 'browser',
    filesStayInPlace: false,
    openLibrary: () => connect(socketAt('/api/library'), 'library'),
    openMachine: (id) => connect(socketAt(`/api/machine/${encodeURIComponent(id)}`), 'machine'),
    offer: upload,
    openWindow: (search) => void window.open(search, '_blank', 'popup,width=900,height=680'),
  };
}

/** XMLHttpRequest, because `fetch` does not tell how far an upload has come. */
function upload(file: File, { signal, progress }: Offer): Promise<Source> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', `/api/upload?name=${encodeURIComponent(file.name)}`);
    request.responseType = 'json';
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) progress(event.loaded / event.total);
    };
    request.onload = () => {
      const answer: unknown = request.response;
      if (request.status === 200 && hasString(answer, 'upload')) resolve({ upload: answer.upload });
      else reject(new Error(uploadError(answer) ?? `${file.name} could not be sent: the server answered ${request.status}`));
    };
    request.onerror = () => reject(new Error(`${file.name} could not be sent: the connection was lost. Drop it again when the server is reachable`));
    request.onabort = () => reject(new DOMException('cancelled', 'AbortError'));
    signal.addEventListener('abort', () => request.abort(), { once: true });
    request.send(file);
  });
}

function hasString<K extends string>(value: unknown, key: K): value is Record<K, string> {
  return typeof value === 'object' && value !== null && typeof (value as Record<string, unknown>)[key] === 'string';
}

function uploadError(answer: unknown): string | undefined {
  if (typeof answer !== 'object' || answer === null) return undefined;
  const error = (answer as { error?: unknown }).error;
  return hasString(error, 'message') ? error.message : undefined;
}
