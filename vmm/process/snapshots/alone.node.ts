import { messageOf, VmmError } from '../../base/errors.ts';
import { SnapshotTree } from '../../snapshot/tree.node.ts';
import type { VmEntry } from '../library/vm-entry.node.ts';
import { endRun, takeRun } from '../run-record.node.ts';

/** Works on the snapshots of a machine that does not run, and keeps it from being started meanwhile. */
export async function alone<T>({ directory, name }: VmEntry, work: (tree: SnapshotTree) => Promise<T>): Promise<T> {
  try {
    takeRun(directory, '');
  } catch (error) {
    throw new VmmError('busy', `${name} is in use: ${messageOf(error)}`, {}, error);
  }
  try {
    const tree = new SnapshotTree(directory);
    tree.cleanUp();
    return await work(tree);
  } finally {
    endRun(directory, undefined);
  }
}
