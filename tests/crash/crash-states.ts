import { applyChange, type Change, type CrashFile, type CrashWorld, type HostEvent } from './crash-world.ts';
import type { PagedBytes } from './paged-bytes.ts';

/** What the disk may hold after a crash: contents by file, and how that came about, for messages. */
export interface CrashState {
  readonly time: number;
  readonly how: string;
  readonly files: ReadonlyMap<CrashFile, PagedBytes>;
}

const SECTOR = 512;
const PAGE = 4096;

/**
 * States after a crash at each moment at which the set of possible states, or what was promised, changes. For every moment: everything that had
 * begun is there; nothing that was not made sure; each call alone missing or alone there (at most `most` of each); and `most` random mixtures in which
 * calls may be torn, by sectors or by pages.
 */
export function* crashStates(
  world: CrashWorld,
  files: readonly CrashFile[],
  options: { readonly random: () => number; readonly most: number; /** When something was promised. */ readonly promises: ReadonlySet<number> },
): Generator<CrashState> {
  const { random, most, promises } = options;
  const durable = new Map(files.map((file) => [file, file.initial.copy()]));
  let pending: HostEvent[] = [];
  const starts = new Map(world.events.map((event) => [event.start, event]));
  const ends = new Map(world.events.filter(({ end }) => end !== Infinity).map((event) => [event.end, event]));
  for (let time = 0; time <= world.time; time++) {
    const started = starts.get(time);
    if (started !== undefined && started.change.kind !== 'flush') pending.push(started);
    const ended = ends.get(time);
    if (ended?.change.kind === 'flush') {
      const sure = (event: HostEvent) => event.file === ended.file && event.end < ended.start;
      for (const event of pending.filter(sure)) applyChange(durable.get(event.file)!, event.change as Change);
      pending = pending.filter((event) => !sure(event));
    }
    if (time === 0 || started !== undefined || ended?.change.kind === 'flush' || promises.has(time)) {
      yield* statesNow(time, durable, pending, random, most);
    }
  }
}

function* statesNow(
  time: number,
  durable: ReadonlyMap<CrashFile, PagedBytes>,
  pending: readonly HostEvent[],
  random: () => number,
  most: number,
): Generator<CrashState> {
  const state = (how: string, apply: (bytes: PagedBytes, change: Change, index: number) => void): CrashState => {
    const files = new Map([...durable].map(([file, bytes]) => [file, bytes.copy()]));
    pending.forEach(({ file, change }, index) => apply(files.get(file)!, change as Change, index));
    return { time, how, files };
  };
  yield state('all that had begun', applyChange);
  if (pending.length === 0) return;
  yield state('only what was flushed', () => undefined);
  if (pending.length > 1) {
    const some = Array.from({ length: Math.min(most, pending.length) }, (_, index) =>
      pending.length <= most ? index : Math.floor(random() * pending.length),
    );
    for (const one of some) yield state(`all but call ${one}`, (bytes, change, index) => (index === one ? undefined : applyChange(bytes, change)));
    for (const one of some) yield state(`call ${one} alone`, (bytes, change, index) => (index === one ? applyChange(bytes, change) : undefined));
  }
  for (let count = 0; count < most; count++) {
    const unit = random() < 0.5 ? SECTOR : PAGE;
    yield state(`a mixture torn by ${unit}`, (bytes, change) => {
      const dice = random();
      if (dice < 0.4) applyChange(bytes, change);
      else if (dice < 0.7) applyTorn(bytes, change, unit, random);
    });
  }
}

/** Some sectors (or pages) of a write. */
function applyTorn(bytes: PagedBytes, change: Change, unit: number, random: () => number): void {
  if (change.kind === 'truncate') return applyChange(bytes, change);
  const length = change.kind === 'write' ? change.bytes.length : change.length;
  for (let at = change.offset, end = change.offset + length; at < end;) {
    const next = Math.min(end, at - (at % unit) + unit);
    if (random() < 0.5) {
      if (change.kind === 'write') bytes.write(at, change.bytes.subarray(at - change.offset, next - change.offset));
      else bytes.clear(at, next - at);
    }
    at = next;
  }
}
