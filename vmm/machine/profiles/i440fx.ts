import type { Vcpu, VcpuOptions } from '../../accel/accelerator.ts';
import type { IrqLine } from '../../bus/irq.ts';
import { PRIORITY_CHIPSET, PRIORITY_LEGACY } from '../../bus/memory-bus.ts';
import { cpuModel, type CpuModel } from '../../cpu/models/models.ts';
import { debugConsole, debugExit, postPort } from '../../devices/char/debug-ports.ts';
import { parallelPort } from '../../devices/char/parallel-port.ts';
import { uart16550, type Uart16550 } from '../../devices/char/uart-16550.ts';
import { FW_CFG_DMA_PORT, FW_CFG_PORT, fwCfg, type FwCfgFile } from '../../devices/chipset/fw-cfg.ts';
import { i440fx } from '../../devices/chipset/i440fx.ts';
import {
  APM_CONTROL_PORT,
  COPROCESSOR_ERROR_PORT,
  PORT_92,
  piix3,
  RESET_CONTROL_PORT,
  type Piix3,
  type ResetRequest,
} from '../../devices/chipset/piix3.ts';
import { piix4Pm, type Piix4Pm } from '../../devices/chipset/piix4-pm.ts';
import { i8237, type I8237 } from '../../devices/dma/i8237.ts';
import { i8042 } from '../../devices/input/i8042.ts';
import { ps2Keyboard, type Ps2Keyboard } from '../../devices/input/ps2-keyboard.ts';
import { ps2Mouse, type Ps2Mouse } from '../../devices/input/ps2-mouse.ts';
import { BACKDOOR_PORT, BACKDOOR_PORTS, HYPERVISOR_NAME, vmwareBackdoor, type VmwareBackdoor } from '../../devices/input/vmware-backdoor.ts';
import { createInterrupts, type Interrupts } from '../../devices/irq/interrupt-router.ts';
import { CONFIG_ADDRESS_PORT, CONFIG_DATA_PORT, pciConfigMechanism } from '../../devices/pci/config-mechanism.ts';
import { PciBus } from '../../devices/pci/pci-bus.ts';
import type { PacketDrive } from '../../devices/storage/ata/packet-drive.ts';
import { cmosFor } from '../../devices/time/cmos-layout.ts';
import { hpet, type Hpet } from '../../devices/time/hpet.ts';
import { pit8254, type Pit8254 } from '../../devices/time/pit-8254.ts';
import { rtcMc146818, type Rtc } from '../../devices/time/rtc-mc146818.ts';
import { createDirectWindow } from '../../devices/video/direct-window.ts';
import { vga, type VgaAdapter } from '../../devices/video/vga.ts';
import { TEXT_CELLS_BYTES } from '../../devices/video/video-memory.ts';
import { PAGE_SHIFT, PCI_HOLE } from '../../memory/physical-map.ts';
import type { VmConfig } from '../../protocol/config.ts';
import { bootRom, BOOT_ROM_FILE, MAP_FILE } from '../boot/boot-rom.ts';
import { directBootFile, recogniseKernel } from '../boot/direct-boot.ts';
import { HPET_BASE, HPET_SIZE, IO_APIC_BASE } from '../acpi/dsdt.ts';
import { SCI_IRQ } from '../acpi/tables.ts';
import type { Board } from '../board.ts';
import { fwCfgContent, type FirmwareBoard } from '../firmware/fw-cfg-content.ts';
import { mapSystemRom } from '../firmware/system-rom.ts';
import type { MachineHost } from '../host.ts';
import { LocalApicWindow, ProcessorBus } from '../processor-bus.ts';
import { installNics } from './i440fx-nics.ts';
import { cmosHardDisks, installFloppies, installIde, type FloppyDrives } from './i440fx-drives.ts';
import { installPciDrives } from './pci-drives.ts';

