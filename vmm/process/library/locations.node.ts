/** Where the library and caches lie on this host. */
import { homedir } from 'node:os';
import { join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

/** `$STRATE_HOME`, or where the platform keeps an application's data (XDG Base Directory Specification on Unix). */
export function libraryDirectory(environment: Environment = process.env, platform: string = process.platform): string {
  const chosen = environment['STRATE_HOME'];
  if (chosen !== undefined && chosen !== '') return chosen;
  if (platform === 'win32') return join(environment['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local'), 'Strate');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'Strate');
  return join(absolute(environment['XDG_DATA_HOME']) ?? join(homedir(), '.local', 'share'), 'strate');
}

/** What can be fetched or computed again. */
export function cacheDirectory(environment: Environment = process.env, platform: string = process.platform): string {
  if (platform === 'win32') return join(environment['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local'), 'Strate', 'Cache');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'Strate');
  return join(absolute(environment['XDG_CACHE_HOME']) ?? join(homedir(), '.cache'), 'strate');
}

/** The specification has relative paths ignored. */
function absolute(path: string | undefined): string | undefined {
  return path?.startsWith('/') ? path : undefined;
}
