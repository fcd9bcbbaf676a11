import { loadEffects, storeEffects, type EffectsTable } from './effects-table.ts';
import { deriveInstructions } from './handlers.ts';
import { encodings } from './index.ts';

test('what was stored makes the same instructions', () => {
  const derived = deriveInstructions(encodings);
  const table = JSON.parse(JSON.stringify(storeEffects(derived.effects))) as EffectsTable;
  expect(table.order).toHaveLength(derived.effects.length);
  expect(table.different.length).toBeLessThan(table.order.length / 2);
  expect(loadEffects(table)).toEqual(derived.effects);

  const again = deriveInstructions(encodings, table);
  expect(again.handlers).toEqual(derived.handlers);
  expect(again.forms.map(({ ends, addressed, varies }) => ({ ends, addressed, varies }))).toEqual(
    derived.forms.map(({ ends, addressed, varies }) => ({ ends, addressed, varies })),
  );
});