/** What the firmware is to be told of what was installed. */
interface FirmwareNotes {
  readonly serialPorts: number;
  readonly hpet: boolean;
  /** Network controllers as `bootorder` names them. */
  readonly nicPaths: readonly string[];
  /** Drives on PCI, in the same form, by id. */
  readonly drivePaths: ReadonlyMap<string, string>;
}

/** What the machine's control loop does for the board. */
interface BoardControl {
  requestReset(request: ResetRequest): void;
  powerOff(): void;
  debugExit(status: number): void;
}

/** The parts of the machine that somebody outside talks to. */
export interface MachineParts {
  readonly keyboard: Ps2Keyboard;
  readonly mouse: Ps2Mouse;
  /** The absolute pointer; absent where the configuration leaves it out. */
  readonly backdoor: VmwareBackdoor | undefined;
  readonly serial: readonly Uart16550[];
  readonly display: VgaAdapter | undefined;
  /** CD drives by id. */
  readonly cdroms: ReadonlyMap<string, PacketDrive>;
  readonly floppies: FloppyDrives;
  readonly rtc: Rtc;
  readonly pm: Piix4Pm;
  readonly pci: PciBus;
  readonly interrupts: Interrupts;
}

export interface I440fxOptions {
  readonly board: Board;
  readonly config: VmConfig;
  readonly host: MachineHost;
  readonly control: BoardControl;
  /** The guest's civil time at power-on, seconds since 1970 in the zone its clock keeps. */
  readonly civilTime: number;
  readonly random: () => number;
}

const IO_APIC_SIZE = 0x1000;
const LOCAL_APIC_BASE = 0xfee0_0000;
const VIDEO_WINDOW = 0xa_0000;
const VIDEO_WINDOW_SIZE = 0x2_0000;
const SERIAL_PORTS = [
  { port: 0x3f8, irq: 4 },
  { port: 0x2f8, irq: 3 },
  { port: 0x3e8, irq: 4 },
  { port: 0x2e8, irq: 3 },
] as const;
const PARALLEL_PORT = 0x378;
const PARALLEL_IRQ = 7;
const DEBUG_CONSOLE_PORTS = [0xe9, 0x402];
const DEBUG_EXIT_PORT = 0xf4;
const POST_PORT = 0x80;
const SLOT_HOST_BRIDGE = 0;
const SLOT_PIIX3 = 1;
const FUNCTION_ISA = 0;
const FUNCTION_IDE = 1;
const FUNCTION_PM = 3;
const SLOT_VGA = 2;

/** Bytes of guest memory that the display adapter of `config` takes beside RAM. */
export function displayMemory(config: VmConfig, vgaBios: Uint8Array | undefined): { video: number; rom: number } {
  if (config.display.adapter === 'none') return { video: 0, rom: 0 };
  return { video: powerOfTwo(config.display.memory << 20) + TEXT_CELLS_BYTES, rom: vgaBios === undefined ? 0 : powerOfTwo(vgaBios.length) };
}

function powerOfTwo(least: number): number {
  return 2 ** Math.ceil(Math.log2(least));
}

