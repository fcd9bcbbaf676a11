/* Numbers of the Virtual I/O Device specification 1.2 (OASIS); section numbers in this folder refer to it. */

/** Feature bits of every device (6). Device types have theirs below 24. */
export const Feature = {
  /** Legacy: requests may be cut into descriptors anywhere (6.3). */
  ANY_LAYOUT: 27,
  INDIRECT_DESC: 28,
  EVENT_IDX: 29,
  VERSION_1: 32,
} as const;

/** Device status (2.1). */
export const DeviceStatus = {
  ACKNOWLEDGE: 0x01,
  DRIVER: 0x02,
  DRIVER_OK: 0x04,
  FEATURES_OK: 0x08,
  NEEDS_RESET: 0x40,
  FAILED: 0x80,
} as const;

/** ISR status (4.1.4.5). */
export const Isr = { QUEUE: 0x01, CONFIG: 0x02 } as const;

/** No MSI-X vector is bound (4.1.4.3). */
export const NO_VECTOR = 0xffff;

/** Feature bits as the two 32-bit words that registers show. */
export type FeatureWords = [low: number, high: number];

export function featureWords(bits: readonly number[]): FeatureWords {
  const words: FeatureWords = [0, 0];
  for (const bit of bits) words[bit < 32 ? 0 : 1] = (words[bit < 32 ? 0 : 1] | (1 << (bit & 31))) >>> 0;
  return words;
}

export function hasFeature(words: Readonly<FeatureWords>, bit: number): boolean {
  return ((words[bit < 32 ? 0 : 1] >>> (bit & 31)) & 1) !== 0;
}
