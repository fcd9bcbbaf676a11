import type { DiskStatus } from '../../base/disk-backend.ts';
import { VmmError } from '../../base/errors.ts';
import { MemoryNode } from '../memory-node.ts';
import { DiskClient } from './client.ts';
import { createRingMemory } from './layout.ts';
import { DiskServer, type Stall } from './server.ts';

/** Both ends in one thread; messages arrive at once. */
function pair() {
  const memory = createRingMemory();
  const doorbell = new Int32Array(new SharedArrayBuffer(4));
  const stalls: Stall[] = [];
  const server = new DiskServer({
    memory,
    ring: () => void Atomics.add(doorbell, 0, 1),
    onStall: (stall) => stalls.push(stall),
    breathe: () => new Promise((resolve) => setImmediate(resolve)),
  });
  const client = new DiskClient({ memory, post: (message) => server.message(message), doorbell, hostTime: () => 0 });
  return { server, client, stalls };
}
const turn = () => new Promise((resolve) => setTimeout(resolve, 5));
const shared = (length: number) => new Uint8Array(new SharedArrayBuffer(length));

class FailingNode extends MemoryNode {
  broken = true;
  override write(offset: number, from: Uint8Array): Promise<void> {
    if (this.broken) return Promise.reject(new VmmError('host', 'cannot write x: the host disk is full', { code: 'ENOSPC' }));
    return super.write(offset, from);
  }
}

test('a full host disk holds the request; it goes on when there is space', async () => {
  const { server, client, stalls } = pair();
  const node = new FailingNode(new Uint8Array(4096));
  const backend = client.backend({ drive: server.attach(node), size: 4096, readOnly: false });
  const results: DiskStatus[] = [];
  backend.submit({ op: 'write', offset: 0, length: 512, segments: [shared(512).fill(1)] }, (status) => results.push(status));
  await turn();
  client.drain();
  expect(results).toEqual([]);
  expect(stalls).toEqual([{ drive: 1, op: 'write', message: 'cannot write x: the host disk is full', code: 'ENOSPC' }]);
  expect(backend.settle()).toBe(false);
  server.resume();
  await turn();
  expect(stalls.length).toBe(2);
  node.broken = false;
  server.resume();
  await turn();
  client.drain();
  expect(results).toEqual(['ok']);
  expect(node.bytes[511]).toBe(1);
});

test('with the policy "report" the guest is told', async () => {
  const { server, client, stalls } = pair();
  const backend = client.backend({ drive: server.attach(new FailingNode(new Uint8Array(4096)), 'report'), size: 4096, readOnly: false });
  const results: DiskStatus[] = [];
  backend.submit({ op: 'write', offset: 0, length: 512, segments: [shared(512)] }, (status) => results.push(status));
  await turn();
  client.drain();
  expect([results, stalls.length]).toEqual([['failed'], 0]);
});

test('taking a drive out fails what is held and waits for what is under way', async () => {
  const { server, client } = pair();
  const drive = server.attach(new FailingNode(new Uint8Array(4096)));
  const backend = client.backend({ drive, size: 4096, readOnly: false });
  const results: DiskStatus[] = [];
  backend.submit({ op: 'write', offset: 0, length: 512, segments: [shared(512)] }, (status) => results.push(status));
  await turn();
  await server.detach(drive);
  client.drain();
  expect([results, server.drives]).toEqual([['failed'], []]);
});

test('out of range and read-only are refused before they leave the machine thread', () => {
  const { server, client } = pair();
  const backend = client.backend({ drive: server.attach(new MemoryNode(new Uint8Array(1024))), size: 1024, readOnly: true });
  const results: DiskStatus[] = [];
  backend.submit({ op: 'read', offset: 1024, length: 512, segments: [shared(512)] }, (status) => results.push(status));
  backend.submit({ op: 'discard', offset: 0, length: 512, segments: [] }, (status) => results.push(status));
  expect(results).toEqual(['refused', 'refused']);
});

test('a completion submits the next request, over and over', async () => {
  const { server, client } = pair();
  const node = new MemoryNode(Uint8Array.from({ length: 512 * 600 }, (_, at) => at >> 9));
  const backend = client.backend({ drive: server.attach(node), size: node.size, readOnly: false });
  const memory = shared(512);
  let sector = 0;
  const next = () => {
    backend.submit({ op: 'read', offset: sector * 512, length: 512, segments: [memory] }, (status) => {
      expect([status, memory[0]]).toEqual(['ok', sector & 0xff]);
      if (++sector < 600) next();
    });
  };
  next();
  for (let turns = 0; sector < 600 && turns < 2000; turns++) {
    await new Promise((resolve) => setImmediate(resolve));
    client.drain();
  }
  expect(sector).toBe(600);
});
