import { acpiFiles, LOADER_FILE, RSDP_FILE, TABLES_FILE } from './tables.ts';

const BOARD = {
  cpus: 2,
  lowRam: 0x1000_0000,
  hpet: true,
  apic: true,
  serial: [{ port: 0x3f8, irq: 4 }],
  parallel: true,
  floppy: true,
};

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes).replace(/\0.*$/s, '');
const sum = (bytes: Uint8Array): number => bytes.reduce((total, byte) => (total + byte) & 0xff, 0);

/** What firmware does with the script: loads the files at addresses of its choice, patches pointers and checksums. */
function execute(): { memory: Uint8Array; rsdp: number } {
  const files = acpiFiles(BOARD);
  const content: Record<string, Uint8Array> = { [TABLES_FILE]: files.tables, [RSDP_FILE]: files.rsdp, [LOADER_FILE]: files.loader };
  const bases: Record<string, number> = { [TABLES_FILE]: 0x4_0000, [RSDP_FILE]: 0xf_0000 };
  const memory = new Uint8Array(0x10_0000);
  const view = new DataView(memory.buffer);
  const script = new DataView(files.loader.buffer);
  expect(files.loader.length % 128).toBe(0);
  for (let at = 0; at < files.loader.length; at += 128) {
    const nameAt = (offset: number): string => text(files.loader.subarray(at + offset, at + offset + 56));
    const base = bases[nameAt(4)]!;
    switch (script.getUint32(at, true)) {
      case 1:
        expect(base % script.getUint32(at + 60, true)).toBe(0);
        memory.set(content[nameAt(4)]!, base);
        break;
      case 2: {
        const field = base + script.getUint32(at + 116, true);
        expect(script.getUint8(at + 120)).toBe(4);
        view.setUint32(field, view.getUint32(field, true) + bases[nameAt(60)]!, true);
        break;
      }
      case 3: {
        const [offset, start, length] = [60, 64, 68].map((field) => script.getUint32(at + field, true)) as [number, number, number];
        expect(memory[base + offset]).toBe(0);
        memory[base + offset] = -sum(memory.subarray(base + start, base + start + length)) & 0xff;
        break;
      }
      default:
        throw new Error('unknown command');
    }
  }
  return { memory, rsdp: bases[RSDP_FILE]! };
}

test('firmware that executes the loader script finds every table, with its checksum', () => {
  const { memory, rsdp } = execute();
  const view = new DataView(memory.buffer);
  expect(text(memory.subarray(rsdp, rsdp + 8))).toBe('RSD PTR ');
  expect(sum(memory.subarray(rsdp, rsdp + 20))).toBe(0);
  const table = (at: number): { signature: string; length: number } => {
    const length = view.getUint32(at + 4, true);
    expect(sum(memory.subarray(at, at + length))).toBe(0);
    return { signature: text(memory.subarray(at, at + 4)), length };
  };
  const rsdt = view.getUint32(rsdp + 16, true);
  const { signature, length } = table(rsdt);
  expect(signature).toBe('RSDT');
  const listed = Array.from({ length: (length - 36) / 4 }, (_, index) => view.getUint32(rsdt + 36 + 4 * index, true));
  expect(listed.map((at) => table(at).signature)).toEqual(['FACP', 'APIC', 'HPET']);
  const fadt = listed[0]!;
  const facs = view.getUint32(fadt + 36, true);
  expect(facs % 64).toBe(0);
  expect(text(memory.subarray(facs, facs + 4))).toBe('FACS');
  expect(table(view.getUint32(fadt + 40, true)).signature).toBe('DSDT');
});

test('the MADT lists the processors and moves the timer to pin 2', () => {
  const { memory, rsdp } = execute();
  const view = new DataView(memory.buffer);
  const madt = view.getUint32(view.getUint32(rsdp + 16, true) + 40, true);
  const entries: number[][] = [];
  for (let at = madt + 44; at < madt + view.getUint32(madt + 4, true); at += memory[at + 1]!)
    entries.push([...memory.subarray(at, at + memory[at + 1]!)]);
  expect(entries.filter(([type]) => type === 0).map((entry) => entry[3])).toEqual([0, 1]);
  expect(entries.filter(([type]) => type === 1)).toHaveLength(1);
  expect(entries.find(([type]) => type === 2)).toEqual([2, 10, 0, 0, 2, 0, 0, 0, 0, 0]);
});

test('devices that the board lacks are not described', () => {
  const has = (board: Partial<typeof BOARD>, name: string): boolean => Buffer.from(acpiFiles({ ...BOARD, ...board }).tables).includes(name);
  for (const name of ['COM1', 'LPT1', 'FDC0', 'HPET', 'APIC']) expect([name, has({}, name)]).toEqual([name, true]);
  expect(has({ serial: [] }, 'COM1')).toBe(false);
  expect(has({ parallel: false }, 'LPT1')).toBe(false);
  expect(has({ floppy: false }, 'FDC0')).toBe(false);
  expect(has({ hpet: false }, 'HPET')).toBe(false);
  expect(has({ apic: false }, 'APIC')).toBe(false);
});
