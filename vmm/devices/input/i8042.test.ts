import { z } from 'zod';
import { createTestContext, describeDevice } from '../../bus/conformance.ts';
import { keyNumbers } from '../../protocol/input.ts';
import { i8042 } from './i8042.ts';
import { ps2Keyboard } from './ps2-keyboard.ts';
import { ps2Mouse } from './ps2-mouse.ts';
import { createPs2 } from './ps2-testing.ts';

const MS = 1e6;

function setUp() {
  const context = createTestContext();
  const ps2 = createPs2(context);
  const { controller, irq1, irq12 } = ps2;
  const { scheduler } = context;
  const status = () => controller.command.read(0, 1);
  const data = () => controller.data.read(0, 1);
  const command = (value: number, ...bytes: number[]) => {
    controller.command.write(0, 1, value);
    for (const byte of bytes) controller.data.write(0, 1, byte);
  };
  /** Reads every byte that comes within `ms` of the one before, aux bytes as 1xx. */
  const drain = (ms = 5) => {
    const seen: number[] = [];
    for (let waited = 0; waited < ms;) {
      if ((status() & 1) !== 0) {
        const aux = (status() & 0x20) !== 0 ? 0x100 : 0;
        seen.push(data() | aux);
        waited = 0;
      } else {
        scheduler.advance(MS / 2);
        waited += 0.5;
      }
    }
    return seen;
  };
  const keyboardCommand = (...bytes: number[]) =>
    bytes.flatMap((byte) => {
      controller.data.write(0, 1, byte);
      return drain();
    });
  const mouseCommand = (...bytes: number[]) =>
    bytes.flatMap((byte) => {
      command(0xd4, byte);
      return drain();
    });
  const press = (...codes: string[]) => {
    for (const code of codes) ps2.keyboard.key(keyNumbers[code]!, true);
    for (const code of [...codes].reverse()) ps2.keyboard.key(keyNumbers[code]!, false);
    return drain();
  };
  const setCcb = (value: number) => command(0x60, value);
  return { ...ps2, irq1, irq12, scheduler, status, data, command, drain, keyboardCommand, mouseCommand, press, setCcb };
}

describe('controller', () => {
  test('self-test, interface tests, command byte and ports', () => {
    const { command, drain, status, setCcb } = setUp();
    expect(status()).toBe(0x10);
    command(0xaa);
    expect(status() & 0x0d).toBe(0x0d);
    expect(drain()).toEqual([0x55]);
    for (const [value, answer] of [
      [0xa4, 0xf1],
      [0xa9, 0x00],
      [0xab, 0x00],
      [0xc0, 0x80],
      [0xd0, 0xcf],
      [0xe0, 0x00],
    ] as const) {
      // prettier-ignore
      command(value);
      expect(drain()).toEqual([answer]);
    }
    setCcb(0x47);
    command(0xa7);
    command(0xad);
    command(0x20);
    expect(drain()).toEqual([0x77]);
    command(0xa8);
    command(0xae);
    command(0x20);
    expect(drain()).toEqual([0x47]);
    command(0x65, 0x12);
    command(0x25);
    expect(drain()).toEqual([0x12]);
  });

  test('the status register tells commands from data', () => {
    const { command, status } = setUp();
    command(0x60);
    expect(status() & 8).toBe(8);
    command(0x60, 0x01);
    expect(status() & 8).toBe(0);
  });

  test('A20 and reset through the output port and by commands', () => {
    const { command, drain, log } = setUp();
    command(0xd1, 0xdd);
    command(0xd0);
    expect(drain()).toEqual([0xcd]);
    command(0xdf);
    command(0xfe);
    command(0xff);
    command(0xd1, 0xde);
    expect(log).toEqual(['a20 off', 'a20 on', 'reset', 'a20 on', 'reset']);
  });

  test('loops bytes back as the keyboard’s and the auxiliary device’s, with their interrupts', () => {
    const { command, drain, irq1, irq12 } = setUp();
    command(0xd3, 0x5a);
    expect([irq1.level, irq12.level]).toEqual([false, true]);
    expect(drain()).toEqual([0x15a]);
    command(0xd2, 0xa5);
    expect([irq1.level, irq12.level]).toEqual([true, false]);
    expect(drain()).toEqual([0xa5]);
    expect([irq1.level, irq12.level]).toEqual([false, false]);
  });

  test('answers wait until the output buffer is read', () => {
    const { command, keyboard, drain } = setUp();
    keyboard.key(0x1e, true);
    command(0x20);
    expect(drain()).toEqual([0x1c, 0x03]);
  });

  test('an empty output buffer shows its last byte, so an interrupt handler may read it twice', () => {
    const { keyboard, data, status, irq1, scheduler } = setUp();
    keyboard.key(0x1e, true);
    keyboard.key(0x30, true);
    expect(irq1.edges).toBe(1);
    expect([data(), data(), status() & 1]).toEqual([0x1c, 0x1c, 0]);
    scheduler.advance(MS);
    expect([irq1.edges, data()]).toEqual([2, 0x32]);
  });

  test('a disabled interface keeps the device waiting; writing to it enables it', () => {
    const { command, keyboard, drain, keyboardCommand } = setUp();
    command(0xad);
    keyboard.key(0x1e, true);
    expect(drain()).toEqual([]);
    expect(keyboardCommand(0xee)).toEqual([0xee, 0x1c]);
  });

  test('no interrupts without their enables', () => {
    const { setCcb, press, irq1 } = setUp();
    setCcb(0);
    expect(press('KeyA')).toEqual([0x1c, 0xf0, 0x1c]);
    expect(irq1.edges).toBe(0);
  });
});

