/** Every screen, in every theme: axe-core finds nothing serious, nothing overflows, nothing is written to the console. */
import axe from 'axe-core';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { scenes } from '../../renderer/fake/scenes.ts';
import { describeWithChromium } from './chromium.node.ts';
import { fakePages, type FakePages } from './fake-page.ts';

jest.setTimeout(120_000);

interface Violation {
  id: string;
  impact: string | null;
  nodes: { html: string; failureSummary?: string }[];
}

/** axe's findings of impact serious or critical, one line each. Run through the debugger: the page's own policy forbids foreign scripts. */
async function seriousFindings(page: Page, rules?: readonly string[]): Promise<string[]> {
  await page.evaluate(axe.source);
  const violations = await page.evaluate(async (only) => {
    const { axe: checker } = window as unknown as { axe: { run(options: object): Promise<{ violations: Violation[] }> } };
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    const { violations: found } = await checker.run({ runOnly: only ? { type: 'rule', values: only } : { type: 'tag', values: tags } });
    return found;
  }, rules);
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 160)} ${node.failureSummary?.split('\n')[1] ?? ''}`));
}

const themes: Readonly<Record<string, Pick<BrowserContextOptions, 'colorScheme' | 'contrast'>>> = {
  dark: { colorScheme: 'dark' },
  'high contrast': { colorScheme: 'light', contrast: 'more' },
  'high contrast, dark': { colorScheme: 'dark', contrast: 'more' },
};

describeWithChromium('screens', () => {
  let pages: FakePages;
  beforeAll(async () => {
    pages = await fakePages();
  });
  afterAll(() => pages.close());

  it.each(scenes)('%s is accessible in every theme', async (scene) => {
    const page = await pages.open(scene);
    await page.waitForTimeout(150);
    expect(await seriousFindings(page)).toEqual([]);
    for (const [name, { contrast, ...media }] of Object.entries(themes)) {
      await page.emulateMedia({ ...media, contrast: contrast ?? 'no-preference' });
      expect([name, await seriousFindings(page, ['color-contrast'])]).toEqual([name, []]);
    }
    await page.context().close();
  });

  it.each([
    ['settings', 'Control+Comma'],
    ['keyboard shortcuts', 'F1'],
    ['the palette', 'Control+KeyK'],
    ['a new machine', 'Control+Alt+KeyN'],
  ])('%s is accessible', async (_name, shortcut) => {
    const page = await pages.open('machines');
    await page.keyboard.press(shortcut);
    await page.waitForTimeout(200);
    expect(await seriousFindings(page)).toEqual([]);
    await page.context().close();
  });

  // 1280 x 800 at 200 %: half the CSS pixels in each direction (WCAG 1.4.4, 1.4.10 asks for 320 wide).
  it.each([
    [640, 400],
    [320, 640],
  ])('everything can be reached in %d x %d', async (width, height) => {
    for (const scene of ['first', 'machines', 'console', 'hardware', 'network', 'monitor']) {
      const page = await pages.open(scene, { viewport: { width, height }, deviceScaleFactor: 2 });
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      expect([scene, overflow]).toEqual([scene, 0]);
      expect(await seriousFindings(page)).toEqual([]);
      await page.context().close();
    }
  });

  it('wrote nothing to the console', () => {
    expect(pages.problems).toEqual([]);
  });
});
