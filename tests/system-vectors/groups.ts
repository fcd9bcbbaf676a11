/** What the cases vary. Every group makes `count` cases from a seed; names tell the group and the number, so that a failure can be made again. */
import * as B from './builder.ts';
import type { Mode } from './builder.ts';
import { CaseBuilder, Random, descriptor, gate } from './builder.ts';
import type { MachineCase } from './machine-case.ts';

type Make = (random: Random, name: string) => MachineCase;

const word = (value: number): number[] => [value & 0xff, (value >> 8) & 0xff];
const dword = (value: number): number[] => [...word(value), ...word(value >>> 16)];
const quad = (value: bigint): number[] => [...dword(Number(value & 0xffffffffn)), ...dword(Number((value >> 32n) & 0xffffffffn))];

const movAx = (value: number): number[] => [0x66, 0xb8, ...word(value)];
const movEax = (value: number): number[] => [0xb8, ...dword(value)];

// -- random descriptors

/** A descriptor that is often right and often wrong in one way. */
function randomDescriptor(random: Random, mode: Mode): bigint {
  const kind = random.below(10);
  const dpl = random.below(4) << 5;
  const present = random.chance(90) ? 0x80 : 0;
  if (kind < 5) {
    const type = random.pick([0x1b, 0x1a, 0x19, 0x1f, 0x1e, 0x13, 0x12, 0x11, 0x10, 0x17, 0x16]);
    const flags = mode === 'long' ? random.pick([0xa, 0xa, 0xc, 0xe, 0x8, 0x2]) : random.pick([0xc, 0xc, 0x4, 0x8, 0]);
    const limit = random.pick([0xfffff, 0xfffff, 0xffff, 0x87ff, 0x8800, 0x10]);
    return descriptor(random.pick([0, 0, 0x100, 0x10]), limit, type | dpl | present, flags);
  }
  if (kind < 8) {
    const access = random.pick([0x0c, 0x0c, 0x0c, 0x04, 0x0e, 0x0f, 0x05, 0x06]) | dpl | present;
    return gate(randomCode(random, mode), random.pick([B.TARGET, B.TARGET, B.TARGET, 0x11000]), access, random.pick([0, 0, 0, 1, 3]));
  }
  return descriptor(random.pick([B.TSS_A, B.LDT]), random.pick([0xff, 0x67]), random.pick([0, 2, 3, 7, 8, 10, 13]) | dpl | present, random.below(16));
}

function randomCode(random: Random, mode: Mode): number {
  const table = mode === 'long' ? random.pick([B.CODE64, B.CODE64, B.CODE64, B.CODE32]) : random.pick([B.CODE32, B.CODE32, B.CODE32, B.CODE16]);
  const selector = random.pick([...table, random.pick(table), random.pick(B.DATA32), 0, random.pick([1, 2, 3]), B.FREE_SELECTOR + 8]);
  return random.chance(20) ? (selector & ~3) | random.below(4) : selector;
}

/** One of the fixed selectors, a free one (described at random), an LDT one, a null one, one beyond the table. */
function randomSelector(random: Random, builder: CaseBuilder): number {
  const rpl = random.below(4);
  const free = B.FREE_SELECTOR + 16 * random.below(3);
  builder.setDescriptor(free, randomDescriptor(random, builder.mode));
  const choice = random.below(20);
  if (choice < 10) return (free & ~3) | rpl;
  if (choice < 12) return randomCode(random, builder.mode);
  if (choice < 14) return random.pick(B.DATA32);
  if (choice === 14) return rpl;
  if (choice === 15) return 0x200 | rpl;
  if (choice === 16) {
    builder.setDescriptor(0x14, randomDescriptor(random, builder.mode));
    return 0x14 | rpl;
  }
  if (choice === 17) return 0x104 | rpl;
  return random.pick([B.SELECTOR_LDT, B.SELECTOR_TSS_A]) | rpl;
}

// -- far transfers

const modeOf = (name: string): Mode => (name.startsWith('long') ? 'long' : name.startsWith('real') ? 'real' : 'protected');