describe('keyboard', () => {
  test('set 2, translated to set 1', () => {
    const { press, setCcb } = setUp();
    expect(press('KeyA')).toEqual([0x1c, 0xf0, 0x1c]);
    expect(press('ArrowUp')).toEqual([0xe0, 0x75, 0xe0, 0xf0, 0x75]);
    setCcb(0x45);
    expect(press('ShiftLeft', 'KeyA')).toEqual([0x2a, 0x1e, 0x9e, 0xaa]);
    expect(press('Delete')).toEqual([0xe0, 0x53, 0xe0, 0xd3]);
    expect(press('F7')).toEqual([0x41, 0xc1]);
    expect(press('Pause')).toEqual([0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5]);
    expect(press('ControlLeft', 'Pause')).toEqual([0x1d, 0xe0, 0x46, 0xe0, 0xc6, 0x9d]);
    expect(press('PrintScreen')).toEqual([0xe0, 0x2a, 0xe0, 0x37, 0xe0, 0xb7, 0xe0, 0xaa]);
    expect(press('AltLeft', 'PrintScreen')).toEqual([0x38, 0x54, 0xd4, 0xb8]);
  });

  test('fakes shifts around the cursor keys, as Num Lock and Shift ask for, and around the keypad’s slash', () => {
    const { press, setCcb, keyboardCommand } = setUp();
    expect(press('ShiftRight', 'Home')).toEqual([0x59, 0xe0, 0xf0, 0x59, 0xe0, 0x6c, 0xe0, 0xf0, 0x6c, 0xe0, 0x59, 0xf0, 0x59]);
    setCcb(0x45);
    expect(press('ShiftLeft', 'ArrowUp')).toEqual([0x2a, 0xe0, 0xaa, 0xe0, 0x48, 0xe0, 0xc8, 0xe0, 0x2a, 0xaa]);
    expect(press('ShiftLeft', 'NumpadDivide')).toEqual([0x2a, 0xe0, 0xaa, 0xe0, 0x35, 0xe0, 0xb5, 0xe0, 0x2a, 0xaa]);
    keyboardCommand(0xed, 2); // Num Lock
    expect(press('Insert')).toEqual([0xe0, 0x2a, 0xe0, 0x52, 0xe0, 0xd2, 0xe0, 0xaa]);
    expect(press('ShiftLeft', 'Insert')).toEqual([0x2a, 0xe0, 0x52, 0xe0, 0xd2, 0xaa]);
    expect(press('NumpadDivide')).toEqual([0xe0, 0x35, 0xe0, 0xb5]);
    expect(press('Enter', 'NumpadEnter')).toEqual([0x1c, 0xe0, 0x1c, 0xe0, 0x9c, 0x9c]);
  });

  test('translation gives every key the number it has', () => {
    const { press, setCcb } = setUp();
    setCcb(0x45);
    for (const [code, number] of Object.entries(keyNumbers)) {
      if (code === 'Pause' || code === 'PrintScreen') continue;
      const prefix = number >= 0xe000 ? [0xe0] : [];
      expect([code, ...press(code)]).toEqual([code, ...prefix, number & 0xff, ...prefix, (number & 0xff) | 0x80]);
    }
  });

  test('sets 1 and 3', () => {
    const { press, keyboardCommand } = setUp();
    expect(keyboardCommand(0xf0, 1)).toEqual([0xfa, 0xfa]);
    expect(press('End')).toEqual([0xe0, 0x4f, 0xe0, 0xcf]);
    expect(keyboardCommand(0xf0, 3)).toEqual([0xfa, 0xfa]);
    expect(keyboardCommand(0xf0, 0)).toEqual([0xfa, 0xfa, 3]);
    expect(press('KeyA')).toEqual([0x1c]); // typematic: no break code
    expect(press('ShiftLeft')).toEqual([0x12, 0xf0, 0x12]);
    expect(press('F1')).toEqual([0x07]);
    expect(keyboardCommand(0xfc, 0x07)).toEqual([0xfa, 0xfa]);
    keyboardCommand(0xf4);
    expect(press('F1')).toEqual([0x07, 0xf0, 0x07]);
    expect(keyboardCommand(0xf8)).toEqual([0xfa]);
    expect(press('KeyA', 'ArrowLeft')).toEqual([0x1c, 0x61, 0xf0, 0x61, 0xf0, 0x1c]);
  });

  test('commands', () => {
    const { press, keyboardCommand, log } = setUp();
    expect(keyboardCommand(0xf2)).toEqual([0xfa, 0xab, 0x83]);
    expect(keyboardCommand(0xee)).toEqual([0xee]);
    expect(keyboardCommand(0xed, 0x05)).toEqual([0xfa, 0xfa]);
    expect(log).toEqual(['leds 5']);
    expect(keyboardCommand(0xf5)).toEqual([0xfa]);
    expect(press('KeyA')).toEqual([]);
    expect(keyboardCommand(0xf4)).toEqual([0xfa]);
    expect(press('KeyA')).toEqual([0x1c, 0xf0, 0x1c]);
    expect(keyboardCommand(0xfe)).toEqual([0x1c]);
    expect(keyboardCommand(0xef)).toEqual([0xfe]);
    expect(keyboardCommand(0xff)).toEqual([0xfa, 0xaa]);
  });

  test('repeats the last key, with the delay and rate it was told', () => {
    const { keyboard, drain, keyboardCommand, scheduler } = setUp();
    keyboardCommand(0xf3, 0x00); // 250 ms, 30 a second
    keyboard.key(0x1e, true);
    expect(drain(2)).toEqual([0x1c]);
    let count = 0;
    for (let i = 0; i < 1000; i++) {
      scheduler.advance(MS);
      count += drain(0.5).length;
    }
    expect(count).toBeGreaterThanOrEqual(22 * 1.5 - 5);
    expect(count).toBeLessThanOrEqual(50);
    keyboard.key(0x1e, false);
    expect(drain(600)).toEqual([0xf0, 0x1c]);
  });

  test('a host that does not read gets no pile of repetitions, and keys beyond the queue are lost whole', () => {
    const { keyboard, scheduler, drain } = setUp();
    keyboard.key(0x1e, true);
    keyboard.key(0x1e, true); // the host system's own repetition
    scheduler.advance(60e9);
    expect(keyboard.backlog).toBeLessThanOrEqual(1);
    keyboard.releaseAll();
    drain();
    for (let i = 0; i < 200; i++) {
      keyboard.key(0x30, true);
      keyboard.key(0x30, false);
    }
    const bytes = drain();
    expect(bytes.filter((byte) => byte === 0xf0).length * 2).toBe(bytes.length - bytes.length / 3);
    expect(keyboard.state.down).toEqual([]);
  });
});

