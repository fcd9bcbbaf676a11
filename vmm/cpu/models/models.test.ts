import { cpuidLeaves } from './cpuid.ts';
import { cpuModel, cpuModels } from './models.ts';

const leaf = (model: string, number: number, count = 1) => cpuidLeaves(cpuModel(model), count).find((each) => each.leaf === number)!;

test('signatures are coded as the manual does', () => {
  expect(leaf('486', 1).eax).toBe(0x480);
  expect(leaf('pentium', 1).eax).toBe(0x543);
  expect(leaf('i686', 1).eax).toBe(0x619);
  // Family 15, model 107: extended model 6.
  expect(leaf('qemu64', 1).eax).toBe(0x60fb1);
  // Family 17h: extended family 8.
  expect(leaf('max', 1).eax).toBe(0x800f12);
});

test('the vendor is spelled in EBX, EDX, ECX', () => {
  const { ebx, edx, ecx } = leaf('qemu64', 0);
  const bytes = [ebx, edx, ecx].flatMap((word) => [word & 0xff, (word >> 8) & 0xff, (word >> 16) & 0xff, word >>> 24]);
  expect(String.fromCharCode(...bytes)).toBe('AuthenticAMD');
});

test('a leaf above the highest of its range is never in the table', () => {
  for (const model of cpuModels) {
    const leaves = cpuidLeaves(model, 1);
    for (const { leaf: number } of leaves) {
      const first = leaves.find((each) => each.leaf === (number & 0xc0000000) >>> 0);
      expect(first!.eax).toBeGreaterThanOrEqual(number);
    }
  }
});

test('several processors are cores of one socket', () => {
  expect(leaf('qemu64', 1, 4)).toMatchObject({ ebx: (4 << 16) | (8 << 8) });
  expect(leaf('qemu64', 1, 4).edx & (1 << 28)).not.toBe(0);
  expect(leaf('qemu64', 0x80000008, 4).ecx).toBe(3);
});

test('x86-64-v2 has what its name promises', () => {
  const { features } = cpuModel('x86-64-v2');
  for (const feature of ['cx16', 'lahf_lm', 'popcnt', 'sse3', 'ssse3', 'sse4_1', 'sse4_2'] as const) expect(features.has(feature)).toBe(true);
});

test('other names of models are understood', () => {
  expect(cpuModel('pentiumpro')).toBe(cpuModel('i686'));
});
