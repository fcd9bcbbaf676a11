/** Translated code and pages: instructions that lie in two, and who may execute what. */
import type { Accelerator } from '../accelerator.ts';
import type { Region } from '../../cpu/jit/region.ts';
import type { CpuState } from '../../cpu/state.ts';
import { ImmediateCompiler } from './region-compiler.ts';
import { CODE, binaries, make } from './vcpu.test-support.ts';
import type { Rig } from './vcpu.test-support.ts';
import { createWasmAccelerator } from './wasm.ts';

const PAGE_DIRECTORY = 0x10000;
const PAGE_TABLE = 0x11000;
const GDT = 0x12000;
const IDT = 0x13000;
const TSS = 0x14000;
const [PRESENT, USER] = [3, 7];
const PAGE_FAULT = 14;

const accelerators: readonly (readonly [string, Accelerator])[] = [
  ['the interpreter', createWasmAccelerator(binaries)],
  ['the translator', createWasmAccelerator(binaries, (handlers) => new ImmediateCompiler(handlers))],
];

/** Protected mode with flat segments, the first 4 MiB mapped to themselves, level 0. */
function flat(accelerator: Accelerator, page: (number: number) => number = () => USER): Rig {
  const rig = make({ accelerator });
  const memory = new DataView(rig.ram.buffer, rig.ram.byteOffset);
  memory.setUint32(PAGE_DIRECTORY, PAGE_TABLE | USER, true);
  for (let n = 0; n < 1024; n++) memory.setUint32(PAGE_TABLE + 4 * n, (n << 12) | page(n), true);
  // null, code and data of level 0, the same of level 3, a TSS
  [
    [0, 0],
    [0xffff, 0xcf9b00],
    [0xffff, 0xcf9300],
    [0xffff, 0xcffb00],
    [0xffff, 0xcff300],
    [(TSS << 16) | 0x67, 0x008b01],
  ].forEach(([low, high], i) => {
    memory.setUint32(GDT + 8 * i, low!, true);
    memory.setUint32(GDT + 8 * i + 4, high!, true);
  });
  return rig;
}

function begin(rig: Rig, rip: number): void {
  const before = rig.state();
  const table = { selector: 0, attributes: 0, limit: 0x7ff };
  const code = { selector: 8, attributes: 0xc09b00, base: 0n, limit: 0xffff_ffff };
  const data = { ...code, selector: 0x10, attributes: 0xc09300 };
  const segments = {
    ...before.segments,
    ...{ cs: code, ss: data, ds: data, es: data, fs: data, gs: data },
    ...{ gdtr: { ...table, base: BigInt(GDT) }, idtr: { ...table, base: BigInt(IDT) } },
    tr: { selector: 0x28, attributes: 0x8b00, base: BigInt(TSS), limit: 0x67 },
  };
  const gpr = before.gpr.map((_, n) => (n === 4 ? 0x8000n : 0n));
  rig.cpu.load({ ...before, cr0: 0x80000011n, cr3: BigInt(PAGE_DIRECTORY), segments, gpr, rip: BigInt(rip), activity: 0 } as CpuState);
}

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');

