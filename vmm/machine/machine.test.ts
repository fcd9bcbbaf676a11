import type { Accelerator, Vcpu, VcpuExit, VcpuOptions, X86State } from '../accel/accelerator.ts';
import { VmmError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { parseConfig, type VmConfigInput } from '../protocol/config.ts';
import { buildMachine, type BuiltMachine } from './build.ts';
import type { MachineHost } from './host.ts';

const MS = 1e6;

/** A processor that does what a test says, one action a slice. */
class ScriptedVcpu implements Vcpu {
  readonly options: VcpuOptions;
  readonly log: string[] = [];
  script: (budget: number) => VcpuExit = () => 'halt';
  instructions = 0;
  level = false;

  constructor(options: VcpuOptions) {
    this.options = options;
  }
  run(budget: number): VcpuExit {
    return this.script(budget);
  }
  interrupt(pending: boolean): void {
    this.level = pending;
  }
  nmi(): void {
    this.log.push('nmi');
  }
  init(): void {
    this.log.push('init');
  }
  startup(vector: number): void {
    this.log.push(`startup ${vector}`);
  }
  a20(enabled: boolean): void {
    this.log.push(`a20 ${enabled}`);
  }
  reset(): void {
    this.log.push('reset');
  }
  save(): X86State {
    return { version: 1 };
  }
  load(): void {
    this.log.push('load');
  }
  dispose(): void {
    this.log.push('dispose');
  }
}

interface Bench extends BuiltMachine {
  readonly vcpus: ScriptedVcpu[];
  readonly events: string[];
  readonly doorbell: Int32Array;
  host: number;
  /** What the next drain does. */
  message: (() => void) | undefined;
}

function make(config: Partial<VmConfigInput> = {}): Bench {
  const vcpus: ScriptedVcpu[] = [];
  const events: string[] = [];
  const doorbell = new Int32Array(new SharedArrayBuffer(4));
  const accelerator: Accelerator = {
    kind: 'wasm',
    createVcpu: (options) => {
      const vcpu = new ScriptedVcpu(options);
      vcpus.push(vcpu);
      return vcpu;
    },
  };
  const bench = { vcpus, events, doorbell, host: 1e15, message: undefined } as unknown as Bench;
  const host: MachineHost = {
    accelerator,
    hostTime: () => bench.host,
    wallTime: () => 1_000_000_000,
    localOffset: () => 3600,
    random: () => 4,
    log: () => silentLog,
    doorbell,
    drain: () => {
      events.push('drain');
      bench.message?.();
    },
    events: {
      reset: (by) => events.push(`reset by ${by}`),
      leds: () => undefined,
      tray: () => undefined,
      pointerMode: () => undefined,
      notice: (level, message) => events.push(`${level}: ${message}`),
    },
    bios: new Uint8Array(0x1_0000),
    disks: new Map(),
    nets: new Map(),
    nicRoms: new Map(),
    serial: [],
  };
  const defaults = { id: '00000000-0000-4000-8000-000000000001', name: 'test', memory: 2, display: { adapter: 'none' as const } };
  return Object.assign(bench, buildMachine(parseConfig({ ...defaults, ...config }), host));
}

/** A timer that ends the sleep of an idle pass early: the tests' host time stands, the doorbell wait does not. */
function soon({ machine }: Bench): void {
  machine.board.scheduler.at(machine.clock.now() + 0.2 * MS, () => undefined);
}

describe('the loop', () => {
  test('timers fire between slices, at the time a device asked for', () => {
    const bench = make({ time: 'virtual' });
    const { machine, vcpus } = bench;
    const fired: number[] = [];
    machine.board.scheduler.at(3 * MS, () => fired.push(machine.clock.now()));
    vcpus[0]!.script = (budget) => {
      vcpus[0]!.instructions += budget;
      return 'budget';
    };
    machine.clock.start();
    for (let pass = 0; pass < 4; pass++) machine.pass();
    expect(fired).toEqual([3 * MS]);
  });

  test('under virtual time a halted machine skips to the next timer', () => {
    const { machine } = make({ time: 'virtual' });
    let fired = 0;
    machine.board.scheduler.at(60_000 * MS, () => fired++);
    machine.board.scheduler.at(60_001 * MS, () => undefined);
    while (fired === 0) machine.pass();
    expect(machine.clock.now()).toBeGreaterThanOrEqual(60_000 * MS);
  });

  test('a timer that a device sets within a slice ends the slice', () => {
    const bench = make();
    const { machine, vcpus, doorbell } = bench;
    machine.clock.start();
    vcpus[0]!.script = () => {
      machine.board.scheduler.at(machine.clock.now(), () => undefined);
      expect(Atomics.load(doorbell, 0)).not.toBe(0);
      return 'kicked';
    };
    machine.pass();
    machine.pass();
    expect(bench.events).toEqual(['drain']);
  });

  test('an idle machine sleeps until its next timer, and no longer', () => {
    const { machine } = make();
    machine.clock.start();
    machine.board.scheduler.at(20 * MS, () => undefined);
    const before = performance.now();
    machine.pass();
    const slept = performance.now() - before;
    expect(slept).toBeGreaterThan(10);
    expect(slept).toBeLessThan(500);
  });

  test('a paused machine waits for the doorbell; its time stands', () => {
    const bench = make();
    const { machine } = bench;
    machine.clock.start();
    machine.pause();
    const paused = machine.clock.now();
    bench.host += 1000 * MS;
    bench.message = () => machine.resume();
    soon(bench);
    machine.pass();
    expect(machine.paused).toBe(false);
    expect(machine.clock.now()).toBe(paused);
    bench.host += 5 * MS;
    expect(machine.clock.now()).toBe(paused + 5 * MS);
  });

  test('when the host has slept, guest time does not jump, and the guest’s calendar is set', () => {
    const bench = make({ rtc: 'local' });
    const { machine, parts } = bench;
    machine.clock.start();
    soon(bench);
    machine.pass();
    soon(bench);
    bench.host += 7200e9;
    machine.pass();
    expect(machine.clock.now()).toBeLessThan(1e9);
    expect(parts.rtc.time).toBe(1_000_000_000 + 3600);
  });

  test('several processors take turns', () => {
    const { machine, vcpus } = make({ cpu: { count: 3 } });
    const turns: number[] = [];
    vcpus.forEach((vcpu, index) => {
      vcpu.script = () => {
        turns.push(index);
        return 'budget';
      };
    });
    machine.clock.start();
    machine.pass();
    machine.pass();
    expect(turns).toEqual([0, 1, 2, 0, 1, 2]);
  });

  test('an accelerator that fails ends the run with its message', () => {
    const { machine, vcpus } = make();
    vcpus[0]!.script = () => ({ error: new VmmError('internal', 'the engine broke') });
    machine.pass();
    expect(machine.pass()).toEqual({ how: 'error', message: 'the engine broke' });
  });
});

describe('reset and power', () => {
  const outb = (bench: Bench, port: number, value: number): void => bench.vcpus[0]!.options.ports.write(port, 1, value);

  test('CF9h resets everything between slices; RAM keeps its content', () => {
    const bench = make();
    const { machine, vcpus, parts } = bench;
    machine.clock.start();
    machine.board.memory.ram.bytes[0x1000] = 0x5a;
    parts.serial[0]?.registers.write(7, 1, 0x77);
    vcpus[0]!.script = () => {
      outb(bench, 0xcf9, 6);
      expect(vcpus[0]!.log).not.toContain('reset');
      vcpus[0]!.script = () => 'halt';
      return 'kicked';
    };
    soon(bench);
    machine.pass();
    machine.pass();
    expect(vcpus[0]!.log).toContain('reset');
    expect(bench.events).toContain('reset by guest');
    expect(machine.board.memory.ram.bytes[0x1000]).toBe(0x5a);
  });

  test.each([
    ['port 92h', (bench: Bench) => outb(bench, 0x92, 1)],
    ['the keyboard controller', (bench: Bench) => outb(bench, 0x64, 0xfe)],
  ])('%s resets the machine, or returns to a program that left protected mode', (_what, pulse) => {
    for (const [code, expected] of [
      [0x00, 'reset'],
      [0x0a, 'init'],
    ] as const) {
      const bench = make();
      outb(bench, 0x70, 0x0f);
      outb(bench, 0x71, code);
      pulse(bench);
      bench.machine.clock.start();
      soon(bench);
      bench.machine.pass();
      expect(bench.vcpus[0]!.log.filter((each) => each === 'reset' || each === 'init')).toEqual([expected]);
    }
  });

  test('a triple fault is a reset, and with noReboot the end', () => {
    for (const noReboot of [false, true]) {
      const bench = make({ noReboot });
      bench.vcpus[0]!.script = () => {
        bench.vcpus[0]!.script = () => 'halt';
        return 'shutdown';
      };
      bench.machine.clock.start();
      bench.machine.pass();
      soon(bench);
      expect(bench.machine.pass()).toEqual(noReboot ? { how: 'reset' } : undefined);
      expect(bench.events.includes('reset by triple-fault')).toBe(!noReboot);
      expect(bench.events.filter((event) => /triple fault/.test(event))).toHaveLength(noReboot ? 1 : 0); // otherwise the host says so
    }
  });

  test('the power button is told to a guest that does not listen', () => {
    const bench = make();
    bench.machine.powerButton();
    expect(bench.events).toEqual(['warning: the guest does not listen to the power button']);
  });

  test('S5 powers off', () => {
    const bench = make();
    const pci = (register: number, value: number): void => {
      bench.vcpus[0]!.options.ports.write(0xcf8, 4, (0x8000_0000 | (1 << 11) | (3 << 8) | register) >>> 0);
      bench.vcpus[0]!.options.ports.write(0xcfc, 4, value);
    };
    pci(0x40, 0x601);
    pci(0x04, 1);
    pci(0x80, 1);
    outb(bench, 0xb2, 0xf1);
    bench.vcpus[0]!.options.ports.write(0x604, 2, 0x2000);
    bench.machine.clock.start();
    expect(bench.machine.pass()).toEqual({ how: 'powered-off' });
  });

  test('isa-debug-exit ends the run with its status', () => {
    const bench = make({ debugExit: true });
    outb(bench, 0xf4, 0x10);
    expect(bench.machine.pass()).toEqual({ how: 'debug-exit', status: 0x21 });
  });
});

describe('save and load', () => {
  test('a loaded machine has the state of the saved one', () => {
    const first = make({ serial: [{ backend: 'none' }] });
    const write = (port: number, value: number): void => first.vcpus[0]!.options.ports.write(port, 1, value);
    for (const [port, value] of [
      [0x3ff, 0x42],
      [0x21, 0x5a],
      [0x43, 0x34],
      [0x40, 0x12],
      [0x40, 0x34],
      [0x92, 0x02],
    ] as const) {
      write(port, value);
    }
    first.machine.clock.set(123_456_789);
    const saved = structuredClone(first.machine.save());
    const second = make({ serial: [{ backend: 'none' }] });
    second.machine.load(saved);
    expect(second.machine.save()).toEqual(saved);
    expect(second.vcpus[0]!.options.ports.read(0x3ff, 1)).toBe(0x42);
    expect(second.machine.clock.now()).toBe(123_456_789);
  });

  test('a state of another machine, or a damaged one, is refused by name', () => {
    const bench = make();
    const saved = bench.machine.save();
    expect(() => make({ cpu: { count: 2 } }).machine.load(saved)).toThrow('the saved state has 1 processors, this machine has 2');
    const { rtc, ...without } = saved.devices;
    expect(() => make().machine.load({ ...saved, devices: without })).toThrow('lacks the device rtc');
    expect(() => make().machine.load({ ...saved, devices: { ...saved.devices, rtc: { ...rtc!, state: { cmos: 3 } } } })).toThrow(/rtc/);
    expect(() => make().machine.load({ ...saved, devices: { ...saved.devices, toaster: rtc! } })).toThrow('toaster');
  });
});

test('a processor’s local APIC page is its own', () => {
  const { vcpus } = make({ cpu: { count: 2 } });
  const ids = vcpus.map((vcpu) => vcpu.options.mmio.read(0xfee0_0020, 4) >>> 24);
  expect(ids).toEqual([0, 1]);
});

test('equal seeds give equal randomness', () => {
  const draw = (seed: number): number[] => {
    const { options } = make({ seed }).vcpus[0]!;
    return Array.from({ length: 4 }, () => options.random());
  };
  expect(draw(7)).toEqual(draw(7));
  expect(draw(7)).not.toEqual(draw(8));
});
