/** A UUID as text. `mixed`: Microsoft's byte order, with the first three fields little-endian (GUID). */
export function formatUuid(bytes: Uint8Array, order: 'big' | 'mixed' = 'big'): string {
  const at = order === 'mixed' ? [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15] : [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
  const hex = at.map((index) => bytes[index]!.toString(16).padStart(2, '0')).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

export function parseUuid(text: string, order: 'big' | 'mixed' = 'big'): Uint8Array {
  const hex = text.replaceAll(/[{}-]/g, '');
  const bytes = Uint8Array.from({ length: 16 }, (_, index) => parseInt(hex.slice(index * 2, index * 2 + 2), 16));
  if (order === 'big') return bytes;
  return Uint8Array.from([3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15].map((index) => bytes[index]!));
}
