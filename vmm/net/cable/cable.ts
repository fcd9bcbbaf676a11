/**
 * What a frame leaves for the receiver to do, as virtio 1.2, 5.1.6 and every offloading NIC have it: a large TCP segment is cut into frames of `segment` bytes of payload
 * only where somebody must see frames, and a checksum is computed only where somebody checks it.
 */
export interface Offload {
  /** The 16-bit checksum at `checksumStart + checksumOffset` holds the pseudo header's sum; the rest, from `checksumStart` to the end, is not summed yet. */
  readonly checksumStart: number;
  readonly checksumOffset: number;
  /** The frame is longer than the link allows: to be cut as TCP over IPv4 or IPv6 (or UDP, each a datagram of its own) says. */
  readonly cut?: {
    readonly as: 'tcp4' | 'tcp6' | 'udp';
    /** Bytes of payload in each frame. */
    readonly segment: number;
    /** Bytes before the payload: Ethernet, IP and TCP or UDP headers. */
    readonly headers: number;
  };
}

/** What an end is willing to receive besides plain frames. */
export interface Accepts {
  /** Frames whose transport checksum is not computed. */
  readonly checksum: boolean;
  /** TCP segments longer than a frame (their checksum is not computed either). */
  readonly tcp4: boolean;
  readonly tcp6: boolean;
}

export const PLAIN: Accepts = { checksum: false, tcp4: false, tcp6: false };

/** The longest frame on a cable without preamble, padding and frame check sequence: a jumbo frame with two VLAN tags. Longer ones are cut by `Offload`. */
export const MOST_FRAME = 9238;
/** The longest frame there is: 64 KiB of IP behind an Ethernet header with two tags. */
export const MOST_SEGMENT = 65535 + 22;
/** The shortest useful frame: a header. Frames travel without padding; a NIC that must pads what it receives. */
export const LEAST_FRAME = 14;

/** Who is at this end of a cable: the NIC, the NAT, a port of the switch, a filter. All calls happen on that end's own thread. */
export interface CableUser {
  /**
   * A frame arrived. It is valid during the call only. `finished`: the cable cut it from a longer segment, so its checksums are known to be right. False: no room, it stays
   * on the cable and is offered again after `ready`.
   */
  frame(bytes: Uint8Array, offload?: Offload, finished?: boolean): boolean;
  /** There is room again after `send` gave false. */
  room?(): void;
  /** The cable was plugged in or unplugged at the other end. */
  link?(up: boolean): void;
}

/**
 * One end of a network cable, as its user sees it. Frames are whole Ethernet frames without preamble and frame check sequence, in order, none lost: an end that can take
 * no more says so, and the sender waits (promises.md: back-pressure instead of queues without bound).
 */
export interface NetBackend {
  /**
   * Puts a frame on the cable (it is copied). False: the cable is full, nothing was taken; `room` follows. A frame with an `offload` that the other end does not accept
   * is finished on the way. A frame that is too short or too long, or sent while the link is down, is taken and lost.
   */
  send(frame: Uint8Array, offload?: Offload): boolean;
  /** After `frame` gave false: this end can take frames again. They may be delivered before `ready` returns. */
  ready(): void;
  /** Says who is here now; before that, frames wait. */
  attach(user: CableUser, accepts?: Accepts): void;
  /** This end plugs the cable in or out. A cable is plugged in at both ends when it is made. */
  setLink(up: boolean): void;
  /** Whether both ends are plugged in. */
  readonly link: boolean;
  /** What the other end accepts. */
  readonly peerAccepts: Accepts;
}
