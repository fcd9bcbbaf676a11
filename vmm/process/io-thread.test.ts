import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync, truncateSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DiskBackend, DiskRequest, DiskStatus } from '../base/disk-backend.ts';
import { DiskClient } from '../storage/ring/client.ts';
import { createImage } from '../storage/tools/formats.node.ts';
import { IoThread } from './io-client.node.ts';

let directory: string;
let io: IoThread;
let client: DiskClient;
let doorbell: Int32Array;
const stalls: string[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'strate-io-'));
  const memory = new SharedArrayBuffer(4);
  doorbell = new Int32Array(memory);
  stalls.length = 0;
  io = new IoThread(memory, { stall: (stall) => stalls.push(`${stall.op} ${stall.code}`) });
  const { ring, port } = io.machine;
  client = new DiskClient({ memory: ring, post: (message) => port.postMessage(message), doorbell, hostTime: () => performance.now() });
});
afterEach(async () => {
  io.machine.port.close();
  await io.shutdown();
  rmSync(directory, { recursive: true });
});

function image(name: string, sectors: number, fill = (at: number) => (at >> 9) + at): string {
  const path = join(directory, name);
  writeFileSync(
    path,
    Uint8Array.from({ length: sectors * 512 }, (_, at) => fill(at)),
  );
  return path;
}
const shared = (length: number) => new Uint8Array(new SharedArrayBuffer(length));

/** Submits and sleeps as the machine loop does, on the doorbell. */
function perform(backend: DiskBackend, request: DiskRequest): DiskStatus {
  const result: DiskStatus[] = [];
  backend.submit(request, (status) => result.push(status));
  const isDone = () => result.length > 0;
  for (let turns = 0; !isDone() && turns < 1000; turns++) {
    const bell = Atomics.load(doorbell, 0);
    client.drain();
    if (!isDone()) Atomics.wait(doorbell, 0, bell, 10);
  }
  return result[0]!;
}

test('reads and writes go straight between the file and shared memory', async () => {
  const file = image('disk.img', 128);
  const handle = await io.open({ file, format: 'raw', role: 'disk', readOnly: false });
  expect([handle.size, handle.readOnly]).toEqual([128 * 512, false]);
  const backend = client.backend(handle);
  const ram = shared(1 << 16);
  expect(perform(backend, { op: 'read', offset: 512 * 3, length: 2048, segments: [ram.subarray(4096, 5120), ram.subarray(100, 1124)] })).toBe('ok');
  const wanted = readFileSync(file).subarray(512 * 3, 512 * 3 + 2048);
  expect(Buffer.compare(ram.subarray(4096, 5120), wanted.subarray(0, 1024))).toBe(0);
  expect(Buffer.compare(ram.subarray(100, 1124), wanted.subarray(1024))).toBe(0);
  ram.fill(0xab, 0, 512);
  expect(perform(backend, { op: 'write', offset: 512 * 100, length: 512, segments: [ram.subarray(0, 512)] })).toBe('ok');
  expect(perform(backend, { op: 'flush', offset: 0, length: 0, segments: [] })).toBe('ok');
  expect(readFileSync(file)[512 * 100]).toBe(0xab);
  expect(perform(backend, { op: 'read', offset: 128 * 512, length: 512, segments: [ram.subarray(0, 512)] })).toBe('refused');
});

test('a thousand requests of many pieces, in flight at once, all come back right', async () => {
  const sectors = 4096;
  const handle = await io.open({ file: image('big.img', sectors, (at) => at >> 9), format: 'raw', role: 'disk', readOnly: true });
  const backend = client.backend(handle);
  const pieces = 100; // more than a slot names
  let [done, wrong] = [0, 0];
  for (let i = 0; i < 1000; i++) {
    const memory = shared(pieces * 512);
    const first = (i * 37) % (sectors - pieces);
    const segments = Array.from({ length: pieces }, (_, n) => memory.subarray(n * 512, n * 512 + 512));
    backend.submit({ op: 'read', offset: first * 512, length: pieces * 512, segments }, (status) => {
      done++;
      if (status !== 'ok' || segments.some((segment, n) => segment[0] !== ((first + n) & 0xff) || segment[511] !== ((first + n) & 0xff))) wrong++;
    });
  }
  expect(backend.settle()).toBe(true);
  expect([done, wrong, client.inFlight]).toEqual([1000, 0, 0]);
});

test.each(['qcow2', 'vdi', 'vhd', 'vhdx', 'vmdk'] as const)('a %s image is written and read again after it was closed', async (format) => {
  const file = join(directory, `disk.${format}`);
  await createImage(file, format, 64 << 20);
  const memory = shared(8192).fill(0x5a);
  let handle = await io.open({ file, format, role: 'disk', readOnly: false });
  expect(perform(client.backend(handle), { op: 'write', offset: 33 << 20, length: 8192, segments: [memory] })).toBe('ok');
  await io.close(handle.drive);
  handle = await io.open({ file, format, role: 'disk', readOnly: false });
  const back = shared(16384);
  expect(perform(client.backend(handle), { op: 'read', offset: (33 << 20) - 4096, length: 16384, segments: [back] })).toBe('ok');
  expect([back[4095], back[4096], back[12287], back[12288]]).toEqual([0, 0x5a, 0x5a, 0]);
});

