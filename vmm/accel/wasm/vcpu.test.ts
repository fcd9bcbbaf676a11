import { PAGE_DIRTY_LOG, PAGE_READ, PAGE_WRITE } from '../../memory/physical-map.ts';
import type { ApicMsrs } from '../accelerator.ts';
import type { CpuState } from '../../cpu/state.ts';
import { deriveInstructions } from '../../cpu/isa/handlers.ts';
import { encodings } from '../../cpu/isa/index.ts';
import type { Region } from '../../cpu/jit/region.ts';
import { compileRegions } from './region-compiler.ts';
import { CODE, binaries, make } from './vcpu.test-support.ts';
import type { Rig } from './vcpu.test-support.ts';
import { createWasmAccelerator } from './wasm.ts';

test('after power-on it is where SDM vol.3 table 9-1 says', () => {
  const { rip, cr0, eflags, segments, gpr, dr } = make({ model: 'i686' }).state();
  expect([rip, cr0, eflags, segments.cs.selector, segments.cs.base]).toEqual([0xfff0n, 0x60000010n, 2, 0xf000, 0xffff0000n]);
  expect([gpr[2], dr[6], dr[7]]).toEqual([0x619n, 0xffff0ff0n, 0x400n]);
});

test('a budget is kept to the instruction, and a slice goes on where the last one ended', () => {
  const { cpu, start, state } = make();
  start(0x40, 0xeb, 0xfd); // inc ax; jmp
  const before = cpu.instructions;
  expect(cpu.run(1001)).toBe('budget');
  expect(cpu.instructions - before).toBe(1001);
  expect(state().gpr[0]).toBe(501n);
  expect(cpu.run(1)).toBe('budget');
  expect([cpu.instructions - before, state().gpr[0]]).toEqual([1002, 501n]);
});

test('HLT halts until an interrupt, which STI does not let in before HLT', () => {
  const { cpu, start, ram, state } = make();
  ram.set([0x00, 0x20, 0x00, 0x00], 0x40 * 4);
  ram.set([0xf4], 0x2000);
  start(0xfb, 0xf4, 0x90); // sti; hlt; nop
  cpu.interrupt(true);
  expect(cpu.run(1000)).toBe('halt');
  expect(state().rip).toBe(0x2001n);
  // The return address is behind the HLT: it was executed.
  expect([ram[0x7ffa], ram[0x7ffb]]).toEqual([0x02, 0x10]);
  cpu.interrupt(false);
  expect(cpu.run(1000)).toBe('halt');
});

test('an interrupt that comes after STI has ended a slice does not come between it and HLT', () => {
  const { cpu, start, ram, state } = make();
  ram.set([0x00, 0x20, 0x00, 0x00], 0x40 * 4);
  ram.set([0xf4], 0x2000);
  start(0xfb, 0xf4, 0x90);
  cpu.run(1);
  expect(state().shadow).toBe(1);
  cpu.interrupt(true);
  cpu.run(1);
  expect([state().rip, state().shadow]).toEqual([BigInt(CODE + 2), 0]);
  expect(cpu.run(1000)).toBe('halt');
  expect([state().rip, ram[0x7ffa]]).toEqual([0x2001n, 0x02]);
});

test('a pending interrupt waits while IF is 0', () => {
  const { cpu, start, state } = make();
  start(0x40, 0x40, 0xf4);
  cpu.interrupt(true);
  expect(cpu.run(1000)).toBe('halt');
  expect([state().gpr[0], state().rip]).toEqual([2n, BigInt(CODE + 3)]);
});

test('NMI is taken with IF 0, once until IRET', () => {
  const { cpu, start, ram, state } = make();
  ram.set([0x00, 0x20, 0x00, 0x00], 8);
  ram.set([0x43, 0xcf], 0x2000); // inc bx; iret
  start(0x40, 0x40, 0x40, 0xf4, 0xf4);
  cpu.nmi();
  expect(cpu.run(1000)).toBe('halt');
  expect([state().gpr[0], state().gpr[3]]).toEqual([3n, 1n]);
  cpu.nmi();
  expect(cpu.run(1000)).toBe('halt');
  expect(state().gpr[3]).toBe(2n);
});

