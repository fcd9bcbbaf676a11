import { VmmError } from '../../base/errors.ts';
import type { BlockNode } from '../node.ts';
import { CacheNode } from './cache.ts';
import { FaultNode, parseFault } from './fault.ts';
import { ThrottleNode, type ThrottleClock, type ThrottleLimits } from './throttle.ts';
import { TraceNode, type TraceRecord } from './trace.ts';

/** What lies between a drive and its image. */
export interface DriveFilters {
  readonly throttle?: ThrottleLimits | undefined;
  /** Bytes of memory for what was read. */
  readonly cache?: number | undefined;
  /** As `parseFault` reads them. */
  readonly faults?: readonly string[] | undefined;
}

export interface FilterHost {
  readonly clock: ThrottleClock;
  /** Told of each operation as the guest sees it. */
  readonly trace?: ((record: TraceRecord) => void) | undefined;
}

/** An image behind the filters that were asked for: faults are the host's, so nearest to it; the throttle is what the guest feels. */
export function filtered(image: BlockNode, filters: DriveFilters, { clock, trace }: FilterHost): { node: BlockNode; throttle: ThrottleNode } {
  let node = image;
  if (filters.faults !== undefined && filters.faults.length > 0) node = new FaultNode(node, filters.faults.map(faultOf));
  if (filters.cache !== undefined) node = new CacheNode(node, filters.cache);
  // Always there: a running machine's disk can be slowed down, and let go again.
  const throttle = new ThrottleNode(node, filters.throttle ?? {}, clock);
  return { node: trace === undefined ? throttle : new TraceNode(throttle, () => clock.now(), trace), throttle };
}

function faultOf(text: string) {
  const fault = parseFault(text);
  if (fault === undefined) throw new VmmError('usage', `${JSON.stringify(text)} is no fault; say such as write:ENOSPC@100+3`);
  return fault;
}
