import fc from 'fast-check';
import { formatIp, formatMac, inNetwork, parseIp, parseMac } from './address.ts';
import { ArpPacket, emitArp, parseArp } from './arp.ts';
import { addBytes, checksumOf } from './checksum.ts';
import { type Dhcpv4Repr, emitDhcpv4, parseDhcpv4 } from './dhcpv4.ts';
import { emitDhcpv6, parseDhcpv6 } from './dhcpv6.ts';
import { dnsTypes, emitDnsAnswer, emitDnsFailure, parseDns } from './dns.ts';
import { emitEthernet, EthernetFrame, ethernetLength, etherTypes, parseEthernet } from './ethernet.ts';
import { emitIcmpv4, Icmpv4Packet, icmpv4Length, type Icmpv4Repr, parseIcmpv4 } from './icmpv4.ts';
import { emitIcmpv6, Icmpv6Packet, icmpv6Length, type Icmpv6Repr, parseIcmpv6 } from './icmpv6.ts';
import { emitIpv4, Ipv4Packet, ipv4Length, parseIpv4Packet } from './ipv4.ts';
import { emitIpv6, IPV6_HEADER, Ipv6Packet, parseIpv6Packet } from './ipv6.ts';
import { emitTcp, parseTcp, TcpPacket, tcpLength, type TcpRepr } from './tcp.ts';
import { emitTftp, parseTftp, type TftpRepr } from './tftp.ts';
import { emitUdp, parseUdp, UDP_HEADER, UdpPacket } from './udp.ts';
import { reEmit } from './re-emit.test-support.ts';
import { captured, published } from './test-captures.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const mac = bytes(6);
const v4 = bytes(4);
const v6 = bytes(16);
const u8 = fc.nat(0xff);
const u16 = fc.nat(0xffff);
const u32 = fc.nat(0xffff_ffff);
const data = fc.uint8Array({ maxLength: 100 });
const optional = <T>(name: string, value: fc.Arbitrary<T>) =>
  fc.option(value, { nil: undefined }).map((one) => (one === undefined ? {} : { [name]: one }));
const record = fc.record;
/** A record of which some fields may be missing. */
const merged = (...parts: readonly fc.Arbitrary<object>[]) => fc.tuple(...parts).map((all) => Object.assign({}, ...all) as object);