describe('mouse', () => {
  const enable = (bench: ReturnType<typeof setUp>) => expect(bench.mouseCommand(0xf4)).toEqual([0x1fa]);

  test('stream mode reports movement and buttons', () => {
    const bench = setUp();
    const { mouse, drain, irq12 } = bench;
    mouse.move(5, 5, 0, 0);
    expect(drain()).toEqual([]); // not enabled
    enable(bench);
    mouse.move(5, 3, 0, 1);
    expect(irq12.level).toBe(true);
    expect(drain()).toEqual([0x129, 0x105, 0x1fd]);
    mouse.move(-2, -300, 1, 0);
    expect(drain(30)).toEqual([0x118, 0x1fe, 0x1ff, 0x108, 0x100, 0x12d]);
    mouse.move(0, 0, 0, 0);
    expect(drain(30)).toEqual([]);
  });

  test('reports no faster than the sample rate', () => {
    const bench = setUp();
    bench.mouseCommand(0xf3, 20);
    enable(bench);
    let packets = 0;
    for (let i = 0; i < 1000; i++) {
      bench.mouse.move(1, 0, 0, 0);
      packets += bench.drain(1).length / 3;
    }
    expect(packets).toBeGreaterThan(15);
    expect(packets).toBeLessThanOrEqual(1 + (bench.scheduler.now() / 1e9) * 20);
  });

  test('the knocks unlock the wheel and the side buttons', () => {
    const bench = setUp();
    const { mouse, mouseCommand, drain } = bench;
    mouseCommand(0xf3, 200, 0xf3, 100, 0xf3, 80);
    expect(mouseCommand(0xf2)).toEqual([0x1fa, 0x103]);
    enable(bench);
    mouse.move(0, 0, -2, 16);
    expect(drain(30)).toEqual([0x108, 0x100, 0x100, 0x1fe]);
    mouseCommand(0xf5, 0xf3, 200, 0xf3, 200, 0xf3, 80);
    expect(mouseCommand(0xf2)).toEqual([0x1fa, 0x104]);
    enable(bench);
    mouse.move(1, 0, -9, 8 | 16 | 4);
    expect(drain(40)).toEqual([0x10c, 0x101, 0x100, 0x139, 0x10c, 0x100, 0x100, 0x13e]);
    expect(mouseCommand(0xff)).toEqual([0x1fa, 0x1aa, 0x100]);
    expect(mouseCommand(0xf2)).toEqual([0x1fa, 0x100]);
  });

  test('remote and wrap mode, status, scaling', () => {
    const bench = setUp();
    const { mouse, mouseCommand, drain } = bench;
    expect(mouseCommand(0xf0)).toEqual([0x1fa]);
    mouse.move(3, 0, 0, 2);
    expect(drain()).toEqual([]);
    expect(mouseCommand(0xeb)).toEqual([0x1fa, 0x10a, 0x103, 0x100]);
    mouseCommand(0xe7, 0xe8, 3, 0xf3, 40);
    expect(mouseCommand(0xe9)).toEqual([0x1fa, 0x151, 0x103, 0x128]);
    mouse.move(4, 0, 0, 0);
    expect(mouseCommand(0xeb)).toEqual([0x1fa, 0x108, 0x104, 0x100]); // scaling is for stream mode only
    mouseCommand(0xea);
    enable(bench);
    mouse.move(4, -10, 0, 0);
    expect(drain(60)).toEqual([0x108, 0x106, 0x114]);
    expect(mouseCommand(0xee)).toEqual([0x1fa]);
    expect(mouseCommand(0x42, 0xe9)).toEqual([0x142, 0x1e9]);
    expect(mouseCommand(0xec)).toEqual([0x1fa]);
    expect(mouseCommand(0x42)).toEqual([0x1fc]);
  });

  test('a command cuts a packet short', () => {
    const bench = setUp();
    enable(bench);
    bench.mouse.move(5, 3, 0, 1);
    bench.data();
    expect(bench.mouseCommand(0xf5)).toEqual([0x1fa]);
  });
});

