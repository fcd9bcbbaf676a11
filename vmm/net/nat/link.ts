/** The gateway's network interface: puts packets into frames and frames on the cable, and knows which MAC has which address. */
import type { NetBackend, Offload } from '../cable/cable.ts';
import { addressKey, inNetwork, type IpAddress, type MacAddress, multicastMac, versionOf } from '../wire/address.ts';
import { put16 } from '../wire/bytes.ts';
import { fold, pseudoHeader } from '../wire/checksum.ts';
import { emitEthernet, ETHERNET_HEADER, etherTypes } from '../wire/ethernet.ts';
import { emitIcmpv4, icmpv4Length, type Icmpv4Repr, unreachableCodes } from '../wire/icmpv4.ts';
import { emitIcmpv6, icmpv6Length, type Icmpv6Repr, unreachableCodesV6 } from '../wire/icmpv6.ts';
import { emitIpv4, IPV4_HEADER, ipProtocols, ipv4Repr } from '../wire/ipv4.ts';
import { emitIpv6, IPV6_HEADER, ipv6Repr } from '../wire/ipv6.ts';
import { emitTcpHeader, tcpLength, type TcpRepr } from '../wire/tcp.ts';
import { emitUdp, UDP_HEADER, type UdpRepr } from '../wire/udp.ts';
import type { ChunkQueue } from '../tcp/chunk-queue.ts';
import type { NatSettings } from './settings.ts';

const TCP_CHECKSUM = 16;
const MAX_NEIGHBOURS = 256;
/** ICMP errors of one second: a flood of packets that go nowhere is not answered with a flood (RFC 1812 4.3.2.8). */
const ERRORS_PER_SECOND = 100;

export interface Path {
  readonly source: IpAddress;
  readonly destination: IpAddress;
}

export class NatLink {
  readonly #cable: NetBackend;
  readonly #settings: NatSettings;
  readonly #now: () => number;
  readonly #frame = new Uint8Array(ETHERNET_HEADER + 65535);
  readonly #neighbours = new Map<string, MacAddress>();
  /** Whose frame was the last: whoever has no entry is taken to be there. */
  #guestMac: MacAddress | undefined;
  #identification = 0;
  #errors = { second: -1, count: 0 };

  constructor(cable: NetBackend, settings: NatSettings, now: () => number) {
    this.#cable = cable;
    this.#settings = settings;
    this.#now = now;
  }

  get guestMac(): MacAddress | undefined {
    return this.#guestMac;
  }

