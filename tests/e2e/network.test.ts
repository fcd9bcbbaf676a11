/** The Network view: what a person does there over a machine in memory, and the same over a real one, whose ports and files are looked at from outside. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import type { Browser, Page } from 'playwright-core';
import type { FakeLibrary } from '../../renderer/fake/fake-library.ts';
import { call, makeVm } from './calls.ts';
import { describeWithChromium, launchChromium } from './chromium.node.ts';
import { fakePages, type FakePages } from './fake-page.ts';
import { type Serving, strateServe } from './strate-serve.node.ts';

jest.setTimeout(120_000);

/** Types a number into the field of that name, and leaves it. */
async function setNumber(page: Page, label: string, value: string): Promise<void> {
  const field = page.getByRole('textbox', { name: label }).first();
  await field.fill(value);
  await field.press('Tab');
}

describeWithChromium('the Network view, over a machine in memory', () => {
  let pages: FakePages;
  let page: Page;
  beforeAll(async () => {
    pages = await fakePages();
  });
  beforeEach(async () => {
    page = await pages.open('network');
    await page.getByRole('region', { name: 'net0' }).waitFor();
  });
  afterEach(() => page.context().close());
  afterAll(async () => {
    await pages.close();
    expect(pages.problems).toEqual([]);
  });
  const picture = () => page.getByRole('list', { name: 'How the network is wired' });
  const kept = () =>
    page.evaluate(() => {
      const { library } = globalThis as typeof globalThis & { library: FakeLibrary };
      return [...library.entries.values()].find(({ vm }) => vm.name.startsWith('Debian'))!.config.nics[0]!;
    });

  it('shows cards, switch, NAT, leases, connections and their rates', async () => {
    for (const text of ['net0', '10.0.2.15', 'NAT', 'The world outside', '3 connections', 'net1', 'Switch', 'lab']) {
      await picture().getByText(text, { exact: true }).first().waitFor();
    }
    await page.getByRole('cell', { name: /deb\.example\.org \(192\.0\.2\.80:443\)/ }).waitFor();
    await picture()
      .getByText(/↑ 1\d(\.\d)?\sKiB\/s ↓ [34]\d/)
      .first()
      .waitFor(); // a second sample has come
  });

  it('adds a forward in the line, says what is wrong with one, keeps and removes it', async () => {
    const form = page.getByRole('form', { name: 'Forward a port' });
    await setNumber(page, 'Host port', '80');
    await form.getByRole('button', { name: 'Forward a port' }).click();
    await page.getByRole('alert').getByText('TCP port 80 of 127.0.0.1 needs privilege').waitFor();
    await setNumber(page, 'Host port', '8080');
    await setNumber(page, 'Guest port', '80');
    await form.getByRole('button', { name: 'Forward a port' }).click();
    await picture().getByText('127.0.0.1:8080 → :80').waitFor();
    expect(await page.getByRole('alert').count()).toBe(0);
    expect((await kept()).forwards.map(({ hostPort }) => hostPort)).toEqual([2222, 8080]);
    await page.getByRole('button', { name: 'Close 127.0.0.1:2222' }).click();
    await page.getByRole('button', { name: 'Close 127.0.0.1:2222' }).waitFor({ state: 'detached' });
    expect((await kept()).forwards.map(({ hostPort }) => hostPort)).toEqual([8080]);
  });

  it('unplugs, makes the cable worse, captures', async () => {
    const net0 = page.getByRole('region', { name: 'net0' });
    await setNumber(page, 'Delay', '50');
    await setNumber(page, 'Loss', '2.5');
    await picture().getByText('+50 ms · 2.5 % lost').waitFor();
    await net0.getByText('Cable plugged in').click();
    await picture().getByText('unplugged').waitFor();
    await net0.getByRole('button', { name: 'Capture to a file…' }).click();
    await page.getByRole('option', { name: /net0\.pcap/ }).click();
    await net0.getByRole('button', { name: 'End the capture' }).click();
    await net0.getByRole('button', { name: 'Capture to a file…' }).waitFor();
  });

  it('blocks what the log names, and forgets the rule again', async () => {
    await page.getByRole('cell', { name: 'stopped by telemetry.example.com' }).first().waitFor();
    await page.getByRole('button', { name: 'Block deb.example.org' }).first().click();
    await page.getByText('Blocked: deb.example.org').waitFor();
    expect((await kept()).block).toEqual(['telemetry.example.com', 'deb.example.org']);
    await page.getByRole('button', { name: 'Forget the rule about deb.example.org' }).click();
    await page.getByText('Blocked: deb.example.org').waitFor({ state: 'detached' });
  });

  it('works by keyboard alone', async () => {
    const port = page.getByRole('textbox', { name: 'Host port' });
    await port.focus();
    await port.fill('8022');
    await page.keyboard.press('Enter');
    await picture().getByText('127.0.0.1:8022 → :22').waitFor();
  });
});

/** Whether something on this computer listens there. */
async function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const open = await once(socket, 'connect').then(
    () => true,
    () => false,
  );
  socket.destroy();
  return open;
}

describeWithChromium('the Network view, over a real machine', () => {
  let serving: Serving;
  let browser: Browser;
  beforeAll(async () => {
    execFileSync(process.execPath, ['build/page.node.ts'], { stdio: ['ignore', 'ignore', 'inherit'] });
    serving = await strateServe();
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser.close();
    await serving.stop();
  });

  it('opens and closes a port of this computer, and writes a capture', async () => {
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address() as AddressInfo;
    await new Promise((resolve) => probe.close(resolve));
    const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, locale: 'en-GB' });
    const page = await context.newPage();
    await page.goto(serving.url);
    await page.locator('.link-state[data-link=open]').waitFor({ state: 'attached' });
    const vm = await makeVm(page, { name: 'wired', memory: 16, nics: [{ id: 'net0' }] });
    await call(page, 'vm.start', { vm });
    await page.goto(`${serving.url.replace(/[?#].*/, '')}?machine=${vm}&view=network`);
    await setNumber(page, 'Host port', String(port));
    await page.getByRole('button', { name: 'Forward a port' }).click();
    await page.getByRole('button', { name: `Close 127.0.0.1:${port}` }).waitFor();
    expect(await listens(port)).toBe(true);
    const { config, vm: summary } = await call<{ config: { nics: { forwards: { hostPort: number }[] }[] }; vm: { directory: string } }>(
      page,
      'vm.get',
      { vm },
    );
    expect(config.nics[0]!.forwards.map(({ hostPort }) => hostPort)).toEqual([port]);

    await page.getByRole('button', { name: 'Capture to a file…' }).click();
    await page.getByRole('option', { name: /net0\.pcap/ }).click();
    await page.getByRole('button', { name: 'End the capture' }).click();
    await page.getByRole('button', { name: 'Capture to a file…' }).waitFor();
    const file = join(summary.directory, 'net0.pcap');
    expect(existsSync(file)).toBe(true);
    expect([0xa1b2c3d4, 0xa1b23c4d]).toContain(readFileSync(file).readUInt32LE(0)); // a pcap header, of micro- or nanoseconds

    await page.getByRole('button', { name: `Close 127.0.0.1:${port}` }).click();
    await page.getByRole('button', { name: `Close 127.0.0.1:${port}` }).waitFor({ state: 'detached' });
    expect(await listens(port)).toBe(false);
    await call(page, 'vm.powerOff', { vm });
    await context.close();
  });
});
