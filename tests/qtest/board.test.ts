/*
 * The board itself through qtest: PCI configuration, shadow RAM, fw_cfg, reset control, interrupts. What software relies on is asked of our board, and where
 * QEMU's `pc` machine is installed, of both.
 */
import { qemuInstalled, startQemu, startStrate, type QtestBench } from './boards.node.ts';

const ADDRESS = 0xcf8;
const DATA = 0xcfc;
const FW_CFG = 0x510;

class Board {
  readonly bench: QtestBench;

  constructor(bench: QtestBench) {
    this.bench = bench;
  }

  async read(command: string): Promise<number> {
    const answer = await this.bench.ask(command);
    expect(answer).toMatch(/^OK 0x/);
    return Number(BigInt.asUintN(32, BigInt(answer.split(' ')[1]!)));
  }

  async write(command: string): Promise<void> {
    expect(await this.bench.ask(command)).toBe('OK');
  }

  async config(slot: number, fn: number, register: number): Promise<number> {
    await this.write(`outl ${ADDRESS} ${(0x8000_0000 | (slot << 11) | (fn << 8) | (register & 0xfc)) >>> 0}`);
    return this.read(`inl ${DATA}`);
  }

  async configByte(slot: number, fn: number, register: number): Promise<number> {
    return ((await this.config(slot, fn, register)) >>> (8 * (register & 3))) & 0xff;
  }

  async setConfigByte(slot: number, fn: number, register: number, value: number): Promise<void> {
    await this.config(slot, fn, register);
    await this.write(`outb ${DATA + (register & 3)} ${value}`);
  }

  /** What software can change of a register: written with zeros and with ones. The register is put back. */
  async writable(slot: number, fn: number, register: number): Promise<number> {
    const before = await this.config(slot, fn, register);
    await this.write(`outl ${DATA} 0`);
    const zeros = await this.read(`inl ${DATA}`);
    await this.write(`outl ${DATA} 4294967295`);
    const ones = await this.read(`inl ${DATA}`);
    await this.write(`outl ${DATA} ${before}`);
    return (zeros ^ ones) >>> 0;
  }
}

const FUNCTIONS = [
  { name: '82441FX', at: [0, 0] },
  { name: '82371SB ISA bridge', at: [1, 0] },
  { name: '82371SB IDE', at: [1, 1] },
  { name: '82371AB power management', at: [1, 3] },
] as const;

/** Header registers that both boards must agree in. */
const IDENTITY = [0x00, 0x08, 0x0c, 0x2c] as const;

/** Not compared with QEMU: its qtest commands write through read-only shadow RAM. How SeaBIOS and kernels ask for shadow RAM: a PAM nibble, where it is, its shift. */
const SEGMENTS = [
  { base: 0xc_0000, register: 0x5a, shift: 0 },
  { base: 0xc_c000, register: 0x5b, shift: 4 },
  { base: 0xd_8000, register: 0x5d, shift: 0 },
  { base: 0xe_4000, register: 0x5e, shift: 4 },
  { base: 0xf_0000, register: 0x59, shift: 4 },
] as const;

async function shadowStory(board: Board, { base, register, shift }: (typeof SEGMENTS)[number]): Promise<number[]> {
  const pam = (attributes: number) => board.setConfigByte(0, 0, register, attributes << shift);
  const seen: number[] = [];
  await pam(3);
  await board.write(`writel ${base + 0x10} 305419896`);
  seen.push(await board.read(`readl ${base + 0x10}`));
  await pam(1);
  await board.write(`writel ${base + 0x10} 0`);
  seen.push(await board.read(`readl ${base + 0x10}`));
  await pam(0);
  await board.write(`writel ${base + 0x10} 0`);
  seen.push(Number((await board.read(`readl ${base + 0x10}`)) === 0x1234_5678));
  await pam(3);
  seen.push(await board.read(`readl ${base + 0x10}`));
  await pam(0);
  return seen;
}

