/** The DHCP server of a user network (RFC 2131): one address for each MAC, the same one again when it comes back. */
import { anyIpv4, broadcastIpv4, formatIp, formatMac, inNetwork, type IpAddress, type MacAddress, sameAddress } from '../wire/address.ts';
import { fromLatin1, latin1, put16, put32 } from '../wire/bytes.ts';
import { type DhcpOption, dhcpMessages, dhcpOption, dhcpOptions, type Dhcpv4Repr } from '../wire/dhcpv4.ts';

export interface DhcpSettings {
  readonly network: IpAddress;
  readonly prefixLength: number;
  readonly gateway: IpAddress;
  readonly dns: IpAddress;
  readonly firstLease: IpAddress;
  readonly mtu: number;
  /** For PXE: what TFTP serves first. */
  readonly bootFile?: string;
}

export interface Lease {
  readonly mac: string;
  readonly address: string;
  /** As the guest says; text of a guest's. */
  readonly hostName?: string;
  /** ms on the network's clock; an offer that was not taken has a short one. */
  readonly expires: number;
  readonly taken: boolean;
}

/** s */
const LEASE_TIME = 86_400;
/** An offer is kept for so long, ms. */
const OFFER_TIME = 60_000;
const MAX_HOST_NAME = 63;

interface Entry {
  mac: MacAddress;
  readonly address: IpAddress;
  hostName: string | undefined;
  expires: number;
  taken: boolean;
}

export class DhcpServer {
  readonly #settings: DhcpSettings;
  /** By the last byte of the address: there are at most 240 of them, whatever a guest asks for. */
  readonly #entries = new Map<number, Entry>();

  constructor(settings: DhcpSettings) {
    this.#settings = settings;
  }

