import { z } from 'zod';
import { bytes, exactly, guestTime, integer, u16, u32, u8 } from '../../../bus/schema.ts';
import { pciConfigSchema } from '../../pci/config-space.ts';
import { eepromSchema } from '../eeprom-93c46.ts';
import { HARDWARE_VERSION, MOST_DESCRIPTORS, Tsd } from './registers.ts';

const descriptorIndex = integer(0, MOST_DESCRIPTORS - 1);

export const rtl8139Schema = z.strictObject({
  config: pciConfigSchema,
  /** IDR0-5 and MAR0-7. */
  address: bytes(6),
  multicast: bytes(8),
  txStatus: exactly(4, u32),
  txAddress: exactly(4, u32),
  /** Which of the four buffers is sent next. */
  txNext: integer(0, 3),
  rxBuffer: u32,
  /** CR without BUFE. */
  command: u8,
  readPointer: u16,
  writePointer: u16,
  mask: u16,
  status: u16,
  txConfig: u32,
  rxConfig: u32,
  missed: integer(0, 0xff_ffff),
  eeControl: u8,
  config1: u8,
  config3: u8,
  config4: u8,
  config5: u8,
  media: u8,
  multipleInterrupt: u16,
  bmcr: u16,
  anar: u16,
  /** The counter TCTR was zero then. */
  timerStart: guestTime,
  timerInterrupt: u32,
  timerDue: guestTime,
  cPlus: u16,
  tally: u32,
  tallyHigh: u32,
  counters: z.strictObject({ txOk: u32, rxOk: u32, rxBroadcast: u32, rxMulticast: u32 }),
  txThreshold: u8,
  txNormal: u32,
  txNormalHigh: u32,
  txPriority: u32,
  txPriorityHigh: u32,
  rxRing: u32,
  rxRingHigh: u32,
  txNormalNext: descriptorIndex,
  txPriorityNext: descriptorIndex,
  rxNext: descriptorIndex,
  /** A frame waits for room on the cable. */
  sendBlocked: z.boolean(),
  /** When it is looked again whether the driver has given descriptors back; 0: nothing waits for that. */
  retryAt: guestTime,
  eeprom: eepromSchema,
});
export type Rtl8139State = z.infer<typeof rtl8139Schema>;

/** After a reset by CR.RST: the addresses, and what the EEPROM sets, stay. */
export function resetValues() {
  return {
    txStatus: [Tsd.OWN, Tsd.OWN, Tsd.OWN, Tsd.OWN] as number[],
    txAddress: [0, 0, 0, 0],
    txNext: 0,
    rxBuffer: 0,
    command: 0,
    readPointer: 0xfff0,
    writePointer: 0,
    mask: 0,
    status: 0,
    txConfig: HARDWARE_VERSION,
    rxConfig: 0,
    missed: 0,
    timerInterrupt: 0,
    timerDue: 0,
    cPlus: 0,
    txNormalNext: 0,
    txPriorityNext: 0,
    rxNext: 0,
    retryAt: 0,
    sendBlocked: false,
  };
}

export function powerValues() {
  return {
    ...resetValues(),
    eeControl: 0x10,
    config1: 0x0c,
    config3: 0x01,
    config4: 0,
    config5: 0,
    media: 0x10,
    multipleInterrupt: 0,
    bmcr: 0x1100,
    anar: 0x05e1,
    timerStart: 0,
    tally: 0,
    tallyHigh: 0,
    txThreshold: 0,
    txNormal: 0,
    txNormalHigh: 0,
    txPriority: 0,
    txPriorityHigh: 0,
    rxRing: 0,
    rxRingHigh: 0,
  };
}