describe('our board', () => {
  let board: Board;
  beforeEach(() => {
    board = new Board(startStrate());
  });
  afterEach(() => board.bench.close());

  test('bus 0 has the functions of the board and nothing else', async () => {
    const found: string[] = [];
    for (let slot = 0; slot < 32; slot++) {
      for (let fn = 0; fn < 8; fn++) {
        const id = await board.config(slot, fn, 0);
        if (id !== 0xffff_ffff) found.push(`${slot}.${fn} ${(id & 0xffff).toString(16)}:${(id >>> 16).toString(16)}`);
      }
    }
    expect(found).toEqual([
      '0.0 8086:1237',
      '1.0 8086:7000',
      '1.1 8086:7010',
      '1.3 8086:7113',
      '2.0 1234:1111',
      '3.0 8086:100e',
      '4.0 10ec:8139',
      '5.0 1022:2000',
    ]);
  });

  test('the bus-master BAR of the IDE function can be placed in port space', async () => {
    expect(await board.writable(1, 1, 0x20)).toBe(0xffff_fff0);
    await board.config(1, 1, 0x20);
    await board.write(`outl ${DATA} 49153`);
    await board.setConfigByte(1, 1, 4, 5);
    await board.write('outl 0xc004 0x12345678');
    expect(await board.read('inl 0xc004')).toBe(0x1234_5678);
    await board.setConfigByte(1, 1, 4, 0);
    expect(await board.read('inl 0xc004')).toBe(0xffff_ffff);
  });

  test.each(SEGMENTS)('shadow RAM at $base', async (segment) => {
    expect(await shadowStory(board, segment)).toEqual([0x1234_5678, 0x1234_5678, 0, 0x1234_5678]);
  });

  test('fw_cfg: signature, file directory, DMA into RAM', async () => {
    const bytes = async (key: number, count: number): Promise<number[]> => {
      await board.write(`outw ${FW_CFG} ${key}`);
      const read = [];
      for (let at = 0; at < count; at++) read.push(await board.read(`inb ${FW_CFG + 1}`));
      return read;
    };
    expect(String.fromCharCode(...(await bytes(0, 4)))).toBe('QEMU');
    expect(await bytes(5, 2)).toEqual([1, 0]);
    const directory = Buffer.from(await bytes(0x19, 4 + 64 * 20));
    const names = Array.from({ length: directory.readUInt32BE(0) }, (_, index) =>
      directory.toString('latin1', 12 + 64 * index, 68 + 64 * index).replace(/\0.*/s, ''),
    );
    expect(names).toEqual([...names].sort());
    for (const name of ['bootorder', 'etc/acpi/rsdp', 'etc/acpi/tables', 'etc/e820', 'etc/smbios/smbios-tables', 'etc/table-loader'])
      expect(names).toContain(name);
    const index = names.indexOf('etc/e820');
    const key = directory.readUInt16BE(8 + 64 * index);
    await board.write(`write 0x1000 16 0x${((key << 16) | 0x0a).toString(16).padStart(8, '0')}000000140000000000002000`);
    await board.write(`outl ${FW_CFG + 8} 0x00100000`); // 1000h, big-endian
    expect(await board.read('readl 0x1000')).toBe(0);
    expect(await board.bench.ask('read 0x2000 20')).toBe('OK 0x0000000000000000000000020000000001000000');
  });

  test('the timer interrupts through the PIC when time is stepped', async () => {
    for (const [port, value] of [
      [0x20, 0x11],
      [0x21, 0x08],
      [0x21, 0x04],
      [0x21, 0x01],
      [0x21, 0xfe],
      [0x43, 0x34],
      [0x40, 0xe8],
      [0x40, 0x03],
    ]) {
      await board.write(`outb ${port} ${value}`);
    }
    const poll = async (): Promise<number> => {
      await board.write('outb 0x20 0x0c'); // the next read is an interrupt acknowledge
      return board.read('inb 0x20');
    };
    await poll(); // OUT rose when the counter was programmed
    await board.write('outb 0x20 0x20');
    expect((await poll()) & 0x80).toBe(0);
    await board.bench.pass(2_000_000);
    expect(await poll()).toBe(0x80);
  });
});

(qemuInstalled ? describe : describe.skip)('our board and QEMU’s', () => {
  let ours: Board;
  let theirs: Board;
  beforeAll(async () => {
    ours = new Board(startStrate());
    theirs = new Board(await startQemu());
  });
  afterAll(async () => {
    await theirs.bench.close();
    await ours.bench.close();
  });

  test.each(FUNCTIONS)('$name has one identity', async ({ at: [slot, fn] }) => {
    for (const register of IDENTITY)
      expect([register, await ours.config(slot, fn, register)]).toEqual([register, await theirs.config(slot, fn, register)]);
  });

  test.each([
    [0, 0, 0x58],
    [0, 0, 0x5c],
    [1, 0, 0x60],
    [1, 1, 0x10],
    [1, 1, 0x20],
  ])('registers that firmware writes take the same bits: %i.%i %p', async (slot, fn, register) => {
    // QEMU lets software write all bits of PAM; those beyond read and write enable are reserved (82441FX 3.2.18), as are route bits 6 to 4.
    const mask = slot === 0 ? (register === 0x58 ? 0x3333_3000 : 0x3333_3333) : register === 0x60 ? 0x8f8f_8f8f : 0xffff_ffff;
    expect(((await ours.writable(slot, fn, register)) & mask) >>> 0).toBe(((await theirs.writable(slot, fn, register)) & mask) >>> 0);
  });

  test('configuration cycles to nobody, and narrow writes of the address, answer alike', async () => {
    for (const command of [`outl ${ADDRESS} 2147547136`, `outw ${ADDRESS} 0x1234`]) {
      await ours.write(command);
      await theirs.write(command);
      expect(await ours.read(`inl ${DATA}`)).toBe(await theirs.read(`inl ${DATA}`));
      expect(await ours.read(`inl ${ADDRESS}`)).toBe(await theirs.read(`inl ${ADDRESS}`));
    }
  });

  test('the reset control register keeps its bits', async () => {
    for (const value of [0x02, 0x00]) {
      await ours.write(`outb 0xcf9 ${value}`);
      await theirs.write(`outb 0xcf9 ${value}`);
      expect(await ours.read('inb 0xcf9')).toBe(await theirs.read('inb 0xcf9'));
    }
  });
});
