import { useEffect } from 'react';
import { useApp } from '../state/context.dom.tsx';

/** The same width as in shell.css and machine.css: below it panels float. */
const NARROW = '(max-width: 56rem)';

/** Keeps the application told about the room there is; Escape closes a floating panel. */
export function useNarrow(): void {
  const app = useApp();
  useEffect(() => {
    const query = window.matchMedia(NARROW);
    const apply = () => app.transient.setState({ narrow: query.matches, overlay: undefined });
    const escape = (event: KeyboardEvent) => {
      if (event.key === 'Escape' && !event.defaultPrevented) app.transient.setState({ overlay: undefined });
    };
    apply();
    query.addEventListener('change', apply);
    window.addEventListener('keydown', escape);
    return () => {
      query.removeEventListener('change', apply);
      window.removeEventListener('keydown', escape);
    };
  }, [app]);
}
