import { silentLog } from '../../base/log.ts';
import type { Dma } from '../../bus/dma.ts';
import { encodeE820, ramRanges } from '../firmware/e820.ts';
import type { BootFiles, BootPlan } from './boot-plan.ts';
import { bootRom, ENTRY_CODE, entryCode } from './boot-rom.ts';
import { directBootFile, recogniseKernel } from './direct-boot.ts';

const MIB = 1 << 20;
const RAM = 64 * MIB;

function files(data: Uint8Array, more: Partial<BootFiles> = {}): BootFiles {
  return { kernel: { name: 'kernel', data }, append: '', modules: [], ...more };
}

function plan(boot: BootFiles, ram = RAM): BootPlan {
  return recogniseKernel(boot, ram).plan({ map: ramRanges(ram), rsdp: 0xf_1230 });
}

/** Memory after the plan was carried out. */
function load({ loads }: BootPlan, ram = RAM): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(ram);
  for (const { address, data } of loads) bytes.set(data, address);
  return { bytes, view: new DataView(bytes.buffer) };
}

const text = (bytes: Uint8Array, at: number): string => new TextDecoder().decode(bytes.subarray(at, bytes.indexOf(0, at)));

function bzImage({ version = 0x020f, initSize = 0x40_0000, kernelSize = 5000 } = {}): Uint8Array {
  const setupSectors = 3;
  const data = new Uint8Array((setupSectors + 1) * 512 + kernelSize).fill(0x90, (setupSectors + 1) * 512);
  const view = new DataView(data.buffer);
  view.setUint8(0x1f1, setupSectors);
  view.setUint16(0x1fe, 0xaa55, true);
  view.setUint32(0x202, 0x5372_6448, true);
  view.setUint16(0x206, version, true);
  view.setUint8(0x211, 1);
  view.setUint32(0x22c, 0x7fff_ffff, true);
  view.setUint32(0x238, 2047, true);
  view.setBigUint64(0x258, 0x10_0000n, true);
  view.setUint32(0x260, initSize, true);
  return data;
}

function elf(
  segments: { address: number; data: Uint8Array; memorySize?: number }[],
  { entry = 0x10_0000, note }: { entry?: number; note?: number } = {},
): Uint8Array {
  const noteData = new Uint8Array(20);
  if (note !== undefined) {
    const view = new DataView(noteData.buffer);
    view.setUint32(0, 4, true);
    view.setUint32(4, 4, true);
    view.setUint32(8, 18, true);
    noteData.set([0x58, 0x65, 0x6e, 0], 12);
    view.setUint32(16, note, true);
  }
  const all = [...segments.map((segment) => ({ type: 1, ...segment })), ...(note === undefined ? [] : [{ type: 4, address: 0, data: noteData }])];
  let offset = 52 + 32 * all.length;
  const parts: Uint8Array[] = [];
  const header = new Uint8Array(offset);
  const view = new DataView(header.buffer);
  header.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  view.setUint16(18, 3, true);
  view.setUint32(24, entry, true);
  view.setUint32(28, 52, true);
  view.setUint16(42, 32, true);
  view.setUint16(44, all.length, true);
  all.forEach((segment, index) => {
    const words = [
      segment.type,
      offset,
      segment.address,
      segment.address,
      segment.data.length,
      ('memorySize' in segment && segment.memorySize) || segment.data.length,
      7,
      0,
    ];
    words.forEach((word, at) => view.setUint32(52 + index * 32 + 4 * at, word, true));
    parts.push(segment.data);
    offset += segment.data.length;
  });
  return Uint8Array.from([header, ...parts].flatMap((part) => [...part]));
}

function multibootHeader(flags = 0, ...addresses: number[]): Uint8Array {
  const words = [0x1bad_b002, flags, -(0x1bad_b002 + flags) >>> 0, ...addresses];
  return new Uint8Array(Uint32Array.from(words).buffer);
}

