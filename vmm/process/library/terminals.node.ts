/** Terminals on this computer for a page: `ssh` to a guest through its port forward, and nothing else. Needs the native module node-pty. */
import type { IPty } from 'node-pty';
import { VmmError } from '../../base/errors.ts';
import type { VmConfig } from '../../protocol/config.ts';
import { encodeSerial } from '../../protocol/frames.ts';
import type { Session } from '../../protocol/server.ts';
import { loadNodePty } from '../host-pty.node.ts';

type Client = Session<'library'>;

const SSH_PORT = 22;
/** So many at once for one client; binary messages number them in a byte. */
const MOST = 16;

interface Open {
  readonly pty: IPty;
  sent: number;
}

export interface SshTarget {
  readonly host: string;
  readonly port: number;
}

/** Where the guest's SSH server is reached from here. @throws VmmError `state` with what to do when it is not. */
export function sshTarget(config: VmConfig): SshTarget {
  for (const { forwards } of config.nics) {
    const forward = forwards.find(({ protocol, guestPort, hostPort }) => protocol === 'tcp' && guestPort === SSH_PORT && hostPort > 0);
    if (forward !== undefined) return { host: forward.hostAddress === '0.0.0.0' ? '127.0.0.1' : forward.hostAddress, port: forward.hostPort };
  }
  throw new VmmError('state', `no port of this computer leads to port ${SSH_PORT} of ${config.name}; add a forward to it under Network`);
}

/** The arguments of ssh: no escape to a local command, no host key to remember for a port that other guests will have, too. */
export function sshArguments({ host, port }: SshTarget, user: string): string[] {
  return [
    '-e',
    'none',
    '-o',
    'StrictHostKeyChecking=accept-new',
    '-o',
    'UserKnownHostsFile=/dev/null',
    '-o',
    'LogLevel=ERROR',
    '-p',
    String(port),
    '-l',
    user,
    '--',
    host,
  ];
}

export class Terminals {
  readonly #open = new WeakMap<Client, Map<number, Open>>();

  /** @throws VmmError `state`, `busy`, `unsupported` */
  async ssh(client: Client, config: VmConfig, user: string, columns: number, rows: number): Promise<{ terminal: number; command: string }> {
    const target = sshTarget(config);
    const { spawn } = await loadNodePty();
    const mine = this.#of(client);
    const terminal = Array.from({ length: MOST }, (_, number) => number).find((number) => !mine.has(number));
    if (terminal === undefined) throw new VmmError('busy', `${MOST} terminals are open; close one first`);
    const args = sshArguments(target, user);
    const pty = spawn('ssh', args, { name: 'xterm-256color', cols: columns, rows, encoding: null });
    const entry: Open = { pty, sent: 0 };
    mine.set(terminal, entry);
    pty.onData((data: string | Uint8Array) => {
      const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : new Uint8Array(data);
      client.sendBinary(encodeSerial({ port: terminal, position: entry.sent % 2 ** 32, data: bytes }));
      entry.sent += bytes.length;
    });
    pty.onExit(({ exitCode }) => {
      if (mine.get(terminal) === entry) mine.delete(terminal);
      client.emit('terminal.ended', { terminal, status: exitCode });
    });
    return { terminal, command: `ssh ${args.join(' ')}` };
  }

  write(client: Client, terminal: number, data: string): void {
    this.#find(client, terminal).pty.write(data);
  }

  resize(client: Client, terminal: number, columns: number, rows: number): void {
    this.#find(client, terminal).pty.resize(columns, rows);
  }

  close(client: Client, terminal: number): void {
    const entry = this.#of(client).get(terminal);
    this.#of(client).delete(terminal);
    entry?.pty.kill();
  }

  #of(client: Client): Map<number, Open> {
    const known = this.#open.get(client);
    if (known !== undefined) return known;
    const fresh = new Map<number, Open>();
    this.#open.set(client, fresh);
    client.onClose(() => {
      for (const { pty } of fresh.values()) pty.kill();
      fresh.clear();
    });
    return fresh;
  }

  #find(client: Client, terminal: number): Open {
    const entry = this.#of(client).get(terminal);
    if (entry === undefined) throw new VmmError('not-found', 'this terminal has ended');
    return entry;
  }
}