test('the doorbell ends the slice after the access that rang it', () => {
  const rig = make();
  rig.start(0xe6, 0x80, 0x40, 0x40, 0xf4);
  rig.onOut = () => {
    rig.doorbell[0] = 1;
  };
  expect(rig.cpu.run(1000)).toBe('kicked');
  expect([rig.out, rig.state().gpr[0]]).toEqual([[[0x80, 1, 0]], 0n]);
  expect(rig.cpu.run(1000)).toBe('kicked');
  rig.doorbell[0] = 0;
  expect(rig.cpu.run(1000)).toBe('halt');
});

test('code that a bus master replaced is decoded anew', () => {
  const { cpu, start, ram, physical, state } = make();
  start(0x40, 0xf4);
  cpu.run(100);
  start(0x40, 0xf4);
  ram[CODE] = 0x43; // inc bx
  physical.wrote(CODE, 1);
  cpu.run(100);
  expect([state().gpr[0], state().gpr[3]]).toEqual([0n, 1n]);
});

test('video memory is marked when it was stored to, also after the display took the mark away within the slice', () => {
  const rig = make();
  const page = 0x4;
  rig.physical.fill(page, 1, page << 12, PAGE_READ | PAGE_WRITE | PAGE_DIRTY_LOG);
  rig.physical.commit();
  const { dirty } = rig.physical.memory;
  const store = [0xc6, 0x06, 0x10, 0x40, 0x77]; // mov byte [4010h], 77h
  const takes: number[] = [];
  rig.onOut = () => {
    takes.push(dirty[page]!);
    dirty[page] = 0;
  };
  rig.start(...store, ...store, 0xe6, 0x80, ...store, 0xe6, 0x80, ...store, 0xf4);
  expect(rig.cpu.run(1000)).toBe('halt');
  expect([takes, dirty[page], rig.ram[0x4010]]).toEqual([[1, 0], 1, 0x77]);
  dirty[page] = 0;
  rig.start(0x90, 0xf4);
  rig.cpu.run(1000);
  expect(dirty[page]).toBe(0);
  rig.start(...store, 0xf4);
  rig.cpu.run(1000);
  expect(dirty[page]).toBe(1);
});

test('A20 off folds the second megabyte onto the first', () => {
  const { cpu, start, ram, state } = make();
  ram[0x10] = 0x5a;
  start(0xb8, 0xff, 0xff, 0x8e, 0xd8, 0xa0, 0x20, 0x00, 0xf4); // mov ax, ffff; mov ds, ax; mov al, [20]
  cpu.a20(false);
  cpu.run(100);
  expect(state().gpr[0]! & 0xffn).toBe(0x5an);
  start();
  cpu.a20(true);
  cpu.run(100);
  expect(state().gpr[0]! & 0xffn).toBe(0xffn); // beyond RAM
});

test('a triple fault is a shutdown until reset', () => {
  const { cpu, start, state } = make();
  start(0x0f, 0x0b);
  const before = state();
  cpu.load({ ...before, segments: { ...before.segments, idtr: { ...before.segments.idtr, limit: 0 } } } as CpuState);
  expect(cpu.run(100)).toBe('shutdown');
  expect(cpu.run(100)).toBe('shutdown');
  cpu.reset();
  expect(state()).toMatchObject({ rip: 0xfff0n, activity: 0 });
});

test('an application processor waits for SIPI and starts at its page', () => {
  const { cpu, ram, state } = make({ index: 1 });
  ram.set([0xb8, 0x34, 0x12, 0xf4], 0x3000);
  expect(cpu.run(100)).toBe('halt');
  cpu.startup(3);
  expect(cpu.run(100)).toBe('halt');
  expect(state()).toMatchObject({ rip: 4n, segments: { cs: { selector: 0x300, base: 0x3000n } } });
  expect(state().gpr[0]).toBe(0x1234n);
  cpu.startup(5); // not waiting any more: ignored
  expect(state().segments.cs.base).toBe(0x3000n);
  cpu.init();
  expect(cpu.run(100)).toBe('halt');
  expect(state().rip).toBe(0xfff0n);
});

