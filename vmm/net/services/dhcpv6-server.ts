/** Stateless DHCPv6 (RFC 8415 6.1): addresses come by router advertisement, from here only the name server. */
import type { IpAddress, MacAddress } from '../wire/address.ts';
import { concat, put16 } from '../wire/bytes.ts';
import { type Dhcpv6Repr, dhcpv6Messages, dhcpv6Options } from '../wire/dhcpv6.ts';

const NO_ADDRESSES = 2;

export function answerDhcpv6(request: Dhcpv6Repr, mac: MacAddress, dns: IpAddress): Dhcpv6Repr | undefined {
  const find = (code: number) => request.options.find((option) => option.code === code);
  const clientId = find(dhcpv6Options.clientId);
  const own = concat(Uint8Array.of(0, 3, 0, 1), mac); // DUID-LL (RFC 8415 11.4)
  const asked = find(dhcpv6Options.serverId);
  if (asked !== undefined && !asked.data.every((byte, index) => byte === own[index])) return undefined;
  const common = [...(clientId ? [clientId] : []), { code: dhcpv6Options.serverId, data: own }];
  const { message, transaction } = request;
  if (message === dhcpv6Messages.informationRequest)
    return { message: dhcpv6Messages.reply, transaction, options: [...common, { code: dhcpv6Options.dnsServers, data: dns }] };
  if (message !== dhcpv6Messages.solicit || clientId === undefined) return undefined;
  const status = new Uint8Array(2);
  put16(status, 0, NO_ADDRESSES);
  const options = [...common, { code: dhcpv6Options.statusCode, data: status }, { code: dhcpv6Options.dnsServers, data: dns }];
  return { message: dhcpv6Messages.advertise, transaction, options };
}
