import { z } from 'zod';
import { defineDevice } from '../../bus/device.ts';
import { PRIORITY_RAM, type BlockMapping, type MemoryBus } from '../../bus/memory-bus.ts';
import { FOUR_GIB, PCI_HOLE, type MemoryBlock } from '../../memory/physical-map.ts';
import { PciConfig, pciConfigSchema, type PciRegister } from '../pci/config-space.ts';
import type { PciFunction } from '../pci/function.ts';
import {
  COMMAND_MASTER,
  COMMAND_MEMORY,
  COMMAND_PARITY,
  COMMAND_SERR,
  PCI_LATENCY_TIMER,
  STATUS_DEVSEL_MEDIUM,
  STATUS_FAST_BACK_TO_BACK,
} from '../pci/registers.ts';

/* Intel 82441FX PCI and memory controller (PMC), data sheet 290549. Section numbers below are its. */

const PMC_CONFIG = 0x50; // 3.2.13
const DETURBO_CONTROL = 0x52;
const DRAM_BUFFER_CONTROL = 0x53;
const AUXILIARY_CONTROL = 0x54;
const DRAM_ROW_TYPE = 0x55;
const DRAM_CONTROL = 0x57;
const DRAM_TIMING = 0x58;
const PAM0 = 0x59; // 3.2.18: seven registers
const DRAM_ROW_BOUNDARY = 0x60; // 3.2.19: eight registers, in units of 8 MiB, cumulative
const FIXED_DRAM_HOLE = 0x68;
const MULTI_TRANSACTION_TIMER = 0x70;
const CPU_LATENCY_TIMER = 0x71;
const SMRAM = 0x72; // 3.2.23
const ERROR_COMMAND = 0x90;
const ERROR_STATUS = 0x91;
const TURBO_RESET_CONTROL = 0x93;

const PAM_READ = 1;
const PAM_WRITE = 2;

const SMRAM_OPEN = 0x40;
const SMRAM_CLOSED = 0x20;
const SMRAM_LOCKED = 0x10;
const SMRAM_ENABLE = 0x08;
const SMRAM_BASE_A0000 = 0x02;
const SMRAM_UNLOCKED_BITS = SMRAM_OPEN | SMRAM_CLOSED | SMRAM_LOCKED | SMRAM_ENABLE;

const VIDEO_HOLE = 0xa_0000;
const VIDEO_HOLE_SIZE = 0x2_0000;
const ONE_MIB = 0x10_0000;
const ROW_UNIT = 8 * ONE_MIB;
const ROWS = 8;

/** What each nibble of PAM0..PAM6 decodes, table 3-2: `nibble` counts from PAM0's low one, which is reserved. */
const PAM_SEGMENTS = [
  { nibble: 1, base: 0xf_0000, length: 0x1_0000 },
  ...Array.from({ length: 12 }, (_, index) => ({ nibble: 2 + index, base: 0xc_0000 + index * 0x4000, length: 0x4000 })),
];

const schema = z.strictObject({ config: pciConfigSchema });
export type I440fxState = z.infer<typeof schema>;

export interface I440fxOptions {
  readonly memory: MemoryBus;
  readonly ram: MemoryBlock;
}

/**
 * The host bridge: it decodes DRAM. Below 640 KiB and from 1 MiB up to the PCI hole (and again from 4 GiB) RAM is always there; C0000h..FFFFFh are
 * DRAM or PCI, for reads and writes separately, as the PAM registers say; A0000h..BFFFFh are PCI (video memory) unless SMRAM is opened.
 */
