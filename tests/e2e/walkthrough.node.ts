/**
 * The newcomer's path of docs/walkthrough.md, walked: `npm start`, a floppy dropped on the window, a system that runs. Says how long each step took, and writes the pictures.
 * `node tests/e2e/walkthrough.node.ts [FLOPPY.img]`, in a checkout after `npm ci`.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import process from 'node:process';
import type { Page } from 'playwright-core';
import { drop, waitForScreen } from './calls.ts';
import { launchChromium } from './chromium.node.ts';

const floppy = process.argv[2] ?? '../shared/guests/freedos722.img';
const pictures = join(import.meta.dirname, '../../docs/walkthrough');
const home = mkdtempSync(join(tmpdir(), 'strate-walk-'));
mkdirSync(pictures, { recursive: true });

const began = performance.now();
const said = (what: string) => console.log(`${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${what}`);
const env: NodeJS.ProcessEnv = { ...process.env, STRATE_HOME: home };
for (const screen of ['DISPLAY', 'WAYLAND_DISPLAY']) Reflect.deleteProperty(env, screen); // the browser is opened below
const server = spawn('npm', ['start', '--', '--port', '0'], { env, detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
const url = await new Promise<string>((resolve) => {
  let text = '';
  server.stdout.on('data', (bytes: Buffer) => {
    text += bytes.toString();
    const found = /https?:\/\/\S+/.exec(text)?.[0];
    if (found !== undefined) resolve(found);
  });
});
said('npm start has printed the address');
const browser = await launchChromium();
let clicks = 0;
try {
  const page: Page = await browser.newPage({ viewport: { width: 1100, height: 720 }, locale: 'en-GB', reducedMotion: 'reduce' });
  const picture = (name: string) => page.screenshot({ path: join(pictures, `${name}.png`) });
  await page.goto(url);
  await page.locator('.link-state[data-link=open]').waitFor({ state: 'attached' });
  said('the library is there');
  await picture('1-first');
  await drop(page, basename(floppy), readFileSync(floppy));
  clicks++;
  const start = page.getByRole('button', { name: 'Create and start' });
  await start.and(page.locator(':focus')).waitFor();
  await page.mouse.move(0, 0);
  await picture('2-dropped');
  await start.click();
  clicks++;
  await waitForScreen(page, /^A:\\>/);
  said(`the guest's prompt, after ${clicks} clicks (the drop counts as one)`);
  await page.keyboard.type('dir');
  await page.keyboard.press('Enter');
  await waitForScreen(page, /bytes free/);
  await picture('3-running');
  await page.keyboard.press('ControlRight');
  await page.getByRole('tab', { name: 'Timeline' }).click();
  await page.keyboard.press('Control+KeyK');
  await page.keyboard.type('take snapshot');
  await page.keyboard.press('Enter');
  await page.locator('.timeline-point').waitFor();
  await page.waitForTimeout(1000);
  said('a snapshot is taken');
  await picture('4-timeline');
} finally {
  await browser.close();
  process.kill(-server.pid!, 'SIGTERM');
  await new Promise((resolve) => server.once('exit', resolve));
  rmSync(home, { recursive: true, force: true });
}
