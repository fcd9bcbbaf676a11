import { GuestMemory, PAGE_READ, PAGE_WRITE, PAGE_SIZE, PhysicalMap } from '../../memory/physical-map.ts';
import { writeUuid } from './smbios-in-memory.ts';
import { smbiosFiles, uuidBytes } from './smbios.ts';

const BEFORE = '00112233-4455-6677-8899-aabbccddeeff';
const AFTER = '6f1d0a52-6a5e-4c7b-9f5e-0d0c5f3f8a11';

test('the UUID is another one where firmware has put the tables; nothing else changes, and whoever watches is told', () => {
  const memory = new GuestMemory(2 << 20);
  const map = new PhysicalMap(memory);
  map.fill(0, memory.ram.length / PAGE_SIZE, 0, PAGE_READ | PAGE_WRITE);
  const { tables, anchor } = smbiosFiles({ uuid: BEFORE, cpus: 2, cpuName: 'x', lowRam: 2 << 20, highRam: 0, version: '1' });
  const [entry, at] = [0xf_5a80, 0x1f_e123];
  memory.ram.bytes.set(anchor, entry);
  new DataView(memory.bytes.buffer).setUint32(entry + 0x18, at, true);
  memory.ram.bytes.set(tables, at);
  const expected = memory.ram.bytes.slice();
  const place = Buffer.from(expected).indexOf(Buffer.from(uuidBytes(BEFORE)));
  expect(place).toBeGreaterThan(at);
  expected.set(uuidBytes(AFTER), place);

  const written: number[] = [];
  map.onWrite((offset) => written.push(offset));
  writeUuid(map, AFTER);
  expect(Buffer.compare(memory.ram.bytes, expected)).toBe(0);
  expect(written).toEqual(Array.from({ length: 16 }, (_, index) => place + index));
});

test('memory without tables, or with damaged ones, is left as it is', () => {
  const memory = new GuestMemory(1 << 20);
  const map = new PhysicalMap(memory);
  map.fill(0, memory.ram.length / PAGE_SIZE, 0, PAGE_READ | PAGE_WRITE);
  memory.ram.bytes.set(Buffer.from('_SM_'), 0xf_0010);
  new DataView(memory.bytes.buffer).setUint32(0xf_0010 + 0x18, 0xffff_fff0, true);
  new DataView(memory.bytes.buffer).setUint16(0xf_0010 + 0x16, 0xffff, true);
  const before = memory.ram.bytes.slice();
  writeUuid(map, AFTER);
  expect(Buffer.compare(memory.ram.bytes, before)).toBe(0);
});
