/** What a NIC's configuration connects it to. Runs on the net thread. */
import type { Log } from '../base/log.ts';
import type { NetBackend } from './cable/cable.ts';
import type { NetworkAnswers, NetworkRequest } from './control.ts';
import { openUser, type UserSpec } from './nat/open.node.ts';
import { openSocketNetwork, type SocketSpec } from './socket/open.node.ts';
import { openInternal } from './switch/internal.node.ts';
import { openTapNetwork } from './tap/open.node.ts';

/** The network at the end of one cable. */
export interface OpenNetwork {
  /** Answers a question or changes something. Absent: there is nothing to say of such a network. */
  control?(request: NetworkRequest): Promise<NetworkAnswers[NetworkRequest['type']]>;
  /** Takes it down; nothing arrives on the cable after that. */
  close(): Promise<void>;
}

export interface NetworkHost {
  /** Relative paths of the configuration are relative to it. */
  readonly directory: string;
  readonly log: Log;
}

/** A NIC as a network needs to know it: a part of its configuration. */
export interface NetworkSpec extends UserSpec {
  readonly id: string;
  readonly backend:
    | { readonly type: 'none' }
    | { readonly type: 'user'; readonly restrict?: boolean | undefined }
    | { readonly type: 'internal' | 'tap'; readonly name: string }
    | ({ readonly type: 'socket' } & SocketSpec);
}

/** @throws VmmError naming the NIC, when the host cannot give what is asked. */
export async function openNetwork(nic: NetworkSpec, cable: NetBackend, host: NetworkHost): Promise<OpenNetwork> {
  const { backend } = nic;
  switch (backend.type) {
    case 'none':
      cable.attach({ frame: () => true });
      return { close: () => Promise.resolve() };
    case 'user':
      return openUser(nic, backend.restrict ?? false, cable, host);
    case 'internal':
      return openInternal(backend.name, cable, host);
    case 'socket':
      return openSocketNetwork(backend, cable, host);
    case 'tap':
      return openTapNetwork(backend.name, cable, host);
  }
}