const farTransfer: Make = (random, name) => {
  const mode = modeOf(name);
  const b = new CaseBuilder(mode, random.below(4));
  const selector = randomSelector(random, b);
  const offset = random.pick([B.TARGET, B.TARGET, B.TARGET, B.TARGET - 0x100, 0x12345]);
  // The handlers' vector tables sit where a wrong base leads; a HLT at both targets.
  b.write(B.TARGET - 0x100, [0xf4]);
  b.write(B.TARGET + 0x100, [0xf4]);
  b.write(B.TARGET + 0x10, [0xf4]);
  const call = random.chance(50);
  if (random.chance(30) && mode === 'protected') {
    // Operand size 16.
    b.write(B.DATA, [...word(offset), ...word(selector)]);
    b.code(0x66, 0xff, call ? 0x1d : 0x2d, dword(B.DATA));
  } else if (mode === 'long') {
    const wide = random.chance(30);
    b.write(
      B.DATA,
      wide ? [...quad(BigInt(offset) | (random.chance(10) ? 1n << 60n : 0n)), ...word(selector)] : [...dword(offset), ...word(selector)],
    );
    b.code(wide ? [0x48] : [], 0xff, call ? 0x1c : 0x2c, 0x25, dword(B.DATA));
  } else {
    b.code(call ? 0x9a : 0xea, dword(offset), word(selector));
  }
  return b.finish(name);
};

/** RETF and IRET with random frames. */
const farReturn: Make = (random, name) => {
  const mode = modeOf(name);
  const b = new CaseBuilder(mode, random.below(4));
  const iret = random.chance(60);
  const bytes = mode === 'long' ? random.pick([8, 8, 4]) : random.pick([4, 4, 2]);
  const release = random.pick([0, 4, 8]);
  const selector = random.chance(60) ? randomCode(random, mode) : randomSelector(random, b);
  const stack = random.chance(70) ? random.pick([...B.DATA32, random.below(4)]) : randomSelector(random, b);
  const pointer = B.STACKS[3] - random.pick([0, 16, 1]);
  const flags = random.u32() & 0x247fd5 & ~0x4100; // no TF, no NT
  const frame = [
    random.pick([B.TARGET, B.TARGET, 0x12345]),
    selector,
    ...(iret ? [flags] : []),
    ...(iret ? [] : Array<number>(Math.ceil(release / bytes)).fill(0x77)),
    pointer,
    stack,
  ];
  let at = B.STACKS[b.level]! - 0x40;
  b.state.gpr[4] = BigInt(at);
  for (const value of frame) {
    if (bytes === 8) b.write64(at, BigInt(value >>> 0));
    else if (bytes === 4) b.write32(at, value);
    else b.write16(at, value);
    at += bytes;
  }
  for (let index = 3; index < 6; index++) {
    // Segments of other levels, which a return outwards may take away.
    const level = b.level + random.below(4 - b.level);
    Object.assign(b.state.segments[index]!, { selector: B.DATA32[level]!, attributes: 0xc09300 | (level << 13) });
  }
  b.state.eflags |= random.below(4) << 12;
  const prefix = mode === 'long' ? (bytes === 8 ? [0x48] : []) : bytes === 2 ? [0x66] : [];
  b.code(prefix, iret ? 0xcf : release === 0 ? 0xcb : [0xca, ...word(release)]);
  return b.finish(name);
};

// -- segment registers

const LOADS: readonly (readonly number[])[] = [
  [0x8e, 0xd8], // mov ds, ax
  [0x8e, 0xc0], // mov es, ax
  [0x8e, 0xd0], // mov ss, ax
  [0x8e, 0xe0], // mov fs, ax
  [0x8e, 0xe8], // mov gs, ax
  [0x0f, 0xa1], // pop fs
];
const QUERIES: readonly (readonly number[])[] = [
  [0x0f, 0x02, 0xd8], // lar ebx, eax
  [0x0f, 0x03, 0xd8], // lsl ebx, eax
  [0x66, 0x0f, 0x02, 0xd8],
  [0x66, 0x0f, 0x03, 0xd8],
  [0x0f, 0x00, 0xe0], // verr ax
  [0x0f, 0x00, 0xe8], // verw ax
];
const SYSTEM_LOADS: readonly (readonly number[])[] = [
  [0x0f, 0x00, 0xd0], // lldt ax
  [0x0f, 0x00, 0xd8], // ltr ax
];

const segmentLoad: Make = (random, name) => {
  const mode = modeOf(name);
  const b = new CaseBuilder(mode, random.below(4));
  const selector = randomSelector(random, b);
  const operation = random.pick([...LOADS, ...LOADS, ...QUERIES, ...SYSTEM_LOADS]);
  if (operation[1] === 0xa1 && mode !== 'long') b.code(0x68, dword(selector));
  else if (operation[1] === 0xa1) b.code(0x6a, 0x00, movAx(selector), 0x66, 0x89, 0x04, 0x24);
  b.code(movAx(selector), operation);
  if (mode === 'protected' && random.chance(30)) b.code(0x63, 0xc3); // arpl bx, ax
  return b.finish(name);
};