test('addresses: text and back', () => {
  fc.assert(fc.property(fc.oneof(v4, v6), (address) => expect(parseIp(formatIp(address))).toEqual(address)));
  fc.assert(fc.property(mac, (address) => expect(parseMac(formatMac(address))).toEqual(address)));
  for (const [text, canonical] of [
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:0DB8::0001', '2001:db8::1'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['::ffff:192.0.2.128', '::ffff:c000:280'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ])
    expect(formatIp(parseIp(text!)!)).toBe(canonical);
  for (const bad of ['1.2.3', '1.2.3.256', ':::', '1::2::3', '1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7::8:9', 'g::', '', '1.2.3.4.5', '12345::'])
    expect(parseIp(bad)).toBeUndefined();
  expect(inNetwork(parseIp('10.0.2.77')!, parseIp('10.0.2.64')!, 26)).toBe(true);
  expect(inNetwork(parseIp('10.0.2.128')!, parseIp('10.0.2.64')!, 26)).toBe(false);
});

test('the checksum of RFC 1071 3, and of long data', () => {
  expect(checksumOf(addBytes(0, Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7)))).toBe(~0xddf2 & 0xffff);
  expect(checksumOf(addBytes(0, new Uint8Array(200_001).fill(0xff)))).toBe(0xff);
});

/** parse(emit(repr)) is repr. */
const icmpv4: fc.Arbitrary<Icmpv4Repr> = fc.oneof(
  record({ type: fc.constantFrom('echoRequest' as const, 'echoReply' as const), identifier: u16, sequence: u16, data }),
  record({ type: fc.constant('unreachable' as const), code: u8, mtu: u16, original: data }),
  record({ type: fc.constant('timeExceeded' as const), code: u8, original: data }),
);
const flag = fc.boolean();
const prefix = record({ prefix: v6, length: u8, onLink: flag, autonomous: flag, validLifetime: u32, preferredLifetime: u32 });
const dns = record({ lifetime: u32, servers: fc.array(v6, { minLength: 1, maxLength: 3 }) });
const link = optional('link', mac);
const icmpv6 = fc.oneof(
  record({ type: fc.constantFrom('echoRequest', 'echoReply'), identifier: u16, sequence: u16, data }),
  record({ type: fc.constantFrom('unreachable', 'timeExceeded'), code: u8, original: data }),
  record({ type: fc.constant('tooBig'), mtu: u32, original: data }),
  merged(fc.constant({ type: 'routerSolicitation' }), link),
  merged(record({ type: fc.constant('neighbourSolicitation'), target: v6 }), link),
  merged(record({ type: fc.constant('neighbourAdvertisement'), target: v6, router: flag, solicited: flag, override: flag }), link),
  merged(
    record({ type: fc.constant('routerAdvertisement'), hopLimit: u8, managed: flag, otherConfig: flag, lifetime: u16 }),
    link,
    optional('mtu', u32),
    optional('prefix', prefix),
    optional('dns', dns),
  ),
) as fc.Arbitrary<Icmpv6Repr>;
const tcp = merged(
  record({ sourcePort: u16, destinationPort: u16, sequence: u32, acknowledgment: u32, flags: u8, window: u16, urgent: u16 }),
  optional('mss', u16),
  optional('windowScale', fc.nat(14)),
  optional('sackPermitted', fc.constant(true)),
  optional('sack', fc.array(record({ start: u32, end: u32 }), { minLength: 1, maxLength: 1 })),
  optional('timestamp', record({ value: u32, echo: u32 })),
) as fc.Arbitrary<TcpRepr>;
const name = fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'X', 'Y', 'Z', '0', '1', '9', '.', '_', '-', '/'), maxLength: 40 });
const tftpOptions = fc.array(record({ name: name.map((text) => text.toLowerCase()), value: name }), { maxLength: 5 });
const tftp: fc.Arbitrary<TftpRepr> = fc.oneof(
  record({ type: fc.constantFrom('read' as const, 'write' as const), file: name, mode: fc.constant('octet'), options: tftpOptions }),
  record({ type: fc.constant('data' as const), block: u16, data }),
  record({ type: fc.constant('ack' as const), block: u16 }),
  record({ type: fc.constant('error' as const), code: u16, message: name }),
  record({
    type: fc.constant('optionAck' as const),
    options: fc.array(record({ name: fc.constant('blksize'), value: name }), { minLength: 1, maxLength: 3 }),
  }),
);
const dhcp: fc.Arbitrary<Dhcpv4Repr> = record({
  operation: fc.constantFrom(1 as const, 2 as const),
  transaction: u32,
  seconds: u16,
  broadcast: flag,
  clientAddress: v4,
  yourAddress: v4,
  serverAddress: v4,
  relayAddress: v4,
  clientHardware: bytes(16),
  serverName: name,
  bootFile: name,
  options: fc.array(record({ code: fc.integer({ min: 1, max: 254 }), data: fc.uint8Array({ maxLength: 60 }) }), { maxLength: 10 }),
});