test('a reset that an instruction asks for waits for its end', () => {
  const rig = make();
  rig.start(0xe6, 0x64, 0xf4);
  rig.onOut = () => rig.cpu.reset();
  expect(rig.cpu.run(1000)).toBe('kicked');
  expect(rig.state().rip).toBe(0xfff0n);
});

test('a saved state continues as the original does', () => {
  const program = [0x40, 0x01, 0xc3, 0x93, 0x50, 0x59, 0xeb, 0xf8]; // inc ax; add bx, ax; xchg; push; pop cx; jmp
  const whole = make();
  whole.start(...program);
  whole.cpu.run(5000);
  const first = make();
  first.start(...program);
  first.cpu.run(1733);
  const second = make();
  second.ram.set(first.ram);
  second.cpu.load(structuredClone(first.cpu.save()));
  second.cpu.run(5000 - 1733);
  expect(second.state()).toEqual(whole.state());
});

test('a damaged state is refused before anything changes', () => {
  const { cpu, start, state } = make();
  start(0xf4);
  const before = state();
  for (const damage of [{ cpl: 4 }, { rip: -1n }, { rip: 1n << 64n }, { x87: new Uint8Array(3) }, { gpr: [] }, { version: 2 }]) {
    expect(() => cpu.load({ ...before, ...damage })).toThrow(/saved state of CPU 0 is damaged/);
  }
  expect(state()).toEqual(before);
});

test('an error of a device ends the run, not the process', () => {
  const rig = make();
  rig.start(0xe6, 0x80);
  rig.onOut = () => {
    throw new Error('broken device');
  };
  expect(rig.cpu.run(100)).toMatchObject({ error: { kind: 'internal', message: 'CPU 0: broken device' } });
});

test('the time stamp counter counts guest time and starts at 0 with every reset', () => {
  const rig = make();
  rig.clock.now = 5_000;
  rig.cpu.reset();
  rig.clock.now = 12_345;
  rig.start(0x0f, 0x31, 0xf4);
  rig.cpu.run(100);
  expect(rig.state().gpr[0]).toBe(7_345n);
});

test('the host is asked for the time now and then only, but after every pause, and at once where a slice must be exact', () => {
  const rig = make();
  let asked = 0;
  Object.defineProperty(rig.clock, 'now', { get: () => 1000 * ++asked });
  rig.start(0x0f, 0x31, 0x0f, 0x31, 0x89, 0xc3, 0x0f, 0x31, 0xf4, 0x0f, 0x31, 0xf4); // rdtsc; rdtsc; mov bx, ax; rdtsc; hlt; rdtsc; hlt
  asked = 0;
  expect(rig.cpu.run(1000, false)).toBe('halt');
  const first = rig.state();
  expect([asked, first.gpr[0]! >= first.gpr[3]!]).toEqual([1, true]);
  rig.cpu.nmi();
  rig.ram.set([0xcf], 0x0600);
  rig.ram.set([0x00, 0x06, 0x00, 0x00], 8);
  expect(rig.cpu.run(1000, false)).toBe('halt');
  expect(asked).toBe(2);
  expect(rig.state().gpr[0]! - first.gpr[0]!).toBeGreaterThan(900n);
  rig.start(0x0f, 0x31, 0x0f, 0x31, 0xf4);
  asked = 0;
  rig.cpu.run(1000);
  expect(asked).toBe(2);
});

test('a model that does not exist is named with those that do', () => {
  expect(() => make({ model: 'z80' })).toThrow(/no CPU model 'z80'; there are 486, pentium, i686/);
});