  /** A frame from that MAC and address was received. */
  learn(mac: MacAddress, address: IpAddress | undefined): void {
    if (this.#guestMac === undefined || !sameMac(mac, this.#guestMac)) this.#guestMac = mac.slice();
    if (address === undefined || !this.#isOnLink(address)) return;
    const key = addressKey(address);
    const known = this.#neighbours.get(key);
    if (known !== undefined && sameMac(known, mac)) return;
    if (this.#neighbours.size >= MAX_NEIGHBOURS) this.#neighbours.clear();
    this.#neighbours.set(key, mac.slice());
  }

  forget(): void {
    this.#neighbours.clear();
    this.#guestMac = undefined;
  }

  #isOnLink(address: IpAddress): boolean {
    const { network, prefixLength, network6 } = this.#settings;
    return address.length === 4 ? inNetwork(address, network, prefixLength) : inNetwork(address, network6, 64) || address[0] === 0xfe;
  }

  sendArp(destination: MacAddress, packet: Uint8Array): boolean {
    const frame = this.#frame.subarray(0, ETHERNET_HEADER + packet.length);
    emitEthernet({ destination, source: this.#settings.mac, etherType: etherTypes.arp }, frame);
    frame.set(packet, ETHERNET_HEADER);
    return this.#cable.send(frame);
  }

  /** A segment that may be longer than a frame: the NIC or the cable cuts it into pieces of `mss`. */
  sendTcp(path: Path, header: TcpRepr, mss: number, payload: ChunkQueue | undefined, offset: number, length: number): boolean {
    const tcpHeader = tcpLength(header);
    const at = this.#begin(path, ipProtocols.tcp, tcpHeader + length);
    if (at === undefined) return true; // nobody is there: as if the cable had lost it
    const frame = this.#frame.subarray(0, at + tcpHeader + length);
    emitTcpHeader(header, frame.subarray(at));
    if (length > 0) payload!.copy(offset, length, frame, at + tcpHeader);
    put16(frame, at + TCP_CHECKSUM, fold(pseudoHeader(path.source, path.destination, ipProtocols.tcp, tcpHeader + length)));
    const offload: Offload = {
      checksumStart: at,
      checksumOffset: TCP_CHECKSUM,
      ...(length > mss && { cut: { as: path.source.length === 4 ? 'tcp4' : 'tcp6', segment: mss, headers: at + tcpHeader } }),
    };
    return this.#cable.send(frame, offload);
  }

  /** A datagram, in fragments where it is longer than a frame. False: the cable is full. */
  sendUdp(path: Path, header: UdpRepr, payload: Uint8Array, to?: MacAddress): boolean {
    const length = UDP_HEADER + payload.length;
    const ipHeader = path.source.length === 4 ? IPV4_HEADER : IPV6_HEADER;
    if (ipHeader + length > 65535) return true;
    if (ipHeader + length <= this.#settings.mtu) {
      const at = this.#begin(path, ipProtocols.udp, length, to);
      if (at === undefined) return true;
      const frame = this.#frame.subarray(0, at + length);
      frame.set(payload, at + UDP_HEADER);
      emitUdp(header, frame.subarray(at), path.source, path.destination);
      return this.#cable.send(frame);
    }
    const datagram = new Uint8Array(length);
    datagram.set(payload, UDP_HEADER);
    emitUdp(header, datagram, path.source, path.destination);
    return path.source.length === 4 ? this.#sendFragments(path, datagram, to) : this.#sendFragments6(path, datagram, to);
  }

  sendIcmp(path: Path, message: Icmpv4Repr | Icmpv6Repr, to?: MacAddress): boolean {
    const four = path.source.length === 4;
    const length = four ? icmpv4Length(message as Icmpv4Repr) : icmpv6Length(message);
    // Neighbour discovery is not believed from afar (RFC 4861 6.1): 255 hops.
    const at = this.#begin(path, four ? ipProtocols.icmp : ipProtocols.icmpv6, length, to, 255);
    if (at === undefined) return true;
    const frame = this.#frame.subarray(0, at + length);
    if (four) emitIcmpv4(message as Icmpv4Repr, frame.subarray(at));
    else emitIcmpv6(message, frame.subarray(at), path.source, path.destination);
    return this.#cable.send(frame);
  }

  /** Tells the sender of `packet` (a whole IP packet) why it cannot be delivered. */
  sendUnreachable(packet: Uint8Array, path: Path, reason: 'adminProhibited' | 'host' | 'port'): void {
    const second = Math.floor(this.#now() / 1000);
    if (this.#errors.second !== second) this.#errors = { second, count: 0 };
    if (++this.#errors.count > ERRORS_PER_SECOND) return;
    const { gateway, gateway6 } = this.#settings;
    if (path.source.length === 4) {
      const original = packet.subarray(0, (packet[0]! & 15) * 4 + 8);
      this.sendIcmp({ source: gateway, destination: path.source }, { type: 'unreachable', code: unreachableCodes[reason], mtu: 0, original });
    } else {
      const code = reason === 'host' ? unreachableCodesV6.address : unreachableCodesV6[reason];
      this.sendIcmp({ source: gateway6, destination: path.source }, { type: 'unreachable', code, original: packet.subarray(0, 1232) });
    }
  }

  /** Writes Ethernet's and IP's headers; says where the rest goes. Undefined: no guest has shown itself yet. */
  #begin(path: Path, protocol: number, length: number, to?: MacAddress, hops = 64): number | undefined {
    const { source, destination } = path;
    const mac = to ?? this.#macOf(destination);
    if (mac === undefined) return undefined;
    if (versionOf(source) === 4) {
      emitEthernet({ destination: mac, source: this.#settings.mac, etherType: etherTypes.ipv4 }, this.#frame);
      const identification = (this.#identification = (this.#identification + 64) & 0xffff);
      emitIpv4(ipv4Repr({ source, destination, protocol, payloadLength: length, identification, ttl: hops }), this.#frame.subarray(ETHERNET_HEADER));
      return ETHERNET_HEADER + IPV4_HEADER;
    }
    emitEthernet({ destination: mac, source: this.#settings.mac, etherType: etherTypes.ipv6 }, this.#frame);
    emitIpv6(ipv6Repr({ source, destination, nextHeader: protocol, payloadLength: length, hopLimit: hops }), this.#frame.subarray(ETHERNET_HEADER));
    return ETHERNET_HEADER + IPV6_HEADER;
  }

  #macOf(address: IpAddress): MacAddress | undefined {
    if (address.length === 4 ? address[0]! >= 224 : address[0] === 0xff) {
      return address.every((byte) => byte === 255) ? Uint8Array.of(255, 255, 255, 255, 255, 255) : multicastMac(address);
    }
    return this.#neighbours.get(addressKey(address)) ?? this.#guestMac;
  }

  #sendFragments(path: Path, datagram: Uint8Array, to: MacAddress | undefined): boolean {
    const mac = to ?? this.#macOf(path.destination);
    if (mac === undefined) return true;
    const step = (this.#settings.mtu - IPV4_HEADER) & ~7;
    const identification = (this.#identification = (this.#identification + 64) & 0xffff);
    for (let at = 0; at < datagram.length; at += step) {
      const part = datagram.subarray(at, at + step);
      const frame = this.#frame.subarray(0, ETHERNET_HEADER + IPV4_HEADER + part.length);
      emitEthernet({ destination: mac, source: this.#settings.mac, etherType: etherTypes.ipv4 }, frame);
      const more = at + step < datagram.length;
      emitIpv4(
        ipv4Repr({
          ...path,
          protocol: ipProtocols.udp,
          payloadLength: part.length,
          identification,
          dontFragment: false,
          moreFragments: more,
          fragmentOffset: at,
        }),
        frame.subarray(ETHERNET_HEADER),
      );
      frame.set(part, ETHERNET_HEADER + IPV4_HEADER);
      if (!this.#cable.send(frame)) return at > 0; // what is missing of a datagram is lost, as on any link
    }
    return true;
  }

  #sendFragments6(path: Path, datagram: Uint8Array, to: MacAddress | undefined): boolean {
    const FRAGMENT = 44;
    const step = (this.#settings.mtu - IPV6_HEADER - 8) & ~7;
    const identification = (this.#identification = (this.#identification + 64) & 0xffff);
    for (let at = 0; at < datagram.length; at += step) {
      const part = datagram.subarray(at, at + step);
      const start = this.#begin(path, FRAGMENT, 8 + part.length, to);
      if (start === undefined) return true;
      const frame = this.#frame.subarray(0, start + 8 + part.length);
      frame[start] = ipProtocols.udp;
      frame[start + 1] = 0;
      put16(frame, start + 2, at | (at + step < datagram.length ? 1 : 0));
      put16(frame, start + 4, 0);
      put16(frame, start + 6, identification);
      frame.set(part, start + 8);
      if (!this.#cable.send(frame)) return at > 0;
    }
    return true;
  }
}

function sameMac(a: MacAddress, b: MacAddress): boolean {
  return a[5] === b[5] && a[4] === b[4] && a[3] === b[3] && a[2] === b[2] && a[1] === b[1] && a[0] === b[0];
}
