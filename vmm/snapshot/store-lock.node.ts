/**
 * Who uses a page store: any number of processes that add and read pages, or one that collects garbage. Each announces itself by a file first and looks at
 * the others' files then, so that of two that meet at least one sees the other. Files of processes that are gone count for nothing.
 */
import { linkSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { VmmError } from '../base/errors.ts';
import { isAlive, readOwner, thisProcess } from '../storage/image-lock.node.ts';

const COLLECTOR = 'collector';
const PATIENCE = 120_000;
const LOOK_AGAIN = 50;

/** Waits while garbage is collected. @returns what lets go. */
export async function useStore(folder: string): Promise<() => void> {
  const users = join(folder, 'users');
  mkdirSync(users, { recursive: true });
  const mine = join(users, thisProcess().nonce);
  const end = Date.now() + PATIENCE;
  for (;;) {
    writeFileSync(mine, JSON.stringify(thisProcess()));
    if (!collecting(folder)) return () => rmSync(mine, { force: true });
    rmSync(mine, { force: true });
    if (Date.now() > end) throw new VmmError('busy', `${folder} is being cleaned up by another process; try again later`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN));
  }
}

/** @returns what lets go; undefined: somebody uses the store. */
export function collectAlone(folder: string): (() => void) | undefined {
  const owner = thisProcess();
  const path = join(folder, COLLECTOR);
  const mine = `${path}.${owner.nonce}`;
  writeFileSync(mine, JSON.stringify(owner));
  try {
    if (collecting(folder)) return undefined;
    rmSync(path, { force: true }); // of a process that is gone
    linkSync(mine, path);
  } catch {
    return undefined; // another was faster
  } finally {
    rmSync(mine, { force: true });
  }
  const release = () => rmSync(path, { force: true });
  if (!inUse(folder)) return release;
  release();
  return undefined;
}

function collecting(folder: string): boolean {
  const owner = readOwner(join(folder, COLLECTOR));
  return owner !== undefined && isAlive(owner);
}

function inUse(folder: string): boolean {
  const users = join(folder, 'users');
  mkdirSync(users, { recursive: true });
  for (const name of readdirSync(users)) {
    const owner = readOwner(join(users, name));
    if (owner !== undefined && isAlive(owner)) return true;
    rmSync(join(users, name), { force: true });
  }
  return false;
}