describeDevice('8042, PS/2 keyboard and mouse', (context) => {
  const { controller, keyboard, mouse, irq1, irq12 } = createPs2(context);
  const parts = [mouse, keyboard, controller];
  return {
    format: {
      version: 1,
      schema: z.strictObject({ controller: i8042.state.schema, keyboard: ps2Keyboard.state.schema, mouse: ps2Mouse.state.schema }),
    },
    device: {
      state: { controller: controller.state, keyboard: keyboard.state, mouse: mouse.state },
      reset: (kind) => parts.forEach((part) => part.reset(kind)),
      loaded: () => parts.forEach((part) => part.loaded?.()),
    },
    regions: [controller.data, controller.command].map((region) => ({ region, length: 1 })),
    irqs: [irq1, irq12],
    events: {
      key: (value) => keyboard.key(Object.values(keyNumbers)[(value >> 1) % Object.keys(keyNumbers).length]!, (value & 1) !== 0),
      anyKey: (value) => keyboard.key(value & 0xffff, (value & 0x10000) === 0),
      move: (value) => mouse.move((value << 24) >> 24, (value << 16) >> 24, (value << 8) >> 24, (value >> 3) & 31),
      mouseCommand: (value) => {
        controller.command.write(0, 1, 0xd4);
        controller.data.write(0, 1, [0xf4, 0xf3, 0xf0, 0xeb, value & 0xff][value % 5]!);
      },
      releaseAll: () => keyboard.releaseAll(),
    },
  };
});
