/**
 * The code that each of a number of instructions becomes, with its size: a change in code generation is a diff of the snapshot (npx jest tests/vectors/translated-code -u).
 */
import type { WasmEngine } from '../../vmm/accel/wasm/engine.ts';
import * as L from '../../vmm/cpu/layout.ts';
import { translateRegions } from '../../vmm/cpu/bind/jit/module.ts';
import { formRegion } from '../../vmm/cpu/jit/region.ts';
import { UOP_SIZE } from '../../vmm/cpu/uop.ts';
import { disassemble } from '../../vmm/wasm/disassembler.ts';
import { engineModules } from '../../build/engine.node.ts';
import { createEngine, Rig, WINDOWS } from './rig.ts';

const HLT = 'f4';
const instructions: readonly (readonly [text: string, mode: 32 | 64, bytes: string])[] = [
  ['mov eax, ecx', 32, '89c8'],
  ['mov eax, [ebx+8]', 32, '8b4308'],
  ['mov [ebx+8], eax', 32, '894308'],
  ['mov al, ah', 32, '88e0'],
  ['movzx eax, byte [ebx]', 32, '0fb603'],
  ['lea eax, [ebx+ecx*4+16]', 32, '8d448b10'],
  ['add eax, ecx', 32, '01c8'],
  ['add eax, ecx; setb dl', 32, '01c8 0f92c2'],
  ['adc eax, ecx', 32, '11c8'],
  ['sub dword [ebx], 1', 32, '832b01'],
  ['cmp eax, ecx; setl dl', 32, '39c8 0f9cc2'],
  ['test eax, eax; cmovz ecx, edx', 32, '85c0 0f44ca'],
  ['inc ecx', 32, '41'],
  ['shl eax, cl', 32, 'd3e0'],
  ['imul eax, ecx', 32, '0fafc1'],
  ['push ebp', 32, '55'],
  ['pop ebp', 32, '5d'],
  ['fld qword [ebx]', 32, 'dd03'],
  ['fadd st0, st1', 32, 'd8c1'],
  ['mov rax, rcx', 64, '4889c8'],
  ['mov rax, [rbx+8]', 64, '488b4308'],
  ['mov [rbx+8], rax', 64, '48894308'],
  ['mov eax, [rip+16]', 64, '8b0510000000'],
  ['mov rax, gs:[0x30]', 64, '65488b042530000000'],
  ['add rax, rcx', 64, '4801c8'],
  ['and eax, 15', 64, '83e00f'],
  ['bsf rax, rcx', 64, '480fbcc1'],
  ['push rbp', 64, '55'],
  ['ret', 64, 'c3'],
  ['call [rbx]', 64, 'ff13'],
  ['rep movsb', 64, 'f3a4'],
  ['movaps xmm0, xmm1', 64, '0f28c1'],
  ['movups xmm0, [rbx]', 64, '0f1003'],
  ['paddd xmm0, xmm1', 64, '660ffec1'],
  ['addsd xmm0, xmm1', 64, 'f20f58c1'],
  ['pshufb xmm0, xmm1', 64, '660f3800c1'],
  ['cvttsd2si eax, xmm0', 64, 'f20f2cc0'],
  ['lock cmpxchg [rbx], ecx', 64, 'f00fb10b'],
  ['cpuid', 64, '0fa2'],
];

let engine: WasmEngine | undefined;

test.each(instructions)('%s in %i-bit code', async (_, mode, hex) => {
  engine ??= createEngine(await engineModules());
  const rig = new Rig(engine, 'interp', mode);
  const bytes = Buffer.from(`${hex}${HLT}`.replaceAll(' ', ''), 'hex');
  rig.ram.set(bytes);
  rig.load({ rip: WINDOWS[0]! });
  rig.core.setInt32(L.LEFT, 100, true);
  const first = rig.system['first_trace']!() as number;
  const formed = formRegion(rig.core, engine.instructions.handlers, first, true);
  // Without the HLT.
  const block = formed.blocks[0]!;
  const count = (hex.match(/ /g)?.length ?? 0) + 1;
  const last = { ...block, count, end: block.end - (block.count > count ? 1 : 0), taken: -1, next: -1 };
  const region = { ...formed, blocks: [last], code: formed.code.slice(0, count * UOP_SIZE) };
  const [code] = disassemble(translateRegions([region], engine.instructions.handlers));
  // Between what every region begins with and its common exit.
  const from = code!.lines.findIndex((line, i) => line.trim() === 'block' && code!.lines[i + 1]?.trim() === 'block') + 2;
  const to = code!.lines.findIndex((line) => line.trim() === 'unreachable');
  const own = code!.lines.slice(from, to < 0 ? undefined : to).map((line) => line.replace(/^ {4}/, ''));
  expect([`${code!.bytes} bytes with entry and exit`, ...own].join('\n')).toMatchSnapshot();
});
