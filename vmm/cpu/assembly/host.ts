// Imports: what the accelerator gives (accel/wasm). All calls go to the host on the same thread and return before the next instruction.

/** A bus access of 1, 2 or 4 bytes at a physical address that the page table does not map to memory. */
export declare function mmio_read(addressLow: u32, addressHigh: u32, bytes: i32): u32;
export declare function mmio_write(addressLow: u32, addressHigh: u32, bytes: i32, value: u32): void;
export declare function port_read(port: i32, bytes: i32): u32;
export declare function port_write(port: i32, bytes: i32, value: u32): void;
/** The interrupt acknowledge cycle: the vector. */
export declare function acknowledge_interrupt(): i32;
/** Guest time, nanoseconds since power-on. */
export declare function now_ns(): f64;
export declare function random_bits(): u32;
/** IA32_APIC_BASE; writing yields 0 for a value the APIC refuses. -1 (all ones) read: there is no local APIC. */
export declare function apic_base_read(): u64;
export declare function apic_base_write(value: u64): i32;
/** IA32_TSC_DEADLINE, which the local APIC keeps. */
export declare function tsc_deadline_read(): u64;
export declare function tsc_deadline_write(value: u64): void;
export declare function task_priority_read(): i32;
export declare function task_priority_write(priority: i32): void;
/** FERR#: an x87 exception waits while CR0.NE is 0. */
export declare function numeric_error(): void;
/** What a guest did that deserves a line in the log: a LOG_* number of system-layout.ts and two numbers. */
export declare function guest_log(what: i32, a: u64, b: u64): void;
/** A trace that translated code was made from was dropped. */
export declare function translation_dropped(first: i32): void;
/** All traces were dropped. */
export declare function translations_dropped(): void;
/** The page of RAM at an offset is about to be written for the first time since writes were last asked about. */
export declare function first_write(ramOffset: u32): void;
