import type { AccessSize, Region } from './bus.ts';
import { PortSpace } from './port-space.ts';

function tagged(name: string, tag: number, sizes?: AccessSize): Region & { log: string[] } {
  const log: string[] = [];
  return {
    name,
    log,
    ...(sizes === undefined ? {} : { sizes }),
    read: (offset, size) => {
      log.push(`r${size}@${offset}`);
      return (tag * 0x0101_0101) >>> (32 - 8 * size);
    },
    write: (offset, size, value) => {
      log.push(`w${size}@${offset}=${value.toString(16)}`);
    },
  };
}

test('nobody answers: all ones, writes are lost', () => {
  const ports = new PortSpace();
  ports.write(0x1234, 4, 1);
  expect(ports.read(0x1234, 1)).toBe(0xff);
  expect(ports.read(0x1234, 2)).toBe(0xffff);
  expect(ports.read(0x1234, 4)).toBe(0xffff_ffff);
});

test('a wide access to 8-bit devices side by side reaches each, low byte first', () => {
  const ports = new PortSpace();
  const first = tagged('first', 0x11, 1);
  const second = tagged('second', 0x22, 1);
  ports.map(0x60, 1, first);
  ports.map(0x61, 2, second);
  expect(ports.read(0x60, 2)).toBe(0x2211);
  expect(ports.read(0x60, 4)).toBe(0xff22_2211);
  ports.write(0x60, 2, 0xbbaa);
  expect(first.log).toEqual(['r1@0', 'r1@0', 'w1@0=aa']);
  expect(second.log).toEqual(['r1@0', 'r1@0', 'r1@1', 'w1@0=bb']);
});

test('an access belongs to the region of its first byte when it fits there: CF8h around CF9h', () => {
  const ports = new PortSpace();
  const address = tagged('config address', 0x33);
  const reset = tagged('reset', 0x44, 1);
  ports.map(0xcf8, 4, address);
  ports.map(0xcf9, 1, reset, 1);
  expect(ports.read(0xcf8, 4)).toBe(0x3333_3333);
  expect(ports.read(0xcf9, 1)).toBe(0x44);
  ports.write(0xcf8, 4, 0x8000_0000);
  expect(address.log).toEqual(['r4@0', 'w4@0=80000000']);
});

test('of equal priority the later mapping wins; what is removed uncovers what is below', () => {
  const ports = new PortSpace();
  ports.map(0x100, 8, tagged('below', 1, 1));
  const above = ports.map(0x104, 8, tagged('above', 2, 1));
  expect(ports.nameAt(0x104)).toBe('above');
  above.move(0x102);
  expect(ports.nameAt(0x102)).toBe('above');
  expect(ports.nameAt(0x10b)).toBeUndefined();
  above.enable(false);
  expect(ports.nameAt(0x104)).toBe('below');
  above.enable(true);
  above.dispose();
  expect(ports.nameAt(0x104)).toBe('below');
});

test('port space wraps at 64 KiB', () => {
  const ports = new PortSpace();
  ports.map(0, 1, tagged('zero', 0x55, 1));
  expect(ports.read(0xffff, 2)).toBe(0x55ff);
});
