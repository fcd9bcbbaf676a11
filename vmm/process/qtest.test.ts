import type { AccessSize, Bus } from '../bus/bus.ts';
import { Qtest, type QtestBoard } from './qtest.ts';

function bench() {
  const memory = new Uint8Array(0x1_0000);
  const log: string[] = [];
  const bus = (name: string): Bus => ({
    map: () => {
      throw new Error('not here');
    },
    read(address: number, size: AccessSize) {
      log.push(`${name} read ${address.toString(16)}/${size}`);
      let value = 0;
      for (let at = 0; at < size; at++) value += memory[address + at]! * 256 ** at;
      return value;
    },
    write(address: number, size: AccessSize, value: number) {
      log.push(`${name} write ${address.toString(16)}/${size} ${value.toString(16)}`);
      for (let at = 0; at < size; at++) memory[address + at] = Math.floor(value / 256 ** at);
    },
  });
  let now = 0;
  let listener: ((irq: number, level: boolean) => void) | undefined;
  const board: QtestBoard = {
    ports: bus('port'),
    space: bus('memory'),
    now: () => now,
    nextTimer: () => 500,
    advanceTo: (time) => (now = time),
    interceptIrqs: (given) => (listener = given),
    setIrq: (irq, level) => log.push(`irq ${irq} ${level}`),
  };
  const answers: string[] = [];
  const qtest = new Qtest(board, (line) => answers.push(line));
  const ask = (line: string) => {
    qtest.command(line);
    return answers.at(-1);
  };
  return { ask, answers, log, irq: (irq: number, level: boolean) => listener?.(irq, level) };
}

it.each([
  ['outb 0x70 0xf', 'OK', 'port write 70/1 f'],
  ['outw 1024 65537', 'OK', 'port write 400/2 1'],
  ['outl 0xcf8 0x80000000', 'OK', 'port write cf8/4 80000000'],
  ['inb 0x71', 'OK 0x0000', 'port read 71/1'],
  ['writel 0x100 0xffffffff', 'OK', 'memory write 100/4 ffffffff'],
  ['readb 0x100', 'OK 0x0000000000000000', 'memory read 100/1'],
  ['set_irq_in /machine/ioapic unnamed-gpio-in 4 1', 'OK', 'irq 4 true'],
])('%s', (line, answer, effect) => {
  const { ask, log } = bench();
  expect(ask(line)).toBe(answer);
  expect(log).toEqual([effect]);
});

it('moves bytes in hexadecimal and base64', () => {
  const { ask } = bench();
  expect(ask('write 0x1000 5 0x0102030405')).toBe('OK');
  expect(ask('read 0x1001 3')).toBe('OK 0x020304');
  expect(ask('readq 0x1000')).toBe('OK 0x0000000504030201');
  expect(ask('writeq 0x1008 0x1122334455667788')).toBe('OK');
  expect(ask('readl 0x100c')).toBe('OK 0x0000000011223344');
  expect(ask('memset 0x1000 4 0xaa')).toBe('OK');
  expect(ask('b64read 0x1000 6')).toBe('OK qqqqqgUA');
  expect(ask('b64write 0x2000 3 AQID')).toBe('OK');
  expect(ask('read 0x2000 3')).toBe('OK 0x010203');
});

it('steps time', () => {
  const { ask } = bench();
  expect(ask('clock_step')).toBe('OK 500');
  expect(ask('clock_step 1000')).toBe('OK 1500');
  expect(ask('clock_set 2000')).toBe('OK 2000');
  expect(ask('clock_set 100')).toBe('FAIL time cannot go back');
});

it('reports interrupt wires once they are intercepted', () => {
  const { ask, answers, irq } = bench();
  irq(4, true);
  expect(ask('irq_intercept_in ioapic')).toBe('OK');
  irq(4, true);
  irq(4, false);
  expect(answers.slice(1)).toEqual(['IRQ raise 4', 'IRQ lower 4']);
});

it.each([
  ['fly', "FAIL Unknown command 'fly'"],
  ['outb 0x70', 'FAIL a number is missing'],
  ['inb zz', 'FAIL not a number: zz'],
  ['inb 0x10000', 'FAIL 0x10000 is out of range'],
  ['read 0 0', 'FAIL nothing to transfer'],
  ['read 0 0x10000000', 'FAIL 0x10000000 is out of range'],
  ['write 0 2 ff', 'FAIL data must be 0x and pairs of hexadecimal digits'],
  ['b64write 0 3 !', 'FAIL the data is not base64'],
  ['irq_intercept_in nothing', "FAIL Unknown device 'nothing'; ioapic and i8259 can be intercepted"],
  ['constructor', "FAIL Unknown command 'constructor'"],
])('refuses %s', (line, answer) => {
  expect(bench().ask(line)).toBe(answer);
});
