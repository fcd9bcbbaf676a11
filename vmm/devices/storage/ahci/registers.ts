/* Serial ATA Advanced Host Controller Interface 1.3.1; section numbers in this folder refer to it. */

/** Generic host control (3.1). */
export const Hba = { CAP: 0x00, GHC: 0x04, IS: 0x08, PI: 0x0c, VS: 0x10, CAP2: 0x24 } as const;
export const GHC_RESET = 0x0000_0001;
export const GHC_INTERRUPT_ENABLE = 0x0000_0002;
export const GHC_AHCI_ENABLE = 0x8000_0000;
export const VERSION_1_3 = 0x0001_0300;

/** Where the ports' registers begin, and how far apart they are (3.3). */
export const PORTS_OFFSET = 0x100;
export const PORT_BYTES = 0x80;

export const Port = {
  CLB: 0x00,
  CLBU: 0x04,
  FB: 0x08,
  FBU: 0x0c,
  IS: 0x10,
  IE: 0x14,
  CMD: 0x18,
  TFD: 0x20,
  SIG: 0x24,
  SSTS: 0x28,
  SCTL: 0x2c,
  SERR: 0x30,
  SACT: 0x34,
  CI: 0x38,
} as const;

/** PxIS and PxIE (3.3.5). */
export const PortInterrupt = {
  DHRS: 0x0000_0001,
  PSS: 0x0000_0002,
  DSS: 0x0000_0004,
  SDBS: 0x0000_0008,
  DPS: 0x0000_0020,
  PCS: 0x0000_0040,
  PRCS: 0x0040_0000,
  OFS: 0x0100_0000,
  IFS: 0x0800_0000,
  TFES: 0x4000_0000,
} as const;
/** What software may enable; PCS and PRCS show bits of PxSERR and are cleared there. */
export const INTERRUPTS_WRITABLE = 0xfdc0_00ff;

/** PxCMD (3.3.7). */
export const PortCommand = {
  ST: 0x0000_0001,
  SUD: 0x0000_0002,
  POD: 0x0000_0004,
  CLO: 0x0000_0008,
  FRE: 0x0000_0010,
  FR: 0x0000_4000,
  CR: 0x0000_8000,
  ATAPI: 0x0100_0000,
} as const;
export const CURRENT_SLOT_SHIFT = 8;

/** PxSSTS: device present, 3 Gb/s, active. PxSCTL.DET: 1 holds the link in reset. */
export const LINK_UP = 0x123;
export const DETECT_MASK = 0xf;
export const DETECT_RESET = 1;
/** PxSERR.DIAG: PhyRdy changed, and a device is there anew. */
export const SERR_PHY_READY_CHANGE = 0x0001_0000;
export const SERR_EXCHANGED = 0x0400_0000;

/** Received FIS structure (4.2.1). */
export const ReceivedFis = { PIO_SETUP: 0x20, D2H_REGISTER: 0x40, SET_DEVICE_BITS: 0x58 } as const;

/** Command list and table (4.2.2, 4.2.3). */
export const HEADER_BYTES = 32;
export const TABLE_PACKET = 0x40;
export const TABLE_PRDT = 0x80;
export const SLOTS = 32;
