import { useEffect } from 'react';
import { resolveLanguage, setLanguage } from '../i18n/i18n.ts';
import { useSettings } from '../state/context.dom.tsx';

/** Puts the settings that concern the whole page onto its root element; `system` follows what the desktop asks for. */
export function useTheme(): void {
  const { theme, contrast, motion, language } = useSettings((s) => s);
  useEffect(() => {
    const root = document.documentElement;
    const media = window.matchMedia('(prefers-contrast: more)');
    const apply = () => {
      if (theme === 'system') delete root.dataset['theme'];
      else root.dataset['theme'] = theme;
      if (contrast === 'more' || (contrast === 'system' && media.matches)) root.dataset['contrast'] = 'more';
      else delete root.dataset['contrast'];
      if (motion === 'less') root.dataset['motion'] = 'less';
      else delete root.dataset['motion'];
    };
    apply();
    media.addEventListener('change', apply);
    return () => media.removeEventListener('change', apply);
  }, [theme, contrast, motion]);

  useEffect(() => {
    const resolved = resolveLanguage(language, navigator.languages);
    document.documentElement.lang = resolved;
    setLanguage(resolved);
  }, [language]);
}
