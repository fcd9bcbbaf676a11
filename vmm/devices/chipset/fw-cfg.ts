import { z } from 'zod';
import { assert } from '../../base/errors.ts';
import type { Region } from '../../bus/bus.ts';
import { defineDevice, type Device } from '../../bus/device.ts';
import { u16, u32 } from '../../bus/schema.ts';

/*
 * The firmware configuration device of QEMU's boards (QEMU docs/specs/fw_cfg): items chosen by a 16-bit key and read byte by byte or by DMA. SeaBIOS and
 * guests' drivers know it. Scalars are little-endian here (x86), what belongs to the file directory and to DMA is big-endian.
 */

export const FW_CFG_PORT = 0x510;
export const FW_CFG_DMA_PORT = 0x514;

const FW_CFG_SIGNATURE = 0x00;
const FW_CFG_ID = 0x01;
export const FW_CFG_UUID = 0x02;
export const FW_CFG_RAM_SIZE = 0x03;
export const FW_CFG_NO_GRAPHIC = 0x04;
export const FW_CFG_CPU_COUNT = 0x05;
export const FW_CFG_NUMA = 0x0d;
export const FW_CFG_BOOT_MENU = 0x0e;
export const FW_CFG_MAX_CPUS = 0x0f;
const FW_CFG_FILE_DIRECTORY = 0x19;
const FW_CFG_FILE_FIRST = 0x20;
export const FW_CFG_IRQ0_OVERRIDE = 0x8002;

/** Selector bits that are not part of an item's number: 14 asked for writing before there was DMA. */
const KEY_MASK = 0xbfff;
const FEATURE_TRADITIONAL = 1;
const FEATURE_DMA = 2;

const DMA_ERROR = 0x01;
const DMA_READ = 0x02;
const DMA_SKIP = 0x04;
const DMA_SELECT = 0x08;
const DMA_WRITE = 0x10;
const DMA_DESCRIPTOR_SIZE = 16;
/** "QEMU CFG": what the DMA address register reads as. */
const DMA_SIGNATURE_HIGH = 0x5145_4d55;
const DMA_SIGNATURE_LOW = 0x2043_4647;
/** Longest transfer: longer ones are refused, so that one port access is bounded work. */
const DMA_LIMIT = 16 << 20;
const ZEROES = 1 << 16;

const DIRECTORY_ENTRY_SIZE = 64;
const DIRECTORY_NAME_SIZE = 56;

const schema = z.strictObject({
  key: u16,
  offset: u32,
  dmaAddressHigh: u32,
});
type FwCfgState = z.infer<typeof schema>;

export interface FwCfgFile {
  readonly name: string;
  readonly data: Uint8Array;
  /** Makes the item one that the guest may write, by DMA, as a message to the machine: called with all that one transfer wrote from offset 0. */
  readonly written?: (data: Uint8Array) => void;
}

export interface FwCfgOptions {
  readonly files: readonly FwCfgFile[];
  /** Items with fixed keys; the signature, the features and the directory are added here. */
  readonly items: ReadonlyMap<number, Uint8Array>;
}

export interface FwCfg extends Device<FwCfgState> {
  /** Two ports: the selector (16 bits) and, at offset 1, the data. */
  readonly ports: Region;
  /** Eight ports: the DMA address register. */
  readonly dma: Region;
  /** The key of a file, for code that the machine generates. */
  keyOf(name: string): number;
}

interface Item {
  readonly data: Uint8Array;
  readonly written?: ((data: Uint8Array) => void) | undefined;
}

