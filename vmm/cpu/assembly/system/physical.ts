// Physical memory: RAM through the page table the bus published, everything else through the MMIO bus. Accesses never cross a page.
import { A20_MASK, PAGE_DIRTY_LOG, PAGE_READ, PAGE_WRITE, PHYSICAL_PAGES, PHYSICAL_PAGES_COUNT } from '../../layout.ts';
import { ram_exchange32, ram_exchange64, ram_load16, ram_load32, ram_load64, ram_load8 } from '../guest-memory';
import { ram_store16, ram_store32, ram_store64, ram_store8 } from '../guest-memory';
import { first_write, mmio_read, mmio_write } from '../host';
import { DIRTY_MAP } from '../../system-layout.ts';
import { code_written, page_has_code } from '../trace';

/** The address with A20 applied. */
export function gateA20(address: u64): u64 {
  return address & (0xffffffff00000000 | u64(load<u32>(A20_MASK)));
}

/** The page table entry of a page frame: RAM offset | PAGE_*, 0 for MMIO. */
export function pageEntry(frame: u64): u32 {
  return frame < u64(PHYSICAL_PAGES_COUNT) ? load<u32>(PHYSICAL_PAGES + (u32(frame) << 2)) : 0;
}

/** For whoever displays the page: see GuestMemory.dirty. */
export function markDirty(ramOffset: u32): void {
  ram_store8(load<u32>(DIRTY_MAP) + (ramOffset >> 12), 1);
}

/** Whether the page was written since writes were last asked about (GuestMemory.dirty): only then may stores go straight to it. */
export function isTouched(ramOffset: u32): bool {
  return ram_load8(load<u32>(DIRTY_MAP) + (ramOffset >> 12)) != 0;
}

/** Before a page of RAM is written: the first time, whoever keeps what was there is asked to. */
export function touch(ramOffset: u32): void {
  if (isTouched(ramOffset)) return;
  first_write(ramOffset);
  markDirty(ramOffset);
}

export function readRam(offset: u32, bytes: i32): u64 {
  if (bytes == 4) return u64(ram_load32(offset));
  if (bytes == 8) return ram_load64(offset);
  if (bytes == 1) return u64(ram_load8(offset));
  return u64(ram_load16(offset));
}

export function writeRam(offset: u32, bytes: i32, value: u64): void {
  if (bytes == 4) ram_store32(offset, u32(value));
  else if (bytes == 8) ram_store64(offset, value);
  else if (bytes == 1) ram_store8(offset, u32(value));
  else ram_store16(offset, u32(value));
  if (page_has_code(offset)) code_written(offset, bytes);
}

/** 1, 2, 4 or 8 bytes, zero-extended. `address` has A20 applied. */
export function readPhysical(address: u64, bytes: i32): u64 {
  const entry = pageEntry(address >> 12);
  if (entry & PAGE_READ) return readRam((entry & 0xfffff000) | (u32(address) & 0xfff), bytes);
  if (bytes == 8) return readMmio(address, 4) | (readMmio(address + 4, 4) << 32);
  return readMmio(address, bytes);
}

function readMmio(address: u64, bytes: i32): u64 {
  return u64(mmio_read(u32(address), u32(address >> 32), bytes));
}

export function writePhysical(address: u64, bytes: i32, value: u64): void {
  const entry = pageEntry(address >> 12);
  if (entry & PAGE_WRITE) {
    const offset = (entry & 0xfffff000) | (u32(address) & 0xfff);
    if (entry & PAGE_DIRTY_LOG) markDirty(offset);
    else touch(offset);
    writeRam(offset, bytes, value);
  } else if (bytes == 8) {
    mmio_write(u32(address), u32(address >> 32), 4, u32(value));
    mmio_write(u32(address + 4), u32((address + 4) >> 32), 4, u32(value >> 32));
  } else {
    mmio_write(u32(address), u32(address >> 32), bytes, u32(value));
  }
}

/** Sets bits of a page table entry if it still is `expected` (SDM vol.3 8.1.2.1: done with a locked cycle). False: it changed, walk again. */
export function setEntryBits(address: u64, wide: bool, expected: u64, bits: u64): bool {
  const entry = pageEntry(address >> 12);
  if ((entry & PAGE_WRITE) == 0 || (u32(address) & (wide ? 7 : 3)) != 0) {
    writePhysical(address, wide ? 8 : 4, expected | bits);
    return true;
  }
  const offset = (entry & 0xfffff000) | (u32(address) & 0xfff);
  if (entry & PAGE_DIRTY_LOG) markDirty(offset);
  else touch(offset);
  const unchanged = wide
    ? ram_exchange64(offset, expected, expected | bits) == expected
    : ram_exchange32(offset, u32(expected), u32(expected | bits)) == u32(expected);
  if (unchanged && page_has_code(offset)) code_written(offset, wide ? 8 : 4);
  return unchanged;
}
