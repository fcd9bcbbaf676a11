import { concat, type Aml } from './aml.ts';
import { dsdtCode, HPET_BASE, IO_APIC_BASE, type AcpiBoard } from './dsdt.ts';
import { LoaderScript } from './loader.ts';

/* The static ACPI tables (ACPI 6.4, chapter 5.2) of the i440FX board with a PIIX4 power management function at 600h. */

const PM_BASE = 0x600;
const PM1_EVENT = PM_BASE;
const PM1_CONTROL = PM_BASE + 4;
const PM_TIMER = PM_BASE + 8;
const GPE0 = PM_BASE + 0xc;
export const SCI_IRQ = 9;
const ACPI_ENABLE = 0xf1;
const ACPI_DISABLE = 0xf0;
const SMI_COMMAND_PORT = 0xb2;
const RESET_PORT = 0xcf9;
const RESET_VALUE = 0x06;
const CMOS_CENTURY = 0x32;
const LOCAL_APIC_BASE = 0xfee0_0000;
/** Interrupts that PCI links and the SCI use: level-triggered, active high at the I/O APIC. */
const LEVEL_IRQS = [5, 9, 10, 11];

const OEM = { id: 'STRATE', table: 'STRATEPC', revision: 1, creator: 'STRT' };
const HEADER_SIZE = 36;
const CHECKSUM = 9;
const FACS_SIZE = 64;
const FADT_SIZE = 244; // revision 3
const RSDP_SIZE = 20; // revision 0

export interface AcpiFiles {
  /** etc/acpi/tables: all tables, pointers relative to its own start. */
  readonly tables: Uint8Array;
  /** etc/acpi/rsdp */
  readonly rsdp: Uint8Array;
  /** etc/table-loader: what firmware does to put them into memory. */
  readonly loader: Uint8Array;
}

export const TABLES_FILE = 'etc/acpi/tables';
export const RSDP_FILE = 'etc/acpi/rsdp';
export const LOADER_FILE = 'etc/table-loader';

/** Everything a firmware with a table loader needs: FACS, DSDT, FADT, MADT, HPET, RSDT in one file. */
export function acpiFiles(board: AcpiBoard): AcpiFiles {
  const script = new LoaderScript();
  script.allocate(TABLES_FILE, 64, 'high');
  const parts: Uint8Array[] = [];
  let end = 0;
  const append = (part: Uint8Array, alignment = 4): number => {
    const pad = (alignment - (end % alignment)) % alignment;
    parts.push(new Uint8Array(pad), part);
    const at = end + pad;
    end = at + part.length;
    return at;
  };
  const addTable = (table: Uint8Array): number => {
    const at = append(table);
    script.addChecksum(TABLES_FILE, at + CHECKSUM, at, table.length);
    return at;
  };

  const facsAt = append(facs(), 64);
  const dsdtAt = addTable(table('DSDT', 1, dsdtCode(board)));
  const fadtTable = table('FACP', 3, fadt(facsAt, dsdtAt));
  const fadtAt = append(fadtTable);
  for (const field of [36, 40]) script.addPointer(TABLES_FILE, fadtAt + field, 4, TABLES_FILE);
  script.addChecksum(TABLES_FILE, fadtAt + CHECKSUM, fadtAt, fadtTable.length);
  const listed = [fadtAt];
  if (board.apic) listed.push(addTable(table('APIC', 1, madt(board.cpus))));
  if (board.hpet) listed.push(addTable(table('HPET', 1, hpet())));

  const rsdtTable = table('RSDT', 1, concat(...listed.map(u32)));
  const rsdtAt = append(rsdtTable);
  listed.forEach((_, index) => script.addPointer(TABLES_FILE, rsdtAt + HEADER_SIZE + 4 * index, 4, TABLES_FILE));
  script.addChecksum(TABLES_FILE, rsdtAt + CHECKSUM, rsdtAt, rsdtTable.length);

  script.allocate(RSDP_FILE, 16, 'fseg');
  script.addPointer(RSDP_FILE, 16, 4, TABLES_FILE);
  script.addChecksum(RSDP_FILE, 8, 0, RSDP_SIZE);
  return { tables: concat(...parts), rsdp: rsdp(rsdtAt), loader: script.bytes() };
}

/** Header and body; the checksum is left 0 for the loader, which knows the pointers. */
function table(signature: string, revision: number, body: Uint8Array): Uint8Array {
  return concat(
    ascii(signature, 4),
    u32(HEADER_SIZE + body.length),
    [revision, 0],
    ascii(OEM.id, 6),
    ascii(OEM.table, 8),
    u32(OEM.revision),
    ascii(OEM.creator, 4),
    u32(1),
    body,
  );
}

function rsdp(rsdtAt: number): Uint8Array {
  return concat(ascii('RSD PTR ', 8), [0], ascii(OEM.id, 6), [0], u32(rsdtAt));
}

