import i18next from 'i18next';
import { useSyncExternalStore } from 'react';
import { en } from './en.ts';
import { fr } from './fr.ts';

/** Plural forms are keys ending in `_one` and `_other`; callers use the key without them and give `count`. */
type Base<K> = K extends `${infer B}_one` ? B : K extends `${string}_other` ? never : K;
export type TextKey = Base<keyof typeof en>;
export type TextValues = Readonly<Record<string, string | number>>;
export type Language = 'en' | 'fr';

const i18n = i18next.createInstance();
void i18n.init({
  lng: 'en',
  fallbackLng: 'en',
  resources: { en: { translation: en }, fr: { translation: fr } },
  keySeparator: false,
  nsSeparator: false,
  interpolation: { escapeValue: false }, // React writes text, never HTML
  initAsync: false,
});

export function translate(key: TextKey, values?: TextValues): string {
  return values ? i18n.t(key, { ...values }) : i18n.t(key);
}

export function setLanguage(language: Language): void {
  void i18n.changeLanguage(language);
}

export const currentLanguage = (): Language => (i18n.language === 'fr' ? 'fr' : 'en');

/** The language of the settings, else the first of the browser's that we have. */
export function resolveLanguage(setting: 'system' | Language, preferred: readonly string[]): Language {
  if (setting !== 'system') return setting;
  const found = preferred.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => tag === 'en' || tag === 'fr');
  return found === 'fr' ? 'fr' : 'en';
}

function subscribe(listener: () => void): () => void {
  i18n.on('languageChanged', listener);
  return () => i18n.off('languageChanged', listener);
}

/** Text in the person's language; the component is drawn again when that changes. */
export function useText(): typeof translate {
  useSyncExternalStore(subscribe, currentLanguage);
  return translate;
}
