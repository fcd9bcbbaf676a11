/** Where the pages of a machine's snapshots lie: with those of the library it is in, otherwise in its own folder. */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { SNAPSHOT_FOLDER } from '../../snapshot/tree.node.ts';

export const PAGES_FOLDER = 'pages';

export function storeOf(folder: string): string {
  const parent = dirname(folder);
  const root = dirname(parent);
  const inLibrary = (basename(parent) === 'vms' || basename(parent) === 'trash') && existsSync(join(root, 'vms')) && existsSync(join(root, 'trash'));
  return inLibrary ? join(root, PAGES_FOLDER) : join(folder, SNAPSHOT_FOLDER, PAGES_FOLDER);
}
