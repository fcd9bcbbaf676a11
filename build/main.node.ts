/** Bundles Electron's two scripts with esbuild: main and preload, each one CommonJS file (a sandboxed preload script can be nothing else). */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, type BuildOptions } from 'esbuild';
import { requireNode } from './require-node.node.ts';

requireNode();

const root = join(import.meta.dirname, '..');

/** @returns the files that were written, relative to dist/main */
export async function buildMain(outDir = join(root, 'dist/main')): Promise<string[]> {
  const shared = {
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node24',
    external: ['electron'],
    logLevel: 'warning',
  } satisfies BuildOptions;
  await build({ ...shared, entryPoints: [join(root, 'main/index.main.ts')], outfile: join(outDir, 'index.main.cjs') });
  await build({ ...shared, entryPoints: [join(root, 'main/page.preload.ts')], outfile: join(outDir, 'page.preload.cjs') });
  copyFileSync(join(root, 'build/icons/tray.png'), join(outDir, 'tray.png'));
  return ['index.main.cjs', 'page.preload.cjs', 'tray.png'];
}

if (import.meta.main) await buildMain();
