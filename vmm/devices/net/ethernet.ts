/* What every Ethernet controller needs (IEEE 802.3). */

/** Without frame check sequence. */
export const LEAST_ON_WIRE = 60;
export const FCS_BYTES = 4;
export const VLAN_TAG = 4;

const POLYNOMIAL = 0xedb8_8320;
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
  return crc;
});

function crcOf(bytes: Uint8Array, length: number): number {
  let crc = 0xffff_ffff;
  for (let at = 0; at < length; at++) crc = table[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8);
  return crc >>> 0;
}

/** The frame check sequence, least significant byte first on the wire. */
export function frameCheck(frame: Uint8Array): number {
  return ~crcOf(frame, frame.length) >>> 0;
}

/** The CRC of a destination address as the multicast filters of the LANCE family take it: the register's content, not inverted, bit-reversed form. */
export function addressCrc(frame: Uint8Array): number {
  return crcOf(frame, 6);
}

/** The same CRC with its most significant bit first: what the DP8390 and the RTL8139 index their filters with. */
export function addressCrcBigEndian(frame: Uint8Array): number {
  let crc = addressCrc(frame);
  let reversed = 0;
  for (let bit = 0; bit < 32; bit++, crc >>>= 1) reversed = (reversed << 1) | (crc & 1);
  return reversed >>> 0;
}

export function isMulticast(frame: Uint8Array): boolean {
  return (frame[0]! & 1) !== 0;
}

export function isBroadcast(frame: Uint8Array): boolean {
  for (let at = 0; at < 6; at++) if (frame[at] !== 0xff) return false;
  return true;
}

export function isTo(frame: Uint8Array, address: Uint8Array, at = 0): boolean {
  for (let index = 0; index < 6; index++) if (frame[index] !== address[at + index]) return false;
  return true;
}

/** The frame as it is on the wire: padded to 60 bytes with zeros. */
export function padded(frame: Uint8Array): Uint8Array {
  if (frame.length >= LEAST_ON_WIRE) return frame;
  const whole = new Uint8Array(LEAST_ON_WIRE);
  whole.set(frame);
  return whole;
}
