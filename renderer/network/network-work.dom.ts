/** What is done to a running machine's networks. Forwards and rules are kept in the configuration too; faults and the plug are of the moment. */
import { checkConfig, type VmConfig } from '../../vmm/protocol/config.ts';
import type { Network } from '../../vmm/protocol/network-methods.ts';
import type { VmSummary } from '../../vmm/protocol/shared.ts';
import { translate } from '../i18n/i18n.ts';
import type { App } from '../state/app.dom.ts';
import type { MachineSession } from '../state/session.dom.ts';

export type Forward = Network['forwards'][number];
type Nic = VmConfig['nics'][number];

const samePort = (a: Forward, b: Forward) => a.protocol === b.protocol && a.hostAddress === b.hostAddress && a.hostPort === b.hostPort;

async function keep(app: App, vm: VmSummary, nic: string, change: (nic: Nic) => Partial<Nic>): Promise<void> {
  const check = checkConfig((await app.client.call('vm.get', { vm: vm.id })).config);
  if (!check.ok) return; // what cannot be read is not written over
  const nics = check.config.nics.map((one) => (one.id === nic ? { ...one, ...change(one) } : one));
  await app.client.call('vm.configure', { vm: vm.id, changes: { nics } });
}

export async function addForward(app: App, session: MachineSession, vm: VmSummary, nic: string, wanted: Forward): Promise<void> {
  const { forward } = await session.client.call('network.addForward', { nic, forward: wanted });
  await keep(app, vm, nic, ({ forwards }) => ({ forwards: [...forwards.filter((one) => !samePort(one, forward)), forward] }));
}

export async function removeForward(app: App, session: MachineSession, vm: VmSummary, nic: string, forward: Forward): Promise<void> {
  const { protocol, hostPort, hostAddress } = forward;
  await session.client.call('network.removeForward', { nic, protocol, hostPort, hostAddress });
  await keep(app, vm, nic, ({ forwards }) => ({ forwards: forwards.filter((one) => !samePort(one, forward)) }));
}

export async function setRules(
  app: App,
  session: MachineSession,
  vm: VmSummary,
  nic: string,
  rules: { readonly allow: string[]; readonly block: string[] },
): Promise<void> {
  await session.client.call('network.setRules', { nic, ...rules });
  await keep(app, vm, nic, () => rules);
}

/** Asks where the capture is to be written, then begins. */
export function startCapture(app: App, session: MachineSession, vm: VmSummary, nic: string, done: () => void): void {
  const suggestion = `${vm.directory}/${nic}.pcap`;
  const run = (file: string) =>
    void session.client
      .call('network.capture', { nic, file })
      .then(done)
      .catch((error: unknown) => app.reportError(error, vm));
  app.transient.setState({
    palette: {
      title: translate('network.captureWhere', { nic }),
      placeholder: translate('disks.pathHint'),
      picks: [{ id: 'here', title: suggestion, run: () => run(suggestion) }],
      fromText: (text) => (/^([/~]|[A-Za-z]:)/.test(text) ? { id: 'typed', title: text, run: () => run(text) } : undefined),
    },
  });
}
