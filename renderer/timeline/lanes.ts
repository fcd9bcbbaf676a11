import type { SnapshotInfo } from '../../vmm/protocol/snapshots.ts';

/** Where a point of the timeline is drawn: its place in time, and the branch it is on. */
export interface Placed {
  readonly snapshot: SnapshotInfo;
  readonly column: number;
  readonly lane: number;
}

export interface Link {
  readonly from: Placed;
  readonly to: Placed;
}

export interface Lanes {
  readonly points: readonly Placed[];
  readonly links: readonly Link[];
  readonly lanes: number;
}

/** Columns are points in the order of time. A point's oldest child goes on in its lane; each further child begins a lane of its own. */
export function placeLanes(snapshots: readonly SnapshotInfo[]): Lanes {
  const ordered = [...snapshots].sort((a, b) => a.created - b.created);
  const column = new Map(ordered.map((one, index) => [one.id, index]));
  const children = (parent: string | null) => ordered.filter((one) => one.parent === parent);
  const points: Placed[] = [];
  const links: Link[] = [];
  let lanes = 0;
  const walk = (snapshot: SnapshotInfo, lane: number, from: Placed | undefined): void => {
    const placed: Placed = { snapshot, lane, column: column.get(snapshot.id)! };
    points.push(placed);
    if (from !== undefined) links.push({ from, to: placed });
    children(snapshot.id).forEach((child, index) => walk(child, index === 0 ? lane : lanes++, placed));
  };
  for (const root of children(null)) walk(root, lanes++, undefined);
  return { points: points.sort((a, b) => a.column - b.column), links, lanes };
}