test('a parent in another folder is read only where that folder was named', async () => {
  const base = image('base.img', 300, (at) => (at >> 9) & 0xff);
  mkdirSync(join(directory, 'vm'));
  const file = join(directory, 'vm', 'top.qcow2');
  await createImage(file, 'qcow2', 300 * 512, {}, { path: base, format: 'raw' });
  const spec = { file, format: 'qcow2', role: 'disk', readOnly: false } as const;
  await expect(io.open(spec)).rejects.toThrow(/lies outside its folder; put both into one folder, or name that folder/);
  const backend = client.backend(await io.open({ ...spec, parentFolders: [directory] }));
  const back = shared(512);
  expect(perform(backend, { op: 'read', offset: 512 * 77, length: 512, segments: [back] })).toBe('ok');
  expect(back[0]).toBe(77);
});

test('faults hold a request until it is tried again; a trace tells of it', async () => {
  const trace = join(directory, 'trace');
  const handle = await io.open({
    file: image('faulty.img', 16),
    format: 'raw',
    role: 'disk',
    readOnly: false,
    filters: { faults: ['write:ENOSPC'], throttle: { readOperations: 1000 }, cache: 1 << 20 },
    trace,
  });
  const answers: DiskStatus[] = [];
  client.backend(handle).submit({ op: 'write', offset: 512, length: 512, segments: [shared(512).fill(9)] }, (answer) => answers.push(answer));
  const until = async (done: () => boolean) => {
    while (!done()) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      client.drain();
    }
  };
  await until(() => stalls.length > 0);
  expect([stalls, answers]).toEqual([['write ENOSPC'], []]);
  await io.retry();
  await until(() => answers.length > 0);
  expect(answers).toEqual(['ok']);
  await until(() => readFileSync(trace, 'utf8').split('\n').length > 2);
  expect(readFileSync(trace, 'utf8')).toMatch(/ write 512 512 [\d.]+ cannot write .*the host disk is full.*\n.* write 512 512 [\d.]+\n$/);
});

test('discarded writes are seen by the guest and never by the file', async () => {
  const file = image('kept.img', 300);
  const before = readFileSync(file);
  const handle = await io.open({ file, format: 'raw', role: 'disk', readOnly: false, discardWrites: true });
  const backend = client.backend(handle);
  const memory = shared(1024);
  memory.fill(0x11);
  expect(perform(backend, { op: 'write', offset: 512 * 127, length: 1024, segments: [memory] })).toBe('ok');
  const back = shared(2048);
  expect(perform(backend, { op: 'read', offset: 512 * 126, length: 2048, segments: [back] })).toBe('ok');
  expect([back[0], back[512], back[1535], back[1536]]).toEqual([before[512 * 126], 0x11, 0x11, before[512 * 129]]);
  expect(Buffer.compare(readFileSync(file), before)).toBe(0);
});

test('what the host cannot do waits, and is given up on request', async () => {
  const file = image('failing.img', 16);
  const handle = await io.open({ file: '/dev/full', format: 'raw', role: 'disk', readOnly: false }).catch((error: unknown) => error);
  expect(String(handle)).toMatch('/dev/full is not a regular file');
  const opened = await io.open({ file, format: 'raw', role: 'disk', readOnly: false });
  expect(perform(client.backend(opened), { op: 'flush', offset: 0, length: 0, segments: [] })).toBe('ok');
  await io.close(opened.drive);
  expect(perform(client.backend(opened), { op: 'flush', offset: 0, length: 0, segments: [] })).toBe('failed');
});

test('what cannot be opened says why in one line', async () => {
  const open = async (file: string, role: 'disk' | 'cdrom' | 'floppy' = 'disk', format: 'raw' | 'iso' = 'raw') =>
    io.open({ file, format, role, readOnly: true }).then(
      () => 'opened',
      (error: unknown) => (error as Error).message,
    );
  expect(await open(join(directory, 'none.img'))).toMatch(/none\.img does not exist$/);
  expect(await open(directory)).toMatch(/is a folder, not a disk image$/);
  expect(await open(image('empty.img', 0))).toMatch(/empty\.img is empty/);
  expect(await open(image('large.flp', 8000), 'floppy')).toMatch(/more than the largest diskette/);
  const iso = image('cut.iso', 400, () => 0);
  const bytes = readFileSync(iso);
  bytes.set([1, ...Buffer.from('CD001')], 32768);
  bytes.writeUInt32LE(100_000, 32768 + 80);
  bytes.writeUInt16LE(2048, 32768 + 128);
  writeFileSync(iso, bytes);
  expect(await open(iso, 'cdrom', 'iso')).toMatch(/cut\.iso is cut short: the volume is 204800000 bytes long, the file only 204800/);
});

test('a diskette image that was cut is as large as its format and grows only where it is written', async () => {
  const file = image('cut.flp', 2880);
  truncateSync(file, 700 * 512);
  const handle = await io.open({ file, format: 'raw', role: 'floppy', readOnly: false });
  expect(handle.size).toBe(360 * 1024);
  const backend = client.backend(handle);
  const memory = shared(512).fill(9);
  expect(perform(backend, { op: 'read', offset: 719 * 512, length: 512, segments: [memory] })).toBe('ok');
  expect(memory.every((byte) => byte === 0)).toBe(true);
  expect(statSync(file).size).toBe(700 * 512);
});