/** Builds the PC: 82441FX, 82371SB and what is around them, and its processors. The only place where devices are wired. */
export function assembleI440fx(options: I440fxOptions): { parts: MachineParts; vcpus: readonly Vcpu[] } {
  const { board, config, host } = options;
  const vcpus: Vcpu[] = [];
  const a20 = createA20Gate(vcpus);

  // 1. Interrupt controllers: loaded first, so that levels that devices drive afterwards are no new edges.
  const model = cpuModel(config.cpu.model);
  const { interrupts, apicWindows } = installInterrupts(options, vcpus, model.features, () => pit.irq0Acknowledged());

  // 2. The two bridges and the PCI bus.
  const bridge = board.install('host bridge', i440fx, { memory: board.space, ram: board.memory.ram });
  const isa = board.install('isa bridge', piix3, {
    irqs: Array.from({ length: 16 }, (_, irq) => interrupts.isaLine(irq)),
    reset: (request) => options.control.requestReset(request),
    a20,
    ignoreNumericError: { set: (level) => vcpus[0]?.ignoreNumericError?.(level) },
    apmCommand: (command) => pm.apmCommand(command),
  });
  const pci = new PciBus({
    ports: board.ports,
    memory: board.space,
    pirqs: isa.pirqs,
    message: (address, data) => void interrupts.apicBus.messageSignalled(address, data),
  });
  pci.add(SLOT_HOST_BRIDGE, 0, bridge);
  pci.add(SLOT_PIIX3, FUNCTION_ISA, isa);
  mapBridgePorts(board, pci, isa);

  const pm = board.install('pm', piix4Pm, {
    ports: board.ports,
    sci: interrupts.isaLine(SCI_IRQ),
    smbusIrq: interrupts.isaLine(SCI_IRQ),
    powerOff: () => options.control.powerOff(),
  });
  pci.add(SLOT_PIIX3, FUNCTION_PM, pm);

  // 3. What the ISA bridge contains or is next to.
  const hpetTimer = interrupts.ioApic && installHpet(board, interrupts);
  const pit = board.install('pit', pit8254, {
    irq0: hpetTimer?.pit ?? interrupts.isaLine(0),
    irq0Feedback: { wanted: () => !interrupts.pic.masked(0), requested: () => interrupts.pic.requested(0) },
  });
  const dma = board.install('dma', i8237, {});
  const floppies = installFloppies(board, config, host, interrupts, dma);
  const cmos = cmosContents(board, config, host, floppies.types);
  const rtc = board.install('rtc', rtcMc146818, {
    irq8: hpetTimer?.rtc ?? interrupts.isaLine(8),
    time: options.civilTime,
    cmos,
    nmiMasked: interrupts.maskNmi,
  });
  const { keyboard, mouse } = installInput(board, host, interrupts, a20, options.control);
  const backdoor = config.absolutePointer ? installBackdoor(board, config, host, vcpus, mouse) : undefined;
  const serial = installSerial(board, config, host, interrupts);
  mapSystemPorts(board, interrupts, pit, rtc, dma);
  installParallel(board, config, host, interrupts);
  installDebugPorts(board, config, host, options.control);

  // 4. PCI functions.
  const { ide, cdroms: ideCdroms } = installIde(board, config, host, interrupts);
  pci.add(SLOT_PIIX3, FUNCTION_IDE, ide);
  const display = config.display.adapter === 'none' ? undefined : installVga(board, config, host);
  if (display !== undefined) pci.add(SLOT_VGA, 0, display);
  const pciDrives = installPciDrives(board, config, host, pci);
  const cdroms = new Map([...ideCdroms, ...pciDrives.cdroms]);

  const nicPaths = installNics(board, pci, interrupts, config, host);

  // 5. Firmware and processors.
  mapSystemRom(board.memory, board.space, host.bios);
  const notes = { serialPorts: serial.length, hpet: hpetTimer !== undefined, nicPaths, drivePaths: pciDrives.paths };
  installFwCfg(board, config, host, notes);
  for (let index = 0; index < config.cpu.count; index++) {
    const vcpu = host.accelerator.createVcpu(vcpuOptions(index, options, interrupts, apicWindows[index], isa));
    vcpus.push(vcpu);
    vcpu.a20(a20.level);
  }
  return { parts: { keyboard, mouse, backdoor, serial, display, cdroms, floppies, rtc, pm, pci, interrupts }, vcpus };
}