describe('Linux', () => {
  test('setup, kernel and command line go where the protocol puts them; the entry is the 16-bit one', () => {
    const boot = plan(files(bzImage(), { append: 'console=ttyS0 vga=0x317' }));
    const { bytes, view } = load(boot);
    expect(boot.entry).toEqual({ mode: 'real', segment: 0x1020, offset: 0, data: 0x1000, stack: 0xe000 });
    expect(view.getUint32(0x1_0202, true)).toBe(0x5372_6448);
    expect(bytes[MIB]).toBe(0x90);
    expect(bytes[MIB + 4999]).toBe(0x90);
    const header = 0x1_0000;
    expect(bytes[header + 0x210]).toBe(0xff);
    expect(bytes[header + 0x211]).toBe(0x81);
    expect(view.getUint16(header + 0x224, true)).toBe(0xde00);
    expect(view.getUint16(header + 0x1fa, true)).toBe(0x317);
    expect(text(bytes, view.getUint32(header + 0x228, true))).toBe('console=ttyS0 vga=0x317');
  });

  test('an initrd goes to the top of memory, below the limits of header and command line', () => {
    const initrd = { name: 'initrd', data: new Uint8Array(5000).fill(7) };
    const at = (append = '', ram = RAM): number => load(plan(files(bzImage(), { initrd, append }), ram), ram).view.getUint32(0x1_0218, true);
    expect(at()).toBe(RAM - 8192);
    expect(at('mem=32M')).toBe(32 * MIB - 8192);
    const { bytes, view } = load(plan(files(bzImage(), { initrd })));
    expect(view.getUint32(0x1_021c, true)).toBe(5000);
    expect([bytes[at()], bytes[at() + 4999], bytes[at() + 5000]]).toEqual([7, 7, 0]);
  });

  test.each([
    [
      'an initrd that would lie in the kernel’s way',
      { initrd: { name: 'big.gz', data: new Uint8Array(61 * MIB) } },
      /big\.gz .* give it more --memory/,
    ],
    ['a command line too long', { append: 'x'.repeat(3000) }, /--append is 3000 bytes long/],
    ['modules', { modules: [{ name: 'm', args: '', data: new Uint8Array(1) }] }, /takes no --module/],
  ])('%s is refused before the machine starts', (_what, more, message) => {
    expect(() => recogniseKernel(files(bzImage(), more), RAM)).toThrow(message);
  });

  test('a kernel that needs more memory than there is, an old one, a truncated one', () => {
    expect(() => recogniseKernel(files(bzImage({ kernelSize: 20 * MIB })), 16 * MIB)).toThrow(/kernel wants 20 MiB at 0x100000/);
    expect(() => recogniseKernel(files(bzImage({ version: 0x0200 })), RAM)).toThrow(/old kind/);
    expect(() => recogniseKernel(files(bzImage().subarray(0, 1024)), RAM)).toThrow(/truncated/);
  });
});

describe('multiboot', () => {
  const kernel = Uint8Array.from([...multibootHeader(), ...new Array<number>(100).fill(0x90)]);

  test('an ELF kernel with modules finds its information in EBX', () => {
    const boot = files(elf([{ address: MIB, data: kernel, memorySize: 0x3000 }], { entry: MIB + 16 }), {
      append: 'a b',
      modules: [
        { name: 'one', args: 'x=1', data: Uint8Array.of(1, 2, 3) },
        { name: 'two', args: '', data: Uint8Array.of(4) },
      ],
    });
    const made = plan(boot);
    expect(made.entry).toMatchObject({ mode: 'protected', address: MIB + 16, eax: 0x2bad_b002 });
    expect(made.clears).toEqual([{ address: MIB + kernel.length, length: 0x3000 - kernel.length }]);
    const { bytes, view } = load(made);
    const info = (made.entry as { ebx: number }).ebx;
    const word = (offset: number): number => view.getUint32(info + offset, true);
    expect(word(0)).toBe(0x24d);
    expect(word(8)).toBe(63 * 1024);
    expect(text(bytes, word(16))).toBe('kernel a b');
    expect(word(20)).toBe(2);
    const module = (index: number): [number, number, string] => {
      const at = word(24) + 16 * index;
      return [view.getUint32(at, true), view.getUint32(at + 4, true), text(bytes, view.getUint32(at + 8, true))];
    };
    expect(module(0)).toEqual([MIB + 0x3000, MIB + 0x3003, 'one x=1']);
    expect(module(1)).toEqual([MIB + 0x4000, MIB + 0x4001, 'two']);
    expect([...bytes.subarray(MIB + 0x3000, MIB + 0x3003)]).toEqual([1, 2, 3]);
    expect(word(44)).toBe(24);
    expect(view.getUint32(word(48), true)).toBe(20);
    expect(Number(view.getBigUint64(word(48) + 12, true))).toBe(RAM);
    expect(text(bytes, word(64))).toBe('Strate');
  });

  test('an image that is not ELF is loaded by the header’s addresses', () => {
    const image = new Uint8Array(0x1000).fill(0x90);
    const header = multibootHeader(1 << 16, 2 * MIB + 0x40, 2 * MIB, 2 * MIB + 0x800, 2 * MIB + 0x1000, 2 * MIB + 0x60);
    image.set(header, 0x140); // the file begins 100h before the load address
    const made = plan(files(image));
    expect(made.loads[0]).toMatchObject({ address: 2 * MIB });
    expect(made.loads[0]!.data.length).toBe(0x800);
    expect(made.clears[0]).toEqual({ address: 2 * MIB + 0x800, length: 0x800 });
    expect(made.entry).toMatchObject({ address: 2 * MIB + 0x60 });
  });

  test('demands nobody knows, and addresses outside the file, are errors', () => {
    expect(() => recogniseKernel(files(multibootHeader(1 << 5)), RAM)).toThrow(/demands features/);
    const flat = new Uint8Array(0x100);
    flat.set(multibootHeader(1 << 16, 0x10_0000, 0x20_0000, 0, 0, 0));
    expect(() => recogniseKernel(files(flat), RAM)).toThrow(/outside the file/);
    expect(() => recogniseKernel(files(multibootHeader()), RAM)).toThrow(/neither ELF/);
  });
});

