import { useCallback, useEffect, useRef, useState } from 'react';
import type { VmSummary } from '../../vmm/protocol/shared.ts';
import type { App } from '../state/app.dom.ts';
import type { MachineSession } from '../state/session.dom.ts';

/** ms at least for each moment that is gone back: fast, and still to be followed with the eye. */
const STEP = 100;

export interface Rewinding {
  /** How far back the machine stands, seconds of its time. */
  readonly back: number;
  /** How far one can go. */
  readonly most: number;
}

export interface Rewinder {
  /** Undefined while the machine goes its own way. */
  readonly at: Rewinding | undefined;
  readonly hold: () => void;
  readonly letGo: () => void;
}

/** Runs the machine backwards while a key is held, and on from there when it is let go. */
export function useRewind(app: App, session: MachineSession, vm: VmSummary): Rewinder {
  const [at, setAt] = useState<Rewinding>();
  const held = useRef(false);
  const busy = useRef(false);
  const about = useRef(vm);
  about.current = vm;

  const run = useCallback(async () => {
    busy.current = true;
    try {
      while (held.current && session.isOpen) {
        const [info] = await Promise.all([session.client.call('rewind.step', { by: -1 }), new Promise((resolve) => setTimeout(resolve, STEP))]);
        const here = info.points.find(({ number }) => number === info.at);
        setAt({ back: (here?.ago ?? 0) / 1000, most: (info.points[0]?.ago ?? 0) / 1000 });
      }
      if (session.isOpen) await session.client.call('rewind.release', {});
    } catch (error) {
      held.current = false;
      app.reportError(error, about.current);
    } finally {
      busy.current = false;
      setAt(undefined);
    }
  }, [app, session]);

  const hold = useCallback(() => {
    if (held.current) return; // the keyboard's repeat
    held.current = true;
    if (!busy.current) void run();
  }, [run]);
  const letGo = useCallback(() => {
    held.current = false;
  }, []);
  useEffect(() => letGo, [letGo]);
  return { at, hold, letGo };
}