/** The 8259s, and for processors that have one, local APICs and an I/O APIC. */
function installInterrupts(
  { board, config }: I440fxOptions,
  vcpus: readonly Vcpu[],
  features: CpuModel['features'],
  timerAcknowledged: () => void,
): { interrupts: Interrupts; apicWindows: readonly LocalApicWindow[] } {
  const processors = Array.from({ length: config.cpu.count }, (_, index) => ({
    interrupt: (pending: boolean) => vcpus[index]?.interrupt(pending),
    nmi: () => vcpus[index]?.nmi(),
    smi: () => vcpus[index]?.smi?.(),
    init: () => vcpus[index]?.init(),
    startup: (vector: number) => vcpus[index]?.startup(vector),
  }));
  const interrupts = createInterrupts((name, type, deviceOptions) => board.install(name, type, deviceOptions), {
    processors,
    apic: features.has('apic'),
    ...(features.has('tsc_deadline') && { timeOfTsc: (index: number, tsc: bigint) => vcpus[index]?.timeOfTsc?.(tsc) ?? Infinity }),
    relocated: (index, base, enabled) => apicWindows[index]?.relocate(base, enabled),
    acknowledged: (line) => {
      if (line === 0) timerAcknowledged();
    },
  });
  const apicWindows = interrupts.localApics.map(({ registers }) => new LocalApicWindow(board.space, registers, LOCAL_APIC_BASE));
  if (interrupts.ioApic !== undefined) board.space.map(IO_APIC_BASE, IO_APIC_SIZE, interrupts.ioApic.registers, PRIORITY_CHIPSET);
  return { interrupts, apicWindows };
}

/** A20M# of all processors. */
interface A20Gate extends IrqLine {
  readonly level: boolean;
}

/**
 * Port 92h and the keyboard controller both drive A20: the one that was written last is obeyed. On boards that or the two, a program that knows only one
 * of them could not switch off what the firmware has switched on with the other.
 */
function createA20Gate(vcpus: readonly Vcpu[]): A20Gate {
  let level = true; // the keyboard controller's output port after power-on
  return {
    get level() {
      return level;
    },
    set: (enabled) => {
      level = enabled;
      for (const vcpu of vcpus) vcpu.a20(enabled);
    },
  };
}

function vcpuOptions(
  index: number,
  { board, config, host, random }: I440fxOptions,
  interrupts: Interrupts,
  window: LocalApicWindow | undefined,
  isa: Piix3,
): VcpuOptions {
  const apic = interrupts.localApics[index];
  return {
    index,
    count: config.cpu.count,
    model: config.cpu.model,
    ...(config.absolutePointer && { hypervisor: HYPERVISOR_NAME }),
    physical: board.physical,
    ports: new ProcessorBus(board.ports, board.scheduler),
    mmio: new ProcessorBus(window ?? board.space, board.scheduler),
    acknowledgeInterrupt: () => interrupts.acknowledge(index),
    now: () => board.scheduler.now(),
    random,
    doorbell: host.doorbell,
    coprocessorError: (pending) => isa.coprocessorError.set(pending),
    ...(apic === undefined ? {} : { apic: apic.msr }),
    log: host.log(`cpu${index}`),
  };
}

function mapBridgePorts(board: Board, pci: PciBus, isa: Piix3): void {
  const mechanism = board.install('pci config', pciConfigMechanism, { bus: pci });
  const { ports } = board;
  ports.map(CONFIG_ADDRESS_PORT, 4, mechanism.addressPort);
  ports.map(CONFIG_DATA_PORT, 4, mechanism.dataPort);
  ports.map(RESET_CONTROL_PORT, 1, isa.resetControl, 1); // within CF8h, which takes double words only
  ports.map(PORT_92, 1, isa.port92);
  ports.map(APM_CONTROL_PORT, 2, isa.apm);
  ports.map(COPROCESSOR_ERROR_PORT, 2, isa.coprocessor);
}

function mapSystemPorts({ ports }: Board, { pic }: Interrupts, pit: Pit8254, rtc: Rtc, dma: I8237): void {
  ports.map(0x00, 16, dma.primary);
  ports.map(0x20, 2, pic.master);
  ports.map(0x40, 4, pit.counters);
  ports.map(0x61, 1, pit.systemControl);
  ports.map(0x70, 2, rtc.registers);
  ports.map(0x80, 16, dma.pages);
  ports.map(0xa0, 2, pic.slave);
  ports.map(0xc0, 32, dma.secondary);
  ports.map(0x4d0, 2, pic.elcr);
}

