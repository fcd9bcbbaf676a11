/** A user network as a NIC's configuration asks for it. */
import { randomInt } from 'node:crypto';
import { resolve } from 'node:path';
import type { NetBackend } from '../cable/cable.ts';
import type { NetworkAnswers, NetworkRequest, NetworkStatus } from '../control.ts';
import type { NetworkHost, OpenNetwork } from '../open.node.ts';
import { parseIp } from '../wire/address.ts';
import type { ForwardSpec } from './forwards.ts';
import { hostNetwork } from './host-network.node.ts';
import { Nat } from './nat.ts';
import { nodeTime } from './time.node.ts';

export interface UserSpec {
  readonly forwards: readonly ForwardSpec[];
  readonly allow: readonly string[];
  readonly block: readonly string[];
  /** A directory; relative to the VM's. */
  readonly tftp?: string | undefined;
  readonly bootFile?: string | undefined;
}

/** @throws VmmError naming a port that cannot be had, or a rule that says nothing. */
export async function openUser(spec: UserSpec, restricted: boolean, cable: NetBackend, { directory, log }: NetworkHost): Promise<OpenNetwork> {
  const { allow, block, tftp, bootFile } = spec;
  const nat = new Nat({
    cable,
    network: hostNetwork({ time: nodeTime, ...(tftp !== undefined && { served: resolve(directory, tftp) }) }),
    time: nodeTime,
    wallTime: () => Date.now(),
    random: () => randomInt(2 ** 32),
    log,
    rules: { allow, block },
    restricted,
    ...(bootFile !== undefined && { bootFile }),
  });
  try {
    for (const forward of spec.forwards) {
      const { hostAddress, hostPort } = await nat.forwards.add(forward);
      if (forward.hostPort === 0) log.info(`forwards ${forward.protocol} ${hostAddress}:${hostPort} to the guest's port ${forward.guestPort}`);
    }
  } catch (error) {
    nat.close();
    throw error;
  }
  return {
    control: (request) => perform(nat, request),
    close() {
      nat.close();
      return Promise.resolve();
    },
  };
}

async function perform(nat: Nat, request: NetworkRequest): Promise<NetworkAnswers[NetworkRequest['type']]> {
  switch (request.type) {
    case 'status':
      return statusOf(nat);
    case 'traffic':
      return nat.traffic.last(request.count);
    case 'addForward':
      return nat.forwards.add(request.forward);
    case 'removeForward':
      return nat.forwards.remove(request.protocol, request.hostPort, request.hostAddress);
    case 'setRules':
      nat.setRules(request.rules);
      return null;
  }
}

function statusOf(nat: Nat): NetworkStatus {
  const now = nodeTime.now();
  const nameOf = (remote: string) => {
    const address = parseIp(remote.replace(/:\d+$/, '').replaceAll(/[[\]]/g, ''));
    return address === undefined ? undefined : nat.policy.namesOf(address)[0];
  };
  const named = (remote: string) => {
    const name = nameOf(remote);
    return name === undefined ? {} : { name };
  };
  return {
    leases: nat.leases
      .filter(({ taken }) => taken)
      .map(({ mac, address, hostName, expires }) => ({
        mac,
        address,
        remaining: Math.max(0, Math.round((expires - now) / 1000)),
        ...(hostName !== undefined && { hostName }),
      })),
    connections: [
      ...nat.tcp.list.map(({ since, ...flow }) => ({
        protocol: 'tcp' as const,
        ...flow,
        age: Math.round((now - since) / 1000),
        ...named(flow.remote),
      })),
      ...nat.udpFlows.list.map(({ since, ...flow }) => ({
        protocol: 'udp' as const,
        direction: 'out' as const,
        state: 'open',
        ...flow,
        age: Math.round((now - since) / 1000),
        ...named(flow.remote),
      })),
    ],
    forwards: nat.forwards.list,
    rules: nat.policy.rules,
    limits: { refused: nat.tcp.refused },
  };
}
