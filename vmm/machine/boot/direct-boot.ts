import { messageOf, VmmError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Dma } from '../../bus/dma.ts';
import type { FwCfgFile } from '../../devices/chipset/fw-cfg.ts';
import { decodeE820, ramRanges } from '../firmware/e820.ts';
import type { BootFiles, Kernel } from './boot-plan.ts';
import { ENTRY_CODE, entryCode, MAP_FILE, MAP_FILE_SIZE } from './boot-rom.ts';
import { linuxKernel } from './linux.ts';
import { multibootKernel } from './multiboot.ts';
import { pvhKernel } from './pvh.ts';

/** What SeaBIOS keeps for itself at the top of RAM (ACPI tables and its own high allocations), at most. */
const FIRMWARE_RESERVE = 0x4_0000;
const RSDP_SEARCH = { start: 0xe_0000, end: 0x10_0000 };
const LOW_RAM_END = 0x9_f000;
const ONE_MIB = 0x10_0000;

/**
 * Recognises the kernel and checks that it can be loaded into `ramSize` bytes. Throws VmmError ('invalid', 'unsupported', 'usage') with one line for
 * the user.
 */
export function recogniseKernel(files: BootFiles, ramSize: number): Kernel {
  const kernel = linuxKernel(files) ?? multibootKernel(files) ?? pvhKernel(files);
  if (kernel === undefined) {
    const what = files.kernel.data.length === 0 ? 'is empty' : 'is neither a Linux bzImage (boot protocol 2.x) nor a multiboot 1 or PVH kernel';
    throw new VmmError('invalid', `${files.kernel.name} ${what}`);
  }
  const expected = ramRanges(ramSize).flatMap(({ base, length, type }) =>
    base === 0
      ? [
          { base, length: Math.min(length, LOW_RAM_END), type },
          { base: ONE_MIB, length: Math.max(0, length - ONE_MIB - FIRMWARE_RESERVE), type },
        ]
      : [{ base, length, type }],
  );
  kernel.plan({ map: expected, rsdp: 0 });
  return kernel;
}

export interface DirectBootOptions {
  readonly kernel: Kernel;
  readonly name: string;
  readonly dma: Dma;
  readonly log: Log;
  /** A kernel that could not be loaded after all: the guest goes on with its next boot device. */
  readonly failed: (message: string) => void;
}

/** The fw_cfg file by which the boot ROM asks for the kernel: when it is written, everything is put into memory, the entry code last. */
export function directBootFile({ kernel, name, dma, log, failed }: DirectBootOptions): FwCfgFile {
  return {
    name: MAP_FILE,
    data: new Uint8Array(MAP_FILE_SIZE),
    written(map) {
      try {
        const plan = kernel.plan({ map: decodeE820(map), rsdp: findRsdp(dma) });
        const zeroes = new Uint8Array(0x1_0000);
        for (const { address, length } of plan.clears) {
          for (let done = 0; done < length; done += zeroes.length)
            dma.write(address + done, zeroes.subarray(0, Math.min(zeroes.length, length - done)));
        }
        for (const { address, data } of plan.loads) dma.write(address, data);
        dma.write(ENTRY_CODE, entryCode(plan.entry));
        log.info(`starting ${name}`, { kind: kernel.kind });
      } catch (error) {
        dma.write(ENTRY_CODE, Uint8Array.from([0xcd, 0x18])); // int 18h
        log.error(messageOf(error));
        failed(messageOf(error));
      }
    },
  };
}

/** ACPI 5.2.5.1: on a 16-byte boundary in the BIOS read-only area. */
function findRsdp(dma: Dma): number {
  const area = new Uint8Array(RSDP_SEARCH.end - RSDP_SEARCH.start);
  dma.read(RSDP_SEARCH.start, area);
  const signature = new TextEncoder().encode('RSD PTR ');
  for (let at = 0; at + 20 <= area.length; at += 16) {
    if (signature.every((byte, index) => area[at + index] === byte)) return RSDP_SEARCH.start + at;
  }
  return 0;
}
