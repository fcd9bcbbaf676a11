/**
 * A user network: a router, name server, DHCP and TFTP server that live behind one cable and reach the world with ordinary sockets of the host, so
 * that it needs no privilege (as SLIRP did first). Pure: the host's sockets, clock and randomness are given.
 */
import type { Log } from '../../base/log.ts';
import type { CableUser, NetBackend, Offload } from '../cable/cable.ts';
import { type Lease, DhcpServer } from '../services/dhcp-server.ts';
import { answerDhcpv6 } from '../services/dhcpv6-server.ts';
import { DnsProxy } from '../services/dns-proxy.ts';
import { DnsStream } from '../services/dns-stream.ts';
import { TftpServer } from '../services/tftp-server.ts';
import { addressKey, formatIp, type IpAddress, sameAddress } from '../wire/address.ts';
import { ArpPacket, ARP_LENGTH, arpOperations, emitArp } from '../wire/arp.ts';
import { DHCP_CLIENT_PORT, DHCP_SERVER_PORT, emitDhcpv4, parseDhcpv4 } from '../wire/dhcpv4.ts';
import { DHCPV6_CLIENT_PORT, DHCPV6_SERVER_PORT, emitDhcpv6, parseDhcpv6 } from '../wire/dhcpv6.ts';
import { DNS_PORT, emitDnsTruncated } from '../wire/dns.ts';
import { EthernetFrame, etherTypes } from '../wire/ethernet.ts';
import { Icmpv4Packet, parseIcmpv4 } from '../wire/icmpv4.ts';
import { Icmpv6Packet, parseIcmpv6 } from '../wire/icmpv6.ts';
import { ipProtocols, Ipv4Packet } from '../wire/ipv4.ts';
import { Ipv6Packet } from '../wire/ipv6.ts';
import { TcpPacket } from '../wire/tcp.ts';
import { TFTP_PORT } from '../wire/tftp.ts';
import { UdpPacket } from '../wire/udp.ts';
import { Forwards } from './forwards.ts';
import type { HostEndpoint, HostNetwork, HostTcp, HostTcpEvents, NetTime } from './host.ts';
import { NatLink, type Path } from './link.ts';
import { Policy, type RulesSpec } from './policy.ts';
import { Reassembly } from './reassembly.ts';
import { Router6 } from './router.ts';
import { defaultLimits, defaultSettings, type NatLimits, type NatSettings } from './settings.ts';
import { TcpFlows } from './tcp-flows.ts';
import { TrafficLog } from './traffic-log.ts';
import { UdpFlows } from './udp-flows.ts';

export interface NatOptions {
  readonly cable: NetBackend;
  readonly network: HostNetwork;
  readonly time: NetTime;
  /** Unix ms, for the log of what left the machine. */
  wallTime(): number;
  /** 32 bits nobody can guess. */
  random(): number;
  readonly log: Log;
  readonly rules?: RulesSpec;
  readonly settings?: Partial<NatSettings>;
  readonly limits?: Partial<NatLimits>;
  /** What PXE is told to load by TFTP. */
  readonly bootFile?: string;
  /** Nothing of the world outside is reachable: a network of the guest with this host only. */
  readonly restricted?: boolean;
}

export class Nat implements CableUser {
  readonly #options: NatOptions;
  readonly #settings: NatSettings;
  readonly #link: NatLink;
  readonly #limits: NatLimits;
  readonly #router: Router6;
  readonly #dhcp: DhcpServer;
  readonly #dns: DnsProxy;
  readonly #tftp: TftpServer;
  readonly #fragments = new Reassembly();
  readonly #udp: UdpFlows;
  readonly tcp: TcpFlows;
  readonly policy: Policy;
  readonly traffic: TrafficLog;
  readonly forwards: Forwards;
  #pings = 0;