describe('IA32_TSC_DEADLINE', () => {
  const code = [0xb8, 0x00, 0x10, 0x31, 0xd2, 0x66, 0xb9, 0xe0, 0x06, 0, 0, 0x0f, 0x30, 0x0f, 0x32, 0xf4]; // deadline 1000h: wrmsr, rdmsr, hlt
  const makeApic = () => {
    const written: bigint[] = [];
    const apic: ApicMsrs = {
      read: () => 0xfee00900n,
      write: () => true,
      readTaskPriority: () => 0,
      writeTaskPriority: () => undefined,
      readTscDeadline: () => written.at(-1) ?? 0n,
      writeTscDeadline: (tsc) => void written.push(tsc),
    };
    return { apic, written };
  };

  test('goes to the local APIC, where the model has it', () => {
    const { apic, written } = makeApic();
    const { cpu, start, state } = make({ model: 'max', apic });
    start(...code);
    written.length = 0;
    expect(cpu.run(100)).toBe('halt');
    expect([written, state().gpr[0]! & 0xffffn]).toEqual([[0x1000n], 0x1000n]);
    expect(cpu.timeOfTsc?.(0x1000n)).toBe(0x1000);
  });

  test('is set anew when the counter is moved', () => {
    const { apic, written } = makeApic();
    const { cpu, start } = make({ model: 'max', apic });
    start(...code.slice(0, 13), 0xb9, 0x10, 0x00, 0x0f, 0x30, 0xf4); // then 1000h to the counter, too (ecx = 10h)
    written.length = 0;
    expect(cpu.run(100)).toBe('halt');
    expect(written).toEqual([0x1000n, 0x1000n]);
    expect(cpu.timeOfTsc?.(0x1500n)).toBe(0x500);
  });

  test('is #GP without the feature', () => {
    const { apic, written } = makeApic();
    const { cpu, start, ram, state } = make({ model: 'qemu64', apic });
    ram.set([0x00, 0x20, 0x00, 0x00], 13 * 4);
    ram[0x2000] = 0xf4;
    start(...code);
    written.length = 0;
    expect(cpu.run(100)).toBe('halt');
    expect([written, state().rip]).toEqual([[], 0x2001n]);
  });
});

describe('a translator that takes its time', () => {
  const { handlers } = deriveInstructions(encodings);
  const LOOP = [0x40, 0xeb, 0xfd]; // inc ax; jmp
  /** More than makes a trace hot. */
  const OFTEN = 2000;

  function makeSlow(): Rig & { readonly asked: Region[]; readonly deliver: () => void } {
    const asked: Region[] = [];
    let ready = false;
    const compiler = {
      immediate: false,
      submit: (regions: readonly Region[]) => void asked.push(...regions),
      take: () => (ready && asked.length > 0 ? compileRegions(asked.splice(0), handlers) : undefined),
    };
    return Object.assign(make({ accelerator: createWasmAccelerator(binaries, () => compiler) }), { asked, deliver: () => (ready = true) });
  }

  test('delivers code of which another has the place by then, and nothing of that is changed', () => {
    const { cpu, start, state, asked, deliver } = makeSlow();
    start(0xeb, 0x0e, ...new Array<number>(14).fill(0x90), ...LOOP);
    cpu.run(OFTEN);
    cpu.run(1);
    expect(asked).toHaveLength(1);
    // Decoded where the loop was: its jump lies where the loop's trace had its count.
    start(0x41, 0x42, 0xeb, 0xfc); // inc cx; inc dx; jmp
    // Long enough for the jump to be linked.
    cpu.run(300);
    deliver();
    cpu.run(300);
    expect(state().gpr.slice(0, 3)).toEqual([0n, 200n, 200n]);
  });

  test('is asked again for what was forgotten before it was asked', () => {
    const { cpu, start, asked } = makeSlow();
    start(...LOOP);
    cpu.run(OFTEN); // hot, and not sent yet
    start(...LOOP);
    cpu.run(OFTEN);
    cpu.run(1);
    expect(asked).toHaveLength(1);
  });
});
