/** What a model answers to CPUID, as the table that assembly/system/cpuid.ts reads, and the words of system-layout.ts that follow from its features. */
import { assert } from '../../base/errors.ts';
import * as S from '../system-layout.ts';
import { featureBits } from './features.ts';
import type { Feature } from './features.ts';
import type { CpuModel } from './models.ts';

/** One leaf; `subleaf` is absent where ECX does not matter. */
export interface CpuidLeaf {
  readonly leaf: number;
  readonly subleaf?: number;
  readonly eax: number;
  readonly ebx: number;
  readonly ecx: number;
  readonly edx: number;
}

/** Name that leaf 4000_0000h gives to a guest that asks under which hypervisor it runs, unless the machine has another's devices. */
const HYPERVISOR = 'StrateStrate';
/** AMD's mirror of CPUID.1:EDX in CPUID.8000_0001:EDX: what both vendors had before they diverged. */
const AMD_MIRROR = 0x0183f3ff;
const XSAVE_AREA = 512 + 64;

/** `count` processors are one socket of that many cores. The state-dependent bits (APIC ID, OSXSAVE, ...) are filled in by the CPUID instruction. */
export function cpuidLeaves(model: CpuModel, count: number, hypervisor = HYPERVISOR): CpuidLeaf[] {
  const features: ReadonlySet<string> = model.features;
  const threads = new Set<string>(features);
  if (count > 1) threads.add('htt');
  if (count > 1 && model.vendor === 'AuthenticAMD') threads.add('cmp_legacy');
  const leaves: CpuidLeaf[] = [];
  const add = (leaf: number, eax: number, ebx: number, ecx: number, edx: number, subleaf?: number) => {
    leaves.push({ leaf, ...(subleaf === undefined ? {} : { subleaf }), eax: eax >>> 0, ebx: ebx >>> 0, ecx: ecx >>> 0, edx: edx >>> 0 });
  };
  const [ebx, edx, ecx] = text(model.vendor);
  add(0, model.maximumLeaf, ebx!, ecx!, edx!);
  const clflushQuadwords = features.has('clflush') ? 8 : 0;
  add(1, signature(model), (clflushQuadwords << 8) | ((count > 1 ? count : 0) << 16), featureBits('1.ecx', threads), featureBits('1.edx', threads));
  if (model.cacheDescriptors) add(2, ...model.cacheDescriptors);
  if (model.maximumLeaf >= 7) add(7, 0, featureBits('7.ebx', features), featureBits('7.ecx', features), featureBits('7.edx', features), 0);
  if (features.has('xsave')) {
    add(0xd, 3, XSAVE_AREA, XSAVE_AREA, 0, 0);
    add(0xd, featureBits('d.1.eax', features), 0, 0, 0, 1);
  }
  if (features.has('hypervisor')) {
    const [a, b, c] = text(hypervisor);
    add(0x40000000, 0x40000000, a!, b!, c!);
  }
  if (model.brand !== undefined) addExtended(model, threads, count, add);
  return leaves;
}

type Add = (leaf: number, eax: number, ebx: number, ecx: number, edx: number) => void;

function addExtended(model: CpuModel, features: ReadonlySet<string>, count: number, add: Add): void {
  const amd = model.vendor === 'AuthenticAMD';
  const [ebx, edx, ecx] = amd ? text(model.vendor) : [0, 0, 0];
  add(0x80000000, 0x80000008, ebx!, ecx!, edx!);
  const mirror = amd ? featureBits('1.edx', features) & AMD_MIRROR : 0;
  add(0x80000001, amd ? signature(model) : 0, 0, featureBits('80000001.ecx', features), featureBits('80000001.edx', features) | mirror);
  const brand = text(model.brand!.padEnd(48, '\0'));
  for (let part = 0; part < 3; part++) add(0x80000002 + part, brand[4 * part]!, brand[4 * part + 1]!, brand[4 * part + 2]!, brand[4 * part + 3]!);
  // L1: 64 KiB, 2 ways, 64-byte lines; L2: 512 KiB, 16 ways. TLBs as of an early Opteron.
  if (amd) add(0x80000005, 0x01ff01ff, 0x01ff01ff, 0x40020140, 0x40020140);
  add(0x80000006, 0, 0x42004200, 0x02008140, 0);
  add(0x80000007, 0, 0, 0, featureBits('80000007.edx', features));
  const linearAddressBits = features.has('lm') ? 48 : 32;
  add(0x80000008, model.physicalAddressBits | (linearAddressBits << 8), 0, amd ? count - 1 : 0, 0);
}

