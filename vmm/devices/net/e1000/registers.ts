/* Registers and bits of the 82540EM, as the "PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual" (8254x SDM, revision 4.0) names them. */

/** A register that only keeps what is written: its offset, the bits it keeps, its value after reset. */
interface Plain {
  readonly offset: number;
  readonly bits?: number;
  readonly reset?: number;
}

/** Chapter 13. Tables (receive addresses, multicast, VLAN, statistics) and registers that act are elsewhere. */
export const plainRegisters = {
  CTRL_EXT: { offset: 0x0018 },
  FLA: { offset: 0x001c },
  FCAL: { offset: 0x0028 },
  FCAH: { offset: 0x002c, bits: 0xffff },
  FCT: { offset: 0x0030, bits: 0xffff },
  VET: { offset: 0x0038, bits: 0xffff, reset: 0x8100 },
  ITR: { offset: 0x00c4, bits: 0xffff },
  FCTTV: { offset: 0x0170, bits: 0xffff },
  TXCW: { offset: 0x0178 },
  TIPG: { offset: 0x0410, bits: 0x3fff_ffff, reset: 0x0060_2008 },
  AIFS: { offset: 0x0458, bits: 0xffff },
  LEDCTL: { offset: 0x0e00, reset: 0x0706_8302 },
  PBA: { offset: 0x1000, bits: 0xff_00ff, reset: 0x10_0030 },
  FCRTL: { offset: 0x2160, bits: 0x8000_fff8 },
  FCRTH: { offset: 0x2168, bits: 0xfff8 },
  RDBAL: { offset: 0x2800, bits: 0xffff_fff0 },
  RDBAH: { offset: 0x2804 },
  RDLEN: { offset: 0x2808, bits: 0xf_ff80 },
  RDH: { offset: 0x2810, bits: 0xffff },
  RXDCTL: { offset: 0x2828, reset: 0x0101_0000 },
  RADV: { offset: 0x282c, bits: 0xffff },
  RSRPD: { offset: 0x2c00, bits: 0xfff },
  TDBAL: { offset: 0x3800, bits: 0xffff_fff0 },
  TDBAH: { offset: 0x3804 },
  TDLEN: { offset: 0x3808, bits: 0xf_ff80 },
  TDH: { offset: 0x3810, bits: 0xffff },
  TIDV: { offset: 0x3820, bits: 0xffff },
  TXDCTL: { offset: 0x3828 },
  TADV: { offset: 0x382c, bits: 0xffff },
  TSPMT: { offset: 0x3830 },
  RXCSUM: { offset: 0x5000, bits: 0x7ff },
  WUC: { offset: 0x5800 },
  WUFC: { offset: 0x5808, bits: 0xf_00ff },
  IPAV: { offset: 0x5838 },
  MANC: { offset: 0x5820 },
  WUPL: { offset: 0x5900 },
} as const satisfies Record<string, Plain>;

export type PlainName = keyof typeof plainRegisters;

/** Registers with an effect. */
export const Reg = {
  CTRL: 0x0000,
  CTRL_DUP: 0x0004,
  STATUS: 0x0008,
  EECD: 0x0010,
  EERD: 0x0014,
  MDIC: 0x0020,
  ICR: 0x00c0,
  ICS: 0x00c8,
  IMS: 0x00d0,
  IMC: 0x00d8,
  RCTL: 0x0100,
  TCTL: 0x0400,
  RDT: 0x2818,
  RDTR: 0x2820,
  TDT: 0x3818,
} as const;

export const STATISTICS = 0x4000;
export const STATISTICS_WORDS = 64;
export const MULTICAST_TABLE = 0x5200;
export const MULTICAST_WORDS = 128;
export const RECEIVE_ADDRESSES = 0x5400;
export const RECEIVE_ADDRESS_PAIRS = 16;
export const VLAN_TABLE = 0x5600;
export const VLAN_WORDS = 128;

