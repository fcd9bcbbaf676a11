/* Am79C970A (PCnet-PCI II): control and status registers as AMD's data sheet (19436, 1996) names them. */

export const Csr0 = {
  INIT: 0x0001,
  STRT: 0x0002,
  STOP: 0x0004,
  TDMD: 0x0008,
  TXON: 0x0010,
  RXON: 0x0020,
  IENA: 0x0040,
  INTR: 0x0080,
  IDON: 0x0100,
  TINT: 0x0200,
  RINT: 0x0400,
  MERR: 0x0800,
  MISS: 0x1000,
  ERR: 0x8000,
} as const;
/** Causes of CSR0, cleared by writing 1. */
export const CSR0_CAUSES = Csr0.IDON | Csr0.TINT | Csr0.RINT | Csr0.MERR | Csr0.MISS | 0x6000;

/** CSR3: interrupt masks in the places of the causes, and more. */
export const Csr3 = { BSWP: 0x0004, LAPPEN: 0x0020, DXSUFLO: 0x0040, MASKS: 0x5f00 } as const;
export const CSR3_WRITABLE = 0x5f7c;
/** CSR4: further causes and their masks. */
export const Csr4 = { TXSTRTM: 0x0004, TXSTRT: 0x0008, RCVCCOM: 0x0010, RCVCCO: 0x0020, UINT: 0x0040, UINTCMD: 0x0080, MFCOM: 0x0100, MFCO: 0x0200, APAD_XMT: 0x0800 } as const; // prettier-ignore
export const CSR4_CAUSES = Csr4.TXSTRT | Csr4.RCVCCO | Csr4.UINT | Csr4.MFCO;
export const CSR4_WRITABLE = 0xfd14;
/** CSR5: SINT and its mask, MPPM, LTINTEN, TOKINTD, SPND. */
export const Csr5 = { SPND: 0x0001, SINTE: 0x0400, SINT: 0x0800, LTINTEN: 0x4000, TOKINTD: 0x8000 } as const;

/** CSR15, the mode. */
export const Mode = { DRX: 0x0001, DTX: 0x0002, LOOP: 0x0004, DXMTFCS: 0x0008, INTL: 0x0040, DRCVPA: 0x2000, DRCVBC: 0x4000, PROM: 0x8000 } as const;

export const CSR_COUNT = 128;
export const Csr = { IADRL: 1, IADRH: 2, LADRF: 8, PADR: 12, MODE: 15, RDRA_LOW: 24, TDRA_LOW: 30, SOFTWARE_STYLE: 58, RCVRC: 72, XMTRC: 74, RCVRL: 76, XMTRL: 78, CHIP_ID_LOW: 88, CHIP_ID_HIGH: 89, MFC: 112 } as const; // prettier-ignore
export const BCR_COUNT = 32;
export const Bcr = { MISC: 2, LINK_LED: 4, LED1: 5, LED2: 6, LED3: 7, FULL_DUPLEX: 9, BUS: 18, EEPROM: 19, STYLE: 20 } as const;
export const BCR18_DWIO = 0x0080;
/** Part number of the Am79C970A, the maker's code and version. */
export const CHIP_ID = 0x0262_1003;

export const BCR_RESET: Readonly<Record<number, number>> = {
  0: 5,
  1: 5,
  2: 2,
  4: 0xc0,
  5: 0x84,
  6: 0x88,
  7: 0x90,
  9: 1,
  16: 0,
  17: 0,
  18: 0x9001,
  19: 0x0002,
  20: 0x0200,
  21: 0,
  22: 0xff06,
};

/** Descriptors, status word (bits 31..16 of the second double word). */
export const Descriptor = { OWN: 0x8000, ERR: 0x4000, STP: 0x0200, ENP: 0x0100 } as const;
export const RxStatus = { BUFF: 0x0400, PAM: 0x0040, LAFM: 0x0020, BAM: 0x0010 } as const;
