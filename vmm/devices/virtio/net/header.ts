import type { Offload } from '../../../net/cable/cable.ts';

/* struct virtio_net_hdr (5.1.6): what goes ahead of each frame in a buffer. */

const FLAG_NEEDS_CSUM = 1;
const GSO = { none: 0, tcp4: 1, tcp6: 4, udp: 5 } as const;
/** The segment carries CWR: its first frame keeps it (RFC 3168). How frames are cut here already does that. */
const GSO_ECN = 0x80;

/** With the number of buffers, which mergeable buffers and every modern driver have. */
export const LONG_HEADER = 12;
export const SHORT_HEADER = 10;

/** What a transmit header asks for; 'bad' if it is nothing that was negotiated. */
export function readHeader(header: DataView, frameLength: number): Offload | undefined | 'bad' {
  const needsChecksum = (header.getUint8(0) & FLAG_NEEDS_CSUM) !== 0;
  const type = header.getUint8(1) & ~GSO_ECN;
  const checksum = { checksumStart: header.getUint16(6, true), checksumOffset: header.getUint16(8, true) };
  if (checksum.checksumOffset > 0xff) return 'bad';
  if (type === GSO.none) return needsChecksum ? checksum : undefined;
  const as = type === GSO.tcp4 ? 'tcp4' : type === GSO.tcp6 ? 'tcp6' : undefined;
  const segment = header.getUint16(4, true);
  const headers = header.getUint16(2, true);
  if (as === undefined || !needsChecksum || segment === 0 || headers >= frameLength) return 'bad';
  return { ...checksum, cut: { as, segment, headers } };
}

/** `length` bytes of header for a received frame. */
export function writeHeader(length: number, offload: Offload | undefined): Uint8Array {
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  if (length === LONG_HEADER) view.setUint16(10, 1, true);
  if (offload === undefined) return bytes;
  const { checksumStart, checksumOffset, cut } = offload;
  view.setUint8(0, FLAG_NEEDS_CSUM);
  view.setUint16(6, checksumStart, true);
  view.setUint16(8, checksumOffset, true);
  if (cut !== undefined) {
    view.setUint8(1, GSO[cut.as]);
    view.setUint16(2, cut.headers, true);
    view.setUint16(4, cut.segment, true);
  }
  return bytes;
}
