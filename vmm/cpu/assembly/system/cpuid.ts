// CPUID (SDM vol.2): leaves come from the model's table (models/), the few bits that follow the state are filled in here.
import { XCR0 } from '../../layout.ts';
import { APIC_ID, CPUID_COUNT, CPUID_ENTRY, CPUID_TABLE, VENDOR_AMD } from '../../system-layout.ts';
import { apic_base_read } from '../host';
import { CR4_OSXSAVE, cr4, gpr, setGpr, ud } from './state';

const ANY_SUBLEAF: u32 = 0xffffffff;
/** A leaf that no model has. */
const NOWHERE: u32 = 0xffffffff;
const APIC_ENABLED: u64 = 1 << 11;
const FEATURE_APIC: u32 = 1 << 9;
const FEATURE_OSXSAVE: u32 = 1 << 27;
const LEGACY_AREA: u32 = 512 + 64;
const AVX_END: u32 = 576 + 256;

function find(leaf: u32, subleaf: u32): i32 {
  const count = load<i32>(CPUID_COUNT);
  for (let index = 0; index < count; index++) {
    const at = CPUID_TABLE + index * CPUID_ENTRY;
    if (load<u32>(at) != leaf) continue;
    const entry = load<u32>(at, 4);
    if (entry == subleaf || entry == ANY_SUBLEAF) return at;
  }
  return 0;
}

/** Highest leaf of the range that `leaf` is in: EAX of its first. */
function highest(first: u32): u32 {
  const at = find(first, 0);
  return at == 0 ? 0 : load<u32>(at, 8);
}

export function cpuid(): void {
  if (load<i32>(CPUID_COUNT) == 0) return ud();
  let leaf = u32(gpr(0));
  const subleaf = u32(gpr(1));
  // Ranges: basic, hypervisor, extended. Beyond its highest leaf AMD answers zeros, Intel as the highest basic leaf (SDM vol.2 CPUID).
  const first = leaf & 0xc0000000;
  if (leaf > highest(first)) leaf = load<i32>(VENDOR_AMD) != 0 ? NOWHERE : highest(0);
  const at = find(leaf, subleaf);
  let a: u32 = 0, b: u32 = 0, c: u32 = 0, d: u32 = 0;
  if (at != 0) {
    a = load<u32>(at, 8);
    b = load<u32>(at, 12);
    c = load<u32>(at, 16);
    d = load<u32>(at, 20);
  }
  if (leaf == 1 || leaf == 0x80000001) {
    const apic = apic_base_read();
    if (apic == u64.MAX_VALUE || (apic & APIC_ENABLED) == 0) d &= ~FEATURE_APIC;
  }
  if (leaf == 1) {
    b = (b & 0x00ffffff) | (load<u32>(APIC_ID) << 24);
    if (cr4() & CR4_OSXSAVE) c |= FEATURE_OSXSAVE;
  } else if (leaf == 0xb) {
    d = load<u32>(APIC_ID);
    c = (c & ~0xff) | (subleaf & 0xff);
  } else if (leaf == 0xd && subleaf == 0 && at != 0) {
    b = (load<u64>(XCR0) & 4) != 0 ? AVX_END : LEGACY_AREA;
  }
  setGpr(0, u64(a));
  setGpr(3, u64(b));
  setGpr(1, u64(c));
  setGpr(2, u64(d));
}
