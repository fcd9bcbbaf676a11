import type { Transport } from '../../protocol/transport.ts';

/** A peer that is behind by more is let go: frames have credits, so only one that has stopped reading gets there. Bytes. */
const MAX_BEHIND = 64 << 20;

/** Passes messages between two transports until one closes. */
export function relay(a: Transport, b: Transport): void {
  const pass = (from: Transport, to: Transport) => {
    from.start({
      message(message) {
        if (to.buffered > MAX_BEHIND) {
          from.close('the other side does not read');
          to.close('too far behind');
        } else if (typeof message === 'object' && message !== null) to.send(message);
      },
      closed: (reason) => to.close(reason),
    });
  };
  pass(a, b);
  pass(b, a);
}
