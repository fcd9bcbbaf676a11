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
  refuseRest(pairs, OPTION, 'model, mac, hostfwd, localaddr and pcap');
  if (backend.type === 'none') return undefined;
  if (forwards.length > 0 && backend.type !== 'user') throw usage(`${OPTION}: hostfwd needs the user network, not ${backend.type}`);
  return {
    ...nic,
    ...(model !== undefined && { model: model as NonNullable<NicInput['model']> }), // the schema names those there are
    ...(mac !== undefined && { mac }),
    ...(pcap !== undefined && { pcap }),
    ...(forwards.length > 0 && { forwards: forwards.map(forwardValue) }),
  };
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
function forwardValue(text: string): NonNullable<NicInput['forwards']>[number] {
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