test('PVH: a note gives the entry, EBX the start information with the root pointer and the memory map', () => {
  const boot = files(elf([{ address: 16 * MIB, data: new Uint8Array(64) }], { note: 16 * MIB + 32 }), {
    append: 'quiet',
    initrd: { name: 'initrd', data: new Uint8Array(10) },
  });
  const made = plan(boot);
  expect(made.entry).toMatchObject({ mode: 'protected', address: 16 * MIB + 32 });
  const { bytes, view } = load(made);
  const info = (made.entry as { ebx: number }).ebx;
  const long = (offset: number): number => Number(view.getBigUint64(info + offset, true));
  expect(view.getUint32(info, true)).toBe(0x336e_c578);
  expect(view.getUint32(info + 4, true)).toBe(1);
  expect(view.getUint32(info + 12, true)).toBe(1);
  expect(text(bytes, long(24))).toBe('quiet');
  expect(long(32)).toBe(0xf_1230);
  expect(view.getUint32(info + 48, true)).toBe(1);
  expect(Number(view.getBigUint64(long(40) + 8, true))).toBe(RAM);
  expect(Number(view.getBigUint64(long(16), true))).toBeGreaterThanOrEqual(16 * MIB + 64);
});

test('anything else is refused in one line', () => {
  expect(() => recogniseKernel(files(new Uint8Array(0)), RAM)).toThrow('kernel is empty');
  expect(() => recogniseKernel(files(new Uint8Array(9000)), RAM)).toThrow(/neither a Linux bzImage/);
  expect(() => recogniseKernel(files(elf([{ address: MIB, data: new Uint8Array(4) }])), RAM)).toThrow(/neither a Linux bzImage/);
  const arm = elf([]);
  arm[18] = 40;
  expect(() => recogniseKernel(files(arm), RAM)).toThrow(/another processor/);
  const lying = elf([{ address: MIB, data: new Uint8Array(4) }]);
  new DataView(lying.buffer).setUint32(52 + 16, 0x1000_0000, true);
  expect(() => recogniseKernel(files(lying), RAM)).toThrow(/damaged/);
});

test('the boot ROM is a valid option ROM with a boot entry', () => {
  const rom = bootRom(0x23);
  const view = new DataView(rom.buffer);
  const sum = (bytes: Uint8Array): number => bytes.reduce((total, byte) => (total + byte) & 0xff, 0);
  expect(view.getUint16(0, true)).toBe(0xaa55);
  expect(rom[2]! * 512).toBe(rom.length);
  expect(sum(rom)).toBe(0);
  const pnp = view.getUint16(0x1a, true);
  expect(text(rom, pnp).slice(0, 4)).toBe('$PnP');
  expect(sum(rom.subarray(pnp, pnp + 32))).toBe(0);
  expect(view.getUint16(pnp + 0x1a, true)).toBe(0x40);
  expect(text(rom, view.getUint16(pnp + 0x10, true))).toBe('Kernel');
});

test('writing the memory map loads the kernel and the entry code; a kernel that no longer fits leaves INT 18h', () => {
  const bytes = new Uint8Array(RAM);
  const dma: Dma = {
    view: () => undefined,
    wrote: () => undefined,
    read: (addr, into) => into.set(bytes.subarray(addr, addr + into.length)),
    write: (addr, from) => bytes.set(from, addr),
  };
  const failures: string[] = [];
  const kernel = recogniseKernel(
    files(elf([{ address: 2 * MIB, data: new Uint8Array(8).fill(0x90), memorySize: 0x2_0000 }], { note: 2 * MIB })),
    RAM,
  );
  const file = directBootFile({ kernel, name: 'kernel', dma, log: silentLog, failed: (message) => failures.push(message) });
  bytes.fill(0xcc, 2 * MIB, 3 * MIB);
  file.written!(encodeE820(ramRanges(RAM)));
  expect([...bytes.subarray(2 * MIB + 6, 2 * MIB + 10)]).toEqual([0x90, 0x90, 0, 0]);
  expect(bytes[2 * MIB + 0x1_ffff]).toBe(0);
  expect(bytes[2 * MIB + 0x2_0000]).toBe(0xcc);
  expect(bytes[ENTRY_CODE]).toBe(0xfa);
  expect(failures).toEqual([]);
  file.written!(encodeE820([{ base: 0, length: 0x9_0000, type: 1 }]));
  expect([...bytes.subarray(ENTRY_CODE, ENTRY_CODE + 2)]).toEqual([0xcd, 0x18]);
  expect(failures[0]).toMatch(/give the machine more --memory/);
});

test('entry code: far jump, flat segments, registers', () => {
  const real = entryCode({ mode: 'real', segment: 0x1020, offset: 0, data: 0x1000, stack: 0xe000 });
  expect([...real.slice(-5)]).toEqual([0xea, 0, 0, 0x20, 0x10]);
  const flat = entryCode({ mode: 'protected', address: MIB, eax: 0x2bad_b002, ebx: 0x1_0000 });
  const jump = flat.indexOf(0xe9);
  const target = ENTRY_CODE + jump + 5 + new DataView(flat.buffer).getInt32(jump + 1, true);
  expect(target).toBe(MIB);
});
