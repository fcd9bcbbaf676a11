;; Guest RAM as functions: AssemblyScript knows one memory only (the core memory), RAM is a second one. Addresses are RAM offsets; who calls has
;; checked them against the physical page table. Memory indices are numbers: wabt does not resolve names on atomic instructions.
(module
  (import "memory" "core" (memory 1))              ;; 0: registers, TLB, page table, code cache
  (import "memory" "ram" (memory 1 65536 shared))  ;; 1: guest RAM, ROMs, video memory, dirty map

  (func (export "ram_load8") (param i32) (result i32) (i32.load8_u 1 (local.get 0)))
  (func (export "ram_load16") (param i32) (result i32) (i32.load16_u 1 (local.get 0)))
  (func (export "ram_load32") (param i32) (result i32) (i32.load 1 (local.get 0)))
  (func (export "ram_load64") (param i32) (result i64) (i64.load 1 (local.get 0)))
  (func (export "ram_store8") (param i32 i32) (i32.store8 1 (local.get 0) (local.get 1)))
  (func (export "ram_store16") (param i32 i32) (i32.store16 1 (local.get 0) (local.get 1)))
  (func (export "ram_store32") (param i32 i32) (i32.store 1 (local.get 0) (local.get 1)))
  (func (export "ram_store64") (param i32 i64) (i64.store 1 (local.get 0) (local.get 1)))

  ;; Aligned only; return what was there before. Page table entries are changed with these (SDM vol.3 4.8).
  (func (export "ram_exchange32") (param $at i32) (param $expected i32) (param $new i32) (result i32)
    (i32.atomic.rmw.cmpxchg 1 (local.get $at) (local.get $expected) (local.get $new)))
  (func (export "ram_exchange64") (param $at i32) (param $expected i64) (param $new i64) (result i64)
    (i64.atomic.rmw.cmpxchg 1 (local.get $at) (local.get $expected) (local.get $new)))

  ;; Bulk: into core memory, out of it, within RAM.
  (func (export "ram_to_core") (param $to i32) (param $from i32) (param $bytes i32)
    (memory.copy 0 1 (local.get $to) (local.get $from) (local.get $bytes)))
  (func (export "core_to_ram") (param $to i32) (param $from i32) (param $bytes i32)
    (memory.copy 1 0 (local.get $to) (local.get $from) (local.get $bytes)))
  (func (export "ram_copy") (param $to i32) (param $from i32) (param $bytes i32)
    (memory.copy 1 1 (local.get $to) (local.get $from) (local.get $bytes)))
  (func (export "ram_fill") (param $to i32) (param $value i32) (param $bytes i32)
    (memory.fill 1 (local.get $to) (local.get $value) (local.get $bytes))))
