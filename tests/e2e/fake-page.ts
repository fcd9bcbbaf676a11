/** The interface over a library in memory, in Chromium: for what concerns the page alone. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { launchChromium } from './chromium.node.ts';
import { serveFolder, type StaticServer } from './static-server.node.ts';

export interface FakePages {
  open(scene: string, options?: BrowserContextOptions): Promise<Page>;
  close(): Promise<void>;
  /** What pages wrote to their consoles as errors, and exceptions. */
  readonly problems: string[];
}

export async function fakePages(): Promise<FakePages> {
  // A folder of its own: test files run beside each other, and a build empties its folder first.
  const folder = mkdtempSync(join(tmpdir(), 'strate-page-'));
  execFileSync(process.execPath, ['build/page.node.ts', `--fake=${folder}`], { stdio: ['ignore', 'ignore', 'inherit'] });
  const server: StaticServer = await serveFolder(folder);
  const browser: Browser = await launchChromium();
  const problems: string[] = [];
  return {
    problems,
    async open(scene, options = {}) {
      const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce', locale: 'en-GB', ...options });
      const page = await context.newPage();
      page.on('console', (message) => message.type() === 'error' && problems.push(`${scene}: ${message.text()}`));
      page.on('pageerror', (error) => problems.push(`${scene}: ${error.message}`));
      await page.goto(`${server.url}/fake.html?scene=${scene}`);
      await page.waitForSelector('.status-version', { state: 'attached' }); // drawn once the library has answered, in windows of every width
      return page;
    },
    async close() {
      await browser.close();
      await server.close();
      rmSync(folder, { recursive: true });
    },
  };
}
