import { messageOf } from '../../vmm/base/errors.ts';
import { contents, overlaps, perform, type Action } from '../../vmm/storage/formats/model-test.ts';
import type { BlockNode } from '../../vmm/storage/node.ts';
import { AFTERWARDS, CrashModel, INITIAL, randomActions } from './crash-model.ts';
import { crashStates } from './crash-states.ts';
import { CrashFile, CrashWorld, type HostFault } from './crash-world.ts';
import { PagedBytes } from './paged-bytes.ts';
import type { Subject } from './subjects.ts';

/** mulberry32: a small generator, so that a failure can be had again by its seed. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface CrashOptions {
  readonly seed: number;
  /** Things done to the disk. */
  readonly actions: number;
  /** States of each kind per moment. */
  readonly most: number;
  readonly faults?: readonly HostFault[];
}

export interface CrashResult {
  /** Host calls that were made. */
  readonly calls: number;
  /** States that were looked at. */
  readonly states: number;
  /** Requests that failed. */
  readonly failed: number;
}

type Files = Map<string, PagedBytes>;

/** Makes a subject's image once; its files are shared by all runs. */
export async function makeImage(subject: Subject): Promise<Files> {
  const world = new CrashWorld(() => 0);
  const files = new Map<string, CrashFile>();
  await subject.create(opener(world, files));
  return new Map([...files].map(([name, file]) => [name, file.now.copy()]));
}

function opener(world: CrashWorld, files: Map<string, CrashFile>, present: ReadonlyMap<string, PagedBytes> = new Map<string, PagedBytes>()) {
  return (name: string) => {
    let file = files.get(name);
    if (file === undefined) {
      file = world.file(name, present.get(name)?.copy());
      files.set(name, file);
    }
    return file;
  };
}

/** Does things to an image, some at the same time, and looks at every crash on the way. @throws Error that says how to have it again */
export async function runCrash(subject: Subject, image: Files, options: CrashOptions): Promise<CrashResult> {
  const random = seeded(options.seed);
  const world = new CrashWorld(random);
  world.faults = options.faults ?? [];
  const files = new Map<string, CrashFile>();
  const open = opener(world, files, image);
  const model = new CrashModel(world, initialValues(subject));
  const fail = (what: string, context: string) =>
    new Error(`${subject.name}, seed ${options.seed}${describeFaults(world.faults)}: ${context}: ${what}`);
  let failed = 0;
  const refused = (error: unknown) => {
    const code = (error as { context?: { code?: string } }).context?.code;
    if (code !== 'EIO' && code !== 'ENOSPC') throw fail(messageOf(error), 'a request failed with what is no fault of the host');
    failed++;
  };

  let node: BlockNode | undefined;
  try {
    node = await subject.open(open);
    await act(node, model, randomActions(random, subject.sectors, subject.unit, options.actions), random, refused);
    const wrong = model.wrong(await contents(node), world.time);
    if (wrong !== undefined) throw fail(wrong, 'before any crash');
    await node.close();
  } catch (error) {
    refused(error);
  }

  let states = 0;
  for (const { time, how, files: left } of crashStates(world, [...files.values()], { random, most: options.most, promises: model.promises })) {
    states++;
    const problem = await lookAt(subject, new Map([...left].map(([file, bytes]) => [file.path, bytes])), model, time, states % 16 === 0);
    if (problem !== undefined) throw fail(problem, `after a crash at ${time} of ${world.time} (${how})`);
  }
  return { calls: world.calls, states, failed };
}

function describeFaults(faults: readonly HostFault[]): string {
  return faults.map(({ call, code, short = 0 }) => `, ${code} at call ${call}${short > 0 ? ` after ${short} bytes` : ''}`).join('');
}

function initialValues({ sectors, initial }: Subject): Uint8Array {
  const values = new Uint8Array(sectors);
  for (const [from, to] of initial) values.fill(INITIAL, from, to);
  return values;
}

/** Up to four at a time; requests for the same sectors take turns. A flush that failed is not tried again, all else once. */
async function act(
  node: BlockNode,
  model: CrashModel,
  actions: readonly Action[],
  random: () => number,
  refused: (error: unknown) => void,
): Promise<void> {
  let underWay: { action: Action; done: Promise<void> }[] = [];
  for (const action of actions) {
    if (underWay.length >= 4 || underWay.some((other) => overlaps(other.action, action)) || random() < 0.3) {
      await Promise.all(underWay.map(({ done }) => done));
      underWay = [];
    }
    const once = () => model.perform(node, action, perform);
    // The host's trouble is over the second time, as when a person has made room.
    const done = once().catch((error: unknown) => {
      refused(error);
      return once().catch(refused);
    });
    underWay.push({ action, done });
  }
  await Promise.all(underWay.map(({ done }) => done));
}

/** Opens what a crash has left, compares it with what was promised, and (`uses`) goes on using it. */
async function lookAt(
  subject: Subject,
  left: ReadonlyMap<string, PagedBytes>,
  model: CrashModel,
  time: number,
  uses: boolean,
): Promise<string | undefined> {
  const world = new CrashWorld(() => 0);
  const files = new Map<string, CrashFile>();
  const open = opener(world, files, left);
  try {
    const damage = await subject.damage?.(open);
    if (damage !== undefined && damage.length > 0) return `the check finds: ${damage.slice(0, 3).join('; ')}`;
    const node = await subject.open(open);
    const found = await contents(node);
    const wrong = model.wrong(found, time);
    if (wrong !== undefined) return wrong;
    if (!uses) return undefined;
    // What goes on to be used must not harm what is there.
    for (let sector = 1; sector < subject.sectors; sector += Math.ceil(subject.sectors / 5)) {
      await node.write(sector * 512, new Uint8Array(512).fill(AFTERWARDS));
      found.fill(AFTERWARDS, sector * 512, sector * 512 + 512);
    }
    await node.close();
    const again = await contents(await subject.open(open));
    const at = Buffer.compare(again, found) === 0 ? -1 : again.findIndex((byte, index) => byte !== found[index]);
    if (at >= 0) return `when it was used again, sector ${Math.floor(at / 512)} changed from ${found[at]!} to ${again[at]!}`;
    const later = await subject.damage?.(open);
    return later !== undefined && later.length > 0 ? `when it was used again, the check finds: ${later.slice(0, 3).join('; ')}` : undefined;
  } catch (error) {
    return `it does not open: ${messageOf(error)}`;
  }
}
