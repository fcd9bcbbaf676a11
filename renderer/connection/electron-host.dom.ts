import type { PortMessage, PortTarget, StrateBridge } from '../../main/bridge.ts';
import { connect } from '../../vmm/protocol/client.ts';
import { messagePortTransport } from '../../vmm/protocol/message-port.ts';
import type { Host } from './host.ts';

declare global {
  interface Window {
    readonly strate?: StrateBridge;
  }
}

/** The desktop application: message ports that main brokers, and files by their path. */
export function electronHost(window: Window, bridge: StrateBridge): Host {
  let nextTicket = 1;
  const waiting = new Map<number, (message: PortMessage, port: MessagePort | undefined) => void>();
  window.addEventListener('message', (event: MessageEvent<unknown>) => {
    if (event.source !== window || !isPortMessage(event.data)) return; // only the preload script of this very window
    const answer = waiting.get(event.data.ticket);
    waiting.delete(event.data.ticket);
    answer?.(event.data, event.ports[0]);
  });

  const openPort = (target: PortTarget) =>
    new Promise<MessagePort>((resolve, reject) => {
      const ticket = nextTicket++;
      waiting.set(ticket, (message, port) => {
        if (port) resolve(port);
        else reject(new Error(message.problem ?? 'the machine is not reachable'));
      });
      bridge.requestPort(ticket, target);
    });

  return {
    kind: 'electron',
    filesStayInPlace: true,
    desktop: bridge,
    openLibrary: async () => connect(messagePortTransport(await openPort({ connect: 'library' })), 'library'),
    openMachine: async (id) => connect(messagePortTransport(await openPort({ connect: 'machine', vm: id })), 'machine'),
    offer(file) {
      const path = bridge.pathForFile(file);
      return path === '' ? Promise.reject(new Error(`${file.name} is not a file on this computer`)) : Promise.resolve({ path });
    },
    openWindow: (search) => bridge.openWindow(search),
    revealFolder: (vm) => bridge.revealFolder(vm),
  };
}

function isPortMessage(value: unknown): value is PortMessage {
  return typeof value === 'object' && value !== null && (value as Partial<PortMessage>).strate === 'port';
}
