/** The methods of a running machine's networks: asks of the control thread become requests to the net thread. */
import { VmmError } from '../base/errors.ts';
import type { NetworkAnswers, NetworkStatus } from '../net/control.ts';
import { macOf, type Nic } from '../protocol/config-net.ts';
import type { Network, networkMethods } from '../protocol/network-methods.ts';
import type { Handlers } from '../protocol/server.ts';
import type { NetAnswers, NetRequest } from './net-messages.ts';
import type { Session } from './session.ts';

/** The net thread as it is asked. */
export interface Networks {
  ask<R extends NetRequest>(request: R): Promise<NetAnswers[R['method']]>;
}

/** Of a machine without any. */
export const noNetworks: Networks = { ask: () => Promise.reject(new VmmError('not-found', 'this machine has no NIC')) };

type NetworkHandlers = Pick<Handlers<'machine'>, keyof typeof networkMethods>;
const nothing: NetworkStatus = { leases: [], connections: [], forwards: [], rules: { allow: [], block: [] }, limits: { refused: 0 } };

export function networkHandlers(session: Session, nets: Networks): NetworkHandlers {
  const { nics } = session.config;
  const nicOf = (id: string | undefined): Nic => {
    const found = id === undefined ? nics[0] : nics.find((nic) => nic.id === id);
    if (found !== undefined) return found;
    const known = nics.map((nic) => nic.id).join(', ');
    throw new VmmError(
      'not-found',
      id === undefined ? 'this machine has no NIC' : `this machine has no NIC ${JSON.stringify(id)}; it has ${known || 'none'}`,
    );
  };
  const changed = (nic: string) => session.emit('network', { nic });
  const describe = async (nic: Nic, counts: Record<string, { receivedBytes: number; sentBytes: number }>): Promise<Network> => {
    const cable = await nets.ask({ method: 'cable', params: { nic: nic.id } });
    const status =
      nic.backend.type === 'user'
        ? ((await nets.ask({ method: 'network', params: { nic: nic.id, request: { type: 'status' } } })) as NetworkStatus)
        : nothing;
    const mac = [...macOf(session.config.id, nic)].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
    const { rules, limits, leases, connections, forwards } = status;
    return {
      nic: nic.id,
      model: nic.model,
      mac,
      backend: nic.backend.type,
      ...('name' in nic.backend && { name: nic.backend.name }),
      ...cable,
      faults: { ...cable.faults },
      ...(counts[nic.id] ?? { sentBytes: 0, receivedBytes: 0 }),
      leases: leases.map((lease) => ({ ...lease })),
      connections: connections.map((connection) => ({ ...connection })),
      forwards: forwards.map((forward) => ({ ...forward })),
      allow: [...rules.allow],
      block: [...rules.block],
      refused: limits.refused,
    };
  };
  return {
    'network.list': async () => {
      if (nics.length === 0) return { networks: [] };
      const { nics: counts } = await session.ask('counters');
      return { networks: await Promise.all(nics.map((nic) => describe(nic, counts))) };
    },
    'network.log': async ({ nic, count }) => {
      const entries = await nets.ask({ method: 'network', params: { nic: nicOf(nic).id, request: { type: 'traffic', count } } });
      return { entries: (entries as NetworkAnswers['traffic']).map((entry) => ({ ...entry })) };
    },
    'network.addForward': async ({ nic, forward }) => {
      const { id } = nicOf(nic);
      const opened = await nets.ask({ method: 'network', params: { nic: id, request: { type: 'addForward', forward } } });
      changed(id);
      return { forward: opened as NetworkAnswers['addForward'] };
    },
    'network.removeForward': async ({ nic, protocol, hostPort, hostAddress }) => {
      const { id } = nicOf(nic);
      const request = { type: 'removeForward', protocol, hostPort, hostAddress } as const;
      const closed = await nets.ask({ method: 'network', params: { nic: id, request } });
      changed(id);
      return { forward: closed as NetworkAnswers['removeForward'] };
    },
    'network.setRules': async ({ nic, allow, block }) => {
      const { id } = nicOf(nic);
      await nets.ask({ method: 'network', params: { nic: id, request: { type: 'setRules', rules: { allow, block } } } });
      changed(id);
    },
    'network.setFaults': async ({ nic, delay, loss, rate }) => {
      const { id } = nicOf(nic);
      await nets.ask({ method: 'faults', params: { nic: id, faults: { delay, loss, rate } } });
      changed(id);
    },
    'network.setLink': async ({ nic, up }) => {
      const { id } = nicOf(nic);
      await nets.ask({ method: 'setLink', params: { nic: id, up } });
      changed(id);
    },
    'network.capture': async ({ nic, file }) => {
      const { id } = nicOf(nic);
      await nets.ask({ method: 'capture', params: { nic: id, file } });
      changed(id);
    },
  };
}