export const Ctrl = { SLU: 0x40, RST: 0x0400_0000, VME: 0x4000_0000, PHY_RST: 0x8000_0000 } as const;
/** Software-definable pins 0 and 2, speed 1000: as the EEPROM of the board sets it. */
export const CTRL_RESET = 0x0014_0240 | 0x1;

export const Status = { FD: 0x1, LU: 0x2, SPEED_1000: 0x80, ASDV_1000: 0x200, MTXCKOK: 0x400, FIXED: 0x8008_0000 } as const;

export const Eecd = { SK: 0x1, CS: 0x2, DI: 0x4, DO: 0x8, FWE: 0x30, REQ: 0x40, GNT: 0x80, PRES: 0x100 } as const;
export const Eerd = { START: 0x1, DONE: 0x10 } as const;
export const Mdic = { WRITE: 0x0400_0000, READ: 0x0800_0000, READY: 0x1000_0000, INTERRUPT: 0x2000_0000, ERROR: 0x4000_0000 } as const;

export const Cause = {
  TXDW: 0x1,
  TXQE: 0x2,
  LSC: 0x4,
  RXDMT0: 0x10,
  RXO: 0x40,
  RXT0: 0x80,
  MDAC: 0x200,
  PHYINT: 0x1000,
  TXD_LOW: 0x8000,
} as const;
export const CAUSES = 0x1_ffff;

export const Rctl = {
  EN: 0x2,
  SBP: 0x4,
  UPE: 0x8,
  MPE: 0x10,
  LPE: 0x20,
  LBM: 0xc0,
  RDMTS_SHIFT: 8,
  MO_SHIFT: 12,
  BAM: 0x8000,
  BSIZE_SHIFT: 16,
  VFE: 0x4_0000,
  BSEX: 0x200_0000,
  SECRC: 0x400_0000,
} as const;
export const Tctl = { EN: 0x2 } as const;
export const RDTR_FLUSH = 0x8000_0000;

/** Receive descriptor: status and errors (3.2.3). */
export const RxStatus = { DD: 0x01, EOP: 0x02, IXSM: 0x04, VP: 0x08, UDPCS: 0x10, TCPCS: 0x20, IPCS: 0x40, PIF: 0x80 } as const;
export const RxError = { TCPE: 0x20, IPE: 0x40 } as const;
export const RxCsum = { PCSS: 0xff, IPOFL: 0x100, TUOFL: 0x200 } as const;

/** Transmit descriptors (3.3). */
export const TxCommand = { EOP: 0x01, IFCS: 0x02, IC: 0x04, TSE: 0x04, RS: 0x08, RPS: 0x10, DEXT: 0x20, VLE: 0x40, IDE: 0x80 } as const;
export const TxPopts = { IXSM: 1, TXSM: 2 } as const;
export const TuCmd = { TCP: 1, IP: 2 } as const;
export const TX_STATUS_DD = 0x01;

/** Offsets of statistics in words from 4000h (13.7). */
export const Stat = {
  MPC: 0x10 / 4,
  PRC64: 0x5c / 4,
  GPRC: 0x74 / 4,
  BPRC: 0x78 / 4,
  MPRC: 0x7c / 4,
  GPTC: 0x80 / 4,
  GORC: 0x88 / 4,
  GOTC: 0x90 / 4,
  RNBC: 0xa0 / 4,
  RUC: 0xa4 / 4,
  ROC: 0xac / 4,
  TOR: 0xc0 / 4,
  TOT: 0xc8 / 4,
  TPR: 0xd0 / 4,
  TPT: 0xd4 / 4,
  PTC64: 0xd8 / 4,
  MPTC: 0xf0 / 4,
  BPTC: 0xf4 / 4,
  TSCTC: 0xf8 / 4,
} as const;
/** The low words of 64-bit counters: reading the high word clears both. */
export const WIDE_STATISTICS: ReadonlySet<number> = new Set([Stat.GORC, Stat.GOTC, Stat.TOR, Stat.TOT]);
