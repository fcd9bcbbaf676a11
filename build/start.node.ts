/**
 * `npm start`: builds what is stale and opens Strate: in Electron where its binary is installed, otherwise in the browser. Arguments go to it:
 * files to open, or the options of `strate serve`.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { requireNode } from './require-node.node.ts';

requireNode();

const root = join(import.meta.dirname, '..');

/** Where the npm package `electron` put its binary; undefined where it was not downloaded. */
export function electronBinary(packageFolder = join(root, 'node_modules/electron')): string | undefined {
  const name = join(packageFolder, 'path.txt');
  if (!existsSync(name)) return undefined;
  const binary = join(packageFolder, 'dist', readFileSync(name, 'utf8').trim());
  return existsSync(binary) ? binary : undefined;
}

/** The command that opens an address in the person's browser; undefined where there is no screen to open it on. */
export function openCommand(platform: NodeJS.Platform, env: NodeJS.ProcessEnv): readonly string[] | undefined {
  if (platform === 'darwin') return ['open'];
  if (platform === 'win32') return ['explorer.exe'];
  return env['DISPLAY'] !== undefined || env['WAYLAND_DISPLAY'] !== undefined ? ['xdg-open'] : undefined;
}

function openInBrowser(url: string): void {
  const [program, ...args] = openCommand(process.platform, process.env) ?? [];
  if (program === undefined) return;
  const browser = spawn(program, [...args, url], { stdio: 'ignore', detached: true });
  browser.on('error', () => undefined); // the address stands in the terminal
  browser.unref();
}

/** Runs a child until it ends, passing on the signals that end us. */
function follow(child: ReturnType<typeof spawn>): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 130)));
}

async function start(args: readonly string[]): Promise<void> {
  const { buildPage, pageIsStale } = await import('./page.node.ts');
  if (pageIsStale()) await buildPage();

  const electron = electronBinary();
  if (electron !== undefined) {
    await import('./build.node.ts');
    follow(spawn(electron, [root, ...args], { stdio: 'inherit' }));
    return;
  }
  console.log('The Electron binary is not installed (node node_modules/electron/install.js fetches it): opening Strate in the browser instead.');
  const serve = spawn(process.execPath, [join(root, 'vmm/cli/strate.mjs'), 'serve', ...args], { stdio: ['inherit', 'pipe', 'inherit'] });
  let opened = false;
  serve.stdout.setEncoding('utf8').on('data', (text: string) => {
    process.stdout.write(text);
    const url = /https?:\/\/\S+/.exec(text)?.[0];
    if (url === undefined || opened) return;
    opened = true;
    openInBrowser(url);
  });
  follow(serve);
}

if (import.meta.main) await start(process.argv.slice(2));
