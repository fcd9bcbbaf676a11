import {
  and,
  arg,
  byteFields,
  concat,
  createDwordField,
  device,
  dma,
  dwordMemory,
  eisaId,
  ifTrue,
  int,
  interrupt,
  io,
  irq,
  local,
  memory32Fixed,
  method,
  name,
  operationRegion,
  or,
  pack,
  path,
  PCI_CONFIG,
  processor,
  resources,
  ret,
  scope,
  store,
  wordBusNumber,
  wordIo,
  ZERO,
  type Aml,
} from './aml.ts';
import { pirqOf, PIRQ_COUNT } from '../../devices/pci/pci-bus.ts';

/** What the board has that the tables must name. Addresses and sizes in bytes. */
export interface AcpiBoard {
  readonly cpus: number;
  /** End of RAM below 4 GiB. */
  readonly lowRam: number;
  readonly hpet: boolean;
  /** Processors have local APICs, and there is an I/O APIC. */
  readonly apic: boolean;
  /** Ports and interrupts of the devices on the ISA bus. */
  readonly serial: readonly { readonly port: number; readonly irq: number }[];
  readonly parallel: boolean;
  readonly floppy: boolean;
}

export const HPET_BASE = 0xfed0_0000;
export const HPET_SIZE = 0x400;
export const IO_APIC_BASE = 0xfec0_0000;
const PCI_WINDOW_LAST = 0xfebf_ffff;
const FUNCTION_0 = 0xffff;
const PCI_SLOTS = 32;
/** Interrupts a PIRQ may be steered to: those that no ISA device of the board uses, as SeaBIOS chooses them. */
const LINK_CHOICES = [5, 10, 11] as const;
const LINKS = ['LNKA', 'LNKB', 'LNKC', 'LNKD'] as const;
const ROUTES = ['PRQA', 'PRQB', 'PRQC', 'PRQD'] as const;
const PIIX3_SLOT = 1;
const SLP_TYP_S5 = 0; // PIIX4, PMCNTRL.SUS_TYP: soft off

/** The differentiated system description: what plug and play cannot find by itself. */
export function dsdtCode(board: AcpiBoard): Aml {
  return concat(
    scope(
      '\\_SB',
      device(
        'PCI0',
        name('_HID', eisaId('PNP0A03')),
        name('_UID', ZERO),
        name('_CRS', rootWindows(board)),
        name('_PRT', routing()),
        device(
          'ISA',
          name('_ADR', int(PIIX3_SLOT << 16)),
          operationRegion('P40C', PCI_CONFIG, 0x60, 4),
          byteFields('P40C', routeFields()),
          ...isaDevices(board),
        ),
      ),
      ...LINKS.map((link, index) => linkDevice(link, ROUTES[index]!, index)),
      ...(board.hpet ? [hpetDevice()] : []),
    ),
    scope('\\_PR', ...Array.from({ length: board.cpus }, (_, index) => processor(`CP${index.toString(16).toUpperCase().padStart(2, '0')}`, index))),
    name('\\_S5', pack(int(SLP_TYP_S5), int(SLP_TYP_S5), ZERO, ZERO)),
    method('\\_PIC', 1), // the same wires reach the 8259s and the I/O APIC: nothing to switch
  );
}

function rootWindows(board: AcpiBoard): Aml {
  return resources(
    wordBusNumber(0, 0xff),
    io(0xcf8, 8),
    wordIo(0, 0xcf7),
    wordIo(0xd00, 0xffff),
    dwordMemory(0xa_0000, 0xb_ffff, true),
    dwordMemory(Math.max(board.lowRam, 0x10_0000), PCI_WINDOW_LAST),
  );
}

/** _PRT: the four pins of every slot, rotated over the links. */
function routing(): Aml {
  const entries = [];
  for (let slot = 0; slot < PCI_SLOTS; slot++) {
    for (let pin = 0; pin < 4; pin++) {
      const link = LINKS[pirqOf(slot, (pin + 1) as 1 | 2 | 3 | 4)]!;
      entries.push(pack(int(slot * 0x1_0000 + FUNCTION_0), int(pin), path(`\\_SB.${link}`), ZERO));
    }
  }
  return pack(...entries);
}

function routeFields(): readonly (readonly [string, number])[] {
  return Array.from({ length: PIRQ_COUNT }, (_, index) => [ROUTES[index]!, 8] as const);
}

/** An interrupt link (PNP0C0F) is one PIRQ route register of the PIIX3: bit 7 disables, bits 3..0 are the interrupt. */
function linkDevice(link: string, route: string, uid: number): Aml {
  const register = path(`\\_SB.PCI0.ISA.${route}`);
  const template = resources(interrupt(0));
  const interruptField = 5; // byte offset of the interrupt number in the template
  return device(
    link,
    name('_HID', eisaId('PNP0C0F')),
    name('_UID', int(uid)),
    name('_PRS', resources(interrupt(...LINK_CHOICES))),
    method('_STA', 0, ifTrue(and(register, int(0x80)), ret(int(0x09))), ret(int(0x0b))),
    method('_DIS', 0, or(register, int(0x80), register)),
    method(
      '_CRS',
      0,
      store(template, local(0)),
      createDwordField(local(0), interruptField, 'IRQN'),
      store(and(register, int(0x0f)), path('IRQN')),
      ifTrue(and(register, int(0x80)), store(ZERO, path('IRQN'))),
      ret(local(0)),
    ),
    method('_SRS', 1, createDwordField(arg(0), interruptField, 'IRQW'), store(path('IRQW'), register)),
  );
}

function hpetDevice(): Aml {
  return device('HPET', name('_HID', eisaId('PNP0103')), name('_UID', ZERO), name('_CRS', resources(memory32Fixed(HPET_BASE, HPET_SIZE, false))));
}

function isaDevice(at: string, id: string, ...descriptors: readonly (readonly number[])[]): Aml {
  return device(at, name('_HID', eisaId(id)), name('_CRS', resources(...descriptors)));
}

function isaDevices(board: AcpiBoard): Aml[] {
  const devices = [
    isaDevice('RTC', 'PNP0B00', io(0x70, 8, 1), irq(8)),
    isaDevice('KBD', 'PNP0303', io(0x60, 1), io(0x64, 1), irq(1)),
    isaDevice('MOU', 'PNP0F13', irq(12)),
  ];
  if (board.floppy) devices.push(isaDevice('FDC0', 'PNP0700', io(0x3f2, 4), io(0x3f7, 1), irq(6), dma(2)));
  if (board.parallel) devices.push(isaDevice('LPT1', 'PNP0400', io(0x378, 8, 8), irq(7)));
  board.serial.forEach(({ port, irq: line }, index) => {
    devices.push(
      device(`COM${index + 1}`, name('_HID', eisaId('PNP0501')), name('_UID', int(index + 1)), name('_CRS', resources(io(port, 8, 8), irq(line)))),
    );
  });
  return devices;
}
