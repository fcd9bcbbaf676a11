/** `strate serve` with a library of its own in a temporary folder, for tests that need real machines behind the page. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';

export interface Serving {
  /** With the token: opening it signs the browser in. */
  readonly url: string;
  readonly library: string;
  stop(): Promise<void>;
}

const START_TIMEOUT = 60_000;

export async function strateServe(env: Readonly<Record<string, string>> = {}): Promise<Serving> {
  const library = mkdtempSync(join(tmpdir(), 'strate-e2e-'));
  const child = spawn(process.execPath, ['vmm/cli/strate.mjs', 'serve', '--port', '0'], {
    env: { ...process.env, STRATE_HOME: library, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stop = async () => {
    await ended(child);
    rmSync(library, { recursive: true, force: true });
  };
  try {
    return { url: await urlOf(child), library, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function urlOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    const timer = setTimeout(() => reject(new Error(`strate serve printed no address:\n${output}`)), START_TIMEOUT);
    const read = (chunk: Buffer) => {
      output += chunk.toString();
      const url = /http:\/\/\S+/.exec(output)?.[0];
      if (url === undefined) return;
      clearTimeout(timer);
      resolve(url);
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    child.once('exit', (code) => {
      clearTimeout(timer);
      reject(new Error(`strate serve ended with status ${code}:\n${output}`));
    });
  });
}

/** Asked to end, then waited for; killed when it does not. */
async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await gone;
  clearTimeout(timer);
}
