/** What electron-builder packs is all that the application needs: the layout of a package, run by the stand-in from a folder of its own. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import process from 'node:process';
import type { Browser, Page } from 'playwright-core';
import { dropPath, eventually, waitForScreen } from './calls.ts';
import { describeWithChromium, launchChromium } from './chromium.node.ts';
import { ElectronStandIn } from './electron-stand-in.node.ts';

jest.setTimeout(300_000);

const FREEDOS = '../shared/guests/freedos722.img';

describeWithChromium('the packaged application', () => {
  let folder: string;
  let browser: Browser;
  let standIn: ElectronStandIn;
  let page: Page;
  const resources = () => join(folder, 'app/resources');

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'strate-packaged-')); // outside the checkout: nothing of it can be found by chance
    execFileSync(process.execPath, ['build/package.node.ts', '--layout', join(folder, 'app')], { stdio: ['ignore', 'ignore', 'inherit'] });
    browser = await launchChromium();
    standIn = new ElectronStandIn(browser);
    runMain(join(resources(), 'app.asar/dist/main/index.main.cjs'), standIn.module);
    page = await eventually(() => standIn.pages[0]);
    await page.locator('.link-state[data-link=open]').waitFor({ state: 'attached' });
  });
  afterAll(async () => {
    await standIn.close();
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** As Electron runs the file that package.json names. */
  function runMain(file: string, electron: unknown): void {
    const host = Object.assign(Object.create(process) as NodeJS.Process & { resourcesPath: string }, {
      argv: ['strate'],
      resourcesPath: resources(),
      env: { ...process.env, STRATE_HOME: join(folder, 'home') },
      cwd: () => folder,
    });
    process.env['STRATE_HOME'] = host.env['STRATE_HOME'];
    const load = (name: string): unknown => {
      if (name === 'electron') return electron;
      if (name === 'node:process' || name === 'process') return host;
      // eslint-disable-next-line @typescript-eslint/no-require-imports -- main is CommonJS
      return require(name) as unknown;
    };
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- Node's own wrapper of a CommonJS module
    const run = new Function('exports', 'require', 'module', '__filename', '__dirname', 'process', readFileSync(file, 'utf8'));
    const module = { exports: {} };
    (run as (...given: unknown[]) => void)(module.exports, load, module, file, dirname(file), host);
  }

  it('keeps sources, tests and what only the build needs out', () => {
    const unpacked = join(resources(), 'app.asar.unpacked');
    for (const wanted of [
      'dist/vmm/process/vmm.node.js',
      'dist/engine/interpreter.wasm',
      'dist/engine/effects.json',
      'node_modules/zod',
      'package.json',
    ])
      expect([wanted, existsSync(join(unpacked, wanted))]).toEqual([wanted, true]);
    for (const other of ['vmm', 'tests', 'build', 'node_modules/react', 'node_modules/esbuild', 'node_modules/electron'])
      expect([other, existsSync(join(unpacked, other)), existsSync(join(resources(), 'app.asar', other))]).toEqual([other, false, false]);
  });

  (existsSync(FREEDOS) ? it : it.skip)('runs a dropped floppy', async () => {
    const floppy = join(folder, basename(FREEDOS));
    copyFileSync(FREEDOS, floppy);
    await dropPath(page, floppy);
    await page.getByRole('button', { name: 'Create and start' }).and(page.locator(':focus')).waitFor();
    await page.keyboard.press('Enter');
    await waitForScreen(page, /^A:\\>/);
    standIn.answer = 'Power off and quit';
    standIn.module.app.quit();
    await eventually(() => standIn.quitted || undefined, 30);
  });
});
