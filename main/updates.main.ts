import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Electron } from './electron.ts';

/** Written by whoever packages Strate and runs a server of updates; no such file lies in the packages that this repository builds. */
const schema = z.strictObject({ url: z.url({ protocol: /^https$/ }) });

/** Looks for updates only where a package says so, over HTTPS, on the systems that can check their signature. @returns whether it does */
export function startUpdates({ autoUpdater }: Pick<Electron, 'autoUpdater'>, resources: string | undefined, platform: NodeJS.Platform): boolean {
  if (resources === undefined || (platform !== 'darwin' && platform !== 'win32')) return false;
  let settings;
  try {
    settings = schema.parse(JSON.parse(readFileSync(join(resources, 'updates.json'), 'utf8')));
  } catch {
    return false;
  }
  autoUpdater.on('error', () => undefined); // no update is no news
  autoUpdater.setFeedURL({ url: settings.url });
  autoUpdater.checkForUpdates();
  return true;
}
