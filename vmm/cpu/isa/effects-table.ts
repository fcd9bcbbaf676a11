/** What instruction texts do, kept by the build (dist/engine/effects.json): finding out anew takes most of the time that `deriveInstructions` does. */
import type { Effects } from '../bind/effects.ts';

/** Plain data, in the order in which `deriveInstructions` asks: most texts do what another does. */
export interface EffectsTable {
  readonly different: readonly StoredEffects[];
  /** Places in `different`. */
  readonly order: readonly number[];
}

type StoredEffects = Omit<Effects, 'helpers'> & { readonly helpers: readonly string[] };

export function storeEffects(all: readonly Effects[]): EffectsTable {
  const places = new Map<string, number>();
  const different: StoredEffects[] = [];
  const order = all.map((effects) => {
    const stored = { ...effects, helpers: [...effects.helpers] };
    const key = JSON.stringify(stored);
    const place = places.get(key) ?? different.push(stored) - 1;
    places.set(key, place);
    return place;
  });
  return { different, order };
}

export function loadEffects({ different, order }: EffectsTable): Effects[] {
  const loaded = different.map((stored): Effects => ({ ...stored, helpers: new Set(stored.helpers) }));
  return order.map((place) => loaded[place]!);
}
