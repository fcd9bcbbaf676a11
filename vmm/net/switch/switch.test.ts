import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../base/log.ts';
import { type CableUser, type NetBackend, PLAIN } from '../cable/cable.ts';
import { openInternal } from './internal.node.ts';
import { Switch } from './switch.ts';

const frame = (to: number, from: number, length = 60) => {
  const bytes = new Uint8Array(length);
  bytes.fill(to, 0, 6).fill(from, 6, 12);
  if (to === 0xff) bytes.fill(0xff, 0, 6);
  return bytes;
};

describe('the learning switch', () => {
  const world = (ports: number) => {
    let now = 0;
    const hub = new Switch(() => now);
    const got = Array.from({ length: ports }, () => [] as Uint8Array[]);
    const all = got.map((list) => ({ send: (one: Uint8Array) => list.push(one) > 0 }));
    for (const port of all) hub.add(port);
    return { hub, all, counts: () => got.map((list) => list.splice(0).length), wait: (ms: number) => (now += ms) };
  };
  test('floods what it does not know, then sends to one port; forgets after five minutes and when a port goes', () => {
    const { hub, all, counts, wait } = world(3);
    hub.receive(all[0]!, frame(4, 2));
    expect(counts()).toEqual([0, 1, 1]);
    hub.receive(all[1]!, frame(2, 4));
    expect(counts()).toEqual([1, 0, 0]);
    hub.receive(all[0]!, frame(0xff, 2));
    expect(counts()).toEqual([0, 1, 1]);
    hub.receive(all[0]!, frame(2, 6)); // both behind one port
    expect(counts()).toEqual([0, 0, 0]);
    wait(300_001);
    hub.receive(all[0]!, frame(4, 2));
    expect(counts()).toEqual([0, 1, 1]);
    hub.receive(all[1]!, frame(2, 4));
    counts();
    hub.remove(all[1]!);
    hub.receive(all[0]!, frame(4, 2));
    expect(counts()).toEqual([0, 0, 1]);
  });
  test('made-up addresses fill the table, not the memory', () => {
    const { hub, all } = world(2);
    for (let index = 0; index < 5000; index++) {
      const one = frame(0xff, 2);
      one[10] = index >> 8;
      one[11] = index;
      hub.receive(all[0]!, one);
    }
    expect(hub.addressCount).toBe(1024);
  });
});

class End implements NetBackend {
  user!: CableUser;
  readonly got: Uint8Array[] = [];
  readonly link = true;
  readonly peerAccepts = PLAIN;
  attach(user: CableUser): void {
    this.user = user;
  }
  send(bytes: Uint8Array): boolean {
    this.got.push(bytes.slice());
    return true;
  }
  ready(): void {
    // takes all
  }
  setLink(): void {
    // always in
  }
}

test('an internal network by sockets: three members, private to the user; when the switch goes another takes its place', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'strate-switch-'));
  const ends = [new End(), new End(), new End()];
  const networks = [];
  for (const end of ends) networks.push(await openInternal('lab', end, { directory, log: silentLog }, directory));
  expect(statSync(join(directory, 'net-lab.sock')).mode & 0o777).toBe(0o600);
  const until = async (what: () => boolean, again?: () => void) => {
    for (let tries = 0; tries < 300 && !what(); tries++) {
      again?.();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(what()).toBe(true);
  };
  // A port is known to the switch only when the connection has arrived there.
  await until(
    () => ends[1]!.got.length > 0 && ends[2]!.got.length > 0,
    () => ends[0]!.user.frame(frame(0xff, 2)),
  );
  ends[1]!.user.frame(frame(2, 4));
  await until(() => ends[0]!.got.length === 1);
  const before = ends[2]!.got.length;
  await networks[0]!.close();
  await until(
    () => ends[2]!.got.length > before,
    () => ends[1]!.user.frame(frame(0xff, 4)),
  );
  for (const network of networks) await network.close();
  rmSync(directory, { recursive: true });
});
