/** What may be asked of a network while it runs. */
import type { FaultSettings } from './filters/faults.ts';
import type { ForwardSpec } from './nat/forwards.ts';
import type { RulesSpec } from './nat/policy.ts';
import type { TcpFlowInfo } from './nat/tcp-flows.ts';
import type { TrafficEntry } from './nat/traffic-log.ts';
import type { UdpFlowInfo } from './nat/udp-flows.ts';

export type NetworkRequest =
  | { readonly type: 'status' }
  | { readonly type: 'traffic'; readonly count: number }
  | { readonly type: 'addForward'; readonly forward: ForwardSpec }
  | { readonly type: 'removeForward'; readonly protocol: 'tcp' | 'udp'; readonly hostPort: number; readonly hostAddress?: string | undefined }
  | { readonly type: 'setRules'; readonly rules: RulesSpec };

export interface NetworkAnswers {
  status: NetworkStatus;
  traffic: readonly TrafficEntry[];
  addForward: ForwardSpec;
  removeForward: ForwardSpec;
  setRules: null;
}

export interface LeaseInfo {
  readonly mac: string;
  readonly address: string;
  readonly hostName?: string;
  /** s */
  readonly remaining: number;
}

export interface ConnectionInfo extends Omit<TcpFlowInfo & UdpFlowInfo, 'direction' | 'state' | 'since'> {
  readonly protocol: 'tcp' | 'udp';
  readonly direction: 'out' | 'in';
  readonly state: string;
  /** s */
  readonly age: number;
  /** That the guest resolved to the remote address. */
  readonly name?: string;
}

/** Of a user network; of others only what the cable knows. */
export interface NetworkStatus {
  readonly leases: readonly LeaseInfo[];
  readonly connections: readonly ConnectionInfo[];
  readonly forwards: readonly ForwardSpec[];
  readonly rules: RulesSpec;
  readonly limits: { readonly refused: number };
}

/** What the cable itself does. */
export interface CableStatus {
  readonly link: boolean;
  readonly faults: FaultSettings;
  readonly lost: number;
  readonly capture: { readonly file: string; readonly frames: number; readonly dropped: number } | null;
}
