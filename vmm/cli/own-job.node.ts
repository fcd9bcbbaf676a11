import { VmmError } from '../base/errors.ts';
import type { JobControl } from '../process/library/jobs.ts';
import { say } from './output.node.ts';

/** A job of this command: Ctrl-C cancels it, progress goes to the terminal. */
export function ownJob(): JobControl {
  const abort = new AbortController();
  process.once('SIGINT', () => abort.abort(new VmmError('state', 'cancelled')));
  let detail = '';
  return {
    signal: abort.signal,
    progress(_done, what) {
      if (what !== undefined && what !== detail) say((detail = what));
    },
  };
}
