/** Features of processors by name: where CPUID reports each (SDM vol.2 CPUID; AMD APM vol.3 appendix E). */

/** Words that hold feature bits, in the order of FEATURES in system-layout.ts. */
export const featureWords = ['1.edx', '1.ecx', '7.ebx', '7.ecx', '7.edx', '80000001.edx', '80000001.ecx', '80000007.edx', 'd.1.eax'] as const;
export type FeatureWord = (typeof featureWords)[number];

const bits = {
  '1.edx': {
    fpu: 0,
    vme: 1,
    de: 2,
    pse: 3,
    tsc: 4,
    msr: 5,
    pae: 6,
    mce: 7,
    cx8: 8,
    apic: 9,
    sep: 11,
    mtrr: 12,
    pge: 13,
    mca: 14,
    cmov: 15,
    pat: 16,
    pse36: 17,
    clflush: 19,
    mmx: 23,
    fxsr: 24,
    sse: 25,
    sse2: 26,
    htt: 28,
  },
  '1.ecx': {
    sse3: 0,
    pclmulqdq: 1,
    ssse3: 9,
    cx16: 13,
    pcid: 17,
    sse4_1: 19,
    sse4_2: 20,
    movbe: 22,
    popcnt: 23,
    tsc_deadline: 24,
    aes: 25,
    xsave: 26,
    rdrand: 30,
    hypervisor: 31,
  },
  '7.ebx': { fsgsbase: 0, tsc_adjust: 1, bmi1: 3, smep: 7, bmi2: 8, erms: 9, invpcid: 10, rdseed: 18, adx: 19, smap: 20, clflushopt: 23, sha: 29 },
  '7.ecx': { umip: 2 },
  '7.edx': {},
  '80000001.edx': { syscall: 11, nx: 20, fxsr_opt: 25, pdpe1gb: 26, rdtscp: 27, lm: 29 },
  '80000001.ecx': { lahf_lm: 0, cmp_legacy: 1, lzcnt: 5, prefetchw: 8 },
  '80000007.edx': { invtsc: 8 },
  'd.1.eax': { xsaveopt: 0 },
} as const satisfies Record<FeatureWord, Record<string, number>>;

type Names<W> = W extends FeatureWord ? keyof (typeof bits)[W] : never;
/** What CPUID reports, and two generations of instructions that it has no bit for. */
export type Feature = Names<FeatureWord> | 'i186' | 'i486';

/** The bits of a feature word that a set of features has. */
export function featureBits(word: FeatureWord, features: ReadonlySet<string>): number {
  let value = 0;
  for (const [name, bit] of Object.entries(bits[word])) if (features.has(name)) value |= 1 << bit;
  return value >>> 0;
}