// -- interrupts and exceptions

const RAISERS: readonly (readonly number[])[] = [
  [0xcd, 0x40],
  [0xcd, 0x40],
  [0xcd, 0x40],
  [0xcc],
  [0x0f, 0x0b], // ud2
  [0xf7, 0xf1], // div ecx, 0
  [0xf1], // int1
];

const interrupt: Make = (random, name) => {
  const mode = modeOf(name);
  const b = new CaseBuilder(mode, random.below(4));
  const raiser = random.pick(RAISERS);
  const vector = raiser[0] === 0xcd ? 0x40 : raiser[0] === 0xcc ? 3 : raiser[0] === 0x0f ? 6 : raiser[0] === 0xf7 ? 0 : 1;
  b.state.gpr[1] = 0n;
  const type = random.pick([0x0e, 0x0e, 0x0e, 0x0f, 0x0f, 0x06, 0x07, 0x0c, 0x00]);
  const access = type | (random.below(4) << 5) | (random.chance(90) ? 0x80 : 0);
  const selector = random.chance(60) ? randomCode(random, mode) : randomSelector(random, b);
  const stackTable = mode === 'long' ? random.pick([0, 0, 1, 7]) : 0;
  if (mode === 'long')
    for (let ist = 1; ist <= 7; ist++) b.write64(B.TSS_A + 0x24 + 8 * (ist - 1), BigInt(0x10000 + ist * 0x200 + (ist === 7 ? 3 : 0)));
  b.setGate(vector, gate(selector, B.TARGET, access, stackTable), random.chance(5) ? 0x80000000n : 0n);
  b.state.eflags |= (random.below(4) << 12) | (random.chance(50) ? 0x200 : 0) | (random.chance(20) ? 0x4000 : 0);
  if (random.chance(10)) b.state.idt.limit = vector * (mode === 'long' ? 16 : 8) + random.below(16);
  if (random.chance(10)) b.state.segments[7]!.limit = random.pick([3, 4, 8, 11, 0x20, 0x2b]);
  if (random.chance(15)) {
    const level = random.below(3);
    if (mode === 'long') b.write64(B.TSS_A + 4 + 8 * level, random.pick([0x10007n, 1n << 50n, 4n]));
    else {
      b.write32(B.TSS_A + 4 + 8 * level, random.pick([0x10007, 4, 8]));
      b.write32(B.TSS_A + 8 + 8 * level, randomSelector(random, b));
    }
  }
  b.code(raiser);
  return b.finish(name);
};

// -- virtual-8086 mode

const V86_OPERATIONS: readonly (readonly number[])[] = [
  [0xcd, 0x40],
  [0xcd, 0x41],
  [0x9c], // pushf
  [0x66, 0x9c],
  [0x9d], // popf
  [0x66, 0x9d],
  [0xfa],
  [0xfb],
  [0xcf],
  [0x66, 0xcf],
  [0xcc],
  [0xe4, 0x21],
  [0xe6, 0x80],
  [0x0f, 0x01, 0xe0], // smsw
  [0x0f, 0x20, 0xc0], // mov eax, cr0
  [0x8e, 0xd8],
  [0xf4],
  [0x0f, 0x00, 0xc0], // sldt: #UD
];

