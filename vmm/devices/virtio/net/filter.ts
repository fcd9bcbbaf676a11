import { z } from 'zod';
import { bool, bytes, upTo } from '../../../bus/schema.ts';
import { isBroadcast, isMulticast, isTo } from '../../net/ethernet.ts';

const VLANS = 4096;
/** Addresses a table holds; with more a driver gets all of them (5.1.6.5.2 lets the device). */
const MOST_ADDRESSES = 64;

export const filterSchema = z.strictObject({
  mac: bytes(6),
  promiscuous: bool,
  allMulticast: bool,
  allUnicast: bool,
  noMulticast: bool,
  noUnicast: bool,
  noBroadcast: bool,
  unicast: upTo(MOST_ADDRESSES, bytes(6)),
  multicast: upTo(MOST_ADDRESSES, bytes(6)),
  /** More were given than a table holds. */
  unicastOverflow: bool,
  multicastOverflow: bool,
  vlans: bytes(VLANS / 8),
});
export type FilterState = z.infer<typeof filterSchema>;

/** Before the driver says anything a device passes all it sees (as old drivers without a control queue expect). */
export function newFilter(mac: Uint8Array): FilterState {
  return {
    mac: mac.slice(),
    promiscuous: true,
    allMulticast: false,
    allUnicast: false,
    noMulticast: false,
    noUnicast: false,
    noBroadcast: false,
    unicast: [],
    multicast: [],
    unicastOverflow: false,
    multicastOverflow: false,
    vlans: new Uint8Array(VLANS / 8),
  };
}

/** 5.1.6.5.1-3. `vlanFilter`: the feature was negotiated. */
export function passes(filter: FilterState, frame: Uint8Array, vlanFilter: boolean): boolean {
  if (vlanFilter && frame.length >= 18 && frame[12] === 0x81 && frame[13] === 0x00) {
    const vlan = ((frame[14]! << 8) | frame[15]!) & 0xfff;
    if (((filter.vlans[vlan >> 3]! >> (vlan & 7)) & 1) === 0) return false;
  }
  if (filter.promiscuous) return true;
  if (isBroadcast(frame)) return !filter.noBroadcast;
  if (isMulticast(frame)) {
    if (filter.noMulticast) return false;
    return filter.allMulticast || filter.multicastOverflow || filter.multicast.some((address) => isTo(frame, address));
  }
  if (filter.noUnicast) return false;
  return filter.allUnicast || filter.unicastOverflow || isTo(frame, filter.mac) || filter.unicast.some((address) => isTo(frame, address));
}

const Command = { RX: 0, MAC: 1, VLAN: 2 } as const;
const RX_MODES = ['promiscuous', 'allMulticast', 'allUnicast', 'noMulticast', 'noUnicast', 'noBroadcast'] as const;
const MAC_TABLE_SET = 0;
const MAC_ADDRESS_SET = 1;
const VLAN_ADD = 0;

/** A command of the control queue that concerns the filter. False: it is refused, or no such command. */
export function filterCommand(filter: FilterState, commandClass: number, command: number, data: Uint8Array): boolean {
  switch (commandClass) {
    case Command.RX: {
      const mode = RX_MODES[command];
      if (mode === undefined || data.length < 1) return false;
      filter[mode] = data[0] !== 0;
      return true;
    }
    case Command.MAC:
      if (command === MAC_ADDRESS_SET && data.length >= 6) {
        filter.mac.set(data.subarray(0, 6));
        return true;
      }
      return command === MAC_TABLE_SET && setTables(filter, data);
    case Command.VLAN: {
      if (command > 1 || data.length < 2) return false;
      const vlan = (data[0]! | (data[1]! << 8)) & 0xffff;
      if (vlan >= VLANS) return false;
      const bit = 1 << (vlan & 7);
      filter.vlans[vlan >> 3] = command === VLAN_ADD ? filter.vlans[vlan >> 3]! | bit : filter.vlans[vlan >> 3]! & ~bit;
      return true;
    }
    default:
      return false;
  }
}

/** Two tables, each a 32-bit count and its addresses: unicast, then multicast. */
function setTables(filter: FilterState, data: Uint8Array): boolean {
  const unicast = readTable(data, 0);
  const multicast = unicast && readTable(data, unicast.end);
  if (multicast === undefined) return false;
  filter.unicast.splice(0, Infinity, ...unicast!.addresses);
  filter.multicast.splice(0, Infinity, ...multicast.addresses);
  filter.unicastOverflow = unicast!.overflow;
  filter.multicastOverflow = multicast.overflow;
  return true;
}

function readTable(data: Uint8Array, at: number): { addresses: Uint8Array[]; overflow: boolean; end: number } | undefined {
  if (at + 4 > data.length) return undefined;
  const count = new DataView(data.buffer, data.byteOffset, data.length).getUint32(at, true);
  const end = at + 4 + count * 6;
  if (end > data.length) return undefined;
  if (count > MOST_ADDRESSES) return { addresses: [], overflow: true, end };
  return { addresses: Array.from({ length: count }, (_, index) => data.slice(at + 4 + 6 * index, at + 10 + 6 * index)), overflow: false, end };
}
