/** The main job, on real machines: drop a floppy on the library, start it, use it. And everything that can go wrong on the way. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import process from 'node:process';
import type { Browser, Page } from 'playwright-core';
import { describeWithChromium, launchChromium } from './chromium.node.ts';
import { type Serving, strateServe } from './strate-serve.node.ts';

jest.setTimeout(180_000);

const FREEDOS = '../shared/guests/freedos722.img';
const BOOT_TIMEOUT = 120_000;

/** Drops bytes on the window as a file of that name. */
async function drop(page: Page, name: string, bytes: Uint8Array): Promise<void> {
  await page.evaluate(
    ({ fileName, base64 }) => {
      const data = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([data], fileName));
      for (const type of ['dragenter', 'dragover', 'drop']) {
        document.body.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer }));
      }
    },
    { fileName: name, base64: Buffer.from(bytes).toString('base64') },
  );
}

const dropFile = (page: Page, path: string) => drop(page, basename(path), readFileSync(path));

/** Waits until the text of the guest's screen, as the page shows it to a screen reader, has a line that matches. */
async function waitForScreen(page: Page, pattern: RegExp, timeout = BOOT_TIMEOUT): Promise<void> {
  await page.waitForFunction(
    ([source, flags]) =>
      new RegExp(source!, flags).test([...document.querySelectorAll('.text-layer > div')].map((line) => line.textContent).join('\n')),
    [pattern.source, `${pattern.flags.replace('m', '')}m`],
    { timeout, polling: 250 },
  );
}

/** How many pixels of the guest's screen are lit, read from the canvas itself. */
const litPixels = (page: Page) =>
  page.evaluate(() => {
    const canvas = document.querySelector<HTMLCanvasElement>('canvas.screen');
    const pixels = canvas?.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height).data ?? [];
    let lit = 0;
    for (let at = 0; at < pixels.length; at += 4) if (pixels[at]! > 64) lit++;
    return lit;
  });

describeWithChromium('real machines', () => {
  let serving: Serving;
  let browser: Browser;
  let page: Page;
  const problems: string[] = [];

  beforeAll(async () => {
    execFileSync(process.execPath, ['build/page.node.ts'], { stdio: ['ignore', 'ignore', 'inherit'] });
    serving = await strateServe();
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser.close();
    await serving.stop();
    expect(problems).toEqual([]);
  });
  beforeEach(async () => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, locale: 'en-GB' });
    page = await context.newPage();
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
    await page.goto(serving.url);
    await page.locator('.link-state[data-link=open]').waitFor({ state: 'attached' });
  });
  afterEach(() => page.context().close());

  const whenGuests = existsSync(FREEDOS) ? it : it.skip;
  if (!existsSync(FREEDOS)) console.log(`the FreeDOS test is skipped: ${FREEDOS} is not there`);

  whenGuests('FreeDOS: dropped, started with Enter, used with the keyboard, powered off', async () => {
    await dropFile(page, FREEDOS);
    await page
      .getByText(/FreeDOS/)
      .first()
      .waitFor();
    await page.getByRole('button', { name: 'Create and start' }).and(page.locator(':focus')).waitFor();
    await page.keyboard.press('Enter');
    await page.locator('.capture-bar[data-captured]').waitFor();
    await waitForScreen(page, /^A:\\>/);
    const before = await litPixels(page);
    expect(before).toBeGreaterThan(500);

    await page.keyboard.type('dir');
    await page.keyboard.press('Enter');
    await waitForScreen(page, /bytes free/);
    await waitForScreen(page, /COMMAND\s+COM/);
    expect(await litPixels(page)).not.toBe(before);

    await page.keyboard.press('ControlRight');
    await page.getByRole('button', { name: 'Power off' }).click();
    await page.getByRole('alertdialog').getByRole('button', { name: 'Power off' }).click();
    await page.getByRole('button', { name: 'Start' }).first().waitFor();
  });

  it.each([
    ['an unknown file', 'letter.docx', new TextEncoder().encode('Dear Sir or Madam, '.repeat(100)), /letter\.docx/],
    ['an empty file', 'empty.img', new Uint8Array(0), /empty/i],
  ])('%s: one clear message, and the application goes on', async (_what, name, bytes, message) => {
    await drop(page, name, bytes);
    const alert = page.locator('.notice[data-tone=bad]');
    await alert.waitFor();
    expect(await alert.textContent()).toMatch(message);
    await page.getByRole('tab', { name: 'Library' }).click();
    await page.getByRole('heading', { level: 1 }).waitFor();
  });
});
