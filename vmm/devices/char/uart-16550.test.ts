import { createTestContext, describeDevice } from '../../bus/conformance.ts';
import { ProbeIrq } from '../../bus/irq.ts';
import { uart16550, type Uart16550 } from './uart-16550.ts';

const [DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR] = [0, 1, 2, 3, 4, 5, 6, 7];
const FCR = IIR;

function setUp() {
  const context = createTestContext();
  const irq = new ProbeIrq();
  const sent: number[] = [];
  const log: string[] = [];
  const uart = uart16550.create(context, {
    irq,
    peer: {
      transmit: (byte) => sent.push(byte),
      control: ({ dtr, rts, brk }) => log.push(`${dtr ? 'DTR' : '-'} ${rts ? 'RTS' : '-'} ${brk ? 'BRK' : '-'}`),
      ready: () => log.push('ready'),
    },
  });
  const read = (register: number) => uart.registers.read(register, 1);
  const write = (register: number, value: number) => uart.registers.write(register, 1, value);
  write(LCR, 0x03);
  return { uart, irq, sent, log, read, write, scheduler: context.scheduler };
}

const receive = (uart: Uart16550, text: string) => Array.from(text).map((char) => uart.receive(char.charCodeAt(0)));

test('registers after reset', () => {
  const { uart, read } = setUp();
  uart.reset('power');
  expect([IER, IIR, LCR, MCR, LSR, MSR, SCR].map(read)).toEqual([0, 0x01, 0, 0, 0x60, 0xb0, 0]);
});

test('the divisor latch hides data and interrupt enables', () => {
  const { read, write, sent } = setUp();
  write(LCR, 0x83);
  write(DATA, 0x01);
  write(IER, 0x02);
  expect([read(DATA), read(IER)]).toEqual([1, 2]);
  write(LCR, 0x03);
  expect([read(IER), sent]).toEqual([0, []]);
});

test('transmits at once, masked to the word length', () => {
  const { read, write, sent } = setUp();
  write(DATA, 0xc1);
  write(LCR, 0x02);
  write(DATA, 0xc1);
  expect(sent).toEqual([0xc1, 0x41]);
  expect(read(LSR)).toBe(0x60);
});

test('the transmitter-empty interrupt: on enabling it, after each character, gone when IIR showed it', () => {
  const { irq, read, write } = setUp();
  write(IER, 0x02);
  expect(irq.level).toBe(true);
  expect(read(IIR)).toBe(0x02);
  expect([irq.level, read(IIR)]).toEqual([false, 0x01]);
  write(DATA, 0x41);
  expect(irq.edges).toBe(2);
  write(DATA, 0x42); // without reading IIR: still a new edge
  expect(irq.edges).toBe(3);
  write(IER, 0x00);
  expect(irq.level).toBe(false);
  write(IER, 0x02);
  expect(irq.level).toBe(true);
});

test('receives one character without FIFOs, and waits with the next until it is read', () => {
  const { uart, irq, read, write, log, scheduler } = setUp();
  write(IER, 0x01);
  log.length = 0;
  expect(receive(uart, 'ab')).toEqual([true, false]);
  expect([irq.level, read(IIR), read(LSR)]).toEqual([true, 0x04, 0x61]);
  expect(read(DATA)).toBe(0x61);
  expect(irq.level).toBe(false);
  expect(log).toEqual([]);
  scheduler.advance(1.1e6); // a character at 9600 baud
  expect(log).toEqual(['ready']);
  expect(receive(uart, 'b')).toEqual([true]);
  expect(read(DATA)).toBe(0x62);
});