function installInput(
  board: Board,
  host: MachineHost,
  interrupts: Interrupts,
  a20: IrqLine,
  control: BoardControl,
): { keyboard: Ps2Keyboard; mouse: Ps2Mouse } {
  const leds = (lamps: number): void => host.events.leds({ scroll: (lamps & 1) !== 0, num: (lamps & 2) !== 0, caps: (lamps & 4) !== 0 });
  const keyboard = board.install('keyboard', ps2Keyboard, { leds });
  const mouse = board.install('mouse', ps2Mouse, {});
  const controller = board.install('i8042', i8042, {
    irq1: interrupts.isaLine(1),
    irq12: interrupts.isaLine(12),
    keyboard,
    mouse,
    a20: (enabled) => a20.set(enabled),
    resetProcessor: () => control.requestReset('init'),
  });
  board.ports.map(0x60, 1, controller.data);
  board.ports.map(0x64, 1, controller.command);
  return { keyboard, mouse };
}

/** The registers are those of the first processor: guests fetch the pointer there, where its interrupt goes. */
function installBackdoor(board: Board, config: VmConfig, host: MachineHost, vcpus: readonly Vcpu[], mouse: Ps2Mouse): VmwareBackdoor {
  const device = board.install('vmware backdoor', vmwareBackdoor, {
    registers: {
      read: (register) => vcpus[0]?.readGeneral?.(register) ?? 0,
      write: (register, value) => vcpus[0]?.writeGeneral?.(register, value),
    },
    memory: config.memory,
    timeStampHz: cpuModel(config.cpu.model).tscHz,
    wake: () => mouse.poke(),
    absolute: (on) => host.events.pointerMode(on),
  });
  board.ports.map(BACKDOOR_PORT, BACKDOOR_PORTS, device.port);
  return device;
}

function installSerial(board: Board, config: VmConfig, host: MachineHost, interrupts: Interrupts): Uart16550[] {
  return config.serial.map((_, index) => {
    const { port, irq } = SERIAL_PORTS[index]!;
    const peer = host.serial[index];
    const uart = board.install(`com${index + 1}`, uart16550, { irq: interrupts.isaLine(irq), ...(peer === undefined ? {} : { peer }) });
    board.ports.map(port, 8, uart.registers);
    return uart;
  });
}

function installParallel(board: Board, config: VmConfig, host: MachineHost, interrupts: Interrupts): void {
  const { parallel } = host;
  const peer = config.parallel.backend === 'none' || parallel === undefined ? {} : { peer: { write: (byte: number) => parallel(byte) } };
  const port = board.install('lpt1', parallelPort, { irq: interrupts.isaLine(PARALLEL_IRQ), ...peer });
  board.ports.map(PARALLEL_PORT, 3, port.registers);
}

/** The debug console is absent unless somebody listens: SeaBIOS prints its log only where it finds one. */
function installDebugPorts(board: Board, config: VmConfig, host: MachineHost, control: BoardControl): void {
  const { debugcon } = host;
  if (config.debugcon.backend !== 'none' && debugcon !== undefined) {
    const { port } = board.install('debug console', debugConsole, { write: (byte) => debugcon(byte) });
    for (const at of DEBUG_CONSOLE_PORTS) board.ports.map(at, 1, port);
  }
  if (config.debugExit)
    board.ports.map(DEBUG_EXIT_PORT, 4, board.install('debug exit', debugExit, { exit: (status) => control.debugExit(status) }).port);
  const log = host.log('post');
  const post = board.install('post', postPort, { changed: (code) => log.debug(`code ${code.toString(16)}`) });
  board.ports.map(POST_PORT, 1, post.port, 1);
}