export const fwCfg = defineDevice({
  type: 'fw-cfg',
  state: { version: 1, schema },
  create({ dma, log }, options: FwCfgOptions): FwCfg {
    const files = [...options.files].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    const keys = new Map(files.map(({ name }, index) => [name, FW_CFG_FILE_FIRST + index]));
    assert(keys.size === files.length, 'two fw_cfg files have one name');
    const items = new Map<number, Item>([...options.items].map(([key, data]) => [key, { data }]));
    items.set(FW_CFG_SIGNATURE, { data: Uint8Array.from([0x51, 0x45, 0x4d, 0x55]) });
    items.set(FW_CFG_ID, { data: Uint8Array.from([FEATURE_TRADITIONAL | FEATURE_DMA, 0, 0, 0]) });
    items.set(FW_CFG_FILE_DIRECTORY, { data: directory(files) });
    files.forEach(({ data, written }, index) => items.set(FW_CFG_FILE_FIRST + index, { data, written }));

    const state: FwCfgState = { key: 0, offset: 0, dmaAddressHigh: 0 };
    const select = (key: number): void => {
      state.key = key & KEY_MASK;
      state.offset = 0;
    };
    const advance = (length: number): void => {
      state.offset = Math.min(state.offset + length, 0xffff_ffff);
    };
    const readByte = (): number => {
      const value = items.get(state.key)?.data[state.offset] ?? 0;
      advance(1);
      return value;
    };

    /** Copies the rest of the item and, past its end, zeroes. */
    const readDma = (address: number, length: number): void => {
      const data = items.get(state.key)?.data ?? new Uint8Array(0);
      const from = data.subarray(Math.min(state.offset, data.length), Math.min(state.offset + length, data.length));
      dma.write(address, from);
      const zeroes = new Uint8Array(Math.min(ZEROES, length - from.length));
      for (let done = from.length; done < length; done += zeroes.length) {
        dma.write(address + done, zeroes.subarray(0, Math.min(zeroes.length, length - done)));
      }
    };
    const transfer = (control: number, length: number, address: number): boolean => {
      if ((control & DMA_SELECT) !== 0) select(control >>> 16);
      if ((control & (DMA_READ | DMA_WRITE | DMA_SKIP)) === 0) return true;
      if (length > DMA_LIMIT && (control & (DMA_READ | DMA_WRITE)) !== 0) return false;
      if ((control & DMA_READ) !== 0) {
        readDma(address, length);
      } else if ((control & DMA_WRITE) !== 0) {
        const item = items.get(state.key);
        if (item?.written === undefined || state.offset + length > item.data.length) return false;
        const data = new Uint8Array(length);
        dma.read(address, data);
        item.written(data);
      }
      advance(length);
      return true;
    };
    const runDma = (at: number): void => {
      const descriptor = new DataView(new ArrayBuffer(DMA_DESCRIPTOR_SIZE));
      dma.read(at, new Uint8Array(descriptor.buffer));
      const address = descriptor.getUint32(8) * 0x1_0000_0000 + descriptor.getUint32(12);
      const ok = address <= Number.MAX_SAFE_INTEGER - DMA_LIMIT && transfer(descriptor.getUint32(0), descriptor.getUint32(4), address);
      if (!ok) log.guest('fw_cfg DMA refused', { key: state.key });
      dma.write(at, Uint8Array.from([0, 0, 0, ok ? 0 : DMA_ERROR]));
    };

    return {
      state,
      keyOf: (name) => {
        const key = keys.get(name);
        assert(key !== undefined, `no fw_cfg file ${name}`);
        return key;
      },
      ports: {
        name: 'fw_cfg',
        sizes: 2,
        read: (offset, size) => (offset === 1 && size === 1 ? readByte() : size === 2 ? 0xffff : 0xff),
        write: (offset, size, value) => {
          if (offset === 0 && size === 2) select(value);
        },
      },
      dma: {
        name: 'fw_cfg DMA',
        read: (offset, size) => {
          const signature = offset < 4 ? DMA_SIGNATURE_HIGH : DMA_SIGNATURE_LOW;
          const bytes = [24, 16, 8, 0].map((shift) => (signature >>> shift) & 0xff).slice(offset & 3, (offset & 3) + size);
          return bytes.reduce((value, byte, index) => (value | (byte << (8 * index))) >>> 0, 0);
        },
        write: (offset, size, value) => {
          if (size !== 4) return;
          const bigEndian = swap32(value);
          if (offset === 0) {
            state.dmaAddressHigh = bigEndian;
          } else if (offset === 4) {
            const high = state.dmaAddressHigh;
            state.dmaAddressHigh = 0;
            if (high < 0x20_0000) runDma(high * 0x1_0000_0000 + bigEndian);
          }
        },
      },
      reset: () => {
        select(0);
        state.dmaAddressHigh = 0;
      },
      inspect: () => ({ files: files.length, key: `0x${state.key.toString(16)}`, offset: state.offset }),
    };
  },
});

function swap32(value: number): number {
  return ((value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;
}

function directory(files: readonly FwCfgFile[]): Uint8Array {
  const bytes = new Uint8Array(4 + files.length * DIRECTORY_ENTRY_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, files.length);
  files.forEach(({ name, data }, index) => {
    assert(name.length < DIRECTORY_NAME_SIZE, `fw_cfg file name too long: ${name}`);
    const at = 4 + index * DIRECTORY_ENTRY_SIZE;
    view.setUint32(at, data.length);
    view.setUint16(at + 4, FW_CFG_FILE_FIRST + index);
    bytes.set(new TextEncoder().encode(name), at + 8);
  });
  return bytes;
}