/** Family, model and stepping as EAX of leaf 1 codes them (SDM vol.2 figure 3-6). */
function signature({ family, model, stepping }: CpuModel): number {
  const extendedFamily = Math.max(family - 15, 0);
  const base = Math.min(family, 15);
  const extendedModel = base === 15 || base === 6 ? model >> 4 : 0;
  return (extendedFamily << 20) | (extendedModel << 16) | (base << 8) | ((model & 15) << 4) | stepping;
}

/** Characters as little-endian words of four. */
function text(characters: string): number[] {
  const words: number[] = [];
  for (let at = 0; at < characters.length; at += 4) {
    words.push([0, 1, 2, 3].reduce((word, i) => word | (characters.charCodeAt(at + i) << (8 * i)), 0) >>> 0);
  }
  return words;
}

// -- control register bits a model has (SDM vol.3 2.5)
const CR4_BITS: readonly (readonly [bit: number, feature: Feature])[] = [
  [0, 'vme'],
  [1, 'vme'], // PVI
  [2, 'tsc'], // TSD
  [3, 'de'],
  [4, 'pse'],
  [5, 'pae'],
  [6, 'mce'],
  [7, 'pge'],
  [8, 'cmov'], // PCE: RDPMC came with the Pentium Pro
  [9, 'fxsr'], // OSFXSR
  [10, 'sse'], // OSXMMEXCPT
  [11, 'umip'],
  [16, 'fsgsbase'],
  [17, 'pcid'],
  [18, 'xsave'], // OSXSAVE
  [20, 'smep'],
  [21, 'smap'],
];
const EFER_BITS: readonly (readonly [bit: number, feature: Feature])[] = [
  [0, 'syscall'], // SCE
  [8, 'lm'], // LME
  [10, 'lm'], // LMA
  [11, 'nx'], // NXE
  [14, 'fxsr_opt'], // FFXSR
];

function registerBits(table: readonly (readonly [bit: number, feature: Feature])[], features: ReadonlySet<Feature>): bigint {
  return table.reduce((bits, [bit, feature]) => (features.has(feature) ? bits | (1n << BigInt(bit)) : bits), 0n);
}

/** Writes everything of the model that the core memory holds. */
export function writeModel(core: DataView, model: CpuModel, index: number, count: number, hypervisor?: string): void {
  const { features } = model;
  const leaves = cpuidLeaves(model, count, hypervisor);
  assert(leaves.length <= S.CPUID_MAX, 'the CPUID table is full');
  leaves.forEach(({ leaf, subleaf, eax, ebx, ecx, edx }, position) => {
    const at = S.CPUID_TABLE + position * S.CPUID_ENTRY;
    [leaf, subleaf ?? 0xffffffff, eax, ebx, ecx, edx].forEach((word, i) => core.setUint32(at + 4 * i, word, true));
  });
  core.setInt32(S.CPUID_COUNT, leaves.length, true);
  core.setUint32(S.APIC_ID, index, true);
  core.setBigUint64(S.CR4_VALID, registerBits(CR4_BITS, features), true);
  core.setBigUint64(S.EFER_VALID, registerBits(EFER_BITS, features), true);
  core.setBigUint64(S.PHYSICAL_RESERVED, (1n << 52n) - (1n << BigInt(model.physicalAddressBits)), true);
  core.setBigUint64(S.XCR0_VALID, features.has('xsave') ? 3n : 0n, true);
  core.setFloat64(S.TSC_PER_NS, model.tscHz / 1e9, true);
  core.setInt32(S.FAMILY, model.family, true);
  core.setInt32(S.VENDOR_AMD, model.vendor === 'AuthenticAMD' ? 1 : 0, true);
  const words = ['1.edx', '1.ecx', '7.ebx', '7.ecx', '7.edx', '80000001.edx', '80000001.ecx'] as const;
  words.forEach((word, i) => core.setUint32(S.FEATURES + 4 * i, featureBits(word, features), true));
}
