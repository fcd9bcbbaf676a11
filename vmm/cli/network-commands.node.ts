/** The networks of a machine that runs: forwards, leases, connections, the log, rules, captures, faults, the plug. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Client } from '../protocol/client.ts';
import type { Network } from '../protocol/network-methods.ts';
import { withMachine } from './library-access.node.ts';
import type { Doing } from './main.node.ts';
import { faultsOf, forwardValue } from './nic-option.ts';
import { parseInteger, usage } from './option-values.ts';
import { print, printable, table } from './output.node.ts';

type Machine = Client<'machine'>;
interface Options {
  readonly nic?: string;
  readonly json?: boolean;
  readonly delay?: string;
  readonly loss?: string;
  readonly rate?: string;
  readonly allow?: string[];
  readonly block?: string[];
}
type Verb = (machine: Machine, words: readonly string[], options: Options) => Promise<void>;

const gather = (value: string, all: string[] | undefined) => [...(all ?? []), value];

export function addNetworkCommands(program: Command, does: Doing): void {
  program
    .command('net')
    .description('the networks of a running machine')
    .argument('<vm>')
    .argument('<what>', Object.keys(verbs).join(', '))
    .argument('[words...]', 'forward add tcp:127.0.0.1:2222-:22 | forward list | forward remove tcp:2222; capture FILE | off; plug in | out')
    .option('--nic <id>', 'which NIC, where there are several (the first)')
    .option('--json', 'as JSON')
    .option('--delay <ms>', 'faults: so late, one way')
    .option('--loss <share>', 'faults: so many frames are lost, 0.01 or 1%')
    .option('--rate <bits>', 'faults: so many bits per second, such as 10M')
    .option('--allow <rule>', 'rules: what the guest may reach, such as host:8080 or example.com (repeatable)', gather)
    .option('--block <rule>', 'rules: what it may not, such as 192.168.0.0/16, ads.example or * (repeatable)', gather)
    .action(
      does((vm: string, what: string, words: string[], options: Options) => {
        const verb = verbs[what];
        if (verb === undefined) throw usage(`strate net: ${JSON.stringify(what)} must be one of ${Object.keys(verbs).join(', ')}`);
        return withMachine(vm, (machine) => verb(machine, words, options));
      }),
    );
}

const verbs: Readonly<Record<string, Verb>> = {
  show: async (machine, _words, options) => {
    const network = await chosen(machine, options);
    if (options.json === true) print(JSON.stringify(network, undefined, 2));
    else
      print(
        table([
          ['NIC', 'MODEL', 'MAC', 'NETWORK', 'CABLE', 'SENT', 'RECEIVED'],
          [
            network.nic,
            network.model,
            network.mac,
            network.name ?? network.backend,
            network.link ? 'in' : 'out',
            String(network.sentBytes),
            String(network.receivedBytes),
          ],
        ]),
      );
  },
  forward: async (machine, [action, value], options) => {
    const nic = nicOf(options);
    if (action === 'list') {
      const { forwards } = await chosen(machine, options);
      list(options, forwards, ['PROTOCOL', 'HOST', 'GUEST'], (one) => [
        one.protocol,
        `${one.hostAddress}:${one.hostPort}`,
        `${one.guestAddress ?? ''}:${one.guestPort}`,
      ]);
      return;
    }
    if (action === 'add' && value !== undefined) {
      const { forward } = await machine.call('network.addForward', { ...nic, forward: forwardValue(value) });
      print(`${forward.protocol}:${forward.hostAddress}:${forward.hostPort}-${forward.guestAddress ?? ''}:${forward.guestPort}`);
      return;
    }
    const named = /^(tcp|udp):(?:([0-9.]+):)?(\d+)(?:-.*)?$/.exec(value ?? '');
    if (action !== 'remove' || named === null) throw usage('strate net VM forward: must be add tcp:127.0.0.1:2222-:22, list, or remove tcp:2222');
    const [, protocol, hostAddress, port] = named;
    await machine.call('network.removeForward', {
      ...nic,
      protocol: protocol as 'tcp' | 'udp',
      hostPort: parseInteger(port!, 'the host port', 1, 65535),
      ...(hostAddress !== undefined && { hostAddress }),
    });
  },
  leases: async (machine, _words, options) => {
    const { leases } = await chosen(machine, options);
    list(options, leases, ['ADDRESS', 'MAC', 'NAME', 'SECONDS LEFT'], (one) => [
      one.address,
      one.mac,
      printable(one.hostName ?? ''),
      String(one.remaining),
    ]);
  },
  connections: async (machine, _words, options) => {
    const { connections } = await chosen(machine, options);
    list(options, connections, ['PROTOCOL', 'GUEST', '', 'REMOTE', 'NAME', 'STATE', 'SENT', 'RECEIVED'], (one) => [
      one.protocol,
      one.guest,
      one.direction === 'out' ? '->' : '<-',
      one.remote,
      printable(one.name ?? ''),
      one.state,
      String(one.sentBytes),
      String(one.receivedBytes),
    ]);
  },
  log: async (machine, [count], options) => {
    const params = { ...nicOf(options), ...(count !== undefined && { count: parseInteger(count, 'the number of lines', 1, 1000) }) };
    const { entries } = await machine.call('network.log', params);
    list(options, entries, ['TIME', 'WHAT', 'NAME', 'ADDRESS', 'TIMES', ''], (one) => [
      new Date(one.time).toISOString(),
      one.kind,
      printable(one.name ?? ''),
      one.address === undefined ? '' : one.port === undefined ? one.address : `${one.address} port ${one.port}`,
      String(one.count),
      one.blockedBy === undefined ? '' : `refused: ${one.blockedBy}`,
    ]);
  },
  rules: async (machine, _words, options) => {
    if (options.allow === undefined && options.block === undefined) {
      const { allow, block } = await chosen(machine, options);
      const rows = [...allow.map((rule) => ({ what: 'allow', rule })), ...block.map((rule) => ({ what: 'block', rule }))];
      list(options, rows, ['', 'RULE'], ({ what, rule }) => [what, rule]);
      return;
    }
    await machine.call('network.setRules', { ...nicOf(options), allow: options.allow ?? [], block: options.block ?? [] });
  },
  capture: async (machine, [file], options) => {
    if (file === undefined) throw usage('strate net VM capture: must name a file, or be off');
    await machine.call('network.capture', { ...nicOf(options), file: file === 'off' ? null : resolve(file) });
  },
  faults: async (machine, _words, options) => {
    await machine.call('network.setFaults', { ...nicOf(options), ...faultsOf(options.delay, options.loss, options.rate) });
  },
  plug: async (machine, [way], options) => {
    if (way !== 'in' && way !== 'out') throw usage('strate net VM plug: must be in or out');
    await machine.call('network.setLink', { ...nicOf(options), up: way === 'in' });
  },
};

function nicOf({ nic }: Options): { nic?: string } {
  return nic === undefined ? {} : { nic };
}

async function chosen(machine: Machine, { nic }: Options): Promise<Network> {
  const { networks } = await machine.call('network.list', {});
  const found = nic === undefined ? networks[0] : networks.find((one) => one.nic === nic);
  if (found === undefined) throw usage(nic === undefined ? 'this machine has no NIC' : `this machine has no NIC ${JSON.stringify(nic)}`);
  return found;
}

function list<T>({ json }: Options, rows: readonly T[], head: readonly string[], row: (one: T) => string[]): void {
  if (json === true) print(JSON.stringify(rows, undefined, 2));
  else if (rows.length > 0) print(table([[...head], ...rows.map(row)]));
}
