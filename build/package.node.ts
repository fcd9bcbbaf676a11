/**
 * `npm run package`: the packages that electron-builder.json names for this system, in dist/packages. They need Electron's binary.
 * `--layout FOLDER` makes none of them, but what would lie in them, as Electron would see it: FOLDER/resources/app.asar is a folder with what is in the archive, and
 * beside it lies what is not in it. A file that only says so stands for the binary, which is why the fuses cannot be set.
 */
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { extractAll } from '@electron/asar';
import { Arch, build, type Configuration, Platform } from 'electron-builder';
import { requireNode } from './require-node.node.ts';

requireNode();

const root = join(import.meta.dirname, '..');
const config = JSON.parse(readFileSync(join(root, 'build/electron-builder.json'), 'utf8')) as Configuration;

async function packages(): Promise<void> {
  await build({ projectDir: root, config });
}

async function layout(folder: string): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'strate-layout-'));
  try {
    const electronDist = join(scratch, 'electron');
    mkdirSync(join(electronDist, 'resources'), { recursive: true });
    writeFileSync(join(electronDist, 'electron'), 'stands for the binary of Electron\n', { mode: 0o755 });
    await build({
      projectDir: root,
      publish: 'never',
      targets: Platform.LINUX.createTarget('dir', Arch.x64),
      config: {
        ...config,
        electronFuses: null,
        directories: { ...config.directories, output: join(scratch, 'out') },
        electronDist,
        npmRebuild: false,
      },
    });
    rmSync(folder, { recursive: true, force: true });
    renameSync(join(scratch, 'out/linux-unpacked'), folder);
    const archive = join(folder, 'resources/app.asar');
    extractAll(archive, join(scratch, 'app'));
    rmSync(archive);
    renameSync(join(scratch, 'app'), archive);
    for (const unpacked of ['dist/vmm', 'dist/engine', 'node_modules']) rmSync(join(archive, unpacked), { recursive: true }); // extractAll put it there as well
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { layout: { type: 'string' } } });
  await import('./build.node.ts');
  if (values.layout === undefined) await packages();
  else await layout(values.layout);
  process.exit();
}
