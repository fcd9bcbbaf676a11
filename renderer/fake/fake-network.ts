import type { VmConfig } from '../../vmm/protocol/config.ts';
import type { Network, networkMethods, Traffic } from '../../vmm/protocol/network-methods.ts';
import type { Handlers } from '../../vmm/protocol/server.ts';

type NetworkHandlers = Pick<Handlers<'machine'>, keyof typeof networkMethods>;
type Forward = Network['forwards'][number];

const samePort = (a: Forward, b: { protocol: string; hostPort: number; hostAddress?: string | undefined }) =>
  a.protocol === b.protocol && a.hostPort === b.hostPort && (b.hostAddress === undefined || a.hostAddress === b.hostAddress);

/** Networks of a machine that is not one: what is asked of them is remembered, and time makes traffic. A port 80 is "in use". */
export class FakeNetworks {
  readonly #networks: Network[];
  readonly #started = Date.now();

  constructor(config: VmConfig) {
    this.#networks = config.nics.map((nic, at) => {
      const user = nic.backend.type === 'user';
      const tail = (15 + at).toString(16).padStart(2, '0');
      return {
        nic: nic.id,
        model: nic.model,
        mac: nic.mac ?? `52:54:00:12:34:${tail}`,
        backend: nic.backend.type,
        ...('name' in nic.backend && { name: nic.backend.name }),
        link: nic.link,
        faults: nic.faults ?? { delay: 0, loss: 0, rate: 0 },
        lost: 0,
        capture: null,
        sentBytes: 0,
        receivedBytes: 0,
        leases: user ? [{ mac: `52:54:00:12:34:${tail}`, address: '10.0.2.15', hostName: 'debian', remaining: 86_000 }] : [],
        connections: [],
        forwards: nic.forwards.map((forward) => ({ ...forward })),
        allow: [...nic.allow],
        block: [...nic.block],
        refused: 0,
      };
    });
  }

  get handlers(): NetworkHandlers {
    return {
      'network.list': () => ({ networks: this.#networks.map((network) => this.#now(network)) }),
      'network.log': ({ nic }) => ({ entries: this.#log(this.#find(nic)) }),
      'network.addForward': ({ nic, forward }) => {
        if (forward.hostPort === 80) throw new Error('TCP port 80 of 127.0.0.1 needs privilege; choose a port above 1023');
        this.#find(nic).forwards.push(forward);
        return { forward };
      },
      'network.removeForward': ({ nic, ...which }) => {
        const network = this.#find(nic);
        const forward = network.forwards.find((one) => samePort(one, which));
        if (forward === undefined) throw new Error('no such forward');
        network.forwards = network.forwards.filter((one) => one !== forward);
        return { forward };
      },
      'network.setRules': ({ nic, allow, block }) => void Object.assign(this.#find(nic), { allow, block }),
      'network.setFaults': ({ nic, delay, loss, rate }) => void (this.#find(nic).faults = { delay, loss, rate }),
      'network.setLink': ({ nic, up }) => void (this.#find(nic).link = up),
      'network.capture': ({ nic, file }) => void (this.#find(nic).capture = file === null ? null : { file, frames: 1203, dropped: 0 }),
    };
  }

  #find(nic: string | undefined): Network {
    const found = nic === undefined ? this.#networks[0] : this.#networks.find((one) => one.nic === nic);
    if (found === undefined) throw new Error(`this machine has no NIC ${nic ?? ''}`);
    return found;
  }

  #now(network: Network): Network {
    const age = (Date.now() - this.#started) / 1000 + 60;
    const sent = network.link ? Math.floor(age * 12_000) : 0;
    const received = network.link ? Math.floor(age * 41_000) : 0;
    const flow = { protocol: 'tcp' as const, direction: 'out' as const, state: 'established', age: Math.floor(age) };
    const connections: Network['connections'] =
      network.backend !== 'user'
        ? []
        : [
            { ...flow, guest: '10.0.2.15:41022', remote: '192.0.2.80:443', name: 'deb.example.org', sentBytes: sent, receivedBytes: received },
            { ...flow, direction: 'in', guest: '10.0.2.15:22', remote: '10.0.2.2:49152', sentBytes: 4210, receivedBytes: 1820 },
            { ...flow, protocol: 'udp', state: 'open', guest: '10.0.2.15:123', remote: '192.0.2.123:123', sentBytes: 48, receivedBytes: 48 },
          ];
    return { ...network, sentBytes: sent, receivedBytes: received, connections };
  }

  #log({ block }: Network): Traffic[] {
    const stop = (name: string) => block.find((rule) => name === rule || name.endsWith(`.${rule}`));
    const entry = (index: number, kind: string, name: string, more: Partial<Traffic> = {}): Traffic => {
      const rule = stop(name);
      return {
        index,
        time: this.#started - (10 - index) * 1000,
        kind,
        name,
        count: 1 + index,
        ...more,
        ...(rule !== undefined && { blockedBy: rule }),
      };
    };
    return [
      entry(0, 'name', 'deb.example.org'),
      entry(1, 'tcp', 'deb.example.org', { address: '192.0.2.80', port: 443 }),
      entry(2, 'name', 'telemetry.example.com'),
      entry(3, 'tcp', 'telemetry.example.com', { address: '192.0.2.99', port: 443 }),
    ];
  }
}
