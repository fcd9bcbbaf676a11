/** A processor with a megabyte of memory and no devices, for tests: port writes are noted, time stands. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bus } from '../../bus/bus.ts';
import { silentLog } from '../../base/log.ts';
import type { CpuState } from '../../cpu/state.ts';
import { GuestMemory, PAGE_READ, PAGE_WRITE, PhysicalMap } from '../../memory/physical-map.ts';
import type { Accelerator, ApicMsrs, Vcpu } from '../accelerator.ts';
import { createWasmAccelerator } from './wasm.ts';

const read = (file: string): Uint8Array<ArrayBuffer> => new Uint8Array(readFileSync(join(__dirname, '../../../dist/engine', file)));
export const binaries = { guestMemory: read('guest-memory.wasm'), system: read('system.wasm'), interpreter: read('interpreter.wasm') };
const interpreter = createWasmAccelerator(binaries);

export const RAM = 1 << 20;
export const CODE = 0x1000;

export interface Rig {
  readonly cpu: Vcpu;
  readonly ram: Uint8Array;
  readonly physical: PhysicalMap;
  readonly doorbell: Int32Array;
  readonly out: [port: number, size: number, value: number][];
  onOut: () => void;
  readonly clock: { now: number };
  /** Puts code at CODE, and a real-mode state there. */
  readonly start: (...code: number[]) => void;
  readonly state: () => CpuState;
}

interface Parts {
  readonly index?: number;
  readonly model?: string;
  readonly apic?: ApicMsrs;
  readonly accelerator?: Accelerator;
}

export function make({ index = 0, model = 'qemu64', apic, accelerator = interpreter }: Parts = {}): Rig {
  const memory = new GuestMemory(RAM);
  const physical = new PhysicalMap(memory);
  physical.fill(0, RAM / 4096, 0, PAGE_READ | PAGE_WRITE);
  const doorbell = new Int32Array(new SharedArrayBuffer(4));
  const out: Rig['out'] = [];
  const clock = { now: 0 };
  const none = { map: () => ({ move: () => undefined, enable: () => undefined, dispose: () => undefined }) };
  const ports: Bus = {
    ...none,
    read: (port) => port & 0xff,
    write: (port, size, value) => {
      out.push([port, size, value]);
      rig.onOut();
    },
  };
  const mmio: Bus = { ...none, read: (_address, size) => 2 ** (8 * size) - 1, write: () => undefined };
  const options = { index, count: 2, model, physical, ports, mmio, doorbell, log: silentLog, acknowledgeInterrupt: () => 0x40, random: () => 7 };
  const cpu = accelerator.createVcpu({ ...options, ...(apic && { apic }), now: () => clock.now });
  const rig: Rig = {
    cpu,
    ram: memory.ram.bytes,
    physical,
    doorbell,
    out,
    onOut: () => undefined,
    clock,
    start: (...code) => {
      rig.ram.set(code, CODE);
      const state = cpu.save() as CpuState;
      state.segments.cs = { ...state.segments.cs, selector: 0, base: 0n };
      cpu.load({ ...state, activity: 0, rip: BigInt(CODE), gpr: [0n, 0n, 0n, 0n, 0x8000n, 0n, 0n, 0n, ...state.gpr.slice(8)] } as CpuState);
    },
    state: () => cpu.save() as CpuState,
  };
  return rig;
}