function installHpet(board: Board, interrupts: Interrupts): Hpet {
  const route = (pin: number): IrqLine => interrupts.gsiLine(pin);
  const device = board.install('hpet', hpet, {
    irq0: interrupts.isaLine(0),
    irq8: interrupts.isaLine(8),
    routes: [route(20), route(21), route(22), route(23)],
    messageSignalled: (address, data) => void interrupts.apicBus.messageSignalled(address, data),
  });
  board.space.map(HPET_BASE, HPET_SIZE, device.registers, PRIORITY_CHIPSET);
  return device;
}

function installVga(board: Board, config: VmConfig, host: MachineHost): VgaAdapter {
  const sizes = displayMemory(config, host.vgaBios);
  const block = board.memory.allocate('video memory', sizes.video);
  let rom;
  if (host.vgaBios !== undefined) {
    rom = board.memory.allocate('video ROM', sizes.rom);
    rom.bytes.set(host.vgaBios);
  }
  const firstPage = block.offset >>> PAGE_SHIFT;
  const adapter = board.install('vga', vga, {
    block,
    dirty: board.memory.dirty.subarray(firstPage, firstPage + (block.length >>> PAGE_SHIFT)),
    direct: createDirectWindow(board.space, VIDEO_WINDOW, block),
    ...(rom === undefined ? {} : { rom }),
  });
  board.space.map(VIDEO_WINDOW, VIDEO_WINDOW_SIZE, adapter.window, PRIORITY_LEGACY);
  board.ports.map(0x3b0, 12, adapter.monochromePorts);
  board.ports.map(0x3c0, 32, adapter.ports);
  board.ports.map(0x1ce, 4, adapter.dispiPorts);
  return adapter;
}

function cmosContents(board: Board, config: VmConfig, host: MachineHost, floppies: FloppyDrives['types']): Uint8Array {
  const ram = board.memory.ram.length;
  return cmosFor({
    lowMemory: Math.min(ram, PCI_HOLE),
    highMemory: Math.max(0, ram - PCI_HOLE),
    processors: config.cpu.count,
    floppies,
    bootOrder: Array.from(config.boot.order).slice(0, 3) as ('a' | 'c' | 'd' | 'n')[],
    hardDisks: cmosHardDisks(config, host.disks),
  });
}

function installFwCfg(board: Board, config: VmConfig, host: MachineHost, { serialPorts, hpet, nicPaths, drivePaths }: FirmwareNotes): void {
  const ramSize = board.memory.ram.length;
  const model = cpuModel(config.cpu.model);
  const described: FirmwareBoard = {
    ramSize,
    lowRam: Math.min(ramSize, PCI_HOLE),
    cpus: config.cpu.count,
    cpuName: model.brand ?? model.name,
    apic: model.features.has('apic'),
    hpet,
    drivePaths,
    serial: SERIAL_PORTS.slice(0, serialPorts),
    parallel: true,
    nicPaths,
    floppy: config.drives.some(({ bus }) => bus === 'floppy'),
  };
  const { items, files } = fwCfgContent(config, described);
  const boot = host.boot && directBootFiles(board, host, host.boot.kernel.name, ramSize);
  const device = board.install('fw_cfg', fwCfg, { items, files: [...files, ...(boot?.files ?? [])] });
  boot?.finish(device.keyOf(MAP_FILE));
  board.ports.map(FW_CFG_PORT, 2, device.ports);
  board.ports.map(FW_CFG_DMA_PORT, 8, device.dma);
}

/** The boot ROM holds the key of the map file, which is known only when all files are: it is filled in by `finish`. */
function directBootFiles(board: Board, host: MachineHost, name: string, ramSize: number): { files: FwCfgFile[]; finish(mapKey: number): void } {
  const rom = bootRom(0);
  const kernel = recogniseKernel(host.boot!, ramSize);
  const failed = (message: string): void => host.events.notice('error', message);
  const map = directBootFile({ kernel, name, dma: board.dma, log: host.log('boot'), failed });
  return { files: [{ name: BOOT_ROM_FILE, data: rom }, map], finish: (mapKey) => rom.set(bootRom(mapKey)) };
}
