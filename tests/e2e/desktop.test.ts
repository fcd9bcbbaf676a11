/** The desktop application's own code, main and preload, around the page in Chromium and a real library behind: see electron-stand-in.node.ts. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import process from 'node:process';
import type { Browser, Page } from 'playwright-core';
import { Application } from '../../main/application.main.ts';
import type {} from '../../renderer/connection/electron-host.dom.ts'; // declares window.strate
import { dropPath, eventually, waitForScreen } from './calls.ts';
import { describeWithChromium, launchChromium } from './chromium.node.ts';
import { ElectronStandIn } from './electron-stand-in.node.ts';

jest.setTimeout(240_000);

const FREEDOS = '../shared/guests/freedos722.img';

describeWithChromium('the desktop application', () => {
  let home: string;
  let browser: Browser;
  let standIn: ElectronStandIn;
  let page: Page;

  beforeAll(async () => {
    execFileSync(process.execPath, ['build/build.node.ts'], { stdio: ['ignore', 'ignore', 'inherit'] });
    home = mkdtempSync(join(tmpdir(), 'strate-desktop-'));
    browser = await launchChromium();
    standIn = new ElectronStandIn(browser);
    const application = new Application(standIn.module, {
      dist: join(process.cwd(), 'dist'),
      platform: 'linux',
      argv: ['strate'],
      cwd: process.cwd(),
      env: { STRATE_HOME: home },
    });
    expect(await application.start()).toBe(true);
    page = await eventually(() => standIn.pages[0]);
    await page.locator('.link-state[data-link=open]').waitFor({ state: 'attached' });
  });
  afterAll(async () => {
    await standIn.close();
    await browser.close();
    rmSync(home, { recursive: true, force: true });
  });

  it('gives the page nothing but the bridge', async () => {
    const seen = await page.evaluate(() => ({
      bridge: Object.keys(window.strate ?? {}).sort(),
      node: ['require', 'process', 'module', 'Buffer', 'global'].filter((name) => name in window),
    }));
    expect(seen).toEqual({
      bridge: ['onCommand', 'onOpenFiles', 'openWindow', 'pathForFile', 'platform', 'publishMenu', 'requestPort', 'revealFolder'],
      node: [],
    });
  });

  it('lets the page open no window and go nowhere', async () => {
    await page.evaluate(() => void window.open('https://example.org/'));
    await expect(eventually(() => (page.context().pages().length === 1 ? true : undefined))).resolves.toBe(true);
    await expect(page.evaluate(() => fetch('https://example.org/').then(() => 'fetched'))).rejects.toThrow();
  });

  it('has the command table as its menu, in the state of the moment', async () => {
    await eventually(() => standIn.menu[0]);
    const power = standIn.menu.find(({ label }) => label === 'Power');
    expect(power?.submenu?.map(({ id, enabled }) => [id, enabled])).toContainEqual(['start', false]);
    standIn.menu
      .flatMap(({ submenu }) => submenu ?? [])
      .find(({ id }) => id === 'settings')
      ?.click?.();
    await page.getByRole('heading', { name: 'Settings' }).waitFor();
    await page.getByRole('tab', { name: 'Settings' }).press('Delete');
  });

  (existsSync(FREEDOS) ? it : it.skip)('runs a floppy that was dropped from a folder, and asks before it quits', async () => {
    const floppy = join(home, basename(FREEDOS));
    copyFileSync(FREEDOS, floppy);
    await dropPath(page, floppy);
    await page.getByRole('button', { name: 'Create and start' }).and(page.locator(':focus')).waitFor();
    expect(await page.getByText('Copy the file into the machine’s folder').count()).toBe(1);
    await page.keyboard.press('Enter');
    await waitForScreen(page, /^A:\\>/);

    standIn.answer = 'Cancel';
    standIn.module.app.quit();
    await expect(eventually(() => standIn.questions.at(-1))).resolves.toMatch(/is running/);
    expect(standIn.quitted).toBe(false);

    standIn.answer = 'Power off and quit';
    standIn.module.app.quit();
    await expect(eventually(() => standIn.quitted || undefined)).resolves.toBe(true);
    expect(readdirSync(join(home, 'vms'))).toEqual(['freedos722']);
  });
});
