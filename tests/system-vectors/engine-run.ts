/** Runs a case on our engine. */
import type { Vcpu } from '../../vmm/accel/accelerator.ts';
import { createWasmAccelerator } from '../../vmm/accel/wasm/wasm.ts';
import type { EngineBinaries } from '../../vmm/accel/wasm/engine.ts';
import { silentLog } from '../../vmm/base/log.ts';
import type { Bus } from '../../vmm/bus/bus.ts';
import { segmentNames } from '../../vmm/cpu/state.ts';
import type { CpuState } from '../../vmm/cpu/state.ts';
import { GuestMemory, PAGE_READ, PAGE_WRITE, PhysicalMap } from '../../vmm/memory/physical-map.ts';
import type { CaseEnd, CaseResult, CaseSegment, CaseState, MachineCase } from './machine-case.ts';
import { RAM_BYTES } from './machine-case.ts';

/** As the runner: reads give 0. */
const ports: Bus = {
  map: () => ({ move: () => undefined, enable: () => undefined, dispose: () => undefined }),
  read: () => 0,
  write: () => undefined,
};
const MOST_INSTRUCTIONS = 1000;

const MSR_FIELDS: Readonly<Record<number, keyof CpuState>> = {
  0xc0000081: 'star',
  0xc0000082: 'lstar',
  0xc0000083: 'cstar',
  0xc0000084: 'sfmask',
  0xc0000102: 'kernelGsBase',
  0x174: 'sysenterCs',
  0x175: 'sysenterEsp',
  0x176: 'sysenterEip',
};

export class EngineRunner {
  readonly #memory = new GuestMemory(RAM_BYTES);
  readonly #image = new Uint8Array(RAM_BYTES);
  readonly #cpu: Vcpu;
  readonly #fresh: CpuState;

  constructor(binaries: EngineBinaries) {
    const physical = new PhysicalMap(this.#memory);
    physical.fill(0, RAM_BYTES / 4096, 0, PAGE_READ | PAGE_WRITE);
    this.#cpu = createWasmAccelerator(binaries).createVcpu({
      index: 0,
      count: 1,
      model: 'max',
      physical,
      ports,
      mmio: { ...ports, read: (_address, size) => 2 ** (8 * size) - 1 },
      acknowledgeInterrupt: () => 0,
      now: () => 0,
      random: () => 0,
      doorbell: new Int32Array(new SharedArrayBuffer(4)),
      log: silentLog,
    });
    this.#fresh = this.#cpu.save() as CpuState;
  }

  run({ state, msrs, memory }: MachineCase): CaseResult {
    const ram = this.#memory.bytes.subarray(0, RAM_BYTES);
    const image = this.#image;
    for (const { address, bytes } of memory) image.set(bytes, address);
    ram.set(image);
    const cpuState = toCpuState(this.#fresh, state, msrs);
    // With PAE the processor holds the directory pointers in registers, loaded when CR3 was.
    const table = new DataView(ram.buffer, ram.byteOffset + Number(state.cr3 & 0xfffe0n));
    cpuState.pdpte = [0, 1, 2, 3].map((index) => table.getBigUint64(index * 8, true));
    this.#cpu.load(cpuState);
    const exit = this.#cpu.run(MOST_INSTRUCTIONS);
    const end: CaseEnd = exit === 'halt' ? 'halt' : exit === 'shutdown' ? 'shutdown' : 'other';
    const result = { end, state: toCaseState(this.#cpu.save() as CpuState), memory: changes(image, ram) };
    for (const { address, bytes } of memory) image.fill(0, address, address + bytes.length);
    return result;
  }
}

const BLOCK = 0x4000;

function changes(before: Uint8Array, after: Uint8Array): [number, bigint][] {
  const list: [number, bigint][] = [];
  for (let block = 0; block < RAM_BYTES; block += BLOCK) {
    const [old, now] = [before.subarray(block, block + BLOCK), after.subarray(block, block + BLOCK)];
    if (Buffer.compare(old, now) === 0) continue;
    const [oldView, nowView] = [new DataView(old.buffer, old.byteOffset, BLOCK), new DataView(now.buffer, now.byteOffset, BLOCK)];
    for (let at = 0; at < BLOCK; at += 8) {
      const value = nowView.getBigUint64(at, true);
      if (oldView.getBigUint64(at, true) !== value) list.push([block + at, value]);
    }
  }
  return list;
}

function toCpuState(fresh: CpuState, state: CaseState, msrs: MachineCase['msrs']): CpuState {
  const tables: CaseSegment[] = [state.gdt, state.idt].map(({ base, limit }) => ({ selector: 0, base, limit, attributes: 0 }));
  const segments = Object.fromEntries(
    segmentNames.map((name, index) => [name, { ...[...state.segments, ...tables][index]! }]),
  ) as CpuState['segments'];
  const fields = Object.fromEntries(msrs.map(([index, value]) => [MSR_FIELDS[index], value])) as Partial<CpuState>;
  const { gpr, rip, eflags, cr0, cr2, cr3, cr4, efer, dr } = state;
  const v86 = (eflags & 0x20000) !== 0;
  const cpl = (cr0 & 1n) === 0n ? 0 : v86 ? 3 : (segments.ss.attributes >> 13) & 3;
  return { ...fresh, ...fields, gpr, rip, eflags, cr0, cr2, cr3, cr4, efer, dr, segments, cpl };
}

function toCaseState(state: CpuState): CaseState {
  const { gpr, rip, eflags, cr0, cr2, cr3, cr4, efer, dr, segments } = state;
  const list = segmentNames.map((name) => segments[name]);
  const table = (index: number) => ({ base: list[index]!.base, limit: list[index]!.limit });
  return { gpr, rip, eflags, segments: list.slice(0, 8), gdt: table(8), idt: table(9), cr0, cr2, cr3, cr4, efer, dr };
}
