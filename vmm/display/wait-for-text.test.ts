import { ProtocolError } from '../protocol/wire.ts';
import type { TextScreen } from './text.ts';
import { waitForText, type TextSource, type WaitOptions } from './wait-for-text.ts';

class FakeScreen implements TextSource {
  readonly listeners = new Set<() => void>();
  lines: string[] | undefined = [''];

  read(): TextScreen | undefined {
    const { lines } = this;
    return lines && { columns: 80, rows: lines.length, lines, attributes: new Uint8Array(0), cursor: undefined };
  }
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  show(...lines: string[]): void {
    this.lines = lines;
    for (const listener of [...this.listeners]) listener();
  }
}

interface FakeTimers {
  pending: (() => void) | undefined;
  readonly setTimer: WaitOptions['setTimer'];
}

function fakeTimers(): FakeTimers {
  const timers: FakeTimers = {
    pending: undefined,
    setTimer(callback) {
      timers.pending = callback;
      return () => (timers.pending = undefined);
    },
  };
  return timers;
}

test('what is there already is found at once', async () => {
  const screen = new FakeScreen();
  const timers = fakeTimers();
  screen.lines = ['A:\\>   '];
  await expect(waitForText(screen, 'A:\\>', { timeout: 1000, setTimer: timers.setTimer })).resolves.toMatchObject({ line: 'A:\\>', row: 0 });
  expect(timers.pending).toBeUndefined();
});

test('what comes later is found then, and nothing is left behind', async () => {
  const screen = new FakeScreen();
  const timers = fakeTimers();
  const found = waitForText(screen, /login: $|login:$/, { timeout: 1000, setTimer: timers.setTimer });
  screen.show('booting');
  screen.show('debian login: ');
  await expect(found).resolves.toMatchObject({ line: 'debian login:' });
  expect(screen.listeners.size).toBe(0);
  expect(timers.pending).toBeUndefined();
});

test('a timeout tells what was on the screen instead', async () => {
  const screen = new FakeScreen();
  const timers = fakeTimers();
  const found = waitForText(screen, 'login:', { timeout: 5000, setTimer: timers.setTimer });
  screen.show('Kernel panic', '', 'halted   ');
  timers.pending!();
  await expect(found).rejects.toThrow('"login:" did not appear within 5 s; the screen ends with: Kernel panic | halted');
  await expect(found).rejects.toBeInstanceOf(ProtocolError);
  expect(screen.listeners.size).toBe(0);
});

test('a graphics mode has no text', async () => {
  const screen = new FakeScreen();
  const timers = fakeTimers();
  screen.lines = undefined;
  const found = waitForText(screen, 'x', { timeout: 1000, setTimer: timers.setTimer });
  timers.pending!();
  await expect(found).rejects.toMatchObject({ kind: 'timeout', message: expect.stringContaining('graphics mode') as string });
});

test('waiting can be called off, before and during', async () => {
  const screen = new FakeScreen();
  const timers = fakeTimers();
  const control = new AbortController();
  const found = waitForText(screen, 'x', { timeout: 1000, setTimer: timers.setTimer, signal: control.signal });
  control.abort();
  await expect(found).rejects.toMatchObject({ kind: 'cancelled' });
  expect(screen.listeners.size).toBe(0);
  await expect(waitForText(screen, 'x', { timeout: 1000, setTimer: timers.setTimer, signal: control.signal })).rejects.toMatchObject({
    kind: 'cancelled',
  });
});
