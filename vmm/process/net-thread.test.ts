/** @jest-environment node */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RingEnd } from '../net/ring/end.ts';
import { parseConfig, type VmConfigInput } from '../protocol/config.ts';
import { NetThread } from './net-client.node.ts';

const id = '4f6c1e52-3f5b-4d5c-9d0c-0b8f6c1f2d3e';
const directory = mkdtempSync(join(tmpdir(), 'strate-net-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** A machine's side of its network: what the machine thread would do. */
class MachineSide {
  readonly received: string[] = [];
  readonly doorbell = new SharedArrayBuffer(4);
  thread!: NetThread;
  cable!: RingEnd;
  link: boolean[] = [];

  static async open(nics: VmConfigInput['nics']): Promise<MachineSide> {
    const side = new MachineSide();
    const config = parseConfig({ id, name: 'x', nics });
    side.thread = await NetThread.open(config, directory, side.doorbell, { log: () => undefined, failed: () => undefined });
    const { bell: bellMemory, cables } = side.thread.forMachine();
    const bell = new Int32Array(bellMemory);
    side.cable = new RingEnd(cables[0]![1], 'nic', () => {
      Atomics.add(bell, 0, 1);
      Atomics.notify(bell, 0);
    });
    side.cable.attach({
      frame(bytes) {
        side.received.push(new TextDecoder().decode(bytes.slice(14)));
        return true;
      },
      link: (up) => side.link.push(up),
    });
    return side;
  }

  send(text: string): boolean {
    const frame = new Uint8Array(14 + text.length);
    frame.set(new TextEncoder().encode(text), 14);
    return this.cable.send(frame);
  }

  /** Looks at the cable until something holds. */
  async until(holds: () => boolean): Promise<void> {
    for (let turns = 0; turns < 1000 && !holds(); turns++) {
      this.cable.drain();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(holds()).toBe(true);
  }
}

const socket = (mode: 'listen' | 'connect' | 'mcast' | 'udp', address: string, localAddress?: string) => [
  { backend: { type: 'socket' as const, mode, address, ...(localAddress !== undefined && { localAddress }) } },
];

test('two machines on a Unix socket: link while both are there, frames both ways in order', async () => {
  const a = await MachineSide.open(socket('listen', 'unix:wire'));
  expect(a.cable.link).toBe(false);
  const b = await MachineSide.open(socket('connect', 'unix:wire'));
  await a.until(() => a.cable.link);
  await b.until(() => b.cable.link);
  for (let index = 0; index < 100; index++) expect(a.send(`to b ${index}`)).toBe(true);
  b.send('to a');
  await a.until(() => a.received.length === 1);
  await b.until(() => b.received.length === 100);
  expect([a.received, b.received]).toEqual([['to a'], Array.from({ length: 100 }, (_, index) => `to b ${index}`)]);
  await b.thread.ask({ method: 'setLink', params: { nic: 'net0', up: false } });
  await b.until(() => b.link.includes(false));
  await b.thread.close();
  await a.until(() => !a.cable.link); // nobody is at the other end any more
  await a.thread.close();
});

test('a peer that does not read stops the sender, and loses nothing', async () => {
  const a = await MachineSide.open(socket('listen', 'unix:slow'));
  const b = await MachineSide.open(socket('connect', 'unix:slow'));
  await a.until(() => a.cable.link);
  const text = 'x'.repeat(8000);
  let sent = 0;
  for (let quiet = 0; quiet < 40;) {
    a.cable.drain();
    if (a.send(`${sent} ${text}`)) [sent, quiet] = [sent + 1, 0];
    else {
      quiet++;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    if (sent > 5000) break;
  }
  expect(sent).toBeGreaterThan(30);
  expect(sent).toBeLessThan(5000); // it was stopped
  await b.until(() => b.received.length === sent);
  expect(b.received.map((one) => Number.parseInt(one, 10))).toEqual(Array.from({ length: sent }, (_, index) => index));
  await Promise.all([a.thread.close(), b.thread.close()]);
});

test('datagrams', async () => {
  const a = await MachineSide.open(socket('udp', '127.0.0.1:47311', '127.0.0.1:47312'));
  const b = await MachineSide.open(socket('udp', '127.0.0.1:47312', '127.0.0.1:47311'));
  a.send('one');
  b.send('two');
  await a.until(() => a.received.length > 0);
  await b.until(() => b.received.length > 0);
  expect([a.received, b.received]).toEqual([['two'], ['one']]);
  await Promise.all([a.thread.close(), b.thread.close()]);
});

test('what cannot be opened is one clear error', async () => {
  const taken = await MachineSide.open(socket('listen', 'unix:taken'));
  await expect(MachineSide.open(socket('listen', 'unix:taken'))).rejects.toThrow(/cannot listen on .*taken/);
  await taken.thread.close();
  await expect(MachineSide.open(socket('udp', '127.0.0.1:1'))).rejects.toThrow('needs localaddr=HOST:PORT');
  await expect(MachineSide.open(socket('listen', 'nonsense'))).rejects.toThrow('needs HOST:PORT or unix:PATH');
});
