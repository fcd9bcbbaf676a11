/**
 * Builds the page: renderer/ -> dist/page, with vite. `npm start`, `npm test` and `npm run build` call it; it does nothing when no source
 * is newer than the last build. `--force` builds anyway; `--fake[=FOLDER]` builds the page over a library in memory (renderer/fake) into dist/page-fake.
 */
import { existsSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import process from 'node:process';
import react from '@vitejs/plugin-react';
import { build } from 'vite';
import { requireNode } from './require-node.node.ts';

requireNode();

const root = join(import.meta.dirname, '..');
const outDir = join(root, 'dist/page');
const stamp = join(root, 'dist/page/.built');
const SOURCES = ['renderer', 'vmm/protocol', 'vmm/base', 'build/page.node.ts', 'package-lock.json'];

/** The latest modification below `path`, ms; tests do not count. */
function newest(path: string): number {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  const names = readdirSync(path).filter((name) => !name.includes('.test.'));
  return Math.max(stat.mtimeMs, ...names.map((name) => newest(join(path, name))));
}

export function pageIsStale(): boolean {
  if (!existsSync(stamp)) return true;
  const built = statSync(stamp).mtimeMs;
  return SOURCES.map((source) => join(root, source)).some((source) => existsSync(source) && newest(source) > built);
}

export async function buildPage(): Promise<void> {
  const started = new Date();
  rmSync(stamp, { force: true });
  await bundle('index.html', outDir);
  writeFileSync(stamp, '');
  utimesSync(stamp, started, started); // what was saved while it was building counts as newer
}

/** One HTML file of renderer/ and all that it loads. */
export async function bundle(html: string, into: string): Promise<void> {
  process.env['NODE_ENV'] = 'production'; // also when a test builds it
  await build({
    configFile: false,
    mode: 'production',
    root: join(root, 'renderer'),
    base: './', // the same files are served from a port and loaded through Electron's own scheme
    logLevel: 'warn',
    plugins: [react()],
    build: {
      outDir: into,
      rolldownOptions: { input: join(root, 'renderer', html) },
      emptyOutDir: true,
      target: 'chrome130',
      modulePreload: { polyfill: false },
      assetsInlineLimit: 0, // the content security policy allows no data: scripts or fonts
      chunkSizeWarningLimit: 2048,
    },
  });
}

if (import.meta.main) {
  const fake = process.argv.find((argument) => /^--fake(=|$)/.test(argument));
  if (fake !== undefined) await bundle('fake.html', resolve(root, fake.slice('--fake='.length) || 'dist/page-fake'));
  if (process.argv.includes('--force') || pageIsStale()) {
    const before = performance.now();
    await buildPage();
    console.log(`Built the page in ${((performance.now() - before) / 1000).toFixed(1)} s`);
  }
}
