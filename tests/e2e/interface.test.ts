/** What a person does with the interface, in Chromium, over a library in memory: keyboard, mouse, drops, undo, the palette. */
import type { Page } from 'playwright-core';
import type { FakeLibrary } from '../../renderer/fake/fake-library.ts';
import { describeWithChromium } from './chromium.node.ts';
import { fakePages, type FakePages } from './fake-page.ts';

jest.setTimeout(60_000);

type Global = typeof globalThis & { library: FakeLibrary };

/** What the machine named `name` was sent, as text. */
const inputOf = (page: Page, name: string) =>
  page.evaluate((wanted) => {
    const { library } = globalThis as Global;
    const entry = [...library.entries.values()].find(({ vm }) => vm.name === wanted);
    return (library.machines.get(entry?.vm.id ?? '')?.input ?? []).map(({ method, params }) => `${method} ${JSON.stringify(params)}`);
  }, name);

const key = (code: string, down: boolean) => `input.key ${JSON.stringify({ code, down })}`;

/** As a file that is dragged over the window and let go. */
const dropFile = (page: Page, name: string, onto?: string) =>
  page.evaluate(
    async ({ fileName, target }) => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File(['x'], fileName));
      const fire = (type: string, element: Element) => element.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer }));
      fire('dragenter', document.body);
      await new Promise((resolve) => setTimeout(resolve, 50));
      const place = document.querySelector(target === undefined ? '.drop-target' : `[data-drop="${target}"]`);
      fire('drop', place ?? document.body);
    },
    { fileName: name, target: onto },
  );

