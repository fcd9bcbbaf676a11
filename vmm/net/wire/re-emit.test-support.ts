import { ArpPacket, emitArp, parseArp } from './arp.ts';
import { emitEthernet, EthernetFrame, etherTypes, parseEthernet } from './ethernet.ts';
import { emitIcmpv4, Icmpv4Packet, parseIcmpv4 } from './icmpv4.ts';
import { emitIcmpv6, Icmpv6Packet, parseIcmpv6 } from './icmpv6.ts';
import { emitIpv4, ipProtocols, Ipv4Packet, parseIpv4Packet } from './ipv4.ts';
import { emitIpv6, IPV6_HEADER, Ipv6Packet, parseIpv6Packet } from './ipv6.ts';
import { emitTcp, parseTcp, TcpPacket } from './tcp.ts';
import { emitUdp, parseUdp, UDP_HEADER, UdpPacket } from './udp.ts';

/** Re-emits a frame from its parsed parts; the checksum above IP is taken from the capture where the capturing host had left it to its NIC. */
export function reEmit(frame: Uint8Array): Uint8Array {
  const ethernet = EthernetFrame.of(frame)!;
  const out = new Uint8Array(frame.length);
  emitEthernet(parseEthernet(ethernet), out);
  const rest = out.subarray(ethernet.headerLength);
  if (ethernet.etherType === etherTypes.arp) {
    emitArp(parseArp(ArpPacket.of(ethernet.payload)!), rest);
    return out;
  }
  const ip4 = ethernet.etherType === etherTypes.ipv4 ? Ipv4Packet.of(ethernet.payload)! : undefined;
  const ip6 = ip4 ? undefined : Ipv6Packet.of(ethernet.payload)!;
  if (ip4) emitIpv4(parseIpv4Packet(ip4), rest);
  else emitIpv6(parseIpv6Packet(ip6!), rest);
  const { source, destination } = ip4 ?? ip6!;
  const upper = ip4 ? { protocol: ip4.protocol, payload: ip4.payload } : ip6!.upper!;
  const above = rest.subarray(ip4?.headerLength ?? IPV6_HEADER);
  switch (upper.protocol) {
    case ipProtocols.tcp: {
      const segment = TcpPacket.of(upper.payload)!;
      above.set(segment.payload, segment.headerLength);
      emitTcp(parseTcp(segment), above, source, destination);
      if (!segment.checksumOk(source, destination)) above.set(upper.payload.subarray(16, 18), 16);
      break;
    }
    case ipProtocols.udp: {
      const datagram = UdpPacket.of(upper.payload)!;
      above.set(datagram.payload, UDP_HEADER);
      emitUdp(parseUdp(datagram), above, source, destination);
      if (!datagram.checksumOk(source, destination)) above.set(upper.payload.subarray(6, 8), 6);
      break;
    }
    case ipProtocols.icmp:
      emitIcmpv4(parseIcmpv4(Icmpv4Packet.of(upper.payload)!)!, above);
      break;
    case ipProtocols.icmpv6:
      emitIcmpv6(parseIcmpv6(Icmpv6Packet.of(upper.payload)!)!, above, source, destination);
  }
  return out;
}
