/**
 * The processors a guest can have, as data. None has a feature that the engine does not execute. 64-bit models are AMD's, because kernels pay for
 * Meltdown on Intel's: page tables switched at every system call, which a software TLB feels most.
 */
import { VmmError } from '../../base/errors.ts';
import type { Feature } from './features.ts';

export interface CpuModel {
  readonly name: string;
  /** One line for a person who chooses. */
  readonly summary: string;
  readonly vendor: 'GenuineIntel' | 'AuthenticAMD';
  readonly family: number;
  readonly model: number;
  readonly stepping: number;
  /** CPUID.8000_0002..4, at most 47 characters; processors before the Pentium 4 have none. */
  readonly brand?: string;
  readonly features: ReadonlySet<Feature>;
  /** Highest basic leaf of CPUID. */
  readonly maximumLeaf: number;
  readonly physicalAddressBits: 32 | 36 | 40;
  /** CPUID.2: cache and TLB descriptors (Intel). */
  readonly cacheDescriptors?: readonly [eax: number, ebx: number, ecx: number, edx: number];
  /** The time stamp counter's frequency. */
  readonly tscHz: number;
}

const i486: readonly Feature[] = ['i186', 'i486', 'fpu', 'vme', 'pse'];
const pentium: readonly Feature[] = [...i486, 'de', 'tsc', 'msr', 'mce', 'cx8', 'mmx', 'apic'];
const i686: readonly Feature[] = [...i486, 'de', 'tsc', 'msr', 'pae', 'mce', 'cx8', 'apic', 'sep', 'mtrr', 'pge', 'mca', 'cmov'];
const pentium3: readonly Feature[] = [...i686, 'pat', 'pse36', 'mmx', 'fxsr', 'sse'];
const x8664: readonly Feature[] = [
  ...pentium3,
  ...(['clflush', 'sse2', 'sse3', 'cx16', 'hypervisor', 'syscall', 'nx', 'lm', 'lahf_lm', 'prefetchw', 'invtsc'] as const),
];
const x8664v2: readonly Feature[] = [...x8664, 'ssse3', 'sse4_1', 'sse4_2', 'popcnt', 'rdtscp', 'pdpe1gb'];
const everything: readonly Feature[] = [
  ...x8664v2,
  ...(['pclmulqdq', 'pcid', 'movbe', 'aes', 'xsave', 'xsaveopt', 'rdrand', 'fsgsbase', 'tsc_adjust', 'bmi1', 'smep', 'bmi2', 'erms'] as const),
  ...(['invpcid', 'rdseed', 'adx', 'smap', 'clflushopt', 'sha', 'umip', 'lzcnt', 'tsc_deadline'] as const),
];

const GHZ = 1_000_000_000;

export const cpuModels: readonly CpuModel[] = [
  {
    name: '486',
    summary: 'Intel 486DX4 (1994): for software that later processors break',
    vendor: 'GenuineIntel',
    family: 4,
    model: 8,
    stepping: 0,
    features: new Set(i486),
    maximumLeaf: 1,
    physicalAddressBits: 32,
    tscHz: GHZ,
  },
  {
    name: 'pentium',
    summary: 'Intel Pentium MMX (1997): Windows 95 and its time',
    vendor: 'GenuineIntel',
    family: 5,
    model: 4,
    stepping: 3,
    features: new Set(pentium),
    maximumLeaf: 1,
    physicalAddressBits: 32,
    tscHz: GHZ,
  },
  {
    name: 'i686',
    summary: 'Intel Pentium Pro (1995): PAE and CMOV, no MMX',
    vendor: 'GenuineIntel',
    family: 6,
    model: 1,
    stepping: 9,
    features: new Set(i686),
    maximumLeaf: 2,
    physicalAddressBits: 36,
    cacheDescriptors: [0x03020101, 0, 0, 0x06040a42],
    tscHz: GHZ,
  },
  {
    name: 'pentium3',
    summary: 'Intel Pentium III (1999): 32 bits with SSE',
    vendor: 'GenuineIntel',
    family: 6,
    model: 8,
    stepping: 3,
    features: new Set(pentium3),
    maximumLeaf: 2,
    physicalAddressBits: 36,
    cacheDescriptors: [0x03020101, 0, 0, 0x0c040882],
    tscHz: GHZ,
  },
  {
    name: 'qemu64',
    summary: '64 bits with SSE3, as the default of QEMU: runs what needs no newer processor',
    vendor: 'AuthenticAMD',
    family: 15,
    model: 107,
    stepping: 1,
    brand: 'Strate Virtual CPU',
    features: new Set(x8664),
    maximumLeaf: 1,
    physicalAddressBits: 40,
    tscHz: GHZ,
  },
  {
    name: 'x86-64-v2',
    summary: '64 bits with SSE4.2 and POPCNT: what distributions since 2022 ask for',
    vendor: 'AuthenticAMD',
    family: 0x15,
    model: 2,
    stepping: 0,
    brand: 'Strate Virtual CPU (x86-64-v2)',
    features: new Set(x8664v2),
    maximumLeaf: 1,
    physicalAddressBits: 40,
    tscHz: GHZ,
  },
  {
    name: 'max',
    summary: 'Everything the engine executes: AES, SHA, BMI, ADX, XSAVE, SMEP, SMAP, PCID',
    vendor: 'AuthenticAMD',
    family: 0x17,
    model: 1,
    stepping: 2,
    brand: 'Strate Virtual CPU (max)',
    features: new Set(everything),
    maximumLeaf: 0xd,
    physicalAddressBits: 40,
    tscHz: GHZ,
  },
];

const aliases: Readonly<Record<string, string>> = { pentiumpro: 'i686', i486: '486', i586: 'pentium', 'x86-64': 'qemu64', 'x86-64-v1': 'qemu64' };

/** The model of a name. Throws VmmError 'usage' for one that does not exist. */
export function cpuModel(name: string): CpuModel {
  const wanted = aliases[name] ?? name;
  const model = cpuModels.find((candidate) => candidate.name === wanted);
  if (!model) throw new VmmError('usage', `no CPU model '${name}'; there are ${cpuModels.map((candidate) => candidate.name).join(', ')}`);
  return model;
}
