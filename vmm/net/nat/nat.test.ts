import { silentLog } from '../../base/log.ts';
import type { CableUser, NetBackend, Offload } from '../cable/cable.ts';
import { cutFrames } from '../cable/offload.ts';
import type { ChunkQueue } from '../tcp/chunk-queue.ts';
import { TcpConnection, type TcpEnd } from '../tcp/connection.ts';
import { formatIp, type IpAddress, linkLocalOf, parseIp } from '../wire/address.ts';
import { ArpPacket, ARP_LENGTH, emitArp, parseArp } from '../wire/arp.ts';
import { concat, fromLatin1, get16, latin1 } from '../wire/bytes.ts';
import { dhcpMessages, dhcpOption, dhcpOptions, type Dhcpv4Repr, emitDhcpv4, parseDhcpv4 } from '../wire/dhcpv4.ts';
import { emitDhcpv6, parseDhcpv6 } from '../wire/dhcpv6.ts';
import { emitDnsAnswer, parseDns } from '../wire/dns.ts';
import { emitEthernet, EthernetFrame, ETHERNET_HEADER, etherTypes } from '../wire/ethernet.ts';
import { emitIcmpv4, Icmpv4Packet, icmpv4Length, type Icmpv4Repr, parseIcmpv4 } from '../wire/icmpv4.ts';
import { emitIcmpv6, Icmpv6Packet, icmpv6Length, type Icmpv6Repr, parseIcmpv6 } from '../wire/icmpv6.ts';
import { emitIpv4, IPV4_HEADER, ipProtocols, Ipv4Packet, ipv4Repr } from '../wire/ipv4.ts';
import { emitIpv6, IPV6_HEADER, Ipv6Packet, ipv6Repr } from '../wire/ipv6.ts';
import { emitTcp, parseTcp, tcpFlags, tcpLength, TcpPacket, type TcpRepr } from '../wire/tcp.ts';
import { emitTftp, parseTftp } from '../wire/tftp.ts';
import { emitUdp, UDP_HEADER, UdpPacket } from '../wire/udp.ts';
import type { HostEndpoint, HostNetwork, HostTcp, HostTcpEvents, HostUdpEvents } from './host.ts';
import { Nat, type NatOptions } from './nat.ts';

const guestMac = Uint8Array.of(0x52, 0x54, 0, 1, 2, 3);
const guestIp = parseIp('10.0.2.15')!;
const gateway = parseIp('10.0.2.2')!;
const dns = parseIp('10.0.2.3')!;
const gateway6 = parseIp('fd53:7472:6174:6500::2')!;
const natMac = Uint8Array.of(0x52, 0x55, 10, 0, 2, 2);
const outside = parseIp('198.51.100.7')!;

/** A socket of the pretended host. */
class FakeTcp implements HostTcp {
  readonly written: Uint8Array[] = [];
  readonly #waiting: (() => void)[] = [];
  ended = false;
  destroyed: 'no' | 'closed' | 'reset' = 'no';
  paused = false;
  /** The other side does not read. */
  stuck = false;
  readonly to: HostEndpoint;
  events!: HostTcpEvents;