  constructor(options: NatOptions) {
    this.#options = options;
    const { cable, network, time } = options;
    const settings = (this.#settings = { ...defaultSettings, ...options.settings });
    const limits = (this.#limits = { ...defaultLimits, ...options.limits });
    const link = (this.#link = new NatLink(cable, settings, () => time.now()));
    this.policy = new Policy(settings, options.rules ?? { allow: [], block: [] });
    this.traffic = new TrafficLog(() => options.wallTime());
    this.#router = new Router6(link, settings, time);
    this.#dhcp = new DhcpServer({ ...settings, ...(options.bootFile !== undefined && { bootFile: options.bootFile }) });
    this.#dns = new DnsProxy({ network, time, policy: this.policy, log: this.traffic, random: () => options.random() }, limits.dnsQueries);
    this.#tftp = new TftpServer(network, time, limits.tftpTransfers, (packet, to, port) => {
      link.sendUdp({ source: settings.gateway, destination: to }, { sourcePort: TFTP_PORT, destinationPort: port }, packet);
    });
    this.tcp = new TcpFlows({ link, settings, limits, time, random: () => options.random(), open: (to) => this.#openTcp(to) });
    this.#udp = new UdpFlows({ link, settings, limits, time, network, open: (to) => this.#openUdp(to) });
    this.forwards = new Forwards(network, this.tcp, this.#udp, () => this.#dhcp.firstAddress);
    cable.attach(this, { checksum: true, tcp4: true, tcp6: true });
  }

  get leases(): Lease[] {
    return this.#dhcp.leases;
  }
  get udpFlows(): UdpFlows {
    return this.#udp;
  }
  /** What a guest holds of the host at present; each has a limit. */
  get use(): Record<'tcp' | 'connecting' | 'udp' | 'pings' | 'dns' | 'tftp' | 'fragments' | 'leases' | 'buffered', number> {
    return {
      tcp: this.tcp.count,
      connecting: this.tcp.connecting,
      udp: this.#udp.count,
      pings: this.#pings,
      dns: this.#dns.running,
      tftp: this.#tftp.running,
      fragments: this.#fragments.count,
      leases: this.leases.length,
      buffered: this.tcp.bufferedBytes,
    };
  }

  /** Connections that are open go on. @throws VmmError `usage` naming the rule that says nothing. */
  setRules(rules: RulesSpec): void {
    this.policy.set(rules);
    this.#udp.judgeAgain();
  }

  close(): void {
    this.#options.cable.attach({ frame: () => true });
    this.forwards.close();
    this.tcp.close();
    this.#udp.close();
    this.#tftp.close();
    this.#router.close();
  }

  // The cable

  frame(bytes: Uint8Array, offload?: Offload): boolean {
    const frame = EthernetFrame.of(bytes);
    // Tagged frames are another network's.
    if (frame === undefined || frame.isTagged || frame.source[0]! & 1) return true;
    const forUs = sameAddress(frame.destination, this.#settings.mac) || frame.destination[0]! & 1;
    if (!forUs) return true;
    if (frame.etherType === etherTypes.ipv4) this.#receive4(frame, offload);
    else if (frame.etherType === etherTypes.ipv6) this.#receive6(frame, offload);
    else if (frame.etherType === etherTypes.arp) this.#receiveArp(frame);
    return true;
  }

  room(): void {
    this.tcp.flush();
  }

  link(up: boolean): void {
    if (!up) this.#link.forget();
  }

  #receiveArp(frame: EthernetFrame): void {
    const packet = ArpPacket.of(frame.payload);
    if (packet === undefined) return;
    this.#link.learn(packet.senderMac, packet.senderIp.some((byte) => byte !== 0) ? packet.senderIp : undefined);
    const { gateway, dns, mac } = this.#settings;
    const wanted = packet.targetIp;
    if (packet.operation !== arpOperations.request || !(sameAddress(wanted, gateway) || sameAddress(wanted, dns))) return;
    const reply = new Uint8Array(ARP_LENGTH);
    emitArp({ operation: arpOperations.reply, senderMac: mac, senderIp: wanted, targetMac: packet.senderMac, targetIp: packet.senderIp }, reply);
    this.#link.sendArp(frame.source, reply);
  }

  #receive4(frame: EthernetFrame, offload: Offload | undefined): void {
    const packet = Ipv4Packet.of(frame.payload);
    if (packet === undefined || !packet.checksumOk || packet.source[0]! >= 224) return;
    const path = packet;
    this.#link.learn(frame.source, packet.source.some((byte) => byte !== 0) ? packet.source : undefined);
    let { payload } = packet;
    if (packet.isFragment) {
      const key = `${addressKey(packet.source)}${addressKey(packet.destination)}${packet.protocol} ${packet.identification}`;
      const whole = this.#fragments.add(key, packet.fragmentOffset, packet.moreFragments, payload, this.#options.time.now());
      if (whole === undefined) return;
      payload = whole;
    }
    const { protocol } = packet;
    if (protocol === ipProtocols.tcp) this.#receiveTcp(path, payload, packet.bytes, offload !== undefined);
    else if (protocol === ipProtocols.udp) this.#receiveUdp(path, payload, packet.bytes, frame, offload !== undefined);
    else if (protocol === ipProtocols.icmp) this.#receiveIcmp(path, payload, packet.bytes);
  }

  #receive6(frame: EthernetFrame, offload: Offload | undefined): void {
    const packet = Ipv6Packet.of(frame.payload);
    const upper = packet?.upper;
    if (packet === undefined || upper === undefined || packet.source[0] === 0xff) return;
    const path = packet;
    this.#link.learn(frame.source, packet.source.some((byte) => byte !== 0) ? packet.source : undefined);
    let { payload } = upper;
    if (upper.fragment !== undefined) {
      const { offset, more, identification } = upper.fragment;
      const key = `${addressKey(packet.source)}${addressKey(packet.destination)}${upper.protocol} ${identification}`;
      const whole = this.#fragments.add(key, offset, more, payload, this.#options.time.now());
      if (whole === undefined) return;
      payload = whole;
    }
    if (upper.protocol === ipProtocols.tcp) this.#receiveTcp(path, payload, packet.bytes, offload !== undefined);
    else if (upper.protocol === ipProtocols.udp) this.#receiveUdp(path, payload, packet.bytes, frame, offload !== undefined);
    else if (upper.protocol === ipProtocols.icmpv6) this.#receiveIcmp6(path, payload, packet, frame);
  }

  #receiveTcp(path: Path, payload: Uint8Array, packet: Uint8Array, offloaded: boolean): void {
    const segment = TcpPacket.of(payload);
    if (segment === undefined || (!offloaded && !segment.checksumOk(path.source, path.destination))) return;
    if (!isUnicast(path.destination) || path.source.every((byte) => byte === 0)) return;
    this.tcp.receive(path, segment, packet);
  }

  // Datagrams: the gateway's services, or a flow

  #receiveUdp(path: Path, payload: Uint8Array, packet: Uint8Array, frame: EthernetFrame, offloaded: boolean): void {
    const datagram = UdpPacket.of(payload);
    if (datagram === undefined || (!offloaded && !datagram.checksumOk(path.source, path.destination))) return;
    const { sourcePort, destinationPort, payload: body } = datagram;
    const { gateway, dns, dns6 } = this.#settings;
    if (destinationPort === DHCP_SERVER_PORT && path.source.length === 4) return this.#answerDhcp(body, frame);
    if (destinationPort === DHCPV6_SERVER_PORT && path.source.length === 16) return this.#answerDhcpv6(body, path, frame);
    const { destination } = path;
    if (destinationPort === DNS_PORT && (sameAddress(destination, dns) || sameAddress(destination, dns6) || sameAddress(destination, gateway)))
      return this.#answerDns(path, sourcePort, body);
    if (destinationPort === TFTP_PORT && sameAddress(destination, gateway)) return this.#tftp.receive(body, path.source, sourcePort);
    if (!isUnicast(destination) || path.source.every((byte) => byte === 0) || this.#isOwnBroadcast(destination)) return;
    this.#udp.receive(path, sourcePort, destinationPort, body, packet);
  }

  #answerDhcp(body: Uint8Array, frame: EthernetFrame): void {
    const request = parseDhcpv4(body);
    const answer = request && this.#dhcp.answer(request, this.#options.time.now());
    if (answer === undefined) return;
    const { gateway } = this.#settings;
    const ports = { sourcePort: DHCP_SERVER_PORT, destinationPort: DHCP_CLIENT_PORT };
    this.#link.sendUdp(
      { source: gateway, destination: answer.to },
      ports,
      emitDhcpv4(answer.reply),
      answer.to[0] === 255 ? undefined : frame.source.slice(),
    );
  }

  #answerDhcpv6(body: Uint8Array, path: Path, frame: EthernetFrame): void {
    const request = parseDhcpv6(body);
    const answer = request && answerDhcpv6(request, this.#settings.mac, this.#settings.dns6);
    if (answer === undefined || path.source[0] !== 0xfe) return;
    const ports = { sourcePort: DHCPV6_SERVER_PORT, destinationPort: DHCPV6_CLIENT_PORT };
    this.#link.sendUdp({ source: this.#router.linkLocal, destination: path.source.slice() }, ports, emitDhcpv6(answer), frame.source.slice());
  }

  #answerDns(path: Path, port: number, query: Uint8Array): void {
    const back = { source: path.destination.slice(), destination: path.source.slice() };
    this.#dns.ask(query, false, (message) => {
      const fits = message.length <= this.#settings.mtu - 48 ? message : emitDnsTruncated(message);
      this.#link.sendUdp(back, { sourcePort: DNS_PORT, destinationPort: port }, fits);
    });
  }

  // Ping

  #receiveIcmp(path: Path, payload: Uint8Array, packet: Uint8Array): void {
    const view = Icmpv4Packet.of(payload);
    const message = view?.checksumOk ? parseIcmpv4(view) : undefined;
    if (message?.type !== 'echoRequest' || !isUnicast(path.destination)) return;
    const { gateway, dns } = this.#settings;
    const back = { source: path.destination.slice(), destination: path.source.slice() };
    const reply = (data: Uint8Array) => this.#link.sendIcmp(back, { ...message, type: 'echoReply', data });
    if (sameAddress(path.destination, gateway) || sameAddress(path.destination, dns)) return void reply(message.data);
    this.#ping(path, message.data, packet, reply);
  }

  #receiveIcmp6(path: Path, payload: Uint8Array, packet: Ipv6Packet, frame: EthernetFrame): void {
    const view = Icmpv6Packet.of(payload);
    if (!view?.checksumOk(path.source, path.destination)) return;
    const message = parseIcmpv6(view);
    if (message === undefined) return;
    if (message.type !== 'echoRequest') {
      if (packet.hopLimit === 255) this.#router.receive(message, path.source, frame.source);
      return;
    }
    if (!isUnicast(path.destination)) return;
    const back = { source: path.destination.slice(), destination: path.source.slice() };
    const reply = (data: Uint8Array) => this.#link.sendIcmp(back, { ...message, type: 'echoReply', data });
    if (this.#router.isOwn(path.destination)) return void reply(message.data);
    this.#ping(path, message.data, packet.bytes, reply);
  }

  #ping(path: Path, data: Uint8Array, packet: Uint8Array, reply: (data: Uint8Array) => void): void {
    const { destination } = path;
    const allowed = this.#judge('ping', { address: destination, port: 0 });
    const refuse = () => this.#link.sendUnreachable(packet, path, 'adminProhibited');
    if (!allowed) return refuse();
    if (this.#pings >= this.#limits.pings) return;
    const over = this.#options.time.after(5000, () => this.#pings--);
    this.#pings++;
    const sent = this.#options.network.ping(destination.slice(), data, reply);
    if (sent) return;
    over();
    this.#pings--;
    refuse();
  }

  // Where connections may go

  #openTcp(to: HostEndpoint): ((events: HostTcpEvents) => HostTcp) | undefined {
    const { dns, dns6, gateway, gateway6 } = this.#settings;
    const { address, port } = to;
    if (port === DNS_PORT && [dns, dns6, gateway, gateway6].some((own) => sameAddress(own, address)))
      return (events) => new DnsStream(this.#dns, this.#options.time, events);
    if (!this.#judge('tcp', to)) return undefined;
    const target = { address: this.policy.hostAddress(address).slice(), port };
    return (events) => this.#options.network.connect(target, events);
  }

  #openUdp(to: HostEndpoint): HostEndpoint | undefined {
    return this.#judge('udp', to) ? { address: this.policy.hostAddress(to.address).slice(), port: to.port } : undefined;
  }

  /** Whether it may leave the machine; noted either way. */
  #judge(kind: 'tcp' | 'udp' | 'ping', { address, port }: HostEndpoint): boolean {
    const target = this.policy.hostAddress(address);
    let verdict = this.policy.verdict(target, port);
    const onLink = this.#router.isOwn(address) || this.#isOnLink(address);
    if (verdict.allowed && onLink && target === address) verdict = { allowed: false, rule: 'nobody is there' };
    if (verdict.allowed && this.#options.restricted && target === address) verdict = { allowed: false, rule: 'host-only' };
    const [name] = this.policy.namesOf(address);
    this.traffic.add({
      kind,
      address: formatIp(address),
      ...(name !== undefined && { name }),
      ...(kind !== 'ping' && { port }),
      ...(!verdict.allowed && { blockedBy: verdict.rule }),
    });
    return verdict.allowed;
  }

  /** The network of the guest itself has nobody but the gateway: such packets must not go to the host's network of the same number. */
  #isOnLink(address: IpAddress): boolean {
    const { network, network6 } = this.#settings;
    const own = address.length === 4 ? network : network6;
    return address.subarray(0, address.length === 4 ? 3 : 8).every((byte, index) => byte === own[index]);
  }

  #isOwnBroadcast(address: IpAddress): boolean {
    return address.length === 4 && address[3] === 255 && this.#isOnLink(address);
  }
}

function isUnicast(address: IpAddress): boolean {
  return address.length === 4 ? address[0]! < 224 && address[0] !== 0 : address[0] !== 0xff;
}
