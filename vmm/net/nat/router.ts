/** What a router does on an IPv6 link: it says that it is there (RFC 4861 6.2), and answers for its own addresses (7.2). */
import { anyIpv6, type IpAddress, linkLocalOf, type MacAddress, parseIpv6, sameAddress } from '../wire/address.ts';
import type { Icmpv6Repr } from '../wire/icmpv6.ts';
import type { NetTime } from './host.ts';
import type { NatLink } from './link.ts';
import type { NatSettings } from './settings.ts';

const allNodes = parseIpv6('ff02::1')!;
/** s */
const ROUTER_LIFETIME = 1800;
const VALID = 86_400;
const PREFERRED = 14_400;
/** ms */
const INTERVAL = 600_000;

export class Router6 {
  readonly #link: NatLink;
  readonly #settings: NatSettings;
  readonly #time: NetTime;
  readonly linkLocal: IpAddress;
  #cancel: () => void = () => undefined;

  constructor(link: NatLink, settings: NatSettings, time: NetTime) {
    this.#link = link;
    this.#settings = settings;
    this.#time = time;
    this.linkLocal = linkLocalOf(settings.mac);
    this.#schedule();
  }

  isOwn(address: IpAddress): boolean {
    const { gateway6, dns6 } = this.#settings;
    return sameAddress(address, gateway6) || sameAddress(address, dns6) || sameAddress(address, this.linkLocal);
  }

  receive(message: Icmpv6Repr, source: IpAddress, mac: MacAddress): void {
    if (message.type === 'routerSolicitation') return this.#advertise();
    if (message.type !== 'neighbourSolicitation' || !this.isOwn(message.target)) return;
    // Who asks without an address only wants to know whether the address is free (RFC 4862 5.4): all hear the answer.
    const probing = sameAddress(source, anyIpv6);
    const { mac: link } = this.#settings;
    this.#link.sendIcmp(
      { source: message.target, destination: probing ? allNodes : source.slice() },
      { type: 'neighbourAdvertisement', target: message.target, router: true, solicited: !probing, override: true, link },
      probing ? undefined : mac.slice(),
    );
  }

  close(): void {
    this.#cancel();
  }

  #advertise(): void {
    const { mtu, network6, dns6, mac } = this.#settings;
    this.#link.sendIcmp(
      { source: this.linkLocal, destination: allNodes },
      {
        type: 'routerAdvertisement',
        hopLimit: 64,
        managed: false,
        otherConfig: true,
        lifetime: ROUTER_LIFETIME,
        link: mac,
        mtu,
        prefix: { prefix: network6, length: 64, onLink: true, autonomous: true, validLifetime: VALID, preferredLifetime: PREFERRED },
        dns: { lifetime: ROUTER_LIFETIME, servers: [dns6] },
      },
    );
  }

  #schedule(): void {
    this.#cancel = this.#time.after(INTERVAL, () => {
      if (this.#link.guestMac !== undefined) this.#advertise();
      this.#schedule();
    });
  }
}
