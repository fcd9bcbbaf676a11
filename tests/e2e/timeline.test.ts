/** A machine's past, on a real machine: snapshots, going there and back, rewind with a key held, a fork, space given back. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import type { Browser, Page } from 'playwright-core';
import { call, makeVm } from './calls.ts';
import { describeWithChromium, launchChromium } from './chromium.node.ts';
import { type Serving, strateServe } from './strate-serve.node.ts';

jest.setTimeout(300_000);

const FREEDOS = '../shared/guests/freedos722.img';
/** Where pictures for a person to look at go; none without it. */
const pictures = process.env['STRATE_PICTURES'];

const screenText = (page: Page) =>
  page.evaluate(() => [...document.querySelectorAll('.text-layer > div')].map((line) => line.textContent).join('\n'));

async function until(condition: () => Promise<boolean>, seconds = 120): Promise<void> {
  for (const end = performance.now() + seconds * 1000; !(await condition());) {
    if (performance.now() > end) throw new Error(`never came true: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

describeWithChromium('the timeline', () => {
  let serving: Serving;
  let browser: Browser;
  let page: Page;
  let folder: string;
  const problems: string[] = [];

  beforeAll(async () => {
    execFileSync(process.execPath, ['build/page.node.ts'], { stdio: ['ignore', 'ignore', 'inherit'] });
    folder = mkdtempSync(join(tmpdir(), 'strate-timeline-'));
    serving = await strateServe();
    browser = await launchChromium();
    const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, locale: 'en-GB' });
    page = await context.newPage();
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
    await page.goto(serving.url);
    await page.locator('.link-state[data-link=open]').waitFor({ state: 'attached' });
  });
  afterAll(async () => {
    await browser.close();
    await serving.stop();
    rmSync(folder, { recursive: true, force: true });
    expect(problems).toEqual([]);
  });

  const picture = async (name: string) => {
    if (pictures === undefined) return;
    mkdirSync(pictures, { recursive: true });
    await page.screenshot({ path: join(pictures, `${name}.png`) });
  };
  const type = async (text: string) => {
    await page.locator('.screen-input').click();
    await page.keyboard.type(text);
    await page.keyboard.press('Enter');
  };
  const shows = (text: string) => until(async () => (await screenText(page)).includes(text));
  const row = (name: string) => page.getByRole('rowgroup', { name: 'Machines' }).getByRole('row', { name, exact: true });
  const tab = (name: string) => page.getByRole('tab', { name, exact: true }).click();

  (existsSync(FREEDOS) ? it : it.skip)('goes back, undoes that, runs backwards while a key is held, forks, and gives space back', async () => {
    copyFileSync(FREEDOS, join(folder, 'a.img'));
    const vm = await makeVm(page, { name: 'Past', memory: 32, rewind: { budget: 64 }, drives: [{ bus: 'floppy', file: join(folder, 'a.img') }] });
    await call(page, 'vm.start', { vm });
    await row('Past').dblclick();
    await shows('A:\\>');
    await type('echo before');
    await shows('\nbefore');

    // Host+T; the machine goes on.
    await page.keyboard.down('ControlRight');
    await page.keyboard.press('KeyT');
    await page.keyboard.up('ControlRight');
    await page.getByText(/^Snapshot taken/).waitFor();
    await type('echo after');
    await shows('\nafter');

    await page.keyboard.press('ControlRight');
    await tab('Timeline');
    const points = page.getByRole('listbox', { name: 'Points in time' });
    await points.getByRole('option').first().waitFor();
    await page.getByRole('textbox', { name: 'Name' }).fill('Clean');
    await page.keyboard.press('Enter');
    await points.getByRole('option', { name: /^Clean/ }).waitFor();
    await page
      .getByRole('treegrid', { name: 'Snapshots as a tree' })
      .getByRole('row', { name: /^Clean/ })
      .waitFor();
    await picture('timeline-one');

    // Enter goes there, and that can be undone.
    await points.getByRole('option', { name: /^Clean/ }).click();
    await page.keyboard.press('Enter');
    await page.getByText('Went to Clean').waitFor();
    await tab('Console');
    await until(async () => !(await screenText(page)).includes('\nafter'));
    expect(await screenText(page)).toContain('\nbefore');
    await page.getByRole('button', { name: 'Undo' }).click();
    await shows('\nafter');

    // Held, the machine runs backwards; let go, it goes on from there.
    await new Promise((resolve) => setTimeout(resolve, 4000));
    await type('echo mistake');
    await shows('\nmistake');
    await new Promise((resolve) => setTimeout(resolve, 3000));
    await page.keyboard.down('ControlRight');
    await page.keyboard.down('KeyZ');
    await page.locator('.rewind-overlay').waitFor();
    await until(async () => !(await screenText(page)).includes('mistake'), 30);
    await picture('rewinding');
    await page.keyboard.up('KeyZ');
    await page.keyboard.up('ControlRight');
    await page.locator('.rewind-overlay').waitFor({ state: 'detached' });
    await type('echo instead');
    await shows('\ninstead');
    expect(await screenText(page)).not.toContain('mistake');
    await page.keyboard.press('ControlRight');

    // A second machine from that point.
    await tab('Timeline');
    await points.getByRole('option', { name: /^Clean/ }).click();
    await picture('timeline-branches');
    await page.getByRole('button', { name: 'Fork' }).last().click();
    await row('Past fork').waitFor();
    await shows('\nbefore');
    expect(await screenText(page)).not.toContain('\nafter');
    await picture('fork');

    // And space is given back; the fork stays as it is.
    await row('Past').dblclick();
    await tab('Timeline');
    const before = await points.getByRole('option').count();
    await points.getByRole('option', { name: /^Clean/ }).click();
    await page.getByRole('button', { name: 'Free it' }).click();
    await page.getByRole('alertdialog').getByRole('button', { name: 'Free it' }).click();
    await until(async () => (await points.getByRole('option').count()) === before - 1);
    const { vms } = await call<{ vms: { id: string; state: string }[] }>(page, 'vm.list', {});
    expect(vms.map(({ state }) => state)).toEqual(['running', 'running']);
    for (const { id } of vms) await call(page, 'vm.powerOff', { vm: id });
  });
});