  constructor(to: HostEndpoint) {
    this.to = to;
  }
  write(bytes: Uint8Array, done: () => void): void {
    this.written.push(bytes.slice());
    if (this.stuck) this.#waiting.push(done);
    else done();
  }
  unstick(): void {
    this.stuck = false;
    for (const done of this.#waiting.splice(0)) done();
  }
  end(): void {
    this.ended = true;
  }
  destroy(reset: boolean): void {
    this.destroyed = reset ? 'reset' : 'closed';
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  get text(): string {
    return latin1(concat(...this.written));
  }
}

/** A guest on a cable, a host that only pretends, and a clock that goes when told. */
class World {
  now = 5000;
  #timers: { at: number; call: () => void; order: number }[] = [];
  #soon: (() => void)[] = [];
  #order = 0;
  user!: CableUser;
  full = false;
  readonly frames: Uint8Array[] = [];
  readonly sockets: FakeTcp[] = [];
  readonly udp: { version: 4 | 6; events: HostUdpEvents; sent: { bytes: Uint8Array; to: HostEndpoint }[]; closed: boolean }[] = [];
  readonly listeners: { at: HostEndpoint; accept: Parameters<HostNetwork['listen']>[1]; closed: boolean }[] = [];
  canPing = false;
  files = new Map<string, Uint8Array>();
  resolvers: HostEndpoint[] = [{ address: parseIp('203.0.113.53')!, port: 53 }];
  readonly nat: Nat;
  #tcp: ((packet: TcpPacket, from: IpAddress) => void) | undefined;

  constructor(options: Partial<NatOptions> = {}) {
    const cable: NetBackend = {
      send: (frame, offload) => this.#fromNat(frame, offload),
      ready: () => undefined,
      attach: (user) => void (this.user = user),
      setLink: () => undefined,
      link: true,
      peerAccepts: { checksum: false, tcp4: false, tcp6: false },
    };
    const network: HostNetwork = {
      connect: (to, events) => {
        const socket = new FakeTcp(to);
        socket.events = events;
        this.sockets.push(socket);
        return socket;
      },
      listen: (at, accept) => {
        const listener = { at, accept, closed: false };
        this.listeners.push(listener);
        return Promise.resolve({ port: at.port || 40000, close: () => void (listener.closed = true) });
      },
      openUdp: (version, events) => this.#openUdp(version, events),
      bindUdp: (at, events) => Promise.resolve({ ...this.#openUdp(4, events), port: at.port }),
      ping: (_to, data, reply) => {
        if (this.canPing) reply(data);
        return this.canPing;
      },
      resolvers: () => this.resolvers,
      openFile: (name) => {
        const bytes = this.files.get(name);
        return Promise.resolve(
          bytes && {
            size: bytes.length,
            read: (at: number, length: number) => Promise.resolve(bytes.slice(at, at + length)),
            close: () => undefined,
          },
        );
      },
    };
    let random = 1;
    this.nat = new Nat({
      cable,
      network,
      time: {
        now: () => this.now,
        after: (ms, call) => {
          const timer = { at: this.now + ms, call, order: this.#order++ };
          this.#timers.push(timer);
          return () => void (this.#timers = this.#timers.filter((one) => one !== timer));
        },
        soon: (call) => void this.#soon.push(call),
      },
      wallTime: () => 0,
      random: () => (random = (Math.imul(random, 1103515245) + 12345) >>> 0),
      log: silentLog,
      ...options,
    });
  }

  #openUdp(version: 4 | 6, events: HostUdpEvents) {
    const socket = { version, events, sent: [] as { bytes: Uint8Array; to: HostEndpoint }[], closed: false };
    this.udp.push(socket);
    return {
      port: 40000 + this.udp.length,
      send: (bytes: Uint8Array, to: HostEndpoint) => void socket.sent.push({ bytes, to }),
      close: () => void (socket.closed = true),
    };
  }

  #fromNat(frame: Uint8Array, offload: Offload | undefined): boolean {
    if (this.full) return false;
    const take = (one: Uint8Array) => {
      const copy = one.slice();
      this.frames.push(copy);
      const ethernet = EthernetFrame.of(copy)!;
      if (ethernet.etherType !== etherTypes.ipv4 || this.#tcp === undefined) return;
      const ip = Ipv4Packet.of(ethernet.payload)!;
      if (ip.protocol === ipProtocols.tcp) this.#tcp(TcpPacket.of(ip.payload)!, ip.source);
    };
    if (offload === undefined) take(frame);
    else cutFrames(frame, offload, take);
    return true;
  }

  burst(): void {
    while (this.#soon.length > 0) this.#soon.shift()!();
  }

  /** Lets time pass. */
  run(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      this.burst();
      this.#timers.sort((a, b) => a.at - b.at || a.order - b.order);
      if (this.#timers.length === 0 || this.#timers[0]!.at > end) break;
      const timer = this.#timers.shift()!;
      this.now = Math.max(this.now, timer.at);
      timer.call();
    }
    this.now = end;
  }

  raw(frame: Uint8Array): void {
    expect(this.user.frame(frame)).toBe(true);
  }

  /** An IPv4 packet of the guest's. */
  ip(protocol: number, payload: Uint8Array, destination: IpAddress, source = guestIp, fields = {}): void {
    const frame = new Uint8Array(ETHERNET_HEADER + IPV4_HEADER + payload.length);
    emitEthernet({ destination: natMac, source: guestMac, etherType: etherTypes.ipv4 }, frame);
    emitIpv4(ipv4Repr({ source, destination, protocol, payloadLength: payload.length, ...fields }), frame.subarray(ETHERNET_HEADER));
    frame.set(payload, ETHERNET_HEADER + IPV4_HEADER);
    this.raw(frame);
  }
  ip6(protocol: number, payload: Uint8Array, destination: IpAddress, source: IpAddress, hopLimit = 64): void {
    const frame = new Uint8Array(ETHERNET_HEADER + IPV6_HEADER + payload.length);
    emitEthernet({ destination: natMac, source: guestMac, etherType: etherTypes.ipv6 }, frame);
    emitIpv6(ipv6Repr({ source, destination, nextHeader: protocol, payloadLength: payload.length, hopLimit }), frame.subarray(ETHERNET_HEADER));
    frame.set(payload, ETHERNET_HEADER + IPV6_HEADER);
    this.raw(frame);
  }
  datagram(sourcePort: number, destinationPort: number, payload: Uint8Array, destination: IpAddress, source: IpAddress = guestIp): void {
    const bytes = new Uint8Array(UDP_HEADER + payload.length);
    bytes.set(payload, UDP_HEADER);
    emitUdp({ sourcePort, destinationPort }, bytes, source, destination);
    if (destination.length === 4) this.ip(ipProtocols.udp, bytes, destination, source);
    else this.ip6(ipProtocols.udp, bytes, destination, source);
  }
  icmp(repr: Icmpv4Repr, destination: IpAddress): void {
    const bytes = new Uint8Array(icmpv4Length(repr));
    emitIcmpv4(repr, bytes);
    this.ip(ipProtocols.icmp, bytes, destination);
  }
  icmp6(repr: Icmpv6Repr, destination: IpAddress, source: IpAddress, hopLimit = 255): void {
    const bytes = new Uint8Array(icmpv6Length(repr));
    emitIcmpv6(repr, bytes, source, destination);
    this.ip6(ipProtocols.icmpv6, bytes, destination, source, hopLimit);
  }
  segment(
    repr: Partial<TcpRepr> & Pick<TcpRepr, 'sourcePort' | 'destinationPort' | 'flags'>,
    destination: IpAddress,
    payload: Uint8Array = new Uint8Array(0),
  ): void {
    const header: TcpRepr = { sequence: 1, acknowledgment: 0, window: 65535, urgent: 0, ...repr };
    const bytes = new Uint8Array(tcpLength(header) + payload.length);
    bytes.set(payload, tcpLength(header));
    emitTcp(header, bytes, guestIp, destination);
    this.ip(ipProtocols.tcp, bytes, destination);
  }

  /** A connection of the guest's, with our own TCP as the guest's. */
  connect(destination: IpAddress, port: number, localPort: number) {
    const got: Uint8Array[] = [];
    const state = {
      connection: undefined as unknown as TcpConnection,
      established: false,
      ended: false,
      how: undefined as TcpEnd | undefined,
      reads: true,
      got,
      text: () => latin1(concat(...got)),
    };
    const connection = TcpConnection.connect(
      { localPort, remotePort: port, initialSequence: 1000 + localPort, linkMss: 1460, largeSegments: 0, receiveBuffer: 65536, sendBuffer: 1 << 20 },
      {
        established: () => void (state.established = true),
        data: (bytes) => {
          got.push(bytes.slice());
          if (state.reads) state.connection.consumed(bytes.length);
        },
        end: () => void (state.ended = true),
        closed: (how) => void (state.how = how),
      },
      (header: TcpRepr, _mss, queue: ChunkQueue | undefined, offset, length) => {
        const payload = new Uint8Array(length);
        queue?.copy(offset, length, payload, 0);
        this.segment(header, destination, payload);
        return true;
      },
    );
    state.connection = connection;
    const before = this.#tcp;
    const inbox: TcpPacket[] = [];
    this.#tcp = (packet, from) => {
      if (packet.destinationPort === localPort && formatIp(from) === formatIp(destination)) inbox.push(packet);
      else before?.(packet, from);
    };
    const pump = () => {
      for (let rounds = 0; rounds < 2000; rounds++) {
        connection.poll(this.now);
        this.burst();
        if (inbox.length === 0) return;
        for (const packet of inbox.splice(0)) connection.input(parseTcp(packet), packet.payload, this.now);
      }
    };
    pump();
    return { ...state, state, pump, connection };
  }

  lastIp(): { ip: Ipv4Packet; udp: UdpPacket | undefined; icmp: Icmpv4Repr | undefined } {
    const ip = Ipv4Packet.of(EthernetFrame.of(this.frames.at(-1)!)!.payload)!;
    const icmp = ip.protocol === ipProtocols.icmp ? parseIcmpv4(Icmpv4Packet.of(ip.payload)!) : undefined;
    return { ip, udp: ip.protocol === ipProtocols.udp ? UdpPacket.of(ip.payload) : undefined, icmp };
  }
}

const echo = (data: string): Icmpv4Repr => ({ type: 'echoRequest', identifier: 7, sequence: 1, data: fromLatin1(data) });
const query = (name: string, type = 1) =>
  concat(
    Uint8Array.of(0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0),
    ...name.split('.').map((label) => concat(Uint8Array.of(label.length), fromLatin1(label))),
    Uint8Array.of(0, 0, type, 0, 1),
  );

function dhcpRequest(type: number, mac = guestMac, options: Dhcpv4Repr['options'] = []): Uint8Array {
  const none = new Uint8Array(4);
  return emitDhcpv4({
    operation: 1,
    transaction: 0x1234,
    seconds: 0,
    broadcast: true,
    clientAddress: none,
    yourAddress: none,
    serverAddress: none,
    relayAddress: none,
    clientHardware: concat(mac, new Uint8Array(10)),
    serverName: '',
    bootFile: '',
    options: [{ code: dhcpOptions.messageType, data: Uint8Array.of(type) }, ...options],
  });
}

test('ARP: the gateway and the name server answer, others do not', () => {
  const world = new World();
  const ask = (targetIp: IpAddress) => {
    const frame = new Uint8Array(ETHERNET_HEADER + ARP_LENGTH);
    emitEthernet({ destination: new Uint8Array(6).fill(255), source: guestMac, etherType: etherTypes.arp }, frame);
    emitArp({ operation: 1, senderMac: guestMac, senderIp: guestIp, targetMac: new Uint8Array(6), targetIp }, frame.subarray(ETHERNET_HEADER));
    world.raw(frame);
  };
  ask(gateway);
  ask(dns);
  ask(parseIp('10.0.2.77')!);
  const replies = world.frames.map((frame) => parseArp(ArpPacket.of(EthernetFrame.of(frame)!.payload)!));
  expect(replies).toEqual([gateway, dns].map((senderIp) => ({ operation: 2, senderMac: natMac, senderIp, targetMac: guestMac, targetIp: guestIp })));
});

test('DHCP: discover, request, the same address again; a foreign address is refused', () => {
  const world = new World({ bootFile: 'pxelinux.0' });
  const ask = (message: Uint8Array) => {
    world.frames.length = 0;
    world.datagram(68, 67, message, parseIp('255.255.255.255')!, parseIp('0.0.0.0'));
    return world.frames.length === 0 ? undefined : parseDhcpv4(world.lastIp().udp!.payload)!;
  };
  const offer = ask(dhcpRequest(dhcpMessages.discover))!;
  expect([formatIp(offer.yourAddress), offer.bootFile, formatIp(offer.serverAddress)]).toEqual(['10.0.2.15', 'pxelinux.0', '10.0.2.2']);
  expect([dhcpOptions.router, dhcpOptions.dns, dhcpOptions.subnetMask].map((code) => formatIp(dhcpOption(offer, code)!))).toEqual([
    '10.0.2.2',
    '10.0.2.3',
    '255.255.255.0',
  ]);
  const request = [
    { code: dhcpOptions.requestedAddress, data: guestIp },
    { code: dhcpOptions.hostName, data: fromLatin1('box<b>\x07') },
  ];
  const ack = ask(dhcpRequest(dhcpMessages.request, guestMac, request))!;
  expect(dhcpOption(ack, dhcpOptions.messageType)).toEqual(Uint8Array.of(dhcpMessages.ack));
  expect(world.nat.leases).toMatchObject([{ mac: '52:54:00:01:02:03', address: '10.0.2.15', hostName: 'box<b>?', taken: true }]);
  expect(formatIp(ask(dhcpRequest(dhcpMessages.discover))!.yourAddress)).toBe('10.0.2.15');
  const other = Uint8Array.of(0x52, 0x54, 0, 9, 9, 9);
  expect(formatIp(ask(dhcpRequest(dhcpMessages.discover, other))!.yourAddress)).toBe('10.0.2.16');
  const foreign = ask(dhcpRequest(dhcpMessages.request, other, [{ code: dhcpOptions.requestedAddress, data: parseIp('192.168.1.5')! }]))!;
  expect(dhcpOption(foreign, dhcpOptions.messageType)).toEqual(Uint8Array.of(dhcpMessages.nak));
});

test('DHCP exhaustion: a pool is a pool, and the honest guest keeps its address', () => {
  const world = new World();
  world.datagram(
    68,
    67,
    dhcpRequest(dhcpMessages.request, guestMac, [{ code: dhcpOptions.requestedAddress, data: guestIp }]),
    parseIp('255.255.255.255')!,
    parseIp('0.0.0.0'),
  );
  for (let index = 0; index < 5000; index++) {
    const mac = Uint8Array.of(2, 0, 0, 0, index >> 8, index);
    world.datagram(68, 67, dhcpRequest(dhcpMessages.discover, mac), parseIp('255.255.255.255')!, parseIp('0.0.0.0'));
  }
  expect(world.nat.use.leases).toBe(240);
  expect(world.nat.leases.find(({ mac }) => mac === '52:54:00:01:02:03')).toMatchObject({ address: '10.0.2.15', taken: true });
  world.run(120_000); // offers nobody took are given to others
  world.frames.length = 0;
  world.datagram(68, 67, dhcpRequest(dhcpMessages.discover, Uint8Array.of(6, 0, 0, 0, 0, 1)), parseIp('255.255.255.255')!, parseIp('0.0.0.0'));
  expect(world.frames).toHaveLength(1);
});

describe('TCP', () => {
  test('a connection out: the handshake waits for the host, data and ends pass both ways', () => {
    const world = new World();
    const guest = world.connect(outside, 80, 5000);
    expect([world.sockets.length, guest.state.established]).toEqual([1, false]);
    const [socket] = world.sockets;
    expect([formatIp(socket!.to.address), socket!.to.port]).toEqual(['198.51.100.7', 80]);
    socket!.events.connected();
    guest.pump();
    expect(guest.state.established).toBe(true);
    guest.connection.write(fromLatin1('GET /'));
    guest.connection.end();
    guest.pump();
    expect([socket!.text, socket!.ended]).toEqual(['GET /', true]);
    socket!.events.data(fromLatin1('answer'));
    socket!.events.end();
    socket!.events.closed();
    guest.pump();
    expect([guest.state.text(), guest.state.ended, guest.state.how]).toEqual(['answer', true, 'done']);
    world.run(30_000);
    expect(world.nat.use.tcp).toBe(0);
    expect(world.nat.traffic.last(10)).toMatchObject([{ kind: 'tcp', address: '198.51.100.7', port: 80 }]);
  });

  test('refused by the host: a reset; unreachable: ICMP says so', () => {
    const world = new World();
    const guest = world.connect(outside, 81, 5000);
    world.sockets[0]!.events.closed('refused');
    guest.pump();
    expect(guest.state.how).toBe('refused');
    world.connect(outside, 82, 5001);
    world.sockets[1]!.events.closed('unreachable');
    const errors = world.frames
      .map((frame) => Ipv4Packet.of(EthernetFrame.of(frame)!.payload)!)
      .filter(({ protocol }) => protocol === ipProtocols.icmp);
    expect(parseIcmpv4(Icmpv4Packet.of(errors[0]!.payload)!)).toMatchObject({ type: 'unreachable', code: 1 });
  });

  test.each(['127.0.0.1', '169.254.169.254', '10.0.2.2', '10.0.2.99', '0.0.0.0', '100.100.100.200', '224.0.0.1', '255.255.255.255'])(
    '%s is refused unless allowed',
    (text) => {
      const world = new World();
      world.connect(parseIp(text)!, 80, 5000);
      expect(world.sockets).toHaveLength(0);
    },
  );

  test('loopback by the gateway, where a rule allows it, and only that port', () => {
    const world = new World({ rules: { allow: ['host:8080'], block: [] } });
    world.connect(gateway, 8080, 5000);
    world.connect(gateway, 8081, 5001);
    expect(world.sockets.map(({ to }) => `${formatIp(to.address)}:${to.port}`)).toEqual(['127.0.0.1:8080']);
    expect(world.lastIp().icmp).toMatchObject({ type: 'unreachable', code: 13 });
  });

  test('back-pressure: a host that does not read stops the guest, a guest that does not read stops the host', () => {
    const world = new World({ limits: { receiveBuffer: 65536, sendBuffer: 65536 } });
    const guest = world.connect(outside, 80, 5000);
    const [socket] = world.sockets;
    socket!.events.connected();
    guest.pump();
    socket!.stuck = true;
    guest.connection.write(new Uint8Array(500_000));
    guest.pump();
    world.run(5000);
    const stuck = concat(...socket!.written).length;
    expect(stuck).toBeLessThanOrEqual(65536);
    expect(stuck).toBeGreaterThan(60_000);
    socket!.unstick();
    for (let index = 0; index < 200; index++) {
      world.run(1000);
      guest.pump();
    }
    expect(concat(...socket!.written)).toHaveLength(500_000);

    guest.state.reads = false;
    for (let index = 0; index < 100 && !socket!.paused; index++) {
      socket!.events.data(new Uint8Array(16384));
      guest.pump();
    }
    expect(socket!.paused).toBe(true);
    expect(world.nat.use.buffered).toBeLessThan(65536 + 16384);
  });

  test('a cable without room: nothing is lost', () => {
    const world = new World();
    const guest = world.connect(outside, 80, 5000);
    world.sockets[0]!.events.connected();
    guest.pump();
    world.full = true;
    world.sockets[0]!.events.data(fromLatin1('waits'));
    guest.pump();
    expect(guest.state.text()).toBe('');
    world.full = false;
    world.user.room?.();
    guest.pump();
    expect(guest.state.text()).toBe('waits');
  });

  test('an hour of silence, then data both ways', () => {
    const world = new World();
    const guest = world.connect(outside, 22, 5000);
    world.sockets[0]!.events.connected();
    guest.pump();
    world.run(100);
    const before = world.frames.length;
    world.run(3_600_000);
    const tcp = world.frames.slice(before).filter((frame) => EthernetFrame.of(frame)!.etherType === etherTypes.ipv4);
    expect(tcp).toHaveLength(0);
    guest.connection.write(fromLatin1('still here'));
    guest.pump();
    world.sockets[0]!.events.data(fromLatin1('so am I'));
    guest.pump();
    expect([world.sockets[0]!.text, guest.state.text()]).toEqual(['still here', 'so am I']);
  });

  test('segments of no connection are reset', () => {
    const world = new World();
    world.segment({ sourcePort: 1, destinationPort: 2, flags: tcpFlags.ack, sequence: 5, acknowledgment: 77 }, outside);
    expect(parseTcp(TcpPacket.of(world.lastIp().ip.payload)!)).toMatchObject({ flags: tcpFlags.rst, sequence: 77 });
  });

  test('a SYN flood holds no more of the host than its limit, and leaves room afterwards', () => {
    const world = new World();
    for (let index = 0; index < 20_000; index++)
      world.segment({ sourcePort: 1 + (index % 60000), destinationPort: 80 + (index >> 14), flags: tcpFlags.syn, mss: 1460 }, outside);
    expect(world.nat.use.connecting).toBe(128);
    expect(world.sockets).toHaveLength(128);
    for (const socket of world.sockets) socket.events.closed('timeout');
    world.burst();
    expect(world.nat.use.tcp).toBe(0);
    const guest = world.connect(outside, 80, 61000);
    world.sockets.at(-1)!.events.connected();
    guest.pump();
    expect(guest.state.established).toBe(true);
  });

  test('200 connections at once; more than the limit are not begun', () => {
    const world = new World({ limits: { tcpFlows: 300 } });
    for (let index = 0; index < 400; index++) {
      const guest = world.connect(outside, 80, 10000 + index);
      world.sockets[index]?.events.connected();
      guest.pump();
    }
    expect([world.nat.use.tcp, world.sockets.length]).toEqual([300, 300]);
  });
});

test('a forward: from a host port to the leased address, ends pass both ways', async () => {
  const world = new World();
  world.icmp(echo('hello'), gateway); // the guest shows itself
  const spec = await world.nat.forwards.add({ protocol: 'tcp', hostAddress: '127.0.0.1', hostPort: 2222, guestPort: 22 });
  await expect(world.nat.forwards.add(spec)).rejects.toThrow('forwarded already');
  const socket = new FakeTcp({ address: guestIp, port: 0 });
  socket.events = world.listeners[0]!.accept(socket, { address: outside, port: 1 })!;
  socket.events.data(fromLatin1('early'));
  world.burst();
  const syn = parseTcp(TcpPacket.of(world.lastIp().ip.payload)!);
  expect([syn.flags, syn.destinationPort, formatIp(world.lastIp().ip.source)]).toEqual([tcpFlags.syn, 22, '10.0.2.2']);
  const reply = { sourcePort: 22, destinationPort: syn.sourcePort, window: 65535 };
  world.segment({ ...reply, flags: tcpFlags.syn | tcpFlags.ack, sequence: 100, acknowledgment: syn.sequence + 1, mss: 1460 }, gateway);
  world.burst();
  expect(latin1(TcpPacket.of(world.lastIp().ip.payload)!.payload)).toBe('early');
  world.segment({ ...reply, flags: tcpFlags.ack, sequence: 101, acknowledgment: syn.sequence + 6 }, gateway, fromLatin1('SSH'));
  world.burst();
  expect(socket.text).toBe('SSH');
  expect(world.nat.forwards.list).toEqual([spec]);
  world.nat.forwards.remove('tcp', 2222);
  expect([world.listeners[0]!.closed, world.nat.forwards.list]).toEqual([true, []]);
  expect(() => world.nat.forwards.remove('tcp', 2222)).toThrow('not forwarded');
});

describe('UDP', () => {
  test('out and back; answers only from where the guest has asked; forgotten when silent', () => {
    const world = new World();
    world.datagram(4000, 123, fromLatin1('time?'), outside);
    const [socket] = world.udp;
    expect(socket!.sent).toMatchObject([{ bytes: fromLatin1('time?'), to: { address: outside, port: 123 } }]);
    socket!.events.message(fromLatin1('noon'), { address: outside, port: 123 });
    const { ip, udp } = world.lastIp();
    expect([formatIp(ip.source), udp!.sourcePort, udp!.destinationPort, latin1(udp!.payload), udp!.checksumOk(ip.source, ip.destination)]).toEqual([
      '198.51.100.7',
      123,
      4000,
      'noon',
      true,
    ]);
    const before = world.frames.length;
    socket!.events.message(fromLatin1('spoof'), { address: parseIp('203.0.113.9')!, port: 123 });
    expect(world.frames).toHaveLength(before);
    world.run(200_000);
    expect([world.nat.use.udp, socket!.closed]).toEqual([0, true]);
  });
  test('long datagrams: fragments are put together, and made', () => {
    const world = new World();
    const payload = Uint8Array.from({ length: 4000 }, (_, index) => index & 0xff);
    const bytes = new Uint8Array(UDP_HEADER + payload.length);
    bytes.set(payload, UDP_HEADER);
    emitUdp({ sourcePort: 4000, destinationPort: 123 }, bytes, guestIp, outside);
    for (const at of [2960, 0, 1480])
      world.ip(ipProtocols.udp, bytes.subarray(at, at + 1480), outside, guestIp, {
        dontFragment: false,
        identification: 9,
        fragmentOffset: at,
        moreFragments: at < 2960,
      });
    expect(world.udp[0]!.sent[0]!.bytes).toEqual(payload);
    world.frames.length = 0;
    world.udp[0]!.events.message(payload, { address: outside, port: 123 });
    const packets = world.frames.map((frame) => Ipv4Packet.of(EthernetFrame.of(frame)!.payload)!);
    expect(packets.map(({ fragmentOffset, moreFragments }) => [fragmentOffset, moreFragments])).toEqual([
      [0, true],
      [1480, true],
      [2960, false],
    ]);
    const whole = UdpPacket.of(concat(...packets.map(({ payload: part }) => part)))!;
    expect([whole.checksumOk(outside, guestIp), whole.payload]).toEqual([true, payload]);
  });
  test('a flood of ports and of fragments stays within limits', () => {
    const world = new World();
    for (let port = 1; port < 5000; port++) world.datagram(port, 9, Uint8Array.of(1), outside);
    expect([world.nat.use.udp, world.udp.filter(({ closed }) => !closed).length]).toEqual([256, 256]);
    for (let id = 0; id < 5000; id++)
      world.ip(ipProtocols.udp, new Uint8Array(8), outside, guestIp, { dontFragment: false, identification: id, moreFragments: true });
    expect(world.nat.use.fragments).toBe(16);
  });
  test('a forward', async () => {
    const world = new World();
    world.icmp(echo('hello'), gateway);
    await world.nat.forwards.add({ protocol: 'udp', hostAddress: '127.0.0.1', hostPort: 5353, guestPort: 53 });
    world.udp[0]!.events.message(fromLatin1('q'), { address: outside, port: 999 });
    const { udp } = world.lastIp();
    expect([udp!.destinationPort, latin1(udp!.payload)]).toEqual([53, 'q']);
    world.datagram(53, udp!.sourcePort, fromLatin1('a'), gateway);
    expect(world.udp[0]!.sent).toMatchObject([{ bytes: fromLatin1('a'), to: { address: outside, port: 999 } }]);
  });
});

test('ping: the gateway itself, others where the host lets, else an honest refusal', () => {
  const world = new World();
  world.icmp(echo('abc'), gateway);
  expect(world.lastIp().icmp).toEqual({ ...echo('abc'), type: 'echoReply' });
  world.icmp(echo('abc'), outside);
  expect(world.lastIp().icmp).toMatchObject({ type: 'unreachable', code: 13 });
  world.canPing = true;
  world.icmp(echo('xyz'), outside);
  expect([world.lastIp().icmp, formatIp(world.lastIp().ip.source)]).toEqual([{ ...echo('xyz'), type: 'echoReply' }, '198.51.100.7']);
});

describe('DNS', () => {
  test("asked with another id, answered with the guest's; strangers are not believed; the name is known and noted", () => {
    const world = new World();
    world.datagram(4000, 53, query('www.example.com'), dns);
    const asked = world.udp[0]!.sent[0]!;
    const answer = emitDnsAnswer(asked.bytes, [outside], 60);
    const wrong = answer.slice();
    wrong[0]! ^= 1;
    world.udp[0]!.events.message(wrong, asked.to);
    world.udp[0]!.events.message(answer, { ...asked.to, port: 5 });
    expect(world.frames).toHaveLength(0);
    world.udp[0]!.events.message(answer, asked.to);
    expect(parseDns(world.lastIp().udp!.payload)).toMatchObject({ id: 0x1234, answers: [{ address: outside }] });
    world.connect(outside, 443, 5000);
    expect(world.nat.traffic.last(5)).toMatchObject([
      { kind: 'name', name: 'www.example.com' },
      { kind: 'tcp', name: 'www.example.com', port: 443 },
    ]);
  });
  test('a server that is silent: the next is asked, then the failure is told', () => {
    const world = new World();
    world.resolvers = [world.resolvers[0]!, { address: parseIp('203.0.113.54')!, port: 53 }];
    world.datagram(4000, 53, query('a.test'), dns);
    world.run(3001);
    expect(world.udp.map(({ sent }) => formatIp(sent[0]!.to.address))).toEqual(['203.0.113.53', '203.0.113.54']);
    world.run(60_000);
    expect(parseDns(world.lastIp().udp!.payload)).toMatchObject({ code: 2 });
    expect([world.nat.use.dns, world.udp.every(({ closed }) => closed)]).toEqual([0, true]);
  });
  test('over TCP', () => {
    const world = new World();
    const guest = world.connect(dns, 53, 5000);
    guest.pump();
    const q = query('big.example.com', 16);
    guest.connection.write(concat(Uint8Array.of(0, q.length), q));
    guest.pump();
    const [upstream] = world.sockets;
    upstream!.events.connected();
    expect(get16(upstream!.written[0]!, 0)).toBe(q.length);
    const answer = emitDnsAnswer(q, [outside], 1);
    upstream!.events.data(concat(Uint8Array.of(0, answer.length), answer));
    guest.pump();
    expect(concat(...guest.state.got)).toEqual(concat(Uint8Array.of(0, answer.length), answer));
  });
  test('blocked and allowed names', () => {
    const world = new World({ rules: { block: ['*'], allow: ['example.com'] } });
    world.datagram(4000, 53, query('ads.test'), dns);
    expect([parseDns(world.lastIp().udp!.payload)!.code, world.udp.length]).toEqual([3, 0]);
    world.datagram(4000, 53, query('www.example.com'), dns);
    world.udp[0]!.events.message(emitDnsAnswer(world.udp[0]!.sent[0]!.bytes, [outside, parseIp('127.0.0.1')!], 60), world.udp[0]!.sent[0]!.to);
    world.connect(outside, 443, 5000);
    world.connect(parseIp('198.51.100.8')!, 443, 5001);
    world.connect(parseIp('127.0.0.1')!, 443, 5002); // an allowed name opens nothing of the host's own
    expect(world.sockets.map(({ to }) => formatIp(to.address))).toEqual(['198.51.100.7']);
    expect(world.nat.traffic.last(1)).toMatchObject([{ address: '127.0.0.1', blockedBy: '127.0.0.0/8' }]);
  });
  test('a flood of questions', () => {
    const world = new World();
    for (let index = 0; index < 5000; index++) world.datagram(4000, 53, query(`n${index}.test`), dns);
    expect([world.nat.use.dns, world.udp.length]).toEqual([128, 128]);
  });
});

test('rules that say nothing are refused', () => {
  for (const bad of ['', 'a b', '1.2.3.4/33', 'host:0', 'host:99999', '10.0.0.0/8/9', '-!-'])
    expect(() => new World({ rules: { allow: [bad], block: [] } })).toThrow('no rule of the network');
  for (const good of [
    'host',
    'host:80',
    '10.0.0.0/8',
    '192.168.1.5:443',
    '[2001:db8::1]:80',
    '2001:db8::/32',
    'example.com',
    'a-b.example.com:443',
    '*',
  ])
    new World({ rules: { allow: [good], block: [] } });
});

describe('IPv6', () => {
  const own = linkLocalOf(guestMac);
  const global = parseIp('fd53:7472:6174:6500::55')!;
  const last6 = (world: World) => {
    const ip = Ipv6Packet.of(EthernetFrame.of(world.frames.at(-1)!)!.payload)!;
    return { ip, icmp: ip.upper!.protocol === ipProtocols.icmpv6 ? parseIcmpv6(Icmpv6Packet.of(ip.upper!.payload)!) : undefined };
  };
  test('router and neighbour discovery, ping of the gateway', () => {
    const world = new World();
    world.icmp6({ type: 'routerSolicitation', link: guestMac }, parseIp('ff02::2')!, own);
    expect(last6(world).icmp).toMatchObject({
      type: 'routerAdvertisement',
      otherConfig: true,
      prefix: { length: 64, autonomous: true },
      dns: { servers: [parseIp('fd53:7472:6174:6500::3')] },
    });
    world.icmp6({ type: 'neighbourSolicitation', target: gateway6, link: guestMac }, parseIp('ff02::1:ff00:2')!, global);
    expect(last6(world).icmp).toMatchObject({ type: 'neighbourAdvertisement', target: gateway6, router: true, solicited: true, link: natMac });
    world.icmp6({ type: 'echoRequest', identifier: 1, sequence: 2, data: fromLatin1('six') }, gateway6, global, 64);
    expect(last6(world).icmp).toEqual({ type: 'echoReply', identifier: 1, sequence: 2, data: fromLatin1('six') });
    const before = world.frames.length;
    world.icmp6({ type: 'neighbourSolicitation', target: gateway6, link: guestMac }, parseIp('ff02::1:ff00:2')!, global, 64); // from afar
    world.icmp6({ type: 'neighbourSolicitation', target: global }, parseIp('ff02::1:ff00:55')!, parseIp('::')!); // the guest's own address: free
    expect(world.frames).toHaveLength(before);
  });
  test('DHCPv6 tells the name server', () => {
    const world = new World();
    world.datagram(
      546,
      547,
      emitDhcpv6({ message: 11, transaction: 5, options: [{ code: 1, data: Uint8Array.of(0, 3) }] }),
      parseIp('ff02::1:2')!,
      own,
    );
    const { ip } = last6(world);
    const reply = parseDhcpv6(UdpPacket.of(ip.upper!.payload)!.payload)!;
    expect(reply).toMatchObject({ message: 7, transaction: 5 });
    expect(reply.options.find(({ code }) => code === 23)!.data).toEqual(parseIp('fd53:7472:6174:6500::3'));
  });
  test('UDP out and back; mapped loopback is refused', () => {
    const world = new World();
    const remote = parseIp('2001:db8::9')!;
    world.datagram(4000, 123, fromLatin1('t'), remote, global);
    expect(world.udp[0]).toMatchObject({ version: 6, sent: [{ to: { address: remote, port: 123 } }] });
    world.udp[0]!.events.message(new Uint8Array(3000), { address: remote, port: 123 });
    expect(world.frames).toHaveLength(3);
    for (const bad of [
      '::ffff:127.0.0.1',
      '::1',
      'fe80::1',
      '64:ff9b::7f00:1',
      '2002:7f00:1::',
      'fd00:ec2::254',
      '::127.0.0.1',
      'fd53:7472:6174:6500::9',
    ])
      world.datagram(4000, 124, fromLatin1('t'), parseIp(bad)!, global);
    expect(world.udp[0]!.sent).toHaveLength(1);
    expect(world.udp).toHaveLength(1);
  });
});

test('TFTP: options, blocks, the end; writing and unknown files are refused', async () => {
  const world = new World();
  world.files.set(
    'boot',
    Uint8Array.from({ length: 2500 }, (_, index) => index & 0xff),
  );
  const say = async (repr: Parameters<typeof emitTftp>[0]) => {
    const before = world.frames.length;
    world.datagram(3000, 69, emitTftp(repr), gateway);
    for (let index = 0; index < 10; index++) await Promise.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    return world.frames.length === before ? undefined : parseTftp(world.lastIp().udp!.payload);
  };
  expect(await say({ type: 'write', file: 'x', mode: 'octet', options: [] })).toMatchObject({ type: 'error', code: 2 });
  expect(await say({ type: 'read', file: 'none', mode: 'octet', options: [] })).toMatchObject({ type: 'error', code: 1 });
  const options = [
    { name: 'tsize', value: '0' },
    { name: 'blksize', value: '9000' },
  ];
  expect(await say({ type: 'read', file: 'boot', mode: 'octet', options })).toEqual({
    type: 'optionAck',
    options: [
      { name: 'tsize', value: '2500' },
      { name: 'blksize', value: '1468' },
    ],
  });
  const first = await say({ type: 'ack', block: 0 });
  expect(await say({ type: 'ack', block: 0 })).toBeUndefined();
  const second = await say({ type: 'ack', block: 1 });
  const data = [first, second].map((repr) => (repr?.type === 'data' ? repr.data : new Uint8Array(0)));
  expect(concat(...data)).toEqual(world.files.get('boot'));
  await say({ type: 'ack', block: 2 });
  expect(world.nat.use.tftp).toBe(0);
});

test('host-only: nothing of the world, only what is allowed of this host', () => {
  const world = new World({ restricted: true, rules: { allow: ['host:80'], block: [] } });
  world.connect(outside, 80, 5000);
  world.connect(gateway, 80, 5001);
  expect(world.sockets.map(({ to }) => formatIp(to.address))).toEqual(['127.0.0.1']);
});

test('frames that make no sense: no exception, no answer without bound', () => {
  const world = new World();
  let random = 12345;
  const next = () => (random = (Math.imul(random, 1664525) + 1013904223) >>> 0) >>> 8;
  const real: Uint8Array[] = [];
  const sniff = world.user.frame.bind(world.user);
  world.user.frame = (frame, offload) => (real.push(frame.slice()), sniff(frame, offload));
  world.icmp(echo('x'), gateway);
  world.datagram(1, 53, query('a.b'), dns);
  world.datagram(68, 67, dhcpRequest(1), gateway);
  world.connect(outside, 80, 5000);
  world.icmp6({ type: 'routerSolicitation', link: guestMac }, parseIp('ff02::2')!, linkLocalOf(guestMac));
  const seeds = [...real];
  for (let round = 0; round < 20_000; round++) {
    const frame = seeds[next() % seeds.length]!.slice(0, 10 + (next() % 400));
    for (let change = next() % 6; change > 0; change--) frame[next() % frame.length] = next();
    const before = world.frames.length;
    world.raw(frame);
    world.burst();
    expect(world.frames.length - before).toBeLessThanOrEqual(4);
    if (round % 1000 === 0) world.run(1000);
  }
  const { use } = world.nat;
  expect(use.connecting).toBeLessThanOrEqual(128);
  expect(use.udp).toBeLessThanOrEqual(256);
});
