import type { Snapshot } from './manifest.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Up to which age (ms) how far apart automatic points stay. */
const SPACING: readonly { readonly age: number; readonly apart: number }[] = [
  { age: 10 * MINUTE, apart: 0 },
  { age: HOUR, apart: 5 * MINUTE },
  { age: DAY, apart: HOUR },
  { age: Infinity, apart: DAY },
];

/**
 * Automatic points that have had their time: the older, the fewer stay, and of what is left the oldest go until `budget` (bytes) is kept. What a person took,
 * named or pinned stays. `now`: Unix ms
 */
export function thin(snapshots: readonly Snapshot[], now: number, budget: number): string[] {
  const points = snapshots.filter(({ kind, pinned }) => kind === 'auto' && !pinned).sort((a, b) => a.created - b.created);
  const gone: string[] = [];
  const kept: Snapshot[] = [];
  for (const point of points) {
    const apart = SPACING.find(({ age }) => now - point.created < age)?.apart ?? DAY;
    const before = kept[kept.length - 1];
    if (before !== undefined && point.created - before.created < apart) gone.push(point.id);
    else kept.push(point);
  }
  let bytes = kept.reduce((sum, point) => sum + point.bytes, 0);
  // The newest is worth having whatever it takes.
  while (bytes > budget && kept.length > 1) {
    const oldest = kept.shift()!;
    bytes -= oldest.bytes;
    gone.push(oldest.id);
  }
  return gone;
}
