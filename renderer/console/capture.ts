import type { HostKey } from '../state/settings.ts';

/**
 * Who has the keyboard: the guest or the person's own desktop. A pure machine, so that the promise "never trap the user" can be tested:
 * tapping the host key, holding Esc for two seconds and losing focus each release everything, always.
 */
export const ESCAPE_HOLD_MS = 2000;

export type CaptureEffect =
  | { readonly do: 'key'; readonly code: string; readonly down: boolean }
  | { readonly do: 'release' }
  /** Host key + another key: a command of ours; the guest sees neither. */
  | { readonly do: 'host'; readonly code: string }
  /** The other key of such a pair, or the host key, was let go: for commands that last while they are held. */
  | { readonly do: 'hostUp' };

export interface CaptureState {
  /** Codes that the guest believes are down. */
  readonly down: ReadonlySet<string>;
  /** The host key is down; `used`: as the first half of a chord. */
  readonly host: 'up' | 'down' | 'used';
  /** When Esc went down (ms), while it is. */
  readonly escapeSince: number | undefined;
}

export const idleCapture: CaptureState = { down: new Set(), host: 'up', escapeSince: undefined };

export interface Step {
  readonly state: CaptureState;
  readonly effects: readonly CaptureEffect[];
}

const stay = (state: CaptureState): Step => ({ state, effects: [] });

export function keyDown(state: CaptureState, code: string, hostKey: HostKey, now: number): Step {
  if (code === '' || code === 'Unidentified') return stay(state);
  if (code === hostKey) return stay(state.host === 'up' ? { ...state, host: 'down' } : state);
  if (state.host !== 'up') return { state: { ...state, host: 'used' }, effects: state.down.has(code) ? [] : [{ do: 'host', code }] };
  if (state.down.has(code)) return stay(state); // the operating system's repeat; the guest's keyboard repeats by itself
  return {
    state: { ...state, down: new Set(state.down).add(code), escapeSince: code === 'Escape' ? now : state.escapeSince },
    effects: [{ do: 'key', code, down: true }],
  };
}

export function keyUp(state: CaptureState, code: string, hostKey: HostKey): Step {
  if (code === hostKey) {
    const tapped = state.host === 'down';
    return { state: { ...state, host: 'up' }, effects: [tapped ? { do: 'release' } : { do: 'hostUp' }] };
  }
  // Windows gives PrintScreen to pages only when it goes up.
  if (code === 'PrintScreen' && !state.down.has(code) && state.host === 'up') {
    return {
      state,
      effects: [
        { do: 'key', code, down: true },
        { do: 'key', code, down: false },
      ],
    };
  }
  if (!state.down.has(code)) return state.host === 'used' ? { state, effects: [{ do: 'hostUp' }] } : stay(state);
  const down = new Set(state.down);
  down.delete(code);
  const effects: CaptureEffect[] = [{ do: 'key', code, down: false }];
  // macOS sends no keyup for keys that were let go while Cmd was down.
  if (code === 'MetaLeft' || code === 'MetaRight') {
    for (const left of down) if (!isModifier(left)) effects.push({ do: 'key', code: left, down: false });
    for (const effect of effects) if (effect.do === 'key') down.delete(effect.code);
  }
  return { state: { ...state, down, escapeSince: code === 'Escape' ? undefined : state.escapeSince }, effects };
}

function isModifier(code: string): boolean {
  return /^(Shift|Control|Alt|Meta)(Left|Right)$/.test(code);
}

/** To be called while Esc is down; releases when it has been for two seconds. */
export function tick(state: CaptureState, now: number): Step {
  if (state.escapeSince === undefined || now - state.escapeSince < ESCAPE_HOLD_MS) return stay(state);
  return { state: idleCapture, effects: [{ do: 'release' }] };
}

/** How much of the hold has passed, 0..1, for the ring that shows it. */
export function escapeProgress(state: CaptureState, now: number): number {
  return state.escapeSince === undefined ? 0 : Math.min(1, (now - state.escapeSince) / ESCAPE_HOLD_MS);
}
