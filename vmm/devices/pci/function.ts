import type { Device } from '../../bus/device.ts';
import type { PciConfig } from './config-space.ts';

/**
 * A device in a PCI slot. Its configuration space tells everything the bus needs: identity, BARs, interrupt pin. Its state contains
 * `config.bytes`; its `reset` and `loaded` call those of `config`.
 */
export interface PciFunction<S extends object = object> extends Device<S> {
  readonly config: PciConfig;
}
