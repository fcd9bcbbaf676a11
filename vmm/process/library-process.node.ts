/** The library as Electron's utility process. Main brokers the ports: it posts what a port is for, and the port. */
import { messageOf, VmmError } from '../base/errors.ts';
import { messagePortTransport } from '../protocol/message-port.ts';
import { serveLibrary } from './library/library-handlers.node.ts';
import { dialMachine } from './library/machine-link.node.ts';
import { autostart, openLibrary } from './library/open-library.node.ts';
import { runStateOf } from './run-record.node.ts';
import { relay } from './serve/relay.ts';

type Port = Parameters<typeof messagePortTransport>[0];
type Order = { readonly connect: 'library' } | { readonly connect: 'machine'; readonly vm: string };

/** Electron's addition to `process` in a utility process. */
interface ParentPort {
  on(event: 'message', listener: (event: { data: Order; ports: Port[] }) => void): void;
}

const { parentPort } = process as unknown as { parentPort?: ParentPort };
if (parentPort === undefined) throw new VmmError('usage', 'library-process.node.ts is started by the desktop application');

const services = openLibrary({
  onLog: ({ level, component, message }) => {
    if (level === 'error' || level === 'warn') process.stderr.write(`${component}: ${message}\n`);
  },
});
void services.then(autostart);

parentPort.on('message', ({ data, ports: [port] }) => {
  if (port !== undefined) void connect(data, port);
});

async function connect(order: Order, port: Port): Promise<void> {
  const transport = messagePortTransport(port);
  try {
    const opened = await services;
    if (order.connect === 'library') {
      serveLibrary(transport, opened);
      return;
    }
    const entry = opened.library.find(order.vm);
    const run = runStateOf(entry.directory);
    if (run.state !== 'running') throw new VmmError('state', `${entry.name} is not running`);
    relay(transport, await dialMachine(run.run.socket));
  } catch (error) {
    transport.close(messageOf(error));
  }
}
