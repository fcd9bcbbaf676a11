import { useCallback, useEffect, useState } from 'react';
import type { Network } from '../../vmm/protocol/network-methods.ts';
import { useSessionState } from '../state/context.dom.tsx';
import type { MachineSession } from '../state/session.dom.ts';
import { type Rate, ratesBetween, type Sample } from './rates.ts';

const EVERY = 1000;

export interface Networks {
  /** Undefined until the machine has answered. */
  readonly networks: readonly Network[] | undefined;
  readonly rates: ReadonlyMap<string, Rate>;
  readonly problem: string | undefined;
  /** Asks again now: something was changed. */
  readonly refresh: () => void;
}

/** A running machine's networks, looked at every second while they are shown. */
export function useNetworks(session: MachineSession): Networks {
  const open = useSessionState(session, (s) => s.link === 'open');
  const [seen, setSeen] = useState<{ readonly sample: Sample; readonly rates: ReadonlyMap<string, Rate> }>();
  const [problem, setProblem] = useState<string>();
  const refresh = useCallback(() => {
    if (!session.isOpen) return;
    session.client.call('network.list', {}).then(
      ({ networks }) => {
        setProblem(undefined);
        setSeen((before) => {
          const sample = { at: performance.now(), networks };
          // Answers that come close together, after a change, tell no rate.
          if (before !== undefined && sample.at - before.sample.at < EVERY / 2)
            return { sample: { at: before.sample.at, networks }, rates: before.rates };
          return { sample, rates: ratesBetween(before?.sample, sample) };
        });
      },
      (error: unknown) => setProblem(error instanceof Error ? error.message : String(error)),
    );
  }, [session]);
  useEffect(() => {
    if (!open) return undefined;
    refresh();
    const timer = setInterval(refresh, EVERY);
    return () => clearInterval(timer);
  }, [open, refresh]);
  return { networks: seen?.sample.networks, rates: seen?.rates ?? new Map(), problem, refresh };
}
