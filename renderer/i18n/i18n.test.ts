import { en } from './en.ts';
import { bytes, clock } from './format.ts';
import { fr } from './fr.ts';
import { resolveLanguage, setLanguage, translate } from './i18n.ts';

afterEach(() => setLanguage('en'));

const placeholders = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map((match) => match[1]).sort();

it('has every text in French, with the same values in it', () => {
  expect(Object.keys(fr).sort()).toEqual(Object.keys(en).sort());
  for (const key of Object.keys(en) as (keyof typeof en)[]) {
    expect(fr[key].trim()).not.toBe('');
    expect([key, placeholders(fr[key])]).toEqual([key, placeholders(en[key])]);
  }
});

it('has both forms of every plural', () => {
  const ones = Object.keys(en).filter((key) => key.endsWith('_one'));
  for (const key of ones) expect(Object.keys(en)).toContain(key.replace('_one', '_other'));
});

it('counts as each language does', () => {
  expect(translate('status.running', { count: 0 })).toBe('0 machines running');
  setLanguage('fr');
  expect(translate('status.running', { count: 0 })).toBe('0 machine en marche');
});

it('puts values in as they are: text, never markup', () => {
  expect(translate('confirm.powerOff.title', { name: '<img src=x onerror=alert(1)>&amp;' })).toBe('Power off <img src=x onerror=alert(1)>&amp;?');
});

it('follows the setting, then the browser', () => {
  expect(resolveLanguage('fr', ['en-GB'])).toBe('fr');
  expect(resolveLanguage('system', ['de', 'fr-CA', 'en'])).toBe('fr');
  expect(resolveLanguage('system', ['de'])).toBe('en');
});

it('writes sizes in binary multiples', () => {
  expect(bytes(737_280)).toBe('720\u00a0KiB');
  expect(bytes(1_474_560)).toBe('1.41\u00a0MiB');
  expect(bytes(0)).toBe('0\u00a0B');
  setLanguage('fr');
  expect(bytes(2 ** 30)).toBe('1\u00a0Gio');
});

it('writes durations', () => {
  expect(clock(3_723_000)).toBe('1:02:03');
  expect(clock(-5)).toBe('0:00:00');
});