function facs(): Uint8Array {
  const bytes = new Uint8Array(FACS_SIZE);
  bytes.set(ascii('FACS', 4));
  bytes.set(u32(FACS_SIZE), 4);
  return bytes;
}

const GENERIC_IO = 1;

/** A generic address structure (5.2.3.2) for a register block in port space. */
function ports(base: number, bytes: number): Aml {
  return concat([GENERIC_IO, bytes * 8, 0, 0], u32(base), u32(0));
}

const FADT_WBINVD = 1 << 0;
const FADT_PROC_C1 = 1 << 2;
const FADT_SLEEP_BUTTON_IS_NOT_FIXED = 1 << 5;
const FADT_RTC_S4 = 1 << 7;
const FADT_RESET_REGISTER = 1 << 10;
const BOOT_LEGACY_DEVICES = 1 << 0;
const BOOT_8042 = 1 << 1;

/** Fixed ACPI description table (5.2.9). The power button is the fixed one: its flag is 0. */
function fadt(facsAt: number, dsdtAt: number): Uint8Array {
  const bytes = new Uint8Array(FADT_SIZE - HEADER_SIZE);
  const view = new DataView(bytes.buffer);
  const at = (offset: number): number => offset - HEADER_SIZE;
  view.setUint32(at(36), facsAt, true);
  view.setUint32(at(40), dsdtAt, true);
  view.setUint8(at(44), 1); // INT_MODEL of ACPI 1.0: multiple APIC
  view.setUint16(at(46), SCI_IRQ, true);
  view.setUint32(at(48), SMI_COMMAND_PORT, true);
  view.setUint8(at(52), ACPI_ENABLE);
  view.setUint8(at(53), ACPI_DISABLE);
  view.setUint32(at(56), PM1_EVENT, true);
  view.setUint32(at(64), PM1_CONTROL, true);
  view.setUint32(at(76), PM_TIMER, true);
  view.setUint32(at(80), GPE0, true);
  view.setUint8(at(88), 4); // PM1_EVT_LEN
  view.setUint8(at(89), 2); // PM1_CNT_LEN
  view.setUint8(at(91), 4); // PM_TMR_LEN
  view.setUint8(at(92), 4); // GPE0_BLK_LEN
  view.setUint16(at(96), 0xfff, true); // P_LVL2_LAT and P_LVL3_LAT: no C2, no C3
  view.setUint16(at(98), 0xfff, true);
  view.setUint8(at(108), CMOS_CENTURY);
  view.setUint16(at(109), BOOT_LEGACY_DEVICES | BOOT_8042, true);
  const flags = FADT_WBINVD | FADT_PROC_C1 | FADT_SLEEP_BUTTON_IS_NOT_FIXED | FADT_RTC_S4 | FADT_RESET_REGISTER;
  view.setUint32(at(112), flags, true);
  bytes.set(ports(RESET_PORT, 1), at(116));
  view.setUint8(at(128), RESET_VALUE);
  bytes.set(ports(PM1_EVENT, 4), at(148));
  bytes.set(ports(PM1_CONTROL, 2), at(172));
  bytes.set(ports(PM_TIMER, 4), at(208));
  bytes.set(ports(GPE0, 4), at(220));
  return bytes;
}

const POLARITY_ACTIVE_HIGH = 1;
const TRIGGER_LEVEL = 3 << 2;

/** Multiple APIC description table (5.2.12): ISA interrupts are the I/O APIC's pins, but the timer is on pin 2. */
function madt(cpus: number): Uint8Array {
  const localApics = Array.from({ length: cpus }, (_, id) => concat([0, 8, id, id], u32(1)));
  const overrides = [
    concat([2, 10, 0, 0], u32(2), u16(0)),
    ...LEVEL_IRQS.map((irq) => concat([2, 10, 0, irq], u32(irq), u16(POLARITY_ACTIVE_HIGH | TRIGGER_LEVEL))),
  ];
  const nmi = concat([4, 6, 0xff], u16(0), [1]); // LINT1 of every processor
  const PCAT_COMPAT = 1;
  return concat(u32(LOCAL_APIC_BASE), u32(PCAT_COMPAT), ...localApics, concat([1, 12, 0, 0], u32(IO_APIC_BASE), u32(0)), ...overrides, nmi);
}

/** IA-PC HPET specification 3.2.4: revision 1, three comparators, 64-bit counter, legacy replacement, Intel. */
function hpet(): Uint8Array {
  return concat(u32(0x8086_a201), [0, 64, 0, 0], u32(HPET_BASE), u32(0), [0], u16(0), [0]);
}

function ascii(text: string, length: number): Uint8Array {
  const bytes = new Uint8Array(length).fill(0x20);
  bytes.set(new TextEncoder().encode(text).subarray(0, length));
  return bytes;
}

function u16(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, (value >>> 8) & 0xff);
}

function u32(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24);
}
