import { z } from 'zod';
import type { Region } from '../../bus/bus.ts';
import { defineDevice } from '../../bus/device.ts';
import type { DisplaySource, Scanout } from '../../display/scanout.ts';
import type { MemoryBlock } from '../../memory/physical-map.ts';
import { PciConfig, pciConfigSchema, type PciBar } from '../pci/config-space.ts';
import type { PciFunction } from '../pci/function.ts';
import { Dac } from './dac.ts';
import { Dispi } from './dispi.ts';
import { createEdid, type MonitorDescription } from './edid.ts';
import { LegacyWindow, type DirectWindow } from './legacy-window.ts';
import { PlaneAccess } from './plane-access.ts';
import { beamAt, rasterTiming, type RasterTiming } from './raster-timing.ts';
import { DISPI } from './registers.ts';
import { createMmio, MMIO_BYTES } from './vga-mmio.ts';
import { VgaPorts } from './vga-ports.ts';
import { ScanoutDecoder } from './vga-scanout.ts';
import { powerOnState, vgaStateSchema, type VgaState } from './vga-state.ts';
import { VideoMemory } from './video-memory.ts';

/** QEMU "Standard VGA": revision 2 has the extended registers. */
const IDENTITY = { vendor: 0x1234, device: 0x1111, revision: 2, classCode: 0x030000 } as const;

export interface VgaOptions {
  /** A block of guest memory: `videoBlockBytes(vramSize)` long. */
  readonly block: MemoryBlock;
  /** One dirty byte per page of the block (`GuestMemory.dirty` from its first page on). */
  readonly dirty: Uint8Array;
  /** Shows parts of `block` at A0000h, over the `window` region. */
  readonly direct: DirectWindow;
  /** The video BIOS; its length is a power of two. Absent: no expansion ROM. */
  readonly rom?: MemoryBlock;
  readonly monitor?: MonitorDescription;
}

export interface VgaAdapterState {
  registers: VgaState;
  config: Uint8Array;
}

export interface VgaAdapter extends PciFunction<VgaAdapterState>, DisplaySource {
  /** A0000h to BFFFFh. */
  readonly window: Region;
  /** 3B0h to 3BBh: CRTC and status of monochrome modes. */
  readonly monochromePorts: Region;
  /** 3C0h to 3DFh. */
  readonly ports: Region;
  /** 1CEh to 1D1h. */
  readonly dispiPorts: Region;
}

const schema: z.ZodType<VgaAdapterState> = z.strictObject({ registers: vgaStateSchema, config: pciConfigSchema });

const defaultMonitor: MonitorDescription = { width: 1280, height: 800, name: 'Strate' };

/** The PCI display adapter 1234:1111 of Bochs and QEMU: a VGA with the DISPI extension and a linear frame buffer. See README.md. */
export const vga = defineDevice({
  type: 'vga',
  state: { version: 1, schema },
  create(context, options: VgaOptions): VgaAdapter {
    const registers = powerOnState();
    const memory = new VideoMemory({ bytes: options.block.bytes, dirty: options.dirty });
    const clock = context.scheduler;

    let timing: RasterTiming | undefined;
    const currentTiming = (): RasterTiming => (timing ??= rasterTiming(registers, dispi));

    const dispi: Dispi = new Dispi(registers.dispi, memory.size, (clear) => {
      timing = undefined;
      if (clear) {
        const { pitch, height } = dispi.mode();
        memory.clear(pitch * height);
      }
      window.update();
    });
    const dac = new Dac(registers.dac, () => dispi.dacBits);
    const planes = new PlaneAccess(registers, memory);
    const window = new LegacyWindow(registers, memory, planes, dispi, options.direct);
    const ports = new VgaPorts(registers, dac, clock, {
      memoryChanged: () => window.update(),
      timingChanged: () => (timing = undefined),
      beam: (now) => beamAt(currentTiming(), now),
    });
    const decoder = new ScanoutDecoder(registers, memory, dac, dispi);
    const edid = createEdid(options.monitor ?? defaultMonitor);
    const bars: PciBar[] = [
      { bar: 0, space: 'memory', length: memory.size, block: options.block, dirtyLog: true, prefetchable: true },
      { bar: 2, space: 'memory', length: MMIO_BYTES, region: createMmio(edid, ports, dispi) },
    ];
    if (options.rom !== undefined) bars.push({ bar: 'rom', space: 'memory', length: options.rom.length, block: options.rom });
    const config = new PciConfig({ ...IDENTITY, bars });

    const scanout = (): Scanout => decoder.decode(window.cells, Math.floor(clock.now() / currentTiming().frame));
    return {
      state: { registers, config: config.bytes },
      config,
      window: window.region,
      monochromePorts: ports.monochrome,
      ports: ports.color,
      dispiPorts: dispi.ports,
      memory: memory.bytes,
      dirty: memory.dirty,
      scanout,
      reset() {
        assignInPlace(registers, powerOnState());
        timing = undefined;
        config.reset();
        window.update();
      },
      loaded() {
        timing = undefined;
        config.loaded();
        window.loaded();
      },
      inspect() {
        const picture = scanout();
        const { frame } = currentTiming();
        return {
          mode: picture.kind,
          size: `${picture.width}x${picture.height}`,
          format: picture.kind === 'graphics' ? picture.format : picture.kind === 'text' ? `${picture.columns}x${picture.rows} cells` : '-',
          'refresh (Hz)': Math.round(1e10 / frame) / 10,
          'VBE enabled': dispi.enabled ? 'yes' : 'no',
          'VBE bank': registers.dispi.registers[DISPI.BANK]!,
        };
      },
    };
  },
});

/** Copies values into existing objects and buffers, which others hold references to. */
function assignInPlace(target: object, source: object): void {
  for (const [key, value] of Object.entries(source) as [keyof typeof target, unknown][]) {
    if (value instanceof Uint8Array) (target[key] as Uint8Array).set(value);
    else if (typeof value === 'object' && value !== null) assignInPlace(target[key], value);
    else Object.assign(target, { [key]: value });
  }
}