const v86: Make = (random, name) => {
  const b = new CaseBuilder('protected', 3);
  const { state } = b;
  // Code at 0800:0000, stack at 0C80:0100.
  const segment = (selector: number) => ({ selector, base: BigInt(selector * 16), limit: 0xffff, attributes: 0xf300 });
  state.segments.splice(0, 6, segment(0xe00), segment(0x800), segment(0xc80), segment(0xe00), segment(0xe00), segment(0xe00));
  state.rip = 0n;
  const offset = 0x100 - 0x20;
  state.gpr[4] = BigInt(offset);
  const stack = 0xc800 + offset;
  const image = random.u32() & 0x247fd7 & ~0x100;
  b.write16(stack, random.chance(50) ? image : 0x10);
  b.write16(stack + 2, random.chance(50) ? image >>> 16 : 0x800);
  b.write16(stack + 4, image | (random.chance(20) ? 0x100 : 0));
  state.eflags =
    0x20002 | (random.below(4) << 12) | (random.chance(50) ? 0x200 : 0) | (random.chance(50) ? 0x80000 : 0) | (random.chance(30) ? 0x100000 : 0);
  if (random.chance(60)) state.cr4 |= 1n; // VME
  if (random.chance(50)) {
    // An interrupt redirection bitmap below an I/O bitmap at 0x88.
    b.write16(B.TSS_A + 0x66, 0x88);
    b.write(B.TSS_A + 0x68, [0, 0, 0, 0, 0, 0, 0, 0, random.below(4)]);
    b.write(B.TSS_A + 0x88, [0, 0, 0, 0, random.below(4), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, random.below(3), 0xff]);
  }
  for (const vector of [0x40, 0x41]) b.write32(vector * 4, (0x880 << 16) | 0x10);
  b.write(0x8810, [0xf4]);
  b.code(random.pick(V86_OPERATIONS));
  return b.finish(name);
};

// -- flags and I/O in protected mode

const FLAG_OPERATIONS: readonly (readonly number[])[] = [[0x9c], [0x9d], [0x66, 0x9d], [0xfa], [0xfb], [0xe4, 0x21], [0xed], [0x66, 0xed], [0xee]];

const flagsAndPorts: Make = (random, name) => {
  const b = new CaseBuilder(modeOf(name), random.below(4));
  b.state.eflags |= (random.below(4) << 12) | (random.chance(50) ? 0x200 : 0) | (random.chance(30) ? 0x100000 : 0);
  if (random.chance(30) && b.mode === 'protected') b.state.cr4 |= 2n; // PVI
  b.state.gpr[2] = BigInt(random.pick([0x20, 0x21, 0x27, 0x3f]));
  if (random.chance(60)) {
    b.write16(B.TSS_A + 0x66, 0x88);
    b.write(B.TSS_A + 0x88, [0, 0, 0, 0, random.below(256) & random.below(256), 0, 0, random.below(256) & random.below(256), 0xff]);
    if (random.chance(20)) b.state.segments[7]!.limit = random.pick([0x8c, 0x8b, 0x8d]);
  }
  const image = random.u32() & 0x3f7fd7 & ~0x30100; // no TF, RF, VM
  const at = B.STACKS[b.level]! - 0x20;
  b.state.gpr[4] = BigInt(at);
  if (b.mode === 'long') b.write64(at, BigInt(image >>> 0));
  else b.write32(at, image);
  b.code(random.pick(FLAG_OPERATIONS));
  return b.finish(name);
};

// -- paging

const PAGE = 0x30000; // the page under test; linear address below
const LINEAR = 0x40000000;

/** Page tables of their own for one page at LINEAR; all else is identity-mapped by large pages. */
function buildPaging(b: CaseBuilder, random: Random, kind: '32' | 'pae' | 'long'): void {
  const entry = (address: number, leaf: boolean): bigint => {
    let bits = 0x27n;
    if (random.chance(15)) bits &= ~1n;
    if (random.chance(25)) bits &= ~2n;
    if (random.chance(25)) bits &= ~4n;
    if (random.chance(40)) bits &= ~0x20n;
    if (leaf && random.chance(30)) bits |= 0x40n;
    if (leaf && random.chance(20)) bits |= 0x100n;
    let value = BigInt(address) | bits;
    if (kind !== '32' && random.chance(15)) value |= 1n << 63n;
    if (kind !== '32' && random.chance(4)) value |= 1n << 51n; // reserved: above the host's width
    return value;
  };
  const { state } = b;
  const root = B.TABLES;
  state.cr3 = BigInt(root);
  if (kind === '32') {
    state.cr4 |= 0x10n; // PSE
    b.write32(root, 0xe7); // 4 MiB identity, user
    const large = random.chance(30);
    const directory = large ? Number(entry(0, true) | 0x80n) : Number(entry(root + 0x1000, false));
    b.write32(root + (LINEAR >>> 22) * 4, directory | (large && random.chance(10) ? 0x200000 : 0));
    b.write32(root + 0x1000 + 4 * 0x30, Number(entry(PAGE, true)));
    return;
  }
  state.cr4 |= CR4_PAE;
  const top = kind === 'long' ? root + 0x1000 : root;
  if (kind === 'long') b.write64(root, BigInt(top + 7));
  // Directory pointers: identity directory at +0x2000, the tested one at +0x3000.
  const pointerBits = kind === 'long' ? 7 : 1;
  b.write64(top, BigInt(root + 0x2000 + pointerBits));
  b.write64(top + 8, kind === 'long' ? entry(root + 0x3000, false) : BigInt(root + 0x3000 + 1));
  b.write64(root + 0x2000, 0xe7n); // 2 MiB identity
  const large = random.chance(30);
  b.write64(root + 0x3000, large ? entry(0, true) | 0x80n | (random.chance(10) ? 0x2000n : 0n) : entry(root + 0x4000, false));
  b.write64(root + 0x4000 + 8 * 0x30, entry(PAGE, true));
}

