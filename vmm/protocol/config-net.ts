import { z } from 'zod';

export const nicModels = ['e1000', 'ne2k', 'ne2k-isa', 'rtl8139', 'pcnet', 'virtio'] as const;

const port = z.int().min(0).max(65535);
const ipv4 = z.ipv4('must be an IPv4 address');

export const forwardSchema = z.strictObject({
  protocol: z.enum(['tcp', 'udp']).default('tcp'),
  /** Loopback unless said otherwise: a forward is not an invitation to the whole network. */
  hostAddress: ipv4.default('127.0.0.1'),
  /** 0: any free one */
  hostPort: port,
  /** Default: the address that DHCP gives to the guest. */
  guestAddress: ipv4.optional(),
  guestPort: port.min(1),
});

const backendSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('user'),
    /** Host-only: nothing of the world outside, only what `allow` opens of this host. */
    restrict: z.boolean().optional(),
  }),
  z.strictObject({ type: z.literal('internal'), name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'must be a short name') }),
  z.strictObject({
    type: z.literal('socket'),
    mode: z.enum(['listen', 'connect', 'mcast', 'udp']),
    address: z.string().min(1).max(300),
    /** Of `udp`: where frames are received. */
    localAddress: z.string().min(1).max(300).optional(),
  }),
  z.strictObject({ type: z.literal('tap'), name: z.string().regex(/^[^\s/]{1,15}$/, 'must be the name of a network interface') }),
  z.strictObject({ type: z.literal('none') }),
]);

/** Unicast, six octets. */
const mac = z.string().regex(/^[0-9a-fA-F][02468aceACE](:[0-9a-fA-F]{2}){5}$/, 'must be a unicast MAC address such as 52:54:00:12:34:56');

export const nicSchema = z.strictObject({
  id: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9_-]{0,31}$/, 'must be a short word such as net0')
    .default('net0'),
  model: z.enum(nicModels).default('e1000'),
  backend: backendSchema.default({ type: 'user' }),
  /** Default: derived from the VM's id, so that a clone has another. */
  mac: mac.optional(),
  forwards: z.array(forwardSchema).max(256).default([]),
  /** What the guest may reach although it is this host's own or blocked: `host:8080`, `192.168.0.0/16`, `example.com`. */
  allow: z.array(z.string().min(1).max(300)).max(256).default([]),
  /** What it may not: addresses, networks, names and those below them, or `*`. */
  block: z.array(z.string().min(1).max(300)).max(256).default([]),
  /** A directory that the user network serves by TFTP, and the file in it that PXE is told to load. */
  tftp: z.string().min(1).max(4096).optional(),
  bootFile: z.string().min(1).max(127).optional(),
  /** ms one way, share of frames, bits per second: a worse cable. */
  faults: z
    .strictObject({
      delay: z.number().min(0).max(60_000).default(0),
      loss: z.number().min(0).max(1).default(0),
      rate: z.number().min(0).max(1e12).default(0),
    })
    .optional(),
  /** Writes every frame to this pcap file. */
  pcap: z.string().min(1).max(4096).optional(),
  /** The cable is plugged in. */
  link: z.boolean().default(true),
});

/** The address of a NIC that was given none: locally administered in QEMU's range, the rest a hash (FNV-1a) of the machine's identity and the NIC's name. */
export function macOf(vmId: string, nic: Pick<Nic, 'id' | 'mac'>): Uint8Array {
  if (nic.mac !== undefined) return Uint8Array.from(nic.mac.split(':'), (octet) => Number.parseInt(octet, 16));
  let hash = 0x811c_9dc5;
  for (const char of `${vmId}/${nic.id}`) hash = Math.imul(hash ^ char.charCodeAt(0), 0x0100_0193) >>> 0;
  return Uint8Array.of(0x52, 0x54, 0x00, hash >>> 24, (hash >>> 12) & 0xff, hash & 0xff);
}

export type Nic = z.output<typeof nicSchema>;
export type NicInput = z.input<typeof nicSchema>;