describe('what is emitted is parsed', () => {
  test('Ethernet', () =>
    fc.assert(
      fc.property(
        merged(record({ destination: mac, source: mac, etherType: u16.filter((type) => type !== etherTypes.vlan) }), optional('vlan', u16)),
        data,
        (fields, payload) => {
          const repr = fields as ReturnType<typeof parseEthernet>;
          const frame = new Uint8Array(ethernetLength(repr) + payload.length);
          emitEthernet(repr, frame);
          frame.set(payload, ethernetLength(repr));
          const view = EthernetFrame.of(frame)!;
          expect([parseEthernet(view), view.payload]).toEqual([repr, payload]);
        },
      ),
    ));
  test('ARP', () =>
    fc.assert(
      fc.property(record({ operation: u16, senderMac: mac, senderIp: v4, targetMac: mac, targetIp: v4 }), (repr) => {
        const packet = new Uint8Array(28);
        emitArp(repr, packet);
        expect(parseArp(ArpPacket.of(packet)!)).toEqual(repr);
      }),
    ));
  test('IPv4', () =>
    fc.assert(
      fc.property(
        record({
          source: v4,
          destination: v4,
          protocol: u8,
          ttl: u8,
          trafficClass: u8,
          identification: u16,
          dontFragment: flag,
          moreFragments: flag,
          fragmentOffset: fc.nat(8191).map((count) => count * 8),
          options: fc.nat(10).map((count) => new Uint8Array(count * 4).fill(1)),
        }),
        data,
        (fields, payload) => {
          const repr = { ...fields, payloadLength: payload.length };
          const packet = new Uint8Array(ipv4Length(repr) + payload.length + 7);
          emitIpv4(repr, packet);
          packet.set(payload, ipv4Length(repr));
          const view = Ipv4Packet.of(packet)!;
          expect([parseIpv4Packet(view), view.payload, view.checksumOk]).toEqual([repr, payload, true]);
        },
      ),
    ));
  test('IPv6', () =>
    fc.assert(
      fc.property(
        record({
          source: v6,
          destination: v6,
          nextHeader: fc.constantFrom(6, 17, 58, 59),
          hopLimit: u8,
          trafficClass: u8,
          flowLabel: fc.nat(0xf_ffff),
        }),
        data,
        (fields, payload) => {
          const repr = { ...fields, payloadLength: payload.length };
          const packet = new Uint8Array(IPV6_HEADER + payload.length + 3);
          emitIpv6(repr, packet);
          packet.set(payload, IPV6_HEADER);
          const view = Ipv6Packet.of(packet)!;
          expect([parseIpv6Packet(view), view.upper]).toEqual([repr, { protocol: repr.nextHeader, payload }]);
        },
      ),
    ));
  test('UDP and TCP, with a checksum that holds and breaks with any bit', () =>
    fc.assert(
      fc.property(tcp, u16, fc.boolean(), data, fc.nat(), v4, v6, v6, (repr, port, six, payload, bit, a, b, c) => {
        const [source, destination] = six ? [b, c] : [a, Uint8Array.of(1, 2, 3, 4)];
        const segment = new Uint8Array(tcpLength(repr) + payload.length);
        segment.set(payload, tcpLength(repr));
        emitTcp(repr, segment, source, destination);
        const view = TcpPacket.of(segment)!;
        expect([parseTcp(view), view.payload, view.checksumOk(source, destination)]).toEqual([repr, payload, true]);
        segment[(bit >> 3) % segment.length]! ^= 1 << (bit & 7);
        expect(TcpPacket.of(segment)?.checksumOk(source, destination) ?? false).toBe(false);

        const datagram = new Uint8Array(UDP_HEADER + payload.length);
        datagram.set(payload, UDP_HEADER);
        emitUdp({ sourcePort: port, destinationPort: 53 }, datagram, source, destination);
        const udp = UdpPacket.of(datagram)!;
        expect([parseUdp(udp), udp.payload, udp.checksumOk(source, destination)]).toEqual([{ sourcePort: port, destinationPort: 53 }, payload, true]);
      }),
    ));
  test('ICMP', () =>
    fc.assert(
      fc.property(icmpv4, (repr) => {
        const packet = new Uint8Array(icmpv4Length(repr));
        emitIcmpv4(repr, packet);
        const view = Icmpv4Packet.of(packet)!;
        expect([parseIcmpv4(view), view.checksumOk]).toEqual([repr, true]);
      }),
    ));
  test('ICMPv6', () =>
    fc.assert(
      fc.property(icmpv6, v6, v6, (repr, source, destination) => {
        const packet = new Uint8Array(icmpv6Length(repr)).fill(0xaa);
        emitIcmpv6(repr, packet, source, destination);
        const view = Icmpv6Packet.of(packet)!;
        expect([parseIcmpv6(view), view.checksumOk(source, destination)]).toEqual([repr, true]);
      }),
    ));
  test('DHCP, DHCPv6, TFTP', () => {
    fc.assert(fc.property(dhcp, (repr) => expect(parseDhcpv4(emitDhcpv4(repr))).toEqual(repr)));
    const options = fc.array(record({ code: u16, data }), { maxLength: 5 });
    const dhcp6 = record({ message: u8.filter((type) => type !== 12 && type !== 13), transaction: fc.nat(0xff_ffff), options });
    fc.assert(fc.property(dhcp6, (repr) => expect(parseDhcpv6(emitDhcpv6(repr))).toEqual(repr)));
    fc.assert(fc.property(tftp, (repr) => expect(parseTftp(emitTftp(repr))).toEqual(repr)));
  });
  test('DNS', () => {
    const query = Buffer.from('123401000001000000000000037777770765786d61706c6503636f6d0000010001', 'hex');
    expect(parseDns(query)).toMatchObject({
      id: 0x1234,
      isResponse: false,
      recursionDesired: true,
      question: { name: 'www.exmaple.com', type: dnsTypes.a },
    });
    expect(parseDns(emitDnsFailure(query, 3))).toMatchObject({ id: 0x1234, isResponse: true, code: 3, answers: [] });
    const addresses = [Uint8Array.of(192, 0, 2, 1), new Uint8Array(16).fill(7)];
    expect(parseDns(emitDnsAnswer(query, addresses, 60))!.answers).toEqual(
      addresses.map((address) => ({ name: 'www.exmaple.com', address, ttl: 60 })),
    );
    // A name that points at itself, and one that points forward.
    expect(parseDns(Buffer.from('123401000001000000000000c00c00010001', 'hex'))).toBeUndefined();
    expect(parseDns(Buffer.from('123401000001000000000000c00e00010001', 'hex'))).toBeUndefined();
    expect(parseDns(Buffer.from('12340100000100000000000003612e2000' + '00010001', 'hex'))!.question.name).toBe('a\\046\\032');
  });
});