const ACCESSES: readonly (readonly number[])[] = [
  [0x8b, 0x03], // mov eax, [ebx]
  [0x89, 0x03], // mov [ebx], eax
  [0x01, 0x03], // add [ebx], eax
  [0xff, 0xe3], // jmp ebx
  [0x8a, 0x03],
  [0xf6, 0x03, 0x01], // test byte [ebx], 1
];

const paging: Make = (random, name) => {
  const kind = name.startsWith('paging-32') ? '32' : name.startsWith('paging-pae') ? 'pae' : 'long';
  const b = new CaseBuilder(kind === 'long' ? 'long' : 'protected', random.pick([0, 0, 3, 3, 2]));
  const { state } = b;
  state.cr4 = 0n;
  buildPaging(b, random, kind);
  state.cr0 |= B.CR0_PG;
  if (random.chance(50)) state.cr0 &= ~B.CR0_WP;
  if (random.chance(50)) state.cr4 |= 0x80n; // PGE
  if (random.chance(40)) state.cr4 |= 1n << 20n; // SMEP
  if (random.chance(40)) state.cr4 |= 1n << 21n; // SMAP
  state.efer = kind === 'long' ? 0x501n : 0n;
  if (random.chance(60)) state.efer |= 0x800n; // NXE
  if (random.chance(40)) state.eflags |= 0x40000; // AC
  b.write(PAGE, [0xf4, 0x11, 0x22, 0x33, 0x44, 0x55]);
  b.write(PAGE + 0xffe, [1, 2, 3, 4]);
  state.gpr[3] = BigInt(LINEAR + PAGE + random.pick([0, 0, 0, 2, 0xffe]));
  // The identity map is user-accessible: a supervisor with SMEP or SMAP could not run there.
  if (b.level < 3) {
    const identity = kind === '32' ? B.TABLES : B.TABLES + 0x2000;
    if (kind === '32') b.write32(identity, 0xe3);
    else b.write64(identity, 0xe3n);
  } else {
    // The handlers run at CPL 0 in user pages.
    state.cr4 &= ~((1n << 20n) | (1n << 21n));
  }
  b.code(random.pick(ACCESSES));
  if (random.chance(50)) b.code(random.pick(ACCESSES));
  return b.finish(name);
};

// -- control registers and modes

const control: Make = (random, name) => {
  const mode = modeOf(name);
  const b = new CaseBuilder(mode, random.chance(85) ? 0 : 3);
  const { state } = b;
  if (mode === 'protected' && random.chance(50)) {
    // PAE tables are there, and may be switched on.
    b.write64(B.TABLES, BigInt(B.TABLES + 0x1001) | (random.chance(20) ? 2n : 0n));
    b.write64(B.TABLES + 0x1000, 0xe7n);
    state.cr3 = BigInt(B.TABLES);
    state.cr4 |= random.pick([0n, CR4_PAE, CR4_PAE]);
  }
  const rex = mode === 'long' ? [0x48] : [];
  const register = random.pick([0, 0, 0, 2, 3, 4, 4]);
  const load = (value: bigint): number[] => (mode === 'long' ? [0x48, 0xb8, ...quad(value)] : movEax(Number(value & 0xffffffffn)));
  let value: bigint;
  if (register === 0) {
    value = state.cr0 ^ BigInt(random.pick([0, 1, 2, 4, 8, 0x10, 0x20, 0x10000, 0x40000, 0x20000000, 0x40000000, 0x60000000, 0x80000000]));
    value ^= BigInt(random.pick([0, 0, 0x80000000, 0x20000000, 8]));
    if (mode === 'long' && random.chance(10)) value |= 1n << 32n;
  } else if (register === 3) {
    value = state.cr3 ^ (random.chance(30) ? 0x18n : 0n) ^ (mode === 'long' && random.chance(30) ? 1n << BigInt(random.pick([51, 52, 63])) : 0n);
  } else if (register === 4) {
    value = state.cr4 ^ (1n << BigInt(random.pick([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15, 16, 17, 18, 20, 21, 28])));
  } else value = BigInt(random.u32());
  if (state.cr3 === 0n && register === 0 && (value & B.CR0_PG) !== 0n) {
    state.cr3 = BigInt(B.TABLES);
    b.write32(B.TABLES, 0xe7);
    if ((state.cr4 & CR4_PAE) === 0n) state.cr4 |= 0x10n;
    else {
      b.write64(B.TABLES, BigInt(B.TABLES + 0x1001));
      b.write64(B.TABLES + 0x1000, 0xe7n);
    }
  }
  const choice = random.below(10);
  if (choice < 8) b.code(load(value), rex.length > 0 ? [] : [], 0x0f, 0x22, 0xc0 | (register << 3), 0x0f, 0x20, 0xc3 | (register << 3));
  else if (choice === 8)
    b.code(load(BigInt(random.below(16))), 0x0f, 0x01, 0xf0, 0x0f, 0x01, 0xe3); // lmsw ax; smsw ebx
  else b.code(0x0f, 0x06, 0x0f, 0x20, 0xc3); // clts; mov ebx, cr0
  return b.finish(name);
};

