/**
 * What a guest may reach. The first that fits: an address the user allows; one that nobody should reach through this host unless allowed (its
 * loopback, link-local addresses where clouds keep their metadata, multicast); a name the user allows; an address or name the user blocks.
 */
import { VmmError } from '../../base/errors.ts';
import { addressKey, formatIp, inNetwork, type IpAddress, parseIp, sameAddress } from '../wire/address.ts';
import type { NatSettings } from './settings.ts';

export interface RulesSpec {
  readonly allow: readonly string[];
  readonly block: readonly string[];
}

interface Rule {
  readonly text: string;
  /** Names and `*` open nothing that is refused below: who owns a name says which address it has. */
  readonly isAddress: boolean;
  readonly matches: (destination: Destination) => boolean;
}

export interface Destination {
  /** As on the host: the gateway's alias is the host's loopback here. */
  readonly address: IpAddress;
  readonly port: number;
  /** Names that the guest resolved to the address. */
  readonly names: readonly string[];
}

export type Verdict = { readonly allowed: true } | { readonly allowed: false; readonly rule: string };

const network = (text: string) => {
  const [address, bits] = text.split('/');
  return { address: parseIp(address!)!, bits: Number(bits) };
};
/** RFC 6890 special-purpose addresses that are this host or its link, and the metadata services that clouds put elsewhere. */
const refused = [
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/3',
  '100.100.100.200/32',
  '168.63.129.16/32',
  '192.0.0.192/32',
  '::/128',
  '::1/128',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
  'fd00:ec2::/32',
].map((text) => ({ ...network(text), text }));
/** IPv6 addresses with an IPv4 address inside, which the host may well reach: RFC 4291 2.5.5, RFC 6052, 6to4. */
const embedded = [
  { ...network('::/96'), at: 12 },
  { ...network('::ffff:0:0/96'), at: 12 },
  { ...network('64:ff9b::/96'), at: 12 },
  { ...network('2002::/16'), at: 2 },
];

/** Names of one guest that are remembered by their address. */
const MAX_NAMES = 2048;

export class Policy {
  readonly #settings: NatSettings;
  #allow: Rule[] = [];
  #block: Rule[] = [];
  #spec: RulesSpec = { allow: [], block: [] };
  readonly #names = new Map<string, { readonly names: string[] }>();

  constructor(settings: NatSettings, rules: RulesSpec) {
    this.#settings = settings;
    this.set(rules);
  }

  get rules(): RulesSpec {
    return this.#spec;
  }

  /** @throws VmmError `usage` naming the rule that says nothing. */
  set(rules: RulesSpec): void {
    const allow = rules.allow.map(parseRule);
    this.#block = rules.block.map(parseRule);
    this.#allow = allow;
    this.#spec = { allow: [...rules.allow], block: [...rules.block] };
  }

  /** Where on the host a guest's destination is: the gateway stands for the host's loopback. */
  hostAddress(address: IpAddress): IpAddress {
    if (sameAddress(address, this.#settings.gateway)) return Uint8Array.of(127, 0, 0, 1);
    if (sameAddress(address, this.#settings.gateway6)) return parseIp('::1')!;
    return address;
  }

  verdict(address: IpAddress, port: number): Verdict {
    const destination = { address, port, names: this.namesOf(address) };
    const allowed = this.#allow.filter((rule) => rule.matches(destination));
    if (allowed.some(({ isAddress }) => isAddress)) return { allowed: true };
    const special = specialOf(address);
    if (special !== undefined) return { allowed: false, rule: special };
    const blocked = allowed.length > 0 ? undefined : this.#block.find((rule) => rule.matches(destination));
    return blocked === undefined ? { allowed: true } : { allowed: false, rule: blocked.text };
  }

  /** Whether a name may be asked for. */
  nameVerdict(name: string): Verdict {
    const destination = { address: NO_ADDRESS, port: 53, names: [name] };
    if (this.#allow.some((rule) => rule.matches(destination))) return { allowed: true };
    const blocked = this.#block.find((rule) => rule.matches(destination));
    return blocked === undefined ? { allowed: true } : { allowed: false, rule: blocked.text };
  }

  /** The name servers said that a name has that address. */
  learn(name: string, address: IpAddress): void {
    const key = addressKey(address);
    const known = this.#names.get(key);
    if (known !== undefined) {
      if (!known.names.includes(name)) known.names.splice(0, known.names.length >= 4 ? 1 : 0, name);
      return;
    }
    if (this.#names.size >= MAX_NAMES) this.#names.delete(this.#names.keys().next().value!);
    this.#names.set(key, { names: [name] });
  }

  namesOf(address: IpAddress): readonly string[] {
    return this.#names.get(addressKey(address))?.names ?? NO_NAMES;
  }
}

const NO_ADDRESS: IpAddress = new Uint8Array(0);
const NO_NAMES: readonly string[] = [];

function specialOf(address: IpAddress): string | undefined {
  for (const { address: prefix, bits, at } of embedded) {
    if (inNetwork(address, prefix, bits) && !(address[15]! <= 1 && address.subarray(0, 15).every((byte) => byte === 0))) {
      const inner = specialOf(address.slice(at, at + 4));
      if (inner !== undefined) return inner;
    }
  }
  return refused.find((one) => inNetwork(address, one.address, one.bits))?.text;
}

/**
 * `host[:PORT]` (this host's loopback, reached as the gateway), `*`, `ADDRESS[/BITS][:PORT]` (IPv6 in brackets where a port follows), or a name, which
 * stands for those below it too.
 */
function parseRule(text: string): Rule {
  const match = /^(\[[0-9a-f:.]+\](?:\/\d+)?|[^[\]:]+|[0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:./]*)(?::(\d+))?$/i.exec(text);
  const port = match?.[2] === undefined ? undefined : Number(match[2]);
  if (match === null || (port !== undefined && (port < 1 || port > 65535))) throw badRule(text);
  const onPort = (destination: Destination) => port === undefined || destination.port === port;
  const subject = match[1]!.replaceAll(/[[\]]/g, '').toLowerCase();
  if (subject === '*') return { text, isAddress: false, matches: onPort };
  if (subject === 'host') return { text, isAddress: true, matches: (one) => onPort(one) && isLoopback(one.address) };
  const [address, bits, more] = subject.split('/');
  const prefix = parseIp(address!);
  if (prefix !== undefined) {
    const length = bits === undefined ? prefix.length * 8 : Number(bits);
    if (more !== undefined || !(length >= 0 && length <= prefix.length * 8)) throw badRule(text);
    return { text, isAddress: true, matches: (one) => onPort(one) && inNetwork(one.address, prefix, length) };
  }
  if (!/^[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?$/.test(subject)) throw badRule(text);
  const name = subject.replace(/\.$/, '');
  return { text, isAddress: false, matches: (one) => onPort(one) && one.names.some((known) => known === name || known.endsWith(`.${name}`)) };
}

function isLoopback(address: IpAddress): boolean {
  return address[0] === 127 || formatIp(address) === '::1';
}

function badRule(text: string): VmmError {
  return new VmmError(
    'usage',
    `${JSON.stringify(text)} is no rule of the network: it must be host, host:PORT, ADDRESS, ADDRESS/BITS, ADDRESS:PORT, a name, or *`,
  );
}
