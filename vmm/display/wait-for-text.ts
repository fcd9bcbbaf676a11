import { ProtocolError } from '../protocol/wire.ts';
import { findText, type TextMatch, type TextPattern, type TextScreen } from './text.ts';

/** Where text screens come from. */
export interface TextSource {
  /** `undefined`: the guest is in a graphics mode. */
  read(): TextScreen | undefined;
  /** Calls back whenever the screen may have changed, until the returned function is called. */
  onChange(listener: () => void): () => void;
}

export interface WaitOptions {
  /** ms */
  readonly timeout: number;
  /** Calls back once after that many ms, unless the returned function is called before. */
  readonly setTimer: (callback: () => void, milliseconds: number) => () => void;
  readonly signal?: AbortSignal;
}

const LINES_IN_ERROR = 4;

/**
 * Resolves with the first match as soon as the screen shows one, now or later.
 * @throws ProtocolError `timeout`, with the last lines of the screen in its message, or `cancelled` after `signal`.
 */
export function waitForText(source: TextSource, pattern: TextPattern, { timeout, setTimer, signal }: WaitOptions): Promise<TextMatch> {
  const wanted = typeof pattern === 'string' ? JSON.stringify(pattern) : String(pattern);
  return new Promise((resolve, reject) => {
    const cleanUp: (() => void)[] = [];
    const settle = (finish: () => void): void => {
      for (const each of cleanUp.splice(0)) each();
      finish();
    };
    const check = (): boolean => {
      const screen = source.read();
      const match = screen === undefined ? undefined : findText(screen, pattern);
      if (match !== undefined) settle(() => resolve(match));
      return match !== undefined;
    };
    const cancel = (): void => settle(() => reject(new ProtocolError('cancelled', `waiting for ${wanted} was cancelled`)));
    const expire = (): void =>
      settle(() => reject(new ProtocolError('timeout', `${wanted} did not appear within ${timeout / 1000} s; ${whatIsThere(source.read())}`)));
    if (check()) return;
    if (signal?.aborted) {
      cancel();
      return;
    }
    cleanUp.push(source.onChange(check), setTimer(expire, timeout));
    signal?.addEventListener('abort', cancel, { once: true });
    cleanUp.push(() => signal?.removeEventListener('abort', cancel));
  });
}

function whatIsThere(screen: TextScreen | undefined): string {
  if (screen === undefined) return 'the screen is in a graphics mode';
  const lines = screen.lines.map((line) => line.trimEnd()).filter((line) => line !== '');
  return lines.length === 0 ? 'the screen is empty' : `the screen ends with: ${lines.slice(-LINES_IN_ERROR).join(' | ')}`;
}
