import type { NicInput } from '../protocol/config-net.ts';
import { parseInteger, parsePairs, refuseRest, splitScheme, take, usage } from './option-values.ts';

const OPTION = '--nic';

/** `user,model=e1000,hostfwd=tcp:127.0.0.1:2222-:22` -> a NIC; undefined for `none`. */
export function nicValue(value: string, index: number): NicInput | undefined {
  const pairs = parsePairs(value, OPTION, 'backend');
  const text = take(pairs, 'backend', OPTION) ?? '';
  const backend = backendValue(text, take(pairs, 'localaddr', OPTION));
  const nic: NicInput = { id: `net${index}`, backend };
  const model = take(pairs, 'model', OPTION);
  const mac = take(pairs, 'mac', OPTION);
  const pcap = take(pairs, 'pcap', OPTION);
  const forwards = pairs.get('hostfwd') ?? [];
  pairs.delete('hostfwd');
  const allow = pairs.get('allow') ?? [];
  const block = pairs.get('block') ?? [];
  pairs.delete('allow');
  pairs.delete('block');
  const tftp = take(pairs, 'tftp', OPTION);
  const bootFile = take(pairs, 'bootfile', OPTION);
  const restrict = onOff(take(pairs, 'restrict', OPTION));
  const faults = faultsOf(take(pairs, 'delay', OPTION), take(pairs, 'loss', OPTION), take(pairs, 'rate', OPTION));
  refuseRest(pairs, OPTION, 'model, mac, hostfwd, allow, block, restrict, tftp, bootfile, delay, loss, rate, localaddr and pcap');
  if (backend.type === 'none') return undefined;
  const ofUser = Object.entries({ hostfwd: forwards[0], allow: allow[0], block: block[0], tftp, bootfile: bootFile, restrict });
  const misplaced = backend.type === 'user' ? undefined : ofUser.find(([, given]) => given !== undefined)?.[0];
  if (misplaced !== undefined) throw usage(`${OPTION}: ${misplaced} needs the user network, not ${backend.type}`);
  if (restrict !== undefined && nic.backend?.type === 'user') nic.backend.restrict = restrict;
  return {
    ...nic,
    ...(model !== undefined && { model: model as NonNullable<NicInput['model']> }), // the schema names those there are
    ...(mac !== undefined && { mac }),
    ...(pcap !== undefined && { pcap }),
    ...(allow.length > 0 && { allow }),
    ...(block.length > 0 && { block }),
    ...(tftp !== undefined && { tftp }),
    ...(bootFile !== undefined && { bootFile }),
    ...(faults && { faults }),
    ...(forwards.length > 0 && { forwards: forwards.map(forwardValue) }),
  };
}

function onOff(text: string | undefined): boolean | undefined {
  if (text === undefined || text === 'on' || text === 'off') return text === undefined ? undefined : text === 'on';
  throw usage(`${OPTION}: restrict must be on or off, not ${JSON.stringify(text)}`);
}

/** `delay=50` in ms, `loss=1%` or `loss=0.01`, `rate=10M` in bits per second. */
export function faultsOf(delay: string | undefined, loss: string | undefined, rate: string | undefined): NicInput['faults'] {
  const faults = {
    ...(delay !== undefined && { delay: scaled(delay, 'delay', { ms: 1, s: 1000 }, 60_000) }),
    ...(loss !== undefined && { loss: scaled(loss, 'loss', { '%': 0.01 }, 1) }),
    ...(rate !== undefined && { rate: scaled(rate, 'rate', { k: 1e3, M: 1e6, G: 1e9 }, 1e12) }),
  };
  return Object.keys(faults).length === 0 ? undefined : faults;
}

function scaled(text: string, name: string, units: Readonly<Record<string, number>>, most: number): number {
  const match = /^(\d+(?:\.\d+)?)(.*)$/.exec(text);
  const unit = match?.[2] === '' ? 1 : units[match?.[2] ?? ''];
  const value = Number(match?.[1]) * (unit ?? Number.NaN);
  if (!(value <= most))
    throw usage(
      `${OPTION}: ${name} must be a number${Object.keys(units)
        .map((one) => ` or one with ${one}`)
        .join('')}, at most ${most}, not ${JSON.stringify(text)}`,
    );
  return value;
}

function backendValue(text: string, localAddress: string | undefined): NonNullable<NicInput['backend']> {
  const [scheme, rest] = splitScheme(text);
  if ((scheme === 'user' || scheme === 'none') && rest === '') return { type: scheme };
  if ((scheme === 'internal' || scheme === 'tap') && rest !== '') return { type: scheme, name: rest };
  if (scheme === 'socket' && rest !== '') {
    const match = /^(listen|connect|mcast|udp)=(.+)$/.exec(rest);
    if (match !== null)
      return { type: 'socket', mode: match[1] as 'listen', address: match[2]!, ...(localAddress !== undefined && { localAddress }) };
    throw usage(`${OPTION} socket: must be listen=[HOST]:PORT, connect=HOST:PORT, mcast=ADDR:PORT or udp=HOST:PORT, not ${JSON.stringify(rest)}`);
  }
  throw usage(`${OPTION} must be user, internal:NAME, socket:..., tap:NAME or none, not ${JSON.stringify(text)}`);
}

/** `tcp:127.0.0.1:2222-10.0.2.15:22`; both addresses may be left out. */
export function forwardValue(text: string): NonNullable<NicInput['forwards']>[number] {
  const match = /^(tcp|udp):([0-9.]*):([0-9]+)-([0-9.]*):([0-9]+)$/.exec(text);
  if (match === null) throw usage(`${OPTION}: hostfwd must be as in tcp:127.0.0.1:2222-:22, not ${JSON.stringify(text)}`);
  return {
    protocol: match[1] as 'tcp' | 'udp',
    ...(match[2] !== '' && { hostAddress: match[2]! }),
    hostPort: parseInteger(match[3]!, `${OPTION}: the host port`, 0, 65535),
    ...(match[4] !== '' && { guestAddress: match[4]! }),
    guestPort: parseInteger(match[5]!, `${OPTION}: the guest port`, 1, 65535),
  };
}
