import {
  FW_CFG_BOOT_MENU,
  FW_CFG_CPU_COUNT,
  FW_CFG_IRQ0_OVERRIDE,
  FW_CFG_MAX_CPUS,
  FW_CFG_NO_GRAPHIC,
  FW_CFG_NUMA,
  FW_CFG_RAM_SIZE,
  FW_CFG_UUID,
  type FwCfgFile,
} from '../../devices/chipset/fw-cfg.ts';
import type { VmConfig } from '../../protocol/config.ts';
import type { AcpiBoard } from '../acpi/dsdt.ts';
import { acpiFiles, LOADER_FILE, RSDP_FILE, TABLES_FILE } from '../acpi/tables.ts';
import { bootOrderFile } from './boot-order.ts';
import { encodeE820, ramRanges } from './e820.ts';
import { smbiosFiles } from './smbios.ts';

/** How long SeaBIOS shows its boot menu prompt, when it does (ms). */
const BOOT_MENU_WAIT = 3000;
/** No second try when nothing boots: the message stays on the screen. */
const NO_RETRY = 0xffff_ffff;
/** etc/system-states: bit 7 = the state is offered, low bits = its SLP_TYP. S5 and nothing else. */
const SYSTEM_STATES = Uint8Array.of(128, 0, 0, 1, 2, 128);
const VERSION = '1';

export interface FirmwareBoard extends AcpiBoard {
  readonly ramSize: number;
  readonly cpuName: string;
  /** Network controllers that can be booted from, as `bootorder` names them. */
  readonly nicPaths: readonly string[];
  /** Firmware's paths of drives on PCI, by id. */
  readonly drivePaths: ReadonlyMap<string, string>;
}

/** What the firmware is told: about the hardware it cannot probe, about what to boot, and the tables it hands on. */
export function fwCfgContent(config: VmConfig, board: FirmwareBoard): { items: Map<number, Uint8Array>; files: FwCfgFile[] } {
  const acpi = acpiFiles(board);
  const smbios = smbiosFiles({
    uuid: config.id,
    cpus: board.cpus,
    cpuName: board.cpuName,
    lowRam: board.lowRam,
    highRam: board.ramSize - board.lowRam,
    version: VERSION,
  });
  const items = new Map([
    [FW_CFG_UUID, Uint8Array.from(config.id.replaceAll('-', '').match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))],
    [FW_CFG_RAM_SIZE, little(board.ramSize, 8)],
    [FW_CFG_NO_GRAPHIC, little(config.display.adapter === 'none' ? 1 : 0, 2)],
    [FW_CFG_CPU_COUNT, little(board.cpus, 2)],
    [FW_CFG_MAX_CPUS, little(board.cpus, 2)],
    [FW_CFG_NUMA, little(0, 8 * (1 + board.cpus))],
    [FW_CFG_BOOT_MENU, little(config.boot.menu ? 1 : 0, 2)],
    [FW_CFG_IRQ0_OVERRIDE, little(1, 1)],
  ]);
  const files = [
    { name: 'bootorder', data: bootOrderFile(config, board.nicPaths, board.drivePaths) },
    { name: 'etc/boot-menu-wait', data: little(BOOT_MENU_WAIT, 4) },
    { name: 'etc/boot-fail-wait', data: little(NO_RETRY, 4) },
    { name: 'etc/e820', data: encodeE820(ramRanges(board.ramSize)) },
    { name: 'etc/system-states', data: SYSTEM_STATES },
    { name: TABLES_FILE, data: acpi.tables },
    { name: RSDP_FILE, data: acpi.rsdp },
    { name: LOADER_FILE, data: acpi.loader },
    { name: 'etc/smbios/smbios-anchor', data: smbios.anchor },
    { name: 'etc/smbios/smbios-tables', data: smbios.tables },
  ];
  return { items, files };
}

function little(value: number, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, index) => Math.floor(value / 256 ** index) & 0xff);
}