export const i440fx = defineDevice({
  type: 'i440fx',
  state: { version: 1, schema },
  create(context, { memory, ram }: I440fxOptions): PciFunction<I440fxState> {
    const config = new PciConfig({
      vendor: 0x8086,
      device: 0x1237,
      revision: 0x02,
      classCode: 0x06_0000,
      command: { reset: COMMAND_MASTER | COMMAND_MEMORY, writable: COMMAND_SERR | COMMAND_PARITY },
      status: STATUS_DEVSEL_MEDIUM | STATUS_FAST_BACK_TO_BACK,
      registers: [...REGISTERS, ...rowBoundaries(ram.length)],
    });
    const state: I440fxState = { config: config.bytes };

    const below = Math.min(ram.length, PCI_HOLE);
    memory.mapBlock(0, ram, { length: Math.min(below, VIDEO_HOLE), priority: PRIORITY_RAM });
    if (below > ONE_MIB) memory.mapBlock(ONE_MIB, ram, { offset: ONE_MIB, length: below - ONE_MIB, priority: PRIORITY_RAM });
    if (ram.length > below) memory.mapBlock(FOUR_GIB, ram, { offset: below, priority: PRIORITY_RAM });
    const segments = PAM_SEGMENTS.filter(({ base, length }) => base + length <= ram.length).map(({ nibble, base, length }) => ({
      register: PAM0 + (nibble >> 1),
      shift: (nibble & 1) * 4,
      mapping: shadow(memory, ram, base, length),
    }));
    const videoHole = ram.length >= VIDEO_HOLE + VIDEO_HOLE_SIZE ? shadow(memory, ram, VIDEO_HOLE, VIDEO_HOLE_SIZE) : undefined;

    const applyPam = (): void => {
      memory.batch(() => {
        for (const { register, shift, mapping } of segments) {
          const attributes = config.bytes[register]! >> shift;
          mapping.claim((attributes & PAM_READ) !== 0, (attributes & PAM_WRITE) !== 0);
        }
      });
    };
    const applySmram = (): void => {
      const smram = config.bytes[SMRAM]!;
      const open = (smram & (SMRAM_OPEN | SMRAM_ENABLE | SMRAM_CLOSED)) === (SMRAM_OPEN | SMRAM_ENABLE);
      videoHole?.claim(open, open);
    };
    let locked: number | undefined; // SMRAM as it was when D_LCK was set
    config.onChange((offset, length) => {
      if (offset < PAM0 + 7 && offset + length > PAM0) applyPam();
      if (offset <= SMRAM && offset + length > SMRAM) {
        // 3.2.23: once D_LCK is set, D_OPEN reads 0 and the register is read-only until reset.
        const all = length === config.bytes.length;
        if (locked !== undefined && !all) config.bytes[SMRAM] = locked;
        if ((config.bytes[SMRAM]! & SMRAM_LOCKED) !== 0) config.bytes[SMRAM]! &= ~SMRAM_OPEN;
        locked = (config.bytes[SMRAM]! & SMRAM_LOCKED) === 0 ? undefined : config.bytes[SMRAM];
        applySmram();
      }
    });
    context.log.debug('RAM mapped', { low: below, high: ram.length - below });
    return {
      state,
      config,
      reset: () => config.reset(),
      loaded: () => config.loaded(),
      inspect: () => ({
        pam: Array.from(config.bytes.subarray(PAM0, PAM0 + 7), (byte) => byte.toString(16).padStart(2, '0')).join(' '),
        smram: config.bytes[SMRAM]!,
      }),
    };
  },
});

function shadow(memory: MemoryBus, ram: MemoryBlock, base: number, length: number): BlockMapping {
  const mapping = memory.mapBlock(base, ram, { offset: base, length, priority: PRIORITY_RAM });
  mapping.claim(false, false);
  return mapping;
}

const REGISTERS: readonly PciRegister[] = [
  { offset: PCI_LATENCY_TIMER, size: 1, writable: 0xf8 },
  { offset: PMC_CONFIG, size: 2, writable: 0x7fff },
  { offset: DETURBO_CONTROL, size: 1, writable: 0xff },
  { offset: DRAM_BUFFER_CONTROL, size: 1, reset: 0x80, writable: 0xff },
  { offset: AUXILIARY_CONTROL, size: 1, writable: 0xff },
  { offset: DRAM_ROW_TYPE, size: 2, writable: 0xffff },
  { offset: DRAM_CONTROL, size: 1, reset: 0x01, writable: 0xff },
  { offset: DRAM_TIMING, size: 1, reset: 0x10, writable: 0xff },
  { offset: PAM0, size: 1, writable: 0x30 },
  ...Array.from({ length: 6 }, (_, index): PciRegister => ({ offset: PAM0 + 1 + index, size: 1, writable: 0x33 })),
  { offset: FIXED_DRAM_HOLE, size: 1, writable: 0xc0 },
  { offset: MULTI_TRANSACTION_TIMER, size: 1, writable: 0xf8 },
  { offset: CPU_LATENCY_TIMER, size: 1, reset: 0x10, writable: 0x1f },
  { offset: SMRAM, size: 1, reset: SMRAM_BASE_A0000, writable: SMRAM_UNLOCKED_BITS },
  { offset: ERROR_COMMAND, size: 1, writable: 0xff },
  { offset: ERROR_STATUS, size: 2, clear: 0x11 },
  { offset: TURBO_RESET_CONTROL, size: 1, writable: 0x0f },
];

/** As a BIOS leaves them that found the RAM in one row of up to 1 GiB: firmware that sizes memory by these registers finds it all. */
function rowBoundaries(ramSize: number): PciRegister[] {
  const boundary = Math.min(Math.floor(ramSize / ROW_UNIT), 0xff);
  return Array.from({ length: ROWS }, (_, row) => ({ offset: DRAM_ROW_BOUNDARY + row, size: 1, reset: boundary, writable: 0xff }));
}
