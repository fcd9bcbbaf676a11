// Imports: the exports of guest-memory.wat (the file's name is the import's module name).
export declare function ram_load8(offset: u32): u32;
export declare function ram_load16(offset: u32): u32;
export declare function ram_load32(offset: u32): u32;
export declare function ram_load64(offset: u32): u64;
export declare function ram_store8(offset: u32, value: u32): void;
export declare function ram_store16(offset: u32, value: u32): void;
export declare function ram_store32(offset: u32, value: u32): void;
export declare function ram_store64(offset: u32, value: u64): void;
export declare function ram_exchange32(offset: u32, expected: u32, value: u32): u32;
export declare function ram_exchange64(offset: u32, expected: u64, value: u64): u64;
export declare function ram_to_core(to: u32, from: u32, bytes: u32): void;
export declare function core_to_ram(to: u32, from: u32, bytes: u32): void;
export declare function ram_copy(to: u32, from: u32, bytes: u32): void;
export declare function ram_fill(to: u32, value: u32, bytes: u32): void;
