/** Run in a network namespace of its own: makes tap0, answers for 192.0.2.2 on our side of it, and echoes what the host sends there. */
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { closeSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { silentLog } from '../../base/log.ts';
import { messageOf } from '../../base/errors.ts';
import { RingEnd } from '../ring/end.ts';
import { createCableMemory } from '../ring/layout.ts';
import { parseIp } from '../wire/address.ts';
import { ARP_LENGTH, ArpPacket, arpOperations, emitArp } from '../wire/arp.ts';
import { emitEthernet, ETHERNET_HEADER, EthernetFrame, etherTypes } from '../wire/ethernet.ts';
import { emitIpv4, IPV4_HEADER, ipProtocols, Ipv4Packet, ipv4Repr } from '../wire/ipv4.ts';
import { emitUdp, UDP_HEADER, UdpPacket } from '../wire/udp.ts';
import { openTap } from './interface.node.ts';
import { openTapNetwork } from './open.node.ts';

const mac = Uint8Array.of(2, 0, 0, 0, 0, 2);
const address = parseIp('192.0.2.2')!;
const ECHO_PORT = 7;
const ip = (...args: string[]) => execFileSync('ip', args);

/** The answer to an ARP request or a datagram for our address. */
function answer(bytes: Uint8Array): Uint8Array | undefined {
  const frame = EthernetFrame.of(bytes);
  if (frame?.etherType === etherTypes.arp) {
    const request = ArpPacket.of(frame.payload);
    if (request === undefined || String(request.targetIp) !== String(address)) return undefined;
    const reply = new Uint8Array(ETHERNET_HEADER + ARP_LENGTH);
    emitEthernet({ destination: frame.source, source: mac, etherType: etherTypes.arp }, reply);
    const { senderMac, senderIp } = request;
    emitArp(
      { operation: arpOperations.reply, senderMac: mac, senderIp: address, targetMac: senderMac, targetIp: senderIp },
      reply.subarray(ETHERNET_HEADER),
    );
    return reply;
  }
  const packet = frame?.etherType === etherTypes.ipv4 ? Ipv4Packet.of(frame.payload) : undefined;
  const datagram = packet?.protocol === ipProtocols.udp ? UdpPacket.of(packet.payload) : undefined;
  if (frame === undefined || packet === undefined || datagram?.destinationPort !== ECHO_PORT) return undefined;
  const length = UDP_HEADER + datagram.payload.length;
  const reply = new Uint8Array(ETHERNET_HEADER + IPV4_HEADER + length);
  emitEthernet({ destination: frame.source, source: mac, etherType: etherTypes.ipv4 }, reply);
  const header = { source: address, destination: packet.source, protocol: ipProtocols.udp, payloadLength: length, identification: 0, ttl: 64 };
  emitIpv4(ipv4Repr(header), reply.subarray(ETHERNET_HEADER));
  const body = reply.subarray(ETHERNET_HEADER + IPV4_HEADER);
  body.set(datagram.payload, UDP_HEADER);
  emitUdp({ sourcePort: ECHO_PORT, destinationPort: datagram.sourcePort }, body, address, packet.source);
  return reply;
}

ip('tuntap', 'add', 'tap0', 'mode', 'tap');
try {
  closeSync(openTap('nope'));
} catch (error) {
  console.log(messageOf(error));
}
const memory = createCableMemory();
const net: RingEnd = new RingEnd(memory, 'net', () => setImmediate(() => nic.drain()));
const nic: RingEnd = new RingEnd(memory, 'nic', () => setImmediate(() => net.drain()));
nic.attach({
  frame(bytes) {
    const reply = answer(bytes);
    return reply === undefined || nic.send(reply);
  },
});
const network = openTapNetwork('tap0', net, { directory: '.', log: silentLog });
ip('addr', 'add', '192.0.2.1/24', 'dev', 'tap0');
ip('link', 'set', 'tap0', 'up');
const socket = createSocket('udp4');
let echoed = 0;
socket.on('message', (bytes) => (echoed += bytes.length));
for (let count = 0; count < 100; count++) {
  socket.send(new Uint8Array(1000).fill(count), ECHO_PORT, '192.0.2.2');
  await setTimeout(2);
}
for (let wait = 0; echoed < 100_000 && wait < 100; wait++) await setTimeout(50);
console.log(`${echoed} bytes echoed`);
socket.close();
await network.close();
console.log('closed');