const CR4_PAE = B.CR4_PAE;

// -- fast system calls

const FAST_CALLS: readonly (readonly number[])[] = [
  [0x0f, 0x05],
  [0x0f, 0x07],
  [0x48, 0x0f, 0x07],
  [0x0f, 0x34],
  [0x0f, 0x35],
  [0x0f, 0x01, 0xf8],
];

const fastCall: Make = (random, name) => {
  const mode = modeOf(name);
  const level = random.pick([0, 3, 3, 1]);
  const b = new CaseBuilder(mode, level);
  const { state } = b;
  if (random.chance(30)) state.efer &= ~1n;
  else state.efer |= 1n;
  if (mode === 'long' && random.chance(30)) {
    // Compatibility mode.
    state.segments[1] = { selector: B.CODE32[level]!, base: 0n, limit: 0xffffffff, attributes: 0xc09b00 | (level << 13) };
  }
  const canonical = random.chance(90);
  b.msrs.push([0xc0000081, (BigInt(random.pick([0x0048, 0x004b])) << 32n) | (BigInt(random.pick([0x28, 0x2b])) << 48n) | BigInt(B.TARGET)]);
  b.msrs.push([0xc0000082, BigInt(B.TARGET + 1)], [0xc0000083, BigInt(B.TARGET + 2)], [0xc0000084, BigInt(random.u32() & 0x47fd5)]);
  b.msrs.push([0x174, BigInt(random.pick([0, 8, 0x48, 0x4b]))], [0x175, BigInt(B.STACKS[1])], [0x176, BigInt(B.TARGET + 3)]);
  b.msrs.push([0xc0000102, 0x123456n]);
  b.write(B.TARGET, [0xf4, 0xf4, 0xf4, 0xf4]);
  state.gpr[1] = canonical || mode !== 'long' ? BigInt(B.TARGET) : 1n << 50n;
  state.gpr[2] = BigInt(B.TARGET);
  state.gpr[11] = BigInt(random.u32() & 0x247fd5 & ~0x4100);
  state.eflags |= random.u32() & 0x243fd5 & ~0x100;
  if (mode !== 'long') state.gpr.fill(0n, 8);
  b.code(random.pick(FAST_CALLS));
  return b.finish(name);
};

// -- traps and breakpoints

const BODIES: readonly (readonly number[])[] = [
  [0x90, 0x40, 0x90],
  [0x9d, 0x90, 0x90], // popf
  [0x8e, 0xd0, 0x90, 0x90], // mov ss, eax
  [0xcd, 0x40],
  [0xa1, ...dword(B.DATA), 0x90],
  [0xa3, ...dword(B.DATA), 0x90],
  [0xf3, 0xaa, 0x90], // rep stosb
  [0x0f, 0x0b],
  [0xeb, 0x00, 0x90],
  [0x0f, 0x23, 0xc0, 0x90], // mov dr0, eax
  [0xe6, 0x80, 0x90],
];

