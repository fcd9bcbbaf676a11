import { setU64be, viewOf } from '../bytes.ts';
import { Field } from './header.ts';
import type { Qcow2Node } from './qcow2.ts';

const COPIED = 0x8000_0000;

/**
 * Makes a qcow2 image's disk larger: a longer L1 table, if the present one does not reach, is complete in a new place before the header names it.
 * The node has to be closed afterwards. False: the image has snapshots, whose sizes would no longer agree, or its clusters are too small.
 */
export async function growQcow2(node: Qcow2Node, size: number): Promise<boolean> {
  const { header, refcounts, mapping, file } = node;
  if (header.snapshotCount > 0) return false;
  const perL1 = node.clusterSize * mapping.perTable;
  const entries = Math.ceil(size / perL1);
  const perBlock = (node.clusterSize * 8) >> header.refcountOrder;
  if (entries * 8 > 32 << 20 || Math.ceil((entries * 8) / node.clusterSize) > perBlock) return false;
  await node.flush();
  if (entries > header.l1Size) {
    const clusters = Math.ceil((entries * 8) / node.clusterSize);
    const table = new Uint8Array(clusters * node.clusterSize);
    const { offsets, shared } = mapping.l1;
    offsets.forEach((offset, index) => {
      setU64be(viewOf(table), index * 8, offset);
      if (offset !== 0 && shared[index] === 0) table[index * 8]! |= COPIED >>> 24;
    });
    // In a row, which an allocation need not be: tried again until one is.
    let place = await refcounts.allocate(clusters);
    const given: (typeof place)[] = [];
    while (place.count < clusters) {
      given.push(place);
      place = await refcounts.allocate(clusters);
    }
    for (const { cluster, count } of given) await refcounts.release(cluster, count);
    const offset = place.cluster * node.clusterSize;
    await file.write(offset, table);
    await refcounts.writeNow();
    await file.flush();
    // Size of the table and its place are neighbours in the header's first sector.
    const fields = new Uint8Array(12);
    viewOf(fields).setUint32(0, entries);
    setU64be(viewOf(fields), 4, offset);
    await file.write(Field.l1Size, fields);
    await file.flush();
    const old = { first: header.l1Offset / node.clusterSize, count: Math.ceil((header.l1Size * 8) / node.clusterSize) };
    Object.assign(header, { l1Size: entries, l1Offset: offset });
    await refcounts.release(old.first, old.count);
  }
  const bytes = new Uint8Array(8);
  setU64be(viewOf(bytes), 0, size);
  await file.write(Field.size, bytes);
  header.size = size;
  await refcounts.writeNow();
  await file.flush();
  return true;
}
