/** The main job, on real machines: drop a floppy on the library, start it, use it. And everything that can go wrong on the way. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { basename } from 'node:path';
import process from 'node:process';
import type { Browser, Page } from 'playwright-core';
import { call, drop, makeVm, waitForScreen } from './calls.ts';
import { describeWithChromium, launchChromium } from './chromium.node.ts';
import { type Serving, strateServe } from './strate-serve.node.ts';

jest.setTimeout(180_000);

const FREEDOS = '../shared/guests/freedos722.img';
const BOOT_TIMEOUT = 120_000;

const dropFile = (page: Page, path: string) => drop(page, basename(path), readFileSync(path));

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
    await page.locator('.capture-bar[data-captured]').waitFor({ timeout: BOOT_TIMEOUT });
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

  it('a machine from nothing: made with a disk, renamed, deleted, restored', async () => {
    await page.keyboard.press('Control+Alt+KeyN');
    await page.getByRole('textbox', { name: 'Name' }).fill('Blank');
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    await page
      .getByText(/hda\.(img|qcow2)/)
      .first()
      .waitFor();
    await page.getByRole('button', { name: 'Start' }).and(page.locator(':focus')).waitFor();
    await page.keyboard.press('F2');
    await page.locator('.rename input:focus').waitFor();
    await page.keyboard.type('Renamed');
    await page.keyboard.press('Enter');
    await page.getByRole('row', { name: 'Renamed' }).waitFor();
    await page.getByRole('row', { name: 'Renamed' }).click({ button: 'right' });
    await page.getByRole('menuitem', { name: 'Move to trash' }).click();
    await page.getByRole('row', { name: 'Renamed' }).waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.getByRole('row', { name: 'Renamed' }).first().waitFor();
  });

  it.each([
    ['an unknown file', 'letter.docx', new TextEncoder().encode('Dear Sir or Madam, '.repeat(100)), /letter\.docx/],
    ['an empty file', 'empty.img', new Uint8Array(0), /empty/i],
  ])('%s: one clear message, and the application goes on', async (_what, name, bytes, message) => {
    await drop(page, name, bytes);
    const alert = page.locator('.notice[data-tone=bad]');
    await alert.waitFor();
    expect(await alert.textContent()).toMatch(message);
    await goesOn(page);
  });

  it('a truncated ISO: said before it is used', async () => {
    await drop(page, 'debian.iso', truncatedIso(1_000_000));
    await page.getByText(/debian\.iso is cut short/).waitFor();
    await goesOn(page);
  });

  it('missing firmware: says which file is missing', async () => {
    const id = await makeVm(page, { name: 'no firmware', firmware: '/nowhere/bios.bin' });
    await startByHand(page, 'no firmware');
    await page.locator('.notice[data-tone=bad]', { hasText: '/nowhere/bios.bin' }).first().waitFor();
    await call(page, 'vm.delete', { vm: id });
    await goesOn(page);
  });

  it('a port in use: says which port', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const id = await makeVm(page, { name: 'port in use', serial: [{ backend: 'tcp', host: '127.0.0.1', port, server: true }] });
    await startByHand(page, 'port in use');
    await page
      .locator('.notice[data-tone=bad]', { hasText: String(port) })
      .first()
      .waitFor();
    server.close();
    await call(page, 'vm.delete', { vm: id });
    await goesOn(page);
  });

  it('a guest that triple-faults: reset and said, and it can still be powered off', async () => {
    await drop(page, 'crash.img', tripleFaultFloppy());
    await page.getByRole('button', { name: 'Create and start' }).and(page.locator(':focus')).waitFor();
    await page.keyboard.press('Enter');
    await page
      .getByText(/triple fault/)
      .first()
      .waitFor({ timeout: BOOT_TIMEOUT });
    await page.keyboard.press('ControlRight');
    await page.getByRole('button', { name: 'Power off' }).click();
    await page.getByRole('alertdialog').getByRole('button', { name: 'Power off' }).click();
    await page.getByRole('button', { name: 'Start' }).first().waitFor();
    await goesOn(page);
  });

  it('a VMM process that is killed: shown as a crash with its log, the rest untouched', async () => {
    const id = await makeVm(page, { name: 'victim', memory: 16 });
    await startByHand(page, 'victim');
    await page.locator('canvas.screen').waitFor();
    process.kill(await pidOf(page, id), 'SIGKILL');
    await page.getByText('The machine’s process ended by itself').waitFor();
    await call(page, 'vm.start', { vm: id });
    await page.locator('canvas.screen').waitFor();
    await call(page, 'vm.powerOff', { vm: id });
  });
});

/** The window still does what a window does. */
async function goesOn(page: Page): Promise<void> {
  await page.getByRole('tab', { name: 'Library' }).click();
  await page.getByRole('heading', { level: 1 }).waitFor();
}

async function pidOf(page: Page, vm: string): Promise<number> {
  const { pid } = await call<{ pid: number }>(page, 'machine.status', {}, `/api/machine/${vm}`);
  return pid;
}

async function startByHand(page: Page, name: string): Promise<void> {
  await page.getByRole('row', { name }).first().click();
  await page.getByRole('button', { name: 'Start' }).first().click();
}

/** An ISO 9660 primary volume descriptor (ECMA-119 8.4) that claims 2 GiB, in a file that is much shorter. */
function truncatedIso(bytes: number): Uint8Array {
  const image = Buffer.alloc(bytes);
  const sector = 16 * 2048;
  image.writeUInt8(1, sector);
  image.write('CD001', sector + 1, 'latin1');
  image.writeUInt8(1, sector + 6);
  image.write('DEBIAN 12'.padEnd(32), sector + 40, 'latin1');
  image.writeUInt32LE(2 ** 20, sector + 80);
  image.writeUInt32BE(2 ** 20, sector + 84);
  image.writeUInt16LE(2048, sector + 128);
  image.writeUInt16BE(2048, sector + 130);
  image.writeUInt8(255, sector + 2048);
  image.write('CD001', sector + 2049, 'latin1');
  return image;
}

/** A boot sector that loads an empty IDT and raises an exception: nothing can be delivered (SDM vol.3 6.15, interrupt 8). */
function tripleFaultFloppy(): Uint8Array {
  const image = Buffer.alloc(1_474_560);
  const code = [0xfa, 0x0f, 0x01, 0x1e, 0x20, 0x7c, 0xcc]; // cli; lidt [7c20h]; int3
  Buffer.from(code).copy(image);
  image.writeUInt16LE(0xaa55, 510);
  return image;
}