const trap: Make = (random, name) => {
  const b = new CaseBuilder('protected', 0);
  const { state } = b;
  const body = random.pick(BODIES);
  state.gpr[0] = BigInt(B.DATA32[0]);
  state.gpr[1] = BigInt(random.pick([0, 1, 2]));
  state.gpr[7] = BigInt(B.DATA);
  const at = B.STACKS[0] - 0x20;
  state.gpr[4] = BigInt(at);
  b.write32(at, random.chance(50) ? 0x102 : 0x2);
  if (random.chance(60)) state.eflags |= 0x100;
  if (random.chance(20)) state.eflags |= 0x10000;
  if (random.chance(30)) state.cr4 |= 8n; // DE
  if (random.chance(70)) {
    const index = random.below(4);
    const kind = random.pick([0, 0, 1, 3, 2]);
    const address = kind === 0 ? B.CODE + random.below(4) : kind === 2 ? 0x80 : B.DATA + random.pick([0, 1, 3, 4, -1]);
    const length = kind === 0 ? 0 : random.pick([0, 1, 3]);
    state.dr[index] = BigInt(address);
    state.dr[7] = BigInt(
      (0x400 | (1 << (2 * index)) | (kind << (16 + 4 * index)) | (length << (18 + 4 * index)) | (random.chance(5) ? 0x2000 : 0)) >>> 0,
    );
  }
  b.code(body);
  return b.finish(name);
};

// -- hardware tasks

const task: Make = (random, name) => {
  const b = new CaseBuilder('protected', random.pick([0, 0, 0, 3]));
  const { state } = b;
  const way = random.pick(['jump', 'call', 'gate', 'interrupt', 'exception', 'iret'] as const);
  const wide = random.chance(70);
  const selector = wide ? B.SELECTOR_TSS_B : B.SELECTOR_TSS16_B;
  const tss = wide ? B.TSS_B : B.TSS16_B;
  const level = random.pick([0, 0, 0, 3]);
  const type = (wide ? 9 : 1) | (way === 'iret' ? 2 : 0);
  const access = (random.chance(90) ? type : type ^ 2) | (random.chance(95) ? 0x80 : 0) | (random.pick([0, 3, 3]) << 5);
  b.setDescriptor(selector, descriptor(tss, random.chance(95) ? 0xff : random.pick([0x66, 0x67, 0x2a, 0x2b]), access, 0));
  const often = (right: number, wrong: readonly number[]): number => (random.chance(92) ? right : random.pick(wrong));
  const data = B.DATA32[level]!;
  const code = often(B.CODE32[level]!, [0, B.DATA32[level]!, B.CODE32[1], B.CODE32[level]! & ~3, 0x200]);
  const stack = often(data, [0, B.CODE32[level]!, B.DATA32[1], 0x200]);
  const other = () => often(data, [0, B.CODE32[0], B.DATA32[0], 0x203, B.SELECTOR_TSS_A]);
  const ldt = often(random.pick([0, B.SELECTOR_LDT]), [0x14, B.DATA32[0], 0x200]);
  const flags = (random.u32() & 0x247ed5) | 2;
  const eip = often(B.TARGET, [0x12345]);
  const pointer = B.STACKS[level]! - 0x100;
  const registers = [0x101, 0x202, 0x303, 0x404, pointer, 0x606, 0x707, 0x808];
  const segments = [other(), code, stack, other(), other(), other()];
  if (wide) {
    b.write32(tss + 0x20, eip);
    b.write32(tss + 0x24, flags);
    registers.forEach((value, index) => b.write32(tss + 0x28 + 4 * index, 0x10000 * (index === 4 ? 0 : index) + value));
    segments.forEach((value, index) => b.write32(tss + 0x48 + 4 * index, value));
    b.write32(tss + 0x60, ldt);
  } else {
    b.write16(tss + 0x0e, eip);
    b.write16(tss + 0x10, flags);
    registers.forEach((value, index) => b.write16(tss + 0x12 + 2 * index, value));
    segments.slice(0, 4).forEach((value, index) => b.write16(tss + 0x22 + 2 * index, value));
    b.write16(tss + 0x2a, ldt);
  }
  // Stacks for handlers that run inwards of the new task.
  if (wide) {
    b.write32(tss + 4, B.STACKS[0]);
    b.write32(tss + 8, B.DATA32[0]);
  } else {
    b.write16(tss + 2, B.STACKS[0]);
    b.write16(tss + 4, B.DATA32[0]);
  }
  const gateSelector = B.FREE_SELECTOR;
  const taskGate = gate(selector, 0, 0x05 | (random.chance(95) ? 0x80 : 0) | (random.pick([0, 3, 3]) << 5));
  b.setDescriptor(gateSelector, taskGate);
  if (way === 'interrupt' || way === 'exception') b.setGate(way === 'interrupt' ? 0x40 : 13, taskGate);
  if (way === 'iret') {
    b.write16(B.TSS_A, selector);
    state.eflags |= 0x4000;
    b.code(0xcf);
  } else if (way === 'interrupt') b.code(0xcd, 0x40);
  else if (way === 'exception') b.code(movAx(0x300), 0x8e, 0xd8);
  else b.code(way === 'call' || random.chance(50) ? 0x9a : 0xea, dword(0), word(way === 'gate' ? gateSelector : selector));
  return b.finish(name);
};

