/** Jobs that have ended, kept beside the settings: what the last session copied, and what failed overnight. Other processes of this library write there as well. */
import { join } from 'node:path';
import { z } from 'zod';
import { type JobInfo, jobSchema } from '../../protocol/shared.ts';
import { readJson, writeFileAtomically } from '../vm-folder.node.ts';
import type { JobHistory } from './jobs.ts';

const KEPT = 50;
const fileSchema = z.array(jobSchema).max(10 * KEPT);

export function jobHistory(root: string): JobHistory {
  const path = join(root, 'jobs.json');
  const read = (): JobInfo[] => fileSchema.safeParse(readJson(path)).data ?? [];
  return {
    read,
    add(job) {
      const kept: JobInfo = { ...job };
      delete kept.result; // of use to whoever waited
      writeFileAtomically(path, `${JSON.stringify([...read(), kept].slice(-KEPT), undefined, 1)}\n`);
    },
  };
}
