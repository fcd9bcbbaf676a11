import { type RefObject, useEffect, useState } from 'react';
import type { MachineSession } from '../state/session.dom.ts';

export interface MouseOptions {
  readonly session: MachineSession;
  /** The element that shows the screen and nothing else. */
  readonly element: RefObject<HTMLElement | null>;
  /** The guest knows positions; otherwise only movements, and the pointer must be locked. */
  readonly absolute: boolean;
  readonly enabled: boolean;
  readonly lockOnClick: boolean;
  readonly onPress: () => void;
  /** The lock ended without our doing while the window kept its focus: the browser took an Esc for itself. */
  readonly onEscapeTaken: () => void;
}

/** Pixels of scrolling that make one step of a wheel. */
const WHEEL_STEP = 100;
const LINE_HEIGHT = 33;

/** Sends the mouse, at most once per repaint. @returns whether the pointer is locked */
export function useMouse({ session, element, absolute, enabled, lockOnClick, onPress, onEscapeTaken }: MouseOptions): boolean {
  const [locked, setLocked] = useState(false);
  useEffect(() => {
    const target = element.current;
    if (target === null || !enabled) return undefined;
    let dx = 0;
    let dy = 0;
    let wheel = 0;
    let scrolled = 0;
    let buttons = 0;
    let position: { x: number; y: number } | undefined;
    let request = 0;

    const isLocked = () => document.pointerLockElement === target;
    const flush = () => {
      request = 0;
      if (!session.isOpen) return;
      if (absolute) {
        if (position) session.client.notify('input.pointer', { ...position, wheel: clampWheel(wheel), buttons });
      } else {
        session.client.notify('input.mouse', { dx: clampMove(dx), dy: clampMove(dy), wheel: clampWheel(wheel), buttons });
      }
      dx = dy = wheel = 0;
    };
    const soon = () => {
      if (request === 0) request = requestAnimationFrame(flush);
    };
    const locate = (event: MouseEvent) => {
      const box = target.getBoundingClientRect();
      const clamp = (value: number) => Math.min(1, Math.max(0, value));
      position = { x: clamp((event.clientX - box.left) / box.width), y: clamp((event.clientY - box.top) / box.height) };
    };

    const move = (event: PointerEvent) => {
      if (absolute) locate(event);
      else if (isLocked()) {
        dx += event.movementX;
        dy += event.movementY;
      } else return;
      soon();
    };
    const press = (event: PointerEvent) => {
      if (event.pointerType === 'touch') return;
      event.preventDefault();
      onPress();
      if (!absolute && !isLocked()) {
        // The click that captures is not the guest's.
        if (lockOnClick) void Promise.resolve(target.requestPointerLock()).catch(() => undefined);
        return;
      }
      buttons = event.buttons & 7;
      if (absolute) {
        locate(event);
        target.setPointerCapture(event.pointerId);
      }
      flush(); // an edge, never lost in a batch
    };
    const lift = (event: PointerEvent) => {
      if (buttons === 0) return;
      buttons = event.buttons & 7;
      flush();
    };
    const roll = (event: WheelEvent) => {
      if (!absolute && !isLocked()) return;
      event.preventDefault();
      scrolled += event.deltaMode === WheelEvent.DOM_DELTA_LINE ? event.deltaY * LINE_HEIGHT : event.deltaY;
      const steps = Math.trunc(scrolled / WHEEL_STEP);
      if (steps === 0) return;
      scrolled -= steps * WHEEL_STEP;
      wheel += steps;
      soon();
    };
    const noMenu = (event: Event) => event.preventDefault();
    let wasLocked = isLocked();
    const lockChanged = () => {
      const now = isLocked();
      setLocked(now);
      if (wasLocked && !now && document.hasFocus()) onEscapeTaken();
      wasLocked = now;
    };

    target.addEventListener('pointermove', move);
    target.addEventListener('pointerdown', press);
    target.addEventListener('pointerup', lift);
    target.addEventListener('wheel', roll, { passive: false });
    target.addEventListener('contextmenu', noMenu);
    document.addEventListener('pointerlockchange', lockChanged);
    return () => {
      cancelAnimationFrame(request);
      target.removeEventListener('pointermove', move);
      target.removeEventListener('pointerdown', press);
      target.removeEventListener('pointerup', lift);
      target.removeEventListener('wheel', roll);
      target.removeEventListener('contextmenu', noMenu);
      document.removeEventListener('pointerlockchange', lockChanged);
    };
  }, [session, element, absolute, enabled, lockOnClick, onPress, onEscapeTaken]);
  return locked;
}

const clampMove = (value: number) => Math.max(-32768, Math.min(32767, value));
const clampWheel = (value: number) => Math.max(-128, Math.min(127, value));