describeWithChromium('the interface', () => {
  let pages: FakePages;
  let page: Page;
  beforeAll(async () => {
    pages = await fakePages();
  });
  afterEach(() => page.context().close());
  afterAll(() => pages.close());

  it('goes from a dropped floppy to a running machine with one key', async () => {
    page = await pages.open('first');
    await dropFile(page, 'freedos722.img');
    await page.getByText('FreeDOS boot floppy').waitFor();
    await page.keyboard.press('Enter');
    await page.getByRole('application', { name: /Screen of FreeDOS/ }).waitFor();
    await page.locator('.capture-bar[data-captured]').waitFor();
  });

  it('says what is wrong with a file that is no image, and goes on', async () => {
    page = await pages.open('first');
    await dropFile(page, 'letter.docx');
    await page.getByText('letter.docx is not a disk image that Strate knows').waitFor();
    await dropFile(page, 'freedos722.img');
    await page.getByText('FreeDOS boot floppy').waitFor();
  });

  it('warns of a truncated image before it is used', async () => {
    page = await pages.open('first');
    await dropFile(page, 'short.iso');
    await page.getByText('The image ends before the size it claims').waitFor();
  });

  it('finds text on the screen, and goes from place to place', async () => {
    page = await pages.open('console');
    await page.locator('.capture-bar[data-captured]').waitFor();
    await page.keyboard.press('ControlRight');
    await page.keyboard.press('Control+KeyF');
    await page.keyboard.type('com');
    await page.getByText('1 of 4').waitFor(); // “compiled”, COMMAND COM and SNAKE COM
    await page.keyboard.press('Enter');
    await page.getByText('2 of 4').waitFor();
    expect(await page.locator('.find-marks > span').count()).toBe(4);
    await page.keyboard.type('x');
    await page.getByText('not there').waitFor();
    await page.keyboard.press('Escape');
    await page.locator('.find-bar').waitFor({ state: 'detached' });
    expect(await inputOf(page, 'FreeDOS')).not.toContain(key('KeyX', true));
  });

  it('zooms, and the screen scrolls', async () => {
    page = await pages.open('console');
    await page.locator('.capture-bar[data-captured]').waitFor();
    const width = () => page.locator('.screen-frame').evaluate((frame) => frame.clientWidth);
    const before = await width();
    const press = async (code: string) => {
      await page.keyboard.down('ControlRight');
      await page.keyboard.press(code);
      await page.keyboard.up('ControlRight');
    };
    await press('Equal');
    await press('Equal');
    await page.locator('.screen-room[data-zoomed]').waitFor();
    expect(await width()).toBe(2 * before);
    expect(await page.locator('.screen-room').evaluate((room) => room.scrollWidth > room.clientWidth)).toBe(true);
    await press('Minus');
    await press('Minus');
    expect(await width()).toBe(before);
  });

  it('gives keys to the guest by position, and takes them back when the host key is tapped', async () => {
    page = await pages.open('console');
    await page.locator('.capture-bar[data-captured]').waitFor();
    await page.keyboard.press('KeyD');
    await page.keyboard.press('Tab');
    await page.keyboard.down('ControlRight');
    await page.keyboard.up('ControlRight');
    await page.locator('.capture-bar:not([data-captured])').waitFor();
    await page.keyboard.press('KeyX');
    const input = await inputOf(page, 'FreeDOS');
    expect(input.slice(0, 4)).toEqual([key('KeyD', true), key('KeyD', false), key('Tab', true), key('Tab', false)]);
    expect(input.slice(4)).toEqual(['input.releaseAll {}']);
  });

  it('releases when Esc is held for two seconds', async () => {
    page = await pages.open('console');
    await page.locator('.capture-bar[data-captured]').waitFor();
    await page.keyboard.down('Escape');
    await page.locator('.capture-bar:not([data-captured])').waitFor({ timeout: 4000 });
    expect(await inputOf(page, 'FreeDOS')).toEqual([key('Escape', true), 'input.releaseAll {}']);
  });

  it('releases when something else takes the focus', async () => {
    page = await pages.open('console');
    await page.locator('.capture-bar[data-captured]').waitFor();
    await page.getByRole('searchbox', { name: 'Search machines' }).click();
    await page.locator('.capture-bar:not([data-captured])').waitFor();
    await page.keyboard.type('dos');
    expect(await inputOf(page, 'FreeDOS')).toEqual(['input.releaseAll {}']);
  });

  it('captures again with a click or with Enter', async () => {
    page = await pages.open('console');
    await page.locator('.capture-bar[data-captured]').waitFor();
    await page.keyboard.press('ControlRight');
    await page.locator('.capture-bar:not([data-captured])').waitFor();
    await page.keyboard.press('Enter');
    await page.locator('.capture-bar[data-captured]').waitFor();
    expect(await inputOf(page, 'FreeDOS')).toEqual(['input.releaseAll {}']);
  });

  it('runs commands with the host key, unseen by the guest', async () => {
    page = await pages.open('console');
    await page.locator('.capture-bar[data-captured]').waitFor();
    await page.keyboard.down('ControlRight');
    await page.keyboard.press('Delete');
    await page.keyboard.press('KeyP');
    await page.keyboard.up('ControlRight');
    await page.getByText('Paused', { exact: true }).first().waitFor();
    expect((await inputOf(page, 'FreeDOS')).filter((line) => !line.includes('releaseAll'))).toEqual(['input.keys {"keys":["ctrl+alt+delete"]}']);
  });

  it('sends positions to a guest that knows an absolute pointer', async () => {
    page = await pages.open('console');
    await page.locator('.screen').waitFor();
    await page.evaluate(() => [...(globalThis as Global).library.machines.values()].forEach((machine) => machine.setAbsolute(true)));
    await page.waitForTimeout(100);
    const box = (await page.locator('.screen-input').boundingBox())!;
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.mouse.down({ button: 'right' });
    await page.mouse.up({ button: 'right' });
    await page.waitForTimeout(100);
    const last = (await inputOf(page, 'FreeDOS'))
      .filter((line) => line.startsWith('input.pointer'))
      .map((line) => JSON.parse(line.slice(14)) as Record<string, number>);
    expect(last.some(({ x, y, buttons }) => Math.abs(x! - 0.5) < 0.02 && Math.abs(y! - 0.5) < 0.02 && buttons === 2)).toBe(true);
    expect(last.at(-1)?.['buttons']).toBe(0);
  });

  it('locks the pointer for a guest that knows only movement, and sends movement', async () => {
    page = await pages.open('console');
    await page.locator('.screen').waitFor();
    await page.locator('.screen-input').click();
    await page.getByText('The guest has keyboard and mouse').waitFor();
    await page.mouse.move(500, 400);
    await page.mouse.move(520, 390);
    await page.mouse.down();
    await page.mouse.up();
    await page.waitForTimeout(100);
    const sent = (await inputOf(page, 'FreeDOS'))
      .filter((line) => line.startsWith('input.mouse'))
      .map((line) => JSON.parse(line.slice(12)) as Record<string, number>);
    expect(sent.length).toBeGreaterThan(1);
    expect(sent.some(({ buttons }) => buttons === 1)).toBe(true);
    await page.keyboard.press('ControlRight');
    await page.getByText(/Click the screen, or press Enter/).waitFor();
    expect(await page.evaluate(() => document.pointerLockElement === null)).toBe(true);
  });

  it('shows what the guest draws, pixel for pixel', async () => {
    page = await pages.open('console');
    await page.locator('.screen').waitFor();
    await page.waitForTimeout(300);
    const { width, height, lit } = await page.evaluate(() => {
      const canvas = document.querySelector<HTMLCanvasElement>('canvas.screen')!;
      const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
      let count = 0;
      for (let at = 0; at < data.length; at += 4) if (data[at]! > 64) count++;
      return { width: canvas.width, height: canvas.height, lit: count };
    });
    expect([width, height]).toEqual([720, 400]);
    expect(lit).toBeGreaterThan(1000);
  });

  it('has the text of a text screen as text: for screen readers, and to select', async () => {
    page = await pages.open('console');
    const text = page.getByRole('region', { name: 'Text on the screen' });
    await text.waitFor();
    await page.waitForFunction(() => document.querySelector('.text-layer')?.textContent.includes('Volume in drive A is FREEDOS'));
    await page.keyboard.press('ControlRight');
    await page.keyboard.press('Control+KeyK');
    await page.keyboard.type('select text');
    await page.keyboard.press('Enter');
    await page.locator('.text-layer[data-selectable]').waitFor();
    const selected = await page.evaluate(() => {
      const line = [...document.querySelectorAll('.text-layer > div')].find((row) => row.textContent.includes('KERNEL'))!;
      getSelection()!.selectAllChildren(line);
      return getSelection()!.toString();
    });
    expect(selected).toBe('KERNEL   SYS        45,344  06-22-11  1:54p');
  });

  it('inserts a file that is dropped on a drive of the running machine', async () => {
    page = await pages.open('console');
    await page.locator('.screen').waitFor();
    await dropFile(page, 'debian.iso', 'hdc');
    await page.getByText('debian.iso').waitFor();
  });

  it('undoes a deletion', async () => {
    page = await pages.open('machines');
    await page.getByRole('row', { name: 'bootOS' }).last().click({ button: 'right' });
    await page.getByRole('menuitem', { name: 'Move to trash' }).click();
    await page.getByText('bootOS is in the trash').waitFor();
    expect(await page.getByRole('row', { name: 'bootOS' }).count()).toBe(0);
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.getByRole('row', { name: 'bootOS' }).first().waitFor();
  });

  it('renames in place with F2', async () => {
    page = await pages.open('off');
    await page.keyboard.press('F2');
    await page.keyboard.type('NetBSD 10');
    await page.keyboard.press('Enter');
    await page.getByRole('row', { name: 'NetBSD 10' }).waitFor();
  });

  it('asks before the plug is pulled, and Cancel is what Enter does', async () => {
    page = await pages.open('console');
    await page.getByRole('button', { name: 'Power off' }).click();
    const dialog = page.getByRole('alertdialog', { name: 'Power off FreeDOS?' });
    await dialog.waitFor();
    await page.keyboard.press('Enter');
    await dialog.waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Power off' }).click();
    await page.getByRole('button', { name: 'Power off' }).last().click();
    await page.getByRole('button', { name: 'Start' }).first().waitFor();
  });

  it('shows a crash with its log, and the rest goes on', async () => {
    page = await pages.open('console');
    await page.locator('.screen').waitFor();
    await page.evaluate(() => {
      const { library } = globalThis as Global;
      const entry = [...library.entries.values()].find(({ vm }) => vm.name === 'FreeDOS')!;
      library.crash(entry.vm.id, 'The process ended with signal SIGSEGV.', ['18:00:00 error last words']);
    });
    await page.getByText('The machine’s process ended by itself').waitFor();
    await page.getByText('last words').waitFor();
    await page.getByRole('tab', { name: /Debian 12/ }).click();
    await page.getByRole('application', { name: /Screen of Debian 12/ }).waitFor();
  });

  it('finds the server again when it went away', async () => {
    page = await pages.open('machines');
    await page.evaluate(() => (globalThis as Global).library.disconnect());
    await page
      .getByRole('alert')
      .getByText(/The connection to Strate was lost/)
      .waitFor();
    await page.locator('.link-state[data-link=open]').waitFor({ state: 'attached', timeout: 5000 });
  });

  it('never takes guest text for HTML', async () => {
    page = await pages.open('machines');
    const evil = '<img src=x onerror="document.title=1"><b>bold</b>';
    await page.evaluate((name) => (globalThis as Global).library.add({ name }, { state: 'off', problem: name }), evil);
    await page.getByText(evil).first().waitFor();
    expect(await page.locator('b', { hasText: 'bold' }).count()).toBe(0);
    expect(await page.title()).toBe('Strate');
  });

  it('checks hardware beside the field and applies it', async () => {
    page = await pages.open('hardware');
    const order = page.getByRole('textbox', { name: 'Boot order' });
    await order.fill('axa');
    await page.getByText('must be some of the letters a, c, d and n, each once').waitFor();
    expect(await page.getByRole('button', { name: 'Apply' }).isDisabled()).toBe(true);
    await order.fill('dc');
    await page.getByRole('button', { name: 'Apply' }).click();
    await page.getByText('Takes effect at the next start: boot').waitFor();
  });

  it('speaks French', async () => {
    page = await pages.open('first', { locale: 'fr-FR' });
    await page.getByRole('heading', { name: 'Déposez une image disque ici' }).waitFor();
    expect(await page.evaluate(() => document.documentElement.lang)).toBe('fr');
  });

  it('keeps tabs and panels over a reload', async () => {
    page = await pages.open('machines');
    await page.keyboard.press('Control+Comma');
    await page.getByRole('heading', { name: 'Settings' }).waitFor();
    expect(await page.getByRole('tab').count()).toBe(2);
    await page.getByRole('tab', { name: 'Settings' }).press('Delete');
    await page.getByRole('heading', { name: 'Machines' }).waitFor();
  });
});
