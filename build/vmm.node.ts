/**
 * Turns vmm/ into plain JavaScript, file by file and folder by folder, into dist/vmm: Electron's Node may not strip types, and a packaged
 * application should not have to. Nothing is bundled, so that threads find their entry points where the sources say.
 */
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { transform } from 'esbuild';
import { requireNode } from './require-node.node.ts';

requireNode();

const root = join(import.meta.dirname, '..');

/** `./x.ts` in an import, an export or a `new URL` -> `./x.js`. */
export function rewriteSpecifiers(source: string): string {
  return source.replace(/(['"])(\.{1,2}\/[^'"\n]+)\.ts\1/g, '$1$2.js$1');
}

export async function buildVmm(outDir = join(root, 'dist/vmm')): Promise<number> {
  rmSync(outDir, { recursive: true, force: true });
  const files = globSync('vmm/**/*.ts', { cwd: root, exclude: ['vmm/cpu/assembly/**', '**/*.test.ts', '**/*.test-support.ts', '**/*.d.ts'] });
  await Promise.all(
    files.map(async (file) => {
      const { code } = await transform(readFileSync(join(root, file), 'utf8'), { loader: 'ts', format: 'esm', target: 'node24', sourcefile: file });
      const target = join(outDir, file.replace(/^vmm\//, '').replace(/\.ts$/, '.js'));
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, rewriteSpecifiers(code));
    }),
  );
  writeFileSync(join(outDir, 'package.json'), '{ "type": "module" }\n');
  return files.length;
}

if (import.meta.main) console.log(`${await buildVmm()} files of vmm/ in dist/vmm`);