// -- real mode

const REAL_OPERATIONS: readonly (readonly number[])[] = [
  [0xcd, 0x40],
  [0xea, 0x10, 0x00, 0x80, 0x08],
  [0x9a, 0x10, 0x00, 0x80, 0x08],
  [0x66, 0xea, 0x10, 0x00, 0x00, 0x00, 0x80, 0x08],
  [0x66, 0xea, 0x10, 0x00, 0x01, 0x00, 0x80, 0x08],
  [0xcb],
  [0xcf],
  [0x66, 0xcf],
  [0x9c],
  [0x9d],
  [0x66, 0x9d],
  [0x8e, 0xd8],
  [0x8e, 0xd0],
  [0xf7, 0xf1],
  [0x0f, 0x0b],
  [0xa1, 0xff, 0xff], // mov ax, [ffff]: #GP
  [0xff, 0x36, 0xff, 0xff], // push word [ffff]
  [0x0f, 0x00, 0xc0], // sldt: #UD
  [0x0f, 0x01, 0xe0], // smsw
  [0x17], // pop ss
];

const real: Make = (random, name) => {
  const b = new CaseBuilder('real');
  const { state } = b;
  state.gpr[1] = 0n;
  state.gpr[0] = BigInt(random.pick([0x1234, 0, 0xffff]));
  state.eflags |= random.u32() & 0x247fd5 & ~0x100;
  const at = random.pick([B.STACKS[0], B.STACKS[0], 0xfffe, 1, 0]);
  state.gpr[4] = BigInt(at);
  if (at > 0x1000) {
    b.write16(at, 0x10);
    if (at < 0xff00) {
      b.write16(at + 2, random.chance(50) ? 0x880 : 0);
      b.write16(at + 4, random.u32() & 0x7ed7);
      b.write32(at + 8, random.u32() & 0x247ed7);
    }
  }
  b.write(0x8810, [0xf4]);
  if (random.chance(10)) state.idt.limit = random.pick([0x102, 0x103, 0x17, 0x3f]);
  b.code(random.pick(REAL_OPERATIONS));
  return b.finish(name);
};

export const groups: Readonly<Record<string, { readonly make: Make; readonly count: number }>> = {
  'protected-transfer': { make: farTransfer, count: 600 },
  'long-transfer': { make: farTransfer, count: 400 },
  'protected-return': { make: farReturn, count: 500 },
  'long-return': { make: farReturn, count: 400 },
  'protected-segments': { make: segmentLoad, count: 500 },
  'long-segments': { make: segmentLoad, count: 300 },
  'protected-interrupt': { make: interrupt, count: 500 },
  'long-interrupt': { make: interrupt, count: 400 },
  v86: { make: v86, count: 500 },
  'protected-flags': { make: flagsAndPorts, count: 300 },
  'long-flags': { make: flagsAndPorts, count: 200 },
  'paging-32': { make: paging, count: 300 },
  'paging-pae': { make: paging, count: 300 },
  'paging-long': { make: paging, count: 400 },
  'protected-control': { make: control, count: 300 },
  'long-control': { make: control, count: 300 },
  'protected-fast': { make: fastCall, count: 150 },
  'long-fast': { make: fastCall, count: 300 },
  trap: { make: trap, count: 400 },
  task: { make: task, count: 400 },
  real: { make: real, count: 300 },
};

/** The cases of a group: the same for ever, unless the group is changed. */
export function casesOf(group: string): MachineCase[] {
  const { make, count } = groups[group]!;
  const seed = Array.from(group).reduce((sum, character) => Math.imul(sum, 31) + character.charCodeAt(0), 7);
  return Array.from({ length: count }, (_, index) => make(new Random(seed + index * 7919), `${group} ${index}`));
}
