import type { NetBackend, Offload } from '../net/cable/cable.ts';
import type { Counters } from './machine-messages.ts';

/** Counts what the guest sends and receives, by NIC. */
export class NetCounts {
  readonly nics: Counters['nics'] = {};

  counted(nic: string, cable: NetBackend): NetBackend {
    const counts = (this.nics[nic] ??= { receivedBytes: 0, sentBytes: 0 });
    return {
      get link() {
        return cable.link;
      },
      get peerAccepts() {
        return cable.peerAccepts;
      },
      send(frame, offload) {
        const taken = cable.send(frame, offload);
        if (taken) counts.sentBytes += frame.length;
        return taken;
      },
      ready: () => cable.ready(),
      setLink: (up) => cable.setLink(up),
      attach(user, accepts) {
        const counting = {
          frame(bytes: Uint8Array, offload?: Offload, finished?: boolean) {
            const taken = user.frame(bytes, offload, finished);
            if (taken) counts.receivedBytes += bytes.length;
            return taken;
          },
          room: () => user.room?.(),
          link: (up: boolean) => user.link?.(up),
        };
        cable.attach(counting, accepts);
      },
    };
  }
}
