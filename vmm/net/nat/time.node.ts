import type { NetTime } from './host.ts';

/** The clock and timers of a thread of Node. */
export const nodeTime: NetTime = {
  now: () => performance.now(),
  after(milliseconds, call) {
    const timer = setTimeout(call, milliseconds);
    return () => clearTimeout(timer);
  },
  soon: (call) => queueMicrotask(call),
};
