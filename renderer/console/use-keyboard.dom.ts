import { type RefObject, useCallback, useEffect, useRef, useState } from 'react';
import type { App } from '../state/app.dom.ts';
import type { MachineSession } from '../state/session.dom.ts';
import { type CaptureEffect, escapeProgress, idleCapture, keyDown, keyUp, type Step, tick } from './capture.ts';

export interface Keyboard {
  readonly captured: boolean;
  /** 0..1 while Esc is being held. */
  readonly escape: number;
  readonly capture: () => void;
  readonly release: () => void;
  /** A key that the browser kept for itself (Esc while the pointer is locked). */
  readonly tap: (code: string) => void;
}

/** Esc is pressed often; only a longer press shows that it is being counted. */
const SHOW_ESCAPE_AFTER = 0.2;

/**
 * Joins the capture machine (capture.ts) to the page: while captured every key goes to the guest by its position, and every way out releases
 * all keys that the guest believes are down.
 */
export function useKeyboard(
  app: App,
  session: MachineSession,
  element: RefObject<HTMLElement | null>,
  onHostCommand: (code: string) => void,
  onHostUp: () => void,
): Keyboard {
  const [captured, setCaptured] = useState(false);
  const [escape, setEscape] = useState(0);
  const state = useRef(idleCapture);
  const isCaptured = useRef(false);
  const hostCommand = useRef(onHostCommand);
  hostCommand.current = onHostCommand;
  const hostUp = useRef(onHostUp);
  hostUp.current = onHostUp;

  const release = useCallback(() => {
    state.current = idleCapture;
    setEscape(0);
    hostUp.current();
    if (!isCaptured.current) return;
    isCaptured.current = false;
    setCaptured(false);
    if (session.isOpen) session.client.notify('input.releaseAll', {});
    if (document.pointerLockElement) document.exitPointerLock();
  }, [session]);

  const capture = useCallback(() => {
    if (!session.isOpen || isCaptured.current) return;
    element.current?.focus({ preventScroll: true });
    if (document.activeElement !== element.current) return; // without the focus there would be no way back
    isCaptured.current = true;
    setCaptured(true);
  }, [session, element]);

  const perform = useCallback(
    (step: Step) => {
      state.current = step.state;
      for (const effect of step.effects) one(effect);

      function one(effect: CaptureEffect): void {
        if (effect.do === 'release') release();
        else if (effect.do === 'host') hostCommand.current(effect.code);
        else if (effect.do === 'hostUp') hostUp.current();
        else if (session.isOpen) session.client.notify('input.key', { code: effect.code, down: effect.down });
      }
    },
    [release, session],
  );

  useEffect(() => {
    const target = element.current;
    if (target === null) return undefined;
    const down = (event: KeyboardEvent) => {
      if (!isCaptured.current) return;
      event.preventDefault();
      event.stopPropagation();
      perform(keyDown(state.current, event.code, app.settings.getState().hostKey, performance.now()));
    };
    const up = (event: KeyboardEvent) => {
      if (!isCaptured.current) return;
      event.preventDefault();
      event.stopPropagation();
      perform(keyUp(state.current, event.code, app.settings.getState().hostKey));
    };
    const timer = setInterval(() => {
      if (state.current.escapeSince === undefined) {
        setEscape(0);
        return;
      }
      const now = performance.now();
      const progress = escapeProgress(state.current, now);
      setEscape(progress > SHOW_ESCAPE_AFTER ? progress : 0);
      perform(tick(state.current, now));
    }, 100);
    const hidden = () => document.hidden && release();
    target.addEventListener('keydown', down);
    target.addEventListener('keyup', up);
    target.addEventListener('blur', release);
    window.addEventListener('blur', release);
    document.addEventListener('visibilitychange', hidden);
    return () => {
      clearInterval(timer);
      target.removeEventListener('keydown', down);
      target.removeEventListener('keyup', up);
      target.removeEventListener('blur', release);
      window.removeEventListener('blur', release);
      document.removeEventListener('visibilitychange', hidden);
      release();
    };
  }, [app, element, perform, release]);

  const tap = useCallback(
    (code: string) => {
      if (!isCaptured.current || !session.isOpen) return;
      session.client.notify('input.key', { code, down: true });
      session.client.notify('input.key', { code, down: false });
    },
    [session],
  );

  return { captured, escape, capture, release, tap };
}
