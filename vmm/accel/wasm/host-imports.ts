import type { Bus } from '../../bus/bus.ts';
import type { AccessSize } from '../../bus/bus.ts';
import type { Log } from '../../base/log.ts';
import { LOG_TRIPLE_FAULT, LOG_UNKNOWN_MSR_READ, LOG_UNKNOWN_MSR_WRITE } from '../../cpu/system-layout.ts';
import type { VcpuOptions } from '../accelerator.ts';

/** Imports of assembly/host.ts, but those that are the translator's. i32 arrive signed, i64 as bigint. */
export interface HostImports {
  mmio_read(addressLow: number, addressHigh: number, bytes: number): number;
  mmio_write(addressLow: number, addressHigh: number, bytes: number, value: number): void;
  port_read(port: number, bytes: number): number;
  port_write(port: number, bytes: number, value: number): void;
  acknowledge_interrupt(): number;
  now_ns(): number;
  random_bits(): number;
  apic_base_read(): bigint;
  apic_base_write(value: bigint): number;
  tsc_deadline_read(): bigint;
  tsc_deadline_write(value: bigint): void;
  task_priority_read(): number;
  task_priority_write(priority: number): void;
  numeric_error(): void;
  guest_log(what: number, a: bigint, b: bigint): void;
  first_write(ramOffset: number): void;
}

const FOUR_GIB = 0x1_0000_0000;
const NO_APIC = -1n;

/** `afterAccess` is called when a port or MMIO access has been made: the doorbell may have been rung by it. */
export function hostImports(options: VcpuOptions, afterAccess: () => void): HostImports {
  const { mmio, ports, apic, log, physical: map } = options;
  const physical = (low: number, high: number) => (high >>> 0) * FOUR_GIB + (low >>> 0);
  const read = (bus: Bus, address: number, bytes: number): number => {
    const value = bus.read(address, bytes as AccessSize);
    afterAccess();
    return value | 0;
  };
  const write = (bus: Bus, address: number, bytes: number, value: number): void => {
    bus.write(address, bytes as AccessSize, bytes === 4 ? value >>> 0 : value & ((1 << (8 * bytes)) - 1));
    afterAccess();
  };
  return {
    mmio_read: (low, high, bytes) => read(mmio, physical(low, high), bytes),
    mmio_write: (low, high, bytes, value) => {
      write(mmio, physical(low, high), bytes, value);
    },
    port_read: (port, bytes) => read(ports, port, bytes),
    port_write: (port, bytes, value) => {
      write(ports, port, bytes, value);
    },
    acknowledge_interrupt: () => options.acknowledgeInterrupt(),
    now_ns: () => options.now(),
    random_bits: () => options.random() | 0,
    apic_base_read: () => apic?.read() ?? NO_APIC,
    apic_base_write: (value) => (apic?.write(BigInt.asUintN(64, value)) === true ? 1 : 0),
    tsc_deadline_read: () => apic?.readTscDeadline() ?? 0n,
    tsc_deadline_write: (value) => {
      apic?.writeTscDeadline(BigInt.asUintN(64, value));
      afterAccess();
    },
    task_priority_read: () => apic?.readTaskPriority() ?? 0,
    task_priority_write: (priority) => {
      apic?.writeTaskPriority(priority);
      afterAccess();
    },
    numeric_error: () => options.coprocessorError?.(true),
    first_write: (ramOffset) => {
      map.firstWrite(ramOffset >>> 0);
    },
    guest_log: (what, a, b) => {
      report(log, what, BigInt.asUintN(64, a), BigInt.asUintN(64, b));
    },
  };
}

function report(log: Log, what: number, a: bigint, b: bigint): void {
  const hex = (value: bigint) => `0x${value.toString(16)}`;
  if (what === LOG_TRIPLE_FAULT) log.guest('triple fault', { rip: hex(a), vector: Number(b) });
  else if (what === LOG_UNKNOWN_MSR_READ) log.guest('read of an unknown MSR', { msr: hex(a), rip: hex(b) });
  else if (what === LOG_UNKNOWN_MSR_WRITE) log.guest('write of an unknown MSR', { msr: hex(a), value: hex(b) });
}
