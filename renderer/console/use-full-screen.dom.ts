import { useCallback, useEffect, useState } from 'react';

interface KeyboardLock {
  lock?(): Promise<void>;
  unlock?(): void;
}

/**
 * Full screen of the whole document, so that menus and messages stay visible over the guest. Where the browser can, system keys (Alt+Tab, Esc)
 * go to the guest as well; holding Esc still leaves.
 */
export function useFullScreen(): [isFull: boolean, toggle: () => void] {
  const [isFull, setFull] = useState(document.fullscreenElement !== null);
  useEffect(() => {
    const keyboard = (navigator as { keyboard?: KeyboardLock }).keyboard;
    const changed = () => {
      const full = document.fullscreenElement !== null;
      setFull(full);
      document.documentElement.toggleAttribute('data-full-screen', full);
      if (full) void keyboard?.lock?.().catch(() => undefined);
      else keyboard?.unlock?.();
    };
    document.addEventListener('fullscreenchange', changed);
    return () => {
      document.removeEventListener('fullscreenchange', changed);
      if (document.fullscreenElement) void document.exitFullscreen().catch(() => undefined);
    };
  }, []);
  const toggle = useCallback(() => {
    const change = document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen({ navigationUI: 'hide' });
    void change.catch(() => undefined); // refused without a key press or click: nothing to tell
  }, []);
  return [isFull, toggle];
}
