/* Registers and bits of the RTL8139C(L)+, as Realtek's data sheet (revision 1.6) names them. */

export const Cr = { RST: 0x10, RE: 0x08, TE: 0x04, BUFE: 0x01 } as const;
export const Isr = { ROK: 0x0001, TOK: 0x0004, RXOVW: 0x0010, LINK: 0x0020, TDU: 0x0080, SWINT: 0x0100, TIMEOUT: 0x4000 } as const;
export const ISR_BITS = 0xe1ff;
export const Rcr = { AAP: 0x01, APM: 0x02, AM: 0x04, AB: 0x08, WRAP: 0x80, RBLEN_SHIFT: 11 } as const;
export const Tcr = { LBK: 0x6_0000 } as const;
/** Bits 30..26, 23 and 22: which chip of the family this is. */
export const HARDWARE_VERSION = 0x7480_0000;
export const TCR_WRITABLE = 0x0307_07f1 | 0x0008_0000;
export const Tsd = { SIZE: 0x1fff, OWN: 0x2000, TOK: 0x8000 } as const;
export const RxHeader = { ROK: 0x0001, BAR: 0x2000, PAM: 0x4000, MAR: 0x8000 } as const;
export const Cpcr = { TXEN: 0x01, RXEN: 0x02, RXCHKSUM: 0x20, RXVLAN: 0x40 } as const;
export const CPCR_WRITABLE = 0x7f;
export const Poll = { HIGH: 0x80, NORMAL: 0x40, SWINT: 0x01 } as const;
export const Eecr = { MODE: 0xc0, PROGRAM: 0x80, CONFIGURE: 0xc0, CS: 0x08, SK: 0x04, DI: 0x02, DO: 0x01 } as const;
export const Msr = { LINKB: 0x04, WRITABLE: 0xc0 } as const;
export const Bmcr = { RESET: 0x8000, RESTART: 0x0200, WRITABLE: 0x3100 } as const;

/** Descriptors of C+ mode: first double word. */
export const Descriptor = { OWN: 0x8000_0000, EOR: 0x4000_0000, FS: 0x2000_0000, LS: 0x1000_0000 } as const;
export const TxDescriptor = { LGSEN: 0x0800_0000, IPCS: 0x0004_0000, UDPCS: 0x0002_0000, TCPCS: 0x0001_0000, TAGC: 0x0002_0000 } as const;
export const RxDescriptor = {
  MAR: 0x0400_0000,
  PAM: 0x0200_0000,
  BAR: 0x0100_0000,
  PID_TCP: 0x0001_0000,
  PID_UDP: 0x0002_0000,
  PID_IP: 0x0003_0000,
  IPF: 0x8000,
  UDPF: 0x4000,
  TCPF: 0x2000,
  SIZE: 0x1fff,
  TAVA: 0x0001_0000,
} as const;
export const DESCRIPTOR_BYTES = 16;
/** What the tables of C+ mode may have at most (data sheet 7.2). */
export const MOST_DESCRIPTORS = 64;
