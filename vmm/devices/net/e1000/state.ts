import { z } from 'zod';
import { exactly, guestTime, integer, u16, u32, u8 } from '../../../bus/schema.ts';
import { pciConfigSchema } from '../../pci/config-space.ts';
import { eepromSchema } from '../eeprom-93c46.ts';
import { phySchema } from './phy.ts';
import { MULTICAST_WORDS, plainRegisters, type PlainName, RECEIVE_ADDRESS_PAIRS, STATISTICS_WORDS, VLAN_WORDS } from './registers.ts';

const plainNames = Object.keys(plainRegisters) as PlainName[];

/** What a context descriptor left for the data descriptors that follow (3.3.6). */
const contextSchema = z.strictObject({
  ipcss: u8,
  ipcso: u8,
  ipcse: u16,
  tucss: u8,
  tucso: u8,
  tucse: u16,
  tucmd: u8,
  hdrlen: u8,
  mss: u16,
});
export type TxContext = z.infer<typeof contextSchema>;
export const noContext: TxContext = { ipcss: 0, ipcso: 0, ipcse: 0, tucss: 0, tucso: 0, tucse: 0, tucmd: 0, hdrlen: 0, mss: 0 };

export const e1000Schema = z.strictObject({
  config: pciConfigSchema,
  registers: z.strictObject(Object.fromEntries(plainNames.map((name) => [name, u32])) as Record<PlainName, typeof u32>),
  ctrl: u32,
  eecd: u32,
  eerd: u32,
  mdic: u32,
  icr: u32,
  ims: u32,
  rctl: u32,
  tctl: u32,
  rdt: u16,
  rdtr: u16,
  tdt: u16,
  multicast: exactly(MULTICAST_WORDS, u32),
  receiveAddresses: exactly(2 * RECEIVE_ADDRESS_PAIRS, u32),
  vlans: exactly(VLAN_WORDS, u32),
  statistics: exactly(STATISTICS_WORDS, u32),
  ioAddress: u32,
  eeprom: eepromSchema,
  phy: phySchema,
  /** Of checksum and of segmentation descriptors: the chip keeps one each. */
  checksumContext: contextSchema,
  segmentContext: contextSchema,
  /** Guest times; 0: not armed. */
  timers: z.strictObject({
    /** Before this no interrupt is sent (ITR). */
    throttled: guestTime,
    receivePacket: guestTime,
    receiveAbsolute: guestTime,
    transmitPacket: guestTime,
    transmitAbsolute: guestTime,
    /** More descriptors are waiting than one access may cost. */
    transmitMore: guestTime,
  }),
  /** A frame waits for room on the cable. */
  sendBlocked: z.boolean(),
  /** Causes that are set once the throttle is over: the level that INTx has. */
  asserted: integer(0, 1),
});
export type E1000State = z.infer<typeof e1000Schema>;

export function plainValues(): Record<PlainName, number> {
  const values = plainNames.map((name) => [name, 'reset' in plainRegisters[name] ? plainRegisters[name].reset : 0]);
  return Object.fromEntries(values) as Record<PlainName, number>;
}
