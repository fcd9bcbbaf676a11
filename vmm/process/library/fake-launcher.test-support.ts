/** Starts fake machines inside the test's own process, each with a real run record and a real control socket. */
import { createLog } from '../../base/log.ts';
import { VmmError } from '../../base/errors.ts';
import { serve } from '../../protocol/server.ts';
import { type ControlSocket, controlPath, listenOnSocket } from '../control-socket.node.ts';
import type { Drives } from '../drives.ts';
import { FakeMachine } from '../fake-machine.test-support.ts';
import { hostTime, machineHost } from '../host.node.ts';
import { forwardEvents, machineHandlers } from '../machine-handlers.ts';
import { noNetworks } from '../network-handlers.ts';
import { endRun, takeRun } from '../run-record.node.ts';
import { Session } from '../session.ts';
import { CONFIG_FILE, readConfig } from '../vm-folder.node.ts';
import { join } from 'node:path';
import type { Launcher } from './launcher.node.ts';

export interface FakeRun {
  readonly machine: FakeMachine;
  readonly session: Session;
  readonly socket: ControlSocket;
  readonly inserted: string[];
}

export class FakeLauncher implements Launcher {
  readonly runs = new Map<string, FakeRun>();
  /** The next launch fails with it. */
  problem: string | undefined;

  async launch(directory: string, { paused }: { paused: boolean }): Promise<void> {
    if (this.problem !== undefined) throw new VmmError('not-found', this.problem);
    const config = readConfig(join(directory, CONFIG_FILE));
    const path = controlPath(directory);
    takeRun(directory, path);
    const machine = new FakeMachine();
    const log = createLog('test', () => undefined);
    const session = new Session({ config, thread: machine, time: hostTime, log, onLog: () => undefined });
    const inserted: string[] = [];
    const drives: Drives = {
      list: () => [],
      insert: (drive, file) => {
        inserted.push(`${drive} ${file}`);
        return Promise.resolve({ id: drive, bus: 'ide', media: 'cdrom', removable: true, file, readOnly: true });
      },
      eject: () => Promise.reject(new Error('not here')),
      throttle: () => Promise.resolve(),
      onChange: () => () => undefined,
    };
    const handlers = machineHandlers(
      session,
      drives,
      noNetworks,
      machineHost(() => []),
    );
    const socket = await listenOnSocket(path, (transport) => {
      const client = serve(transport, { role: 'machine', version: '0', handlers, stateOf: () => session.state, log });
      forwardEvents(session, drives, client);
    });
    session.on('ended', (end) => {
      endRun(directory, end);
      socket.close();
      this.runs.delete(directory);
    });
    session.start();
    await session.settled();
    if (paused) await session.pause();
    this.runs.set(directory, { machine, session, socket, inserted });
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.runs.values()].map(({ session }) => session.powerOff()));
  }
}