  get leases(): Lease[] {
    return [...this.#entries.values()].map(({ mac, address, hostName, expires, taken }) => ({
      mac: formatMac(mac),
      address: formatIp(address),
      ...(hostName !== undefined && { hostName }),
      expires,
      taken,
    }));
  }

  /** Where a forward without an address goes: the oldest lease, or the address that the first guest will get. */
  get firstAddress(): IpAddress {
    for (const { taken, address } of this.#entries.values()) if (taken) return address;
    return this.#settings.firstLease;
  }

  /** The answer, and the address to send it to; undefined: none is due. */
  answer(request: Dhcpv4Repr, now: number): { readonly reply: Dhcpv4Repr; readonly to: IpAddress } | undefined {
    if (request.operation !== 1 || request.clientHardware[0]! & 1) return undefined;
    const mac = request.clientHardware.slice(0, 6);
    const type = dhcpOption(request, dhcpOptions.messageType)?.[0];
    switch (type) {
      case undefined: // BOOTP (RFC 1534)
      case dhcpMessages.discover: {
        const entry = this.#choose(mac, dhcpOption(request, dhcpOptions.requestedAddress), now);
        if (entry === undefined) return undefined;
        if (!entry.taken || entry.expires < now) Object.assign(entry, { taken: type === undefined, expires: now + OFFER_TIME });
        return this.#reply(request, type === undefined ? undefined : dhcpMessages.offer, entry.address);
      }
      case dhcpMessages.request:
        return this.#request(request, mac, now);
      case dhcpMessages.inform:
        return this.#reply(request, dhcpMessages.ack, undefined);
      case dhcpMessages.decline:
      case dhcpMessages.release: {
        const entry = this.#of(mac);
        if (entry !== undefined) Object.assign(entry, { taken: false, expires: now });
        return undefined;
      }
      default:
        return undefined;
    }
  }

  #request(request: Dhcpv4Repr, mac: MacAddress, now: number): ReturnType<DhcpServer['answer']> {
    const server = dhcpOption(request, dhcpOptions.serverId);
    if (server !== undefined && server.length === 4 && !sameAddress(server, this.#settings.gateway)) return undefined; // it took another's offer
    const asked = dhcpOption(request, dhcpOptions.requestedAddress);
    const wanted = asked?.length === 4 ? asked : request.clientAddress;
    const entry = this.#choose(mac, wanted, now);
    if (entry === undefined || !sameAddress(entry.address, wanted)) return this.#reply(request, dhcpMessages.nak, undefined);
    const hostName = dhcpOption(request, dhcpOptions.hostName);
    Object.assign(entry, {
      taken: true,
      expires: now + LEASE_TIME * 1000,
      hostName: hostName === undefined ? entry.hostName : latin1(hostName.subarray(0, MAX_HOST_NAME)).replaceAll(/[^\x20-\x7e]/g, '?'),
    });
    return this.#reply(request, dhcpMessages.ack, entry.address);
  }

  #of(mac: MacAddress): Entry | undefined {
    for (const entry of this.#entries.values()) if (sameAddress(entry.mac, mac)) return entry;
    return undefined;
  }

  /** The address that MAC has; else the one it asks for, where it is free; else the next free one; else the one that was left longest ago. */
  #choose(mac: MacAddress, wanted: Uint8Array | undefined, now: number): Entry | undefined {
    const known = this.#of(mac);
    if (known !== undefined) return known;
    const { firstLease } = this.#settings;
    const first = firstLease[3]!;
    const free = (host: number) => {
      const entry = this.#entries.get(host);
      return entry === undefined || entry.expires <= now;
    };
    const fits =
      wanted?.length === 4 && inNetwork(wanted, this.#settings.network, this.#settings.prefixLength) && wanted[3]! >= first && wanted[3]! < 255;
    if (fits && free(wanted[3]!)) return this.#give(wanted[3]!, mac);
    for (let host = first; host < 255; host++) if (!this.#entries.has(host)) return this.#give(host, mac);
    for (const [host] of this.#entries) if (free(host)) return this.#give(host, mac);
    return undefined;
  }

  #give(host: number, mac: MacAddress): Entry {
    const address = this.#settings.network.slice();
    address[3] = host;
    const entry: Entry = { mac, address, hostName: undefined, expires: 0, taken: false };
    this.#entries.delete(host);
    this.#entries.set(host, entry);
    return entry;
  }

  #reply(request: Dhcpv4Repr, type: number | undefined, address: IpAddress | undefined): NonNullable<ReturnType<DhcpServer['answer']>> {
    const { gateway, bootFile } = this.#settings;
    const isNak = type === dhcpMessages.nak;
    const options: DhcpOption[] = [];
    const add = (code: number, data: Uint8Array) => options.push({ code, data });
    if (type !== undefined) {
      add(dhcpOptions.messageType, Uint8Array.of(type));
      add(dhcpOptions.serverId, gateway);
    }
    if (!isNak) this.#describe(add, address !== undefined && type !== undefined);
    const reply: Dhcpv4Repr = {
      operation: 2,
      transaction: request.transaction,
      seconds: 0,
      broadcast: request.broadcast || isNak,
      clientAddress: isNak ? anyIpv4 : request.clientAddress,
      yourAddress: address ?? anyIpv4,
      serverAddress: isNak ? anyIpv4 : gateway,
      relayAddress: anyIpv4,
      clientHardware: request.clientHardware,
      serverName: '',
      bootFile: isNak ? '' : (bootFile ?? ''),
      options,
    };
    // RFC 2131 4.1: who has an address is answered there, others by broadcast where they ask for it or have none.
    const renewing = !isNak && request.clientAddress.some((byte) => byte !== 0);
    return { reply, to: renewing ? request.clientAddress : isNak || request.broadcast || address === undefined ? broadcastIpv4 : address };
  }

  #describe(add: (code: number, data: Uint8Array) => void, withTimes: boolean): void {
    const { gateway, dns, prefixLength, mtu, bootFile } = this.#settings;
    const seconds = (count: number) => {
      const data = new Uint8Array(4);
      put32(data, 0, count);
      return data;
    };
    const mask = new Uint8Array(4);
    put32(mask, 0, (0xffff_ffff << (32 - prefixLength)) >>> 0);
    add(dhcpOptions.subnetMask, mask);
    add(dhcpOptions.router, gateway);
    add(dhcpOptions.dns, dns);
    if (mtu !== 1500) {
      const data = new Uint8Array(2);
      put16(data, 0, mtu);
      add(dhcpOptions.mtu, data);
    }
    if (withTimes) {
      add(dhcpOptions.leaseTime, seconds(LEASE_TIME));
      add(dhcpOptions.renewalTime, seconds(LEASE_TIME / 2));
      add(dhcpOptions.rebindingTime, seconds((LEASE_TIME * 7) / 8));
    }
    if (bootFile !== undefined) {
      add(dhcpOptions.tftpServer, fromLatin1(formatIp(gateway)));
      add(dhcpOptions.bootFile, fromLatin1(bootFile));
    }
  }
}
