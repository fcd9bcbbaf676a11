/** Order in the library, machines of other products, and what a hostile guest cannot do: over the library in memory. */
import type { Page } from 'playwright-core';
import type { FakeLibrary } from '../../renderer/fake/fake-library.ts';
import { describeWithChromium } from './chromium.node.ts';
import { fakePages, type FakePages } from './fake-page.ts';

jest.setTimeout(120_000);

interface Global {
  library: FakeLibrary;
}

async function dropFile(page: Page, name: string, target?: string): Promise<void> {
  await page.evaluate(
    async ([fileName, id]) => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File(['x'], fileName));
      const fire = (type: string, element: Element) => element.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer }));
      fire('dragenter', document.body);
      await new Promise((resolve) => setTimeout(resolve, 50));
      const place = (id === undefined ? undefined : document.querySelector(`[data-drop="${id}"]`)) ?? document.body;
      fire('dragover', place);
      fire('drop', place);
    },
    [name, target] as const,
  );
}

const palette = async (page: Page, words: string) => {
  await page.keyboard.press('Control+KeyK');
  await page.getByRole('searchbox').last().waitFor();
  await page.keyboard.type(words);
  await page.keyboard.press('Enter');
};

describeWithChromium('the library', () => {
  let pages: FakePages;
  let page: Page;
  beforeAll(async () => {
    pages = await fakePages();
  });
  afterAll(async () => {
    await pages.close();
    expect(pages.problems).toEqual([]);
  });
  afterEach(() => page.context().close());

  const marked = (name: string) => page.locator('.card', { hasText: name }).locator('.select-box');

  it('marks machines, moves them to a new folder, folds it up, tags them, and throws them away with one undo', async () => {
    page = await pages.open('machines');
    await page.locator('.card', { hasText: 'bootOS' }).hover();
    await marked('bootOS').click();
    await marked('MikeOS').click();
    await page.getByText('2 selected').waitFor();
    await page.getByRole('button', { name: 'Move to folder…' }).click();
    await page.keyboard.type('Toys');
    await page.keyboard.press('Enter');
    const folder = page.getByRole('button', { name: 'Toys 2', exact: true });
    await folder.waitFor();
    await page.getByRole('button', { name: 'Tags…' }).click();
    await page.keyboard.type('small');
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'small 2' }).click();
    await page.locator('.card').nth(2).waitFor({ state: 'detached' });
    expect(await page.locator('.card').count()).toBe(2);
    await page.getByRole('button', { name: 'small 2' }).click();
    await folder.click();
    await page.locator('.card', { hasText: 'bootOS' }).waitFor({ state: 'detached' });
    await folder.click();
    await page.getByRole('toolbar', { name: 'Selected machines' }).getByRole('button', { name: 'Move to trash' }).click();
    await page.getByText('2 machines are in the trash').waitFor();
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.locator('.card', { hasText: 'MikeOS' }).waitFor();
  });

  it('finds a machine by what stands in its notes, and sorts', async () => {
    page = await pages.open('machines');
    await page.getByRole('searchbox', { name: 'Search machines' }).fill('tetris');
    await page.getByText('In its notes:').waitFor();
    expect(await page.locator('.card').count()).toBe(1);
    await page.getByRole('searchbox', { name: 'Search machines' }).fill('');
    await page.getByRole('button', { name: 'Sort machines' }).click();
    await page.getByRole('menuitem', { name: 'Most memory first' }).click();
    await page.waitForFunction(() => document.querySelector('.card .vm-name')?.textContent === 'Debian 12, console');
  });

  it('shows what becomes of a machine of another product before it is made', async () => {
    page = await pages.open('machines');
    await dropFile(page, 'Old server.vmx');
    await page.getByRole('heading', { name: 'What is lost' }).waitFor();
    await page.getByText('Sound card: there is none here yet').waitFor();
    await page.getByRole('cell', { name: 'pcnet, NAT' }).waitFor();
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    await page.getByRole('row', { name: 'Old server' }).first().waitFor();
  });

  it('attaches a disk that is dropped on a running machine, from the next start on', async () => {
    page = await pages.open('console');
    await page.locator('.screen').waitFor();
    await dropFile(page, 'data.qcow2', 'disk');
    await page.getByText('The guest sees it when it is started anew.').waitFor();
  });

  it('checks and resizes a disk as jobs, and asks before it makes one smaller', async () => {
    page = await pages.open('disks');
    const work = page.getByRole('button', { name: 'Work on hda' });
    await page.getByText('it stands on this').waitFor();
    await work.click();
    await page.getByRole('menuitem', { name: 'Check', exact: true }).click();
    await page.getByText('hda is sound').waitFor();
    await work.click();
    await page.getByRole('menuitem', { name: 'Resize…' }).click();
    await page.keyboard.type('4');
    await page.keyboard.press('Enter');
    await page.getByRole('alertdialog', { name: 'Make hda smaller?' }).waitFor();
    await page.getByRole('alertdialog').getByRole('button', { name: 'Resize…' }).click();
    await page.getByText(/hda is 4.GiB large now/).waitFor();
  });

  it('lets a person read a report before they give it away', async () => {
    page = await pages.open('log');
    await page.getByRole('button', { name: 'Prepare a report…' }).click();
    await page.getByText('machine started (wasm, 32 MiB)').waitFor();
    await page.getByText('Include: log').click();
    await page.locator('.report-part[data-out]').waitFor();
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save the report' }).click();
    expect((await download).suggestedFilename()).toBe('strate-report.txt');
  });

  it('is used from a name to power off by the keyboard alone', async () => {
    page = await pages.open('machines');
    await page.keyboard.press('Control+Alt+KeyN');
    await page.getByRole('textbox', { name: 'Name' }).and(page.locator(':focus')).waitFor();
    await page.keyboard.type('By hand');
    await page.keyboard.press('Enter'); // create and start
    await page.locator('.capture-bar[data-captured]').waitFor();
    await page.keyboard.type('ver');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.querySelector('.text-layer')?.textContent.includes('A:\\>ver'));
    await page.keyboard.press('ControlRight');
    await palette(page, 'pause');
    await page.getByText('Paused', { exact: true }).first().waitFor();
    await palette(page, 'resume');
    await page.getByText('Running', { exact: true }).first().waitFor();
    await palette(page, 'power off');
    await page.getByRole('alertdialog').waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Start' }).first().waitFor();
  });

  it('keeps a guest that writes HTML, escapes and a megabyte of title inside its terminal', async () => {
    page = await pages.open('serial');
    await page.locator('.xterm-rows').waitFor();
    const before = await page.evaluate(() => ({ title: document.title, nodes: document.querySelectorAll('img, script, iframe, b').length }));
    await page.evaluate(() => {
      const [machine] = (globalThis as unknown as Global).library.machines.values();
      const evil = '<img src=x onerror="document.title=1"><script>document.title=2</script><b>bold</b>\r\n';
      machine!.serialOutput(0, evil);
      machine!.serialOutput(0, `\u001b]0;${'t'.repeat(1 << 20)}\u0007\u001b]52;c;aGVsbG8=\u0007\u001b[?1049h\u001b[5n\u001bc`);
      machine!.serialOutput(0, `${evil}still here\r\n`);
      machine!.lines.push(evil);
    });
    await page.waitForFunction(() => document.querySelector('.xterm-accessibility')?.textContent.includes('still here'));
    expect(await page.evaluate(() => ({ title: document.title, nodes: document.querySelectorAll('img, script, iframe, b').length }))).toEqual(before);
    await page.getByRole('tab', { name: 'Console' }).click();
    await page.waitForFunction(() => document.querySelector('.text-layer')?.textContent.includes('<img src=x'));
    expect(await page.title()).toBe(before.title);
  });

  it('says what waits for the next start before it is applied, and what does not', async () => {
    page = await pages.open('hardware');
    await page.getByRole('textbox', { name: 'Limit', exact: true }).fill('50');
    await page.keyboard.press('Tab');
    await page.getByText('Takes effect at once').waitFor();
    await page.getByRole('textbox', { name: 'Memory', exact: true }).fill('64');
    await page.keyboard.press('Tab');
    await page.getByText('At the next start: memory').waitFor();
  });
});