/** Every parser takes any bytes: an answer or undefined, no exception, no byte outside of what it was given. */
test('hostile bytes', () => {
  const views = [
    (b: Uint8Array) => EthernetFrame.of(b) && parseEthernet(EthernetFrame.of(b)!),
    (b: Uint8Array) => ArpPacket.of(b) && parseArp(ArpPacket.of(b)!),
    (b: Uint8Array) => Ipv4Packet.of(b) && [parseIpv4Packet(Ipv4Packet.of(b)!), Ipv4Packet.of(b)!.checksumOk],
    (b: Uint8Array) => Ipv6Packet.of(b) && [parseIpv6Packet(Ipv6Packet.of(b)!), Ipv6Packet.of(b)!.upper],
    (b: Uint8Array) => UdpPacket.of(b) && parseUdp(UdpPacket.of(b)!),
    (b: Uint8Array) => TcpPacket.of(b) && parseTcp(TcpPacket.of(b)!),
    (b: Uint8Array) => Icmpv4Packet.of(b) && parseIcmpv4(Icmpv4Packet.of(b)!),
    (b: Uint8Array) => Icmpv6Packet.of(b) && parseIcmpv6(Icmpv6Packet.of(b)!),
    parseDhcpv4,
    parseDhcpv6,
    parseDns,
    parseTftp,
  ];
  // Half of the inputs begin as something true, so that the parsers get far.
  const seeds = [
    ...captured.flatMap(({ hex }) => [hex, hex.slice(28), hex.slice(68), hex.slice(108)]).map((hex) => Uint8Array.from(Buffer.from(hex, 'hex'))),
    emitDhcpv4({ ...fc.sample(dhcp, 1)[0]! }),
    emitTftp({ type: 'read', file: 'boot', mode: 'octet', options: [{ name: 'blksize', value: '1468' }] }),
  ];
  const mutated = fc
    .tuple(fc.constantFrom(...seeds), fc.array(fc.tuple(fc.nat(400), u8), { maxLength: 8 }), fc.nat(400))
    .map(([seed, changes, cut]) => {
      const copy = seed.slice(0, cut + 8);
      for (const [at, value] of changes) if (copy.length > 0) copy[at % copy.length] = value;
      return copy;
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated), (input) => {
      for (const parse of views) expect(() => parse(input)).not.toThrow();
    }),
    { numRuns: 3000 },
  );
});

test.each([...captured, ...published])('what others sent is emitted again, byte for byte: $what', ({ hex }) => {
  expect(Buffer.from(reEmit(Uint8Array.from(Buffer.from(hex, 'hex')))).toString('hex')).toBe(hex);
});
