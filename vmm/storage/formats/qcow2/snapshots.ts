import type { HostFile } from '../../host-file.ts';
import { getU64be, textAt, viewOf } from '../bytes.ts';
import { damaged } from '../format.ts';
import type { Qcow2Header } from './header.ts';

/** An internal snapshot: an L1 table of its own. */
export interface Qcow2Snapshot {
  readonly id: string;
  readonly name: string;
  /** Its L1 table: offset in the file, entries. */
  readonly offset: number;
  readonly size: number;
  /** Unix seconds. */
  readonly date: number;
  /** Bytes of a saved machine state that lies behind the disk's end. */
  readonly stateSize: number;
  /** Virtual size when it was taken. */
  readonly diskSize: number;
}

const MOST_TABLE = 1 << 20;
const FIXED = 40;
const MOST_L1_ENTRIES = (32 << 20) / 8;

/** Section "Snapshots": entries of varying length, aligned to 8 bytes. */
export async function readSnapshots(file: HostFile, header: Qcow2Header): Promise<Qcow2Snapshot[]> {
  const snapshots: Qcow2Snapshot[] = [];
  if (header.snapshotCount === 0) return snapshots;
  const bytes = new Uint8Array(Math.min(MOST_TABLE, header.snapshotCount * 1024 + 4096));
  await file.read(header.snapshotOffset, bytes);
  const view = viewOf(bytes);
  const clusterSize = 2 ** header.clusterBits;
  let at = 0;
  for (let index = 0; index < header.snapshotCount; index++) {
    if (at + FIXED > bytes.length) throw damaged(file, 'the snapshot table is longer than it can be');
    const [idLength, nameLength, extra] = [view.getUint16(at + 12), view.getUint16(at + 14), view.getUint32(at + 36)];
    const end = at + FIXED + extra + idLength + nameLength;
    if (extra > 1024 || end > bytes.length) throw damaged(file, `entry ${index} of the snapshot table is longer than it can be`);
    const snapshot = {
      offset: getU64be(view, at),
      size: view.getUint32(at + 8),
      date: view.getUint32(at + 16),
      stateSize: extra >= 8 ? getU64be(view, at + FIXED) : view.getUint32(at + 32),
      diskSize: extra >= 16 ? getU64be(view, at + FIXED + 8) : header.size,
      id: textAt(bytes, at + FIXED + extra, idLength),
      name: textAt(bytes, at + FIXED + extra + idLength, nameLength),
    };
    if (snapshot.offset % clusterSize !== 0 || snapshot.size > MOST_L1_ENTRIES)
      throw damaged(file, `snapshot "${snapshot.name}" has no valid L1 table`);
    snapshots.push(snapshot);
    at = (end + 7) & ~7;
  }
  return snapshots;
}
