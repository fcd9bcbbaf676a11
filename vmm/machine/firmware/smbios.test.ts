import { smbiosFiles } from './smbios.ts';

const BOARD = {
  uuid: '00112233-4455-6677-8899-aabbccddeeff',
  cpus: 2,
  cpuName: 'Strate Virtual CPU',
  lowRam: 0xc000_0000,
  highRam: 0x4000_0000,
  version: '0.1.0',
};

interface Structure {
  type: number;
  handle: number;
  formatted: DataView;
  strings: string[];
}

function parse(tables: Uint8Array): Structure[] {
  const found: Structure[] = [];
  for (let at = 0; at < tables.length;) {
    const length = tables[at + 1]!;
    const formatted = new DataView(tables.buffer, tables.byteOffset + at, length);
    let end = at + length;
    while (tables[end] !== 0 || tables[end + 1] !== 0) end++;
    const strings = new TextDecoder().decode(tables.subarray(at + length, end)).split('\0');
    found.push({ type: tables[at]!, handle: formatted.getUint16(2, true), formatted, strings });
    at = end + 2;
  }
  return found;
}

test('structures of every kind, each handle once, closed by type 127', () => {
  const { tables, anchor } = smbiosFiles(BOARD);
  const found = parse(tables);
  expect(found.map(({ type }) => type)).toEqual([0, 1, 3, 4, 4, 16, 17, 19, 19, 32, 127]);
  expect(new Set(found.map(({ handle }) => handle)).size).toBe(found.length);
  const entry = new DataView(anchor.buffer);
  expect(anchor.length).toBe(0x1f);
  expect(new TextDecoder().decode(anchor.subarray(0, 4))).toBe('_SM_');
  expect(new TextDecoder().decode(anchor.subarray(16, 21))).toBe('_DMI_');
  expect(entry.getUint16(22, true)).toBe(tables.length);
  expect(entry.getUint16(28, true)).toBe(found.length);
});

test('formatted lengths are those of the specification', () => {
  const lengths = Object.fromEntries(parse(smbiosFiles(BOARD).tables).map(({ type, formatted }) => [type, formatted.byteLength]));
  expect(lengths).toEqual({ 0: 0x18, 1: 0x1b, 3: 0x16, 4: 0x2a, 16: 0x17, 17: 0x28, 19: 0x1f, 32: 0x0b, 127: 4 });
});

test('the UUID is stored with its first fields little-endian; RAM is told in both ranges', () => {
  const found = parse(smbiosFiles(BOARD).tables);
  const system = found.find(({ type }) => type === 1)!;
  const uuid = Buffer.from(system.formatted.buffer, system.formatted.byteOffset + 8, 16).toString('hex');
  expect(uuid).toBe('33221100554477668899aabbccddeeff');
  const ranges = found.filter(({ type }) => type === 19).map(({ formatted }) => [formatted.getUint32(4, true), formatted.getUint32(8, true)]);
  expect(ranges).toEqual([
    [0, 0x2f_ffff],
    [0x40_0000, 0x4f_ffff],
  ]);
  const device = found.find(({ type }) => type === 17)!;
  expect(device.formatted.getUint16(12, true)).toBe(4096);
  expect(found.find(({ type }) => type === 4)!.strings).toContain('Strate Virtual CPU');
});
