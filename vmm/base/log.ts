export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Where a component reports what happened. `guest` is for what a guest did wrong: it is counted and rate-limited by the implementation. */
export interface Log {
  debug(message: string, data?: Readonly<Record<string, unknown>>): void;
  info(message: string, data?: Readonly<Record<string, unknown>>): void;
  warn(message: string, data?: Readonly<Record<string, unknown>>): void;
  error(message: string, data?: Readonly<Record<string, unknown>>): void;
  guest(message: string, data?: Readonly<Record<string, unknown>>): void;
}

export interface LogRecord {
  readonly level: LogLevel;
  readonly component: string;
  readonly message: string;
  readonly data?: Readonly<Record<string, unknown>> | undefined;
}

const GUEST_LINES_PER_MESSAGE = 8;

/** A log that hands each record to `sink`. Guest faults are passed on a few times each, then only counted: a guest cannot fill a disk with them. */
export function createLog(component: string, sink: (record: LogRecord) => void): Log {
  const guestCounts = new Map<string, number>();
  const emit = (level: LogLevel) => (message: string, data?: Readonly<Record<string, unknown>>) => {
    sink({ level, component, message, data });
  };
  return {
    debug: emit('debug'),
    info: emit('info'),
    warn: emit('warn'),
    error: emit('error'),
    guest(message, data) {
      const count = (guestCounts.get(message) ?? 0) + 1;
      if (guestCounts.size < 1024 || count > 1) guestCounts.set(message, count);
      if (count <= GUEST_LINES_PER_MESSAGE) sink({ level: 'debug', component, message: `guest: ${message}`, data });
    },
  };
}

export const silentLog: Log = createLog('', () => undefined);