describe('FIFOs', () => {
  test('are announced in IIR, interrupt at the trigger level, and by time-out below it', () => {
    const { uart, irq, read, write, scheduler } = setUp();
    write(FCR, 0x81); // 8 characters
    write(IER, 0x01);
    expect(read(IIR)).toBe(0xc1);
    receive(uart, '1234567');
    expect(irq.level).toBe(false);
    receive(uart, '8');
    expect([irq.level, read(IIR)]).toEqual([true, 0xc4]);
    expect(read(DATA)).toBe(0x31);
    expect(irq.level).toBe(false);
    scheduler.advance(4 * 1_041_667 + 10);
    expect([irq.level, read(IIR)]).toEqual([true, 0xcc]);
    expect(read(DATA)).toBe(0x32);
    expect(irq.level).toBe(false);
    for (const char of '345678') expect(read(DATA)).toBe(char.charCodeAt(0));
    scheduler.advance(10e6);
    expect([irq.level, read(LSR)]).toEqual([false, 0x60]);
  });

  test('hold sixteen; a longer text flows at the line’s speed and loses nothing', () => {
    const { uart, read, write, log, scheduler } = setUp();
    write(FCR, 0x01);
    log.length = 0;
    const text = 'a'.repeat(16) + 'b'.repeat(16);
    expect(receive(uart, text).indexOf(false)).toBe(16);
    for (let i = 0; i < 16; i++) expect(read(DATA)).toBe(0x61);
    expect(uart.receive(0x62)).toBe(false); // the guest reads faster than the line
    scheduler.advance(16 * 1_041_667 + 16);
    expect(log).toEqual(['ready']);
    expect(uart.receive(0x62)).toBe(true);
  });

  test('are cleared by FCR and by switching them', () => {
    const { uart, read, write } = setUp();
    write(FCR, 0x01);
    receive(uart, 'abc');
    write(FCR, 0x03);
    expect(read(LSR)).toBe(0x60);
    receive(uart, 'abc');
    write(FCR, 0x00);
    expect([read(LSR), read(IIR)]).toEqual([0x60, 0x01]);
  });

  test('show a break when its character comes to the top', () => {
    const { uart, irq, read, write } = setUp();
    write(FCR, 0x01);
    write(IER, 0x04);
    receive(uart, 'x');
    uart.receiveBreak();
    expect([irq.level, read(LSR)]).toEqual([false, 0xe1]);
    read(DATA);
    expect([irq.level, read(IIR), read(LSR)]).toEqual([true, 0xc6, 0xf1]);
    expect([irq.level, read(LSR)]).toEqual([false, 0x61]);
  });
});

describe('loopback', () => {
  test('returns characters, overruns at sixteen (how drivers measure the FIFO), and leaves the line alone', () => {
    const { uart, read, write, sent } = setUp();
    write(FCR, 0x01);
    write(MCR, 0x10);
    for (let i = 0; i < 256; i++) write(DATA, i);
    expect(read(LSR) & 0x03).toBe(0x03);
    let count = 0;
    for (; (read(LSR) & 1) !== 0; count++) expect(read(DATA)).toBe(count);
    expect([count, sent]).toEqual([16, []]);
    expect(uart.receive(1)).toBe(false);
  });

  test('without FIFOs the newest character wins', () => {
    const { read, write } = setUp();
    write(MCR, 0x10);
    write(DATA, 1);
    write(DATA, 2);
    expect([read(LSR), read(DATA), read(LSR)]).toEqual([0x63, 2, 0x60]);
  });

  test('connects modem outputs to inputs', () => {
    const { irq, read, write } = setUp();
    write(MCR, 0x1a); // the 8250 test of Linux: RTS and OUT2
    expect(read(MSR) & 0xf0).toBe(0x90);
    write(IER, 0x08);
    write(MCR, 0x14);
    expect([irq.level, read(IIR), read(MSR)]).toEqual([true, 0x00, 0x49]);
    write(MCR, 0x10);
    expect(read(MSR)).toBe(0x04); // RI fell
    expect(irq.level).toBe(false);
  });
});

test('modem inputs, and what the peer sees of the outputs', () => {
  const { uart, irq, log, read, write } = setUp();
  write(IER, 0x08);
  uart.setInputs({ cts: true, dsr: true, ri: false, dcd: false });
  expect([irq.level, read(MSR), irq.level]).toEqual([true, 0x38, false]);
  log.length = 0;
  write(MCR, 0x03);
  write(LCR, 0x43);
  expect(log).toEqual(['DTR RTS -', 'DTR RTS BRK']);
});

test('urgent sources hide others', () => {
  const { uart, read, write } = setUp();
  write(IER, 0x0f);
  uart.setInputs({ cts: false, dsr: false, ri: false, dcd: false });
  uart.receiveBreak();
  const seen: number[] = [];
  for (const clear of [LSR, DATA, IIR, MSR]) {
    seen.push(read(IIR));
    read(clear);
  }
  expect(seen).toEqual([0x06, 0x04, 0x02, 0x00]);
});

describeDevice('16550A', (context) => {
  const irq = new ProbeIrq();
  const sent: number[] = [];
  const uart = uart16550.create(context, { irq, peer: { transmit: (byte) => sent.push(byte) } });
  return {
    format: uart16550.state,
    device: uart,
    regions: [{ region: uart.registers, length: 8 }],
    irqs: [irq],
    events: {
      receive: (value) => uart.receive(value & 0xff),
      break: () => uart.receiveBreak(),
      lines: (value) => uart.setInputs({ cts: (value & 1) !== 0, dsr: (value & 2) !== 0, ri: (value & 4) !== 0, dcd: (value & 8) !== 0 }),
    },
    retained: ['inputs', 'refused'],
  };
});
