import { score } from './score.ts';

it('ranks beginnings of words over parts over scattered letters', () => {
  const [begin, part, scattered] = [score('Full screen', 'scr'), score('Full screen', 'reen'), score('Full screen', 'fsc')];
  expect(begin).toBeGreaterThan(part);
  expect(part).toBeGreaterThan(scattered);
  expect(scattered).toBeGreaterThan(0);
});

it('wants every word, and does not care for accents or case', () => {
  expect(score('Réinitialiser', 'REINI')).toBeGreaterThan(0);
  expect(score('Full screen', 'full save')).toBe(0);
});

it('shows everything for nothing', () => {
  expect(score('Anything', '')).toBe(1);
});
