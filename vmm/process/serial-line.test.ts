import fc from 'fast-check';
import type { Uart16550 } from '../devices/char/uart-16550.ts';
import { SerialLine } from './serial-line.ts';
import { SerialPort } from './serial-hub.ts';

function bench(room: () => boolean) {
  const received: number[] = [];
  const log: string[] = [];
  const line = new SerialLine({
    output: (data) => log.push(`out ${Buffer.from(data).toString('latin1')}`),
    taken: (count) => log.push(`taken ${count}`),
    flushSoon: () => log.push('soon'),
  });
  line.uart = { receive: (byte: number) => room() && received.push(byte) > 0 } as unknown as Uart16550;
  return { line, received, log };
}

it('gathers what the guest writes', () => {
  const { line, log } = bench(() => true);
  for (const byte of Buffer.from('hello')) line.transmit(byte);
  expect(log).toEqual(['soon']);
  line.flush();
  line.flush();
  expect(log).toEqual(['soon', 'out hello']);
});

it('passes long output on without being asked', () => {
  const { line, log } = bench(() => true);
  for (let count = 0; count < 5000; count++) line.transmit(0x78);
  expect(log.filter((entry) => entry.startsWith('out'))).toEqual([`out ${'x'.repeat(4096)}`]);
});

it('gives the UART no more than it takes, and loses nothing', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 20 }), { maxLength: 8 }), fc.array(fc.nat(5)), (inputs, rooms) => {
      let room = 0;
      const { line, received, log } = bench(() => room-- > 0);
      for (const input of inputs) line.input(input);
      for (const more of rooms) {
        room = more;
        line.ready();
      }
      room = 1000;
      line.ready();
      expect(received).toEqual(inputs.flatMap((input) => [...input]));
      const taken = log.map((entry) => Number(entry.split(' ')[1])).reduce((sum, count) => sum + count, 0);
      expect(taken).toBe(received.length);
    }),
  );
});

describe('the port on the control thread', () => {
  it('keeps the last 64 KiB for those who come later', () => {
    const port = new SerialPort(() => undefined);
    for (let part = 0; part < 10; part++) port.output(new Uint8Array(10_000).fill(part));
    const seen: { data: Uint8Array; position: number }[] = [];
    port.listen((data, position) => seen.push({ data, position }), Infinity);
    expect(seen).toHaveLength(1);
    expect(seen[0]!.position).toBe(100_000 - 65_536);
    expect(seen[0]!.data).toHaveLength(65_536);
    expect([seen[0]!.data[0], seen[0]!.data.at(-1)]).toEqual([3, 9]);
  });

  it('shows one long write whole to listeners and its end to late ones', () => {
    const port = new SerialPort(() => undefined);
    const lengths: number[] = [];
    port.listen((data) => lengths.push(data.length));
    port.output(new Uint8Array(200_000).fill(1));
    port.output(Uint8Array.of(2, 3));
    port.listen((data) => lengths.push(data.length), 3);
    expect(lengths).toEqual([200_000, 2, 3]);
  });

  it('sends on what was taken, and says when there is no room', async () => {
    const posted: number[] = [];
    const port = new SerialPort((data) => posted.push(data.length));
    const done = port.input(new Uint8Array(3000));
    expect(posted).toEqual([1024]);
    port.taken(1000);
    port.taken(1024);
    expect(posted).toEqual([1024, 1000, 976]);
    await done;
    void port.input(new Uint8Array((1 << 20) + 2000));
    expect(port.accepts).toBe(false);
  });
});