describe.each(accelerators)('%s', (_, accelerator) => {
  test('sees both pages of an instruction that lies in two', () => {
    const rig = flat(accelerator);
    // mov ecx, 3000; call loop; mov byte [4000h], 1; mov ecx, 3000; call loop
    rig.ram.set(bytes('b9b80b0000 e8f10f0000 c6050040000001 b9b80b0000 e8e00f0000'), 0x3000);
    // mov dword [the entry of page 4], page 6; invlpg [4000h]; mov ecx, 3000; call loop; hlt
    rig.ram.set(bytes('c7051010010007600000 0f013d00400000 b9b80b0000 e8c50f0000 f4'), 0x301b);
    // loop: add ebx, eax; nop; mov eax, 5; loop; ret. The operand of the MOV begins in one page and ends in the next.
    rig.ram.set(bytes('01c3 90 b8 05000000 e2f6 c3'), 0x3ffb);
    rig.ram.set(bytes('020000 e2f6 c3'), 0x6000);
    begin(rig, 0x3000);
    const before = rig.cpu.instructions;
    expect(rig.cpu.run(100_000)).toBe('halt');
    expect(rig.state().gpr[3]).toBe(BigInt(2999 * 5 + 5 + 2999 * 0x105 + 0x105 + 2999 * 0x205));
    expect(rig.cpu.instructions - before).toBe(3 * (4 * 3000 + 3) + 4);
  });

  test('does not let a program jump where only the system may, however often that was done', () => {
    const rig = flat(accelerator, (n) => (n === 2 ? PRESENT : USER));
    const memory = new DataView(rig.ram.buffer, rig.ram.byteOffset);
    memory.setUint32(IDT + 8 * PAGE_FAULT, 0x0008_1800, true);
    memory.setUint32(IDT + 8 * PAGE_FAULT + 4, 0x8e00, true);
    memory.setUint32(TSS + 4, 0x9000, true);
    memory.setUint32(TSS + 8, 0x10, true);
    // mov ecx, 5000; mov edx, 2000h; again: jmp edx
    rig.ram.set(bytes('b988130000 ba00200000 eb04 90909090 ffe2'), 0x1000);
    // dec ecx; mov eax, again; mov ebx, after; cmovz eax, ebx; jmp eax
    rig.ram.set(bytes('49 b810100000 bb00110000 0f44c3 ffe0'), 0x2000);
    // after: iret to 5000h in level 3
    rig.ram.set(bytes('6a23 6800700000 6a02 6a1b 6800500000 cf'), 0x1100);
    // push 23h; pop ds; push 23h; pop es; mov ecx, 2000; mov edx, 5100h; again: jmp edx
    rig.ram.set(bytes('6a23 1f 6a23 07 b9d0070000 ba00510000 ffe2'), 0x5000);
    // dec ecx; mov eax, again; mov ebx, 2000h; cmovz eax, ebx; jmp eax
    rig.ram.set(bytes('49 b810500000 bb00200000 0f44c3 ffe0'), 0x5100);
    rig.ram[0x1800] = 0xf4;
    begin(rig, 0x1000);
    expect(rig.cpu.run(100_000)).toBe('halt');
    const { cr2, cpl, gpr, rip } = rig.state();
    expect({ cr2, cpl, rip, error: memory.getUint32(Number(gpr[4]), true) }).toEqual({ cr2: 0x2000n, cpl: 0, rip: 0x1801n, error: 5 });
  });
});

test('a program that writes the same code again and again does not fill the code cache', () => {
  const { cpu, start, ram, state } = make({ accelerator: accelerators[1]![1] });
  ram.set([...new Array<number>(60).fill(0x43), 0xc3], 0x3000); // inc bx (60 times); ret
  start(0xb9, 0x40, 0x9c, 0xc6, 0x06, 0x00, 0x30, 0x43, 0xe8, 0xf5, 0x1f, 0xe2, 0xf6, 0xf4); // mov cx, 40000; again: mov byte [3000h], inc bx; call 3000h; loop again; hlt
  const emptied = cpu.stats?.()['code cache emptied'];
  expect(cpu.run(10_000_000)).toBe('halt');
  expect([state().gpr[3], cpu.stats?.()['code cache emptied']]).toEqual([BigInt((40_000 * 60) & 0xffff), emptied]);
});

test('what everybody calls is translated again with a few callers only', () => {
  const wide: Region[] = [];
  const recording = createWasmAccelerator(binaries, (handlers) => {
    const compiler = new ImmediateCompiler(handlers);
    return Object.assign(compiler, {
      submit: (regions: readonly Region[]) => {
        wide.push(...regions.filter((region) => region.wide));
        ImmediateCompiler.prototype.submit.call(compiler, regions);
      },
    });
  });
  const { cpu, start } = make({ accelerator: recording });
  const CALLERS = 6;
  const CALLEE = CODE + 8 * CALLERS + 1;
  // Six times: mov cx, 25000; again: call callee; loop again. Then hlt. callee: inc ax (nine times); ret
  const callers = Array.from({ length: CALLERS }, (_, n) => [0xb9, 0xa8, 0x61, 0xe8, 8 * (CALLERS - n) - 5, 0, 0xe2, 0xfb]);
  start(...callers.flat(), 0xf4, ...new Array<number>(9).fill(0x40), 0xc3);
  expect(cpu.run(3_000_000)).toBe('halt');
  const withCallee = wide.filter((region) => region.blocks.some((block) => block.start === (CALLEE & 0xfff)));
  expect(wide.length).toBeGreaterThan(4);
  // Its own, and those of the first two callers.
  expect(withCallee).toHaveLength(3);
});
