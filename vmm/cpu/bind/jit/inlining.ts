/** How a region executes an instruction: by code of its own, or by the interpreter's function for it. */
import type { Handler } from '../../isa/handlers.ts';
import { fpuHelpers } from '../../isa/helpers-fpu.ts';
import { integerHelpers } from '../../isa/helpers-integer.ts';
import { sseHelpers } from '../../isa/helpers-sse.ts';

/** Called by SSE texts where SSE is off: the region is left instead. */
export const SSE_UNAVAILABLE = 'sse_unavailable';

/** Helpers that look at no general register, no vector register but those given by address, and no arithmetic flags. */
const SELF_CONTAINED: ReadonlySet<string> = new Set([
  ...Object.keys(fpuHelpers),
  ...Object.keys(integerHelpers),
  ...Object.keys(sseHelpers),
  ...[
    'seg_check',
    'linear',
    'load_slow',
    'store_slow',
    'prepare_write',
    'load_block',
    'store_block',
    'selector',
    'check_fpu',
    'check_wait',
    'check_mmx',
    'check_sse',
  ],
]);
for (const name of ['fpu_fxsave', 'fpu_fxrstor', 'fpu_xsave', 'fpu_xrstor', 'copy_run', 'fill_run', 'compare_run', 'scan_run'])
  (SELF_CONTAINED as Set<string>).delete(name);

export type Treatment =
  /** Its text is read into the region. */
  | 'inline'
  /** The interpreter's function does it, registers in memory; the region goes on after it. */
  | 'call'
  /** The same, but nothing follows in the region. */
  | 'last'
  /** The region is left before it. */
  | 'leave';

export interface Inlining {
  readonly treatment: Treatment;
  /** Helpers are called in the middle of it, so that it may not be begun twice. */
  readonly calls: boolean;
}

const cache = new WeakMap<Handler, Inlining>();

export function inliningOf(handler: Handler): Inlining {
  let found = cache.get(handler);
  if (!found) cache.set(handler, (found = decide(handler)));
  return found;
}

function decide(handler: Handler): Inlining {
  const { effects, repeat, hot } = handler;
  const helpers = [...effects.helpers].filter((name) => name !== SSE_UNAVAILABLE);
  const calls = helpers.length > 0;
  const sound =
    !effects.leaves && !effects.loops && repeat === 'none' && (effects.stores <= 1 || calls) && helpers.every((name) => SELF_CONTAINED.has(name));
  // A branch is a branch: its helpers would have to know where they are.
  if (sound && !(effects.jumps && calls)) return { treatment: 'inline', calls };
  if (hot) return { treatment: 'leave', calls };
  return { treatment: effects.ends || effects.leaves || effects.jumps ? 'last' : 'call', calls };
}
