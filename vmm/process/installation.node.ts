/** Where Strate itself lies: the folder with its package.json, whether run from source or from what the build made of it. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { VmmError } from '../base/errors.ts';

export function installationRoot(from: string = import.meta.dirname): string {
  for (let directory = from; ; directory = dirname(directory)) {
    const path = join(directory, 'package.json');
    if (existsSync(path) && packageOf(path).name === 'strate') return directory;
    if (directory === dirname(directory)) throw new VmmError('internal', `no package.json of Strate above ${from}; install Strate again`);
  }
}

export function strateVersion(): string {
  return packageOf(join(installationRoot(), 'package.json')).version ?? 'unknown';
}

function packageOf(path: string): { name?: string; version?: string } {
  return JSON.parse(readFileSync(path, 'utf8')) as { name?: string; version?: string };
}
