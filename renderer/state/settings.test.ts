import fc from 'fast-check';
import { defaultSettings, parseSettings } from './settings.ts';

it('keeps good values and replaces bad ones by their defaults', () => {
  expect(parseSettings({ theme: 'dark', hostKey: 'Space', later: 1 })).toEqual({ ...defaultSettings, theme: 'dark' });
});

it('makes settings of anything', () => {
  fc.assert(fc.property(fc.anything(), (value) => expect(Object.keys(parseSettings(value)).sort()).toEqual(Object.keys(defaultSettings).sort())));
});
