/** The networks of a running machine. */
import { z } from 'zod';
import { forwardSchema } from './config-net.ts';
import { method } from './method.ts';
import { alive } from './states.ts';
import { hostPath } from './text.ts';

/** A NIC's id. Absent: the machine's first. */
const nic = z.string().min(1).max(32).optional();
const rules = z.array(z.string().min(1).max(300)).max(256);
const faults = {
  /** ms, one way */
  delay: z.number().min(0).max(60_000).default(0),
  /** 0..1 of the frames */
  loss: z.number().min(0).max(1).default(0),
  /** bits per second; 0: no limit */
  rate: z.number().min(0).max(1e12).default(0),
};

export const connectionSchema = z
  .looseObject({
    protocol: z.enum(['tcp', 'udp']),
    direction: z.enum(['out', 'in']),
    guest: z.string(),
    remote: z.string(),
    /** That the guest resolved to the remote address. */
    name: z.string().optional(),
    state: z.string(),
    sentBytes: z.number(),
    receivedBytes: z.number(),
    /** s */
    age: z.number(),
  })
  .meta({ id: 'Connection' });
export type Connection = z.output<typeof connectionSchema>;

export const networkSchema = z
  .looseObject({
    nic: z.string(),
    model: z.string(),
    mac: z.string(),
    /** user, internal, socket, none */
    backend: z.string(),
    /** Of an internal network: its name. */
    name: z.string().optional(),
    link: z.boolean(),
    faults: z.looseObject({ delay: z.number(), loss: z.number(), rate: z.number() }),
    /** Frames lost on purpose. */
    lost: z.number(),
    capture: z.looseObject({ file: z.string(), frames: z.number(), dropped: z.number() }).nullable(),
    sentBytes: z.number(),
    receivedBytes: z.number(),
    leases: z.array(z.looseObject({ mac: z.string(), address: z.string(), hostName: z.string().optional(), remaining: z.number() })),
    connections: z.array(connectionSchema),
    forwards: z.array(forwardSchema),
    allow: z.array(z.string()),
    block: z.array(z.string()),
    /** Connections that were not begun because the guest had too many. */
    refused: z.number(),
  })
  .meta({ id: 'Network' });
export type Network = z.output<typeof networkSchema>;

export const trafficSchema = z
  .looseObject({
    index: z.number(),
    /** Unix ms */
    time: z.number(),
    /** name, tcp, udp, ping */
    kind: z.string(),
    name: z.string().optional(),
    address: z.string().optional(),
    port: z.number().optional(),
    /** The rule that refused it; absent: it was let through. */
    blockedBy: z.string().optional(),
    count: z.number(),
  })
  .meta({ id: 'TrafficEntry' });
export type Traffic = z.output<typeof trafficSchema>;

export const networkMethods = {
  'network.list': method({
    summary: 'Each NIC: its cable, and what is at the other end: leases, connections, forwards, rules',
    result: { networks: z.array(networkSchema) },
    when: alive,
  }),
  'network.log': method({
    summary: 'What left the machine through a user network, or wanted to: the end of the log',
    params: { nic, count: z.int().min(1).max(1000).default(200) },
    result: { entries: z.array(trafficSchema) },
    when: alive,
  }),
  'network.addForward': method({
    summary: 'Open a port of this host that leads into the guest, 127.0.0.1 unless told otherwise',
    params: { nic, forward: forwardSchema },
    result: { forward: forwardSchema },
    when: alive,
  }),
  'network.removeForward': method({
    summary: 'Close a forwarded port; connections that came through it go on',
    params: { nic, protocol: z.enum(['tcp', 'udp']), hostPort: z.int().min(1).max(65535), hostAddress: z.string().max(64).optional() },
    result: { forward: forwardSchema },
    when: alive,
  }),
  'network.setRules': method({
    summary: 'What a guest of a user network may and may not reach; connections that are open go on',
    params: { nic, allow: rules, block: rules },
    when: alive,
  }),
  'network.setFaults': method({ summary: 'Make a cable worse: delay, loss, rate limit; all 0 mends it', params: { nic, ...faults }, when: alive }),
  'network.setLink': method({ summary: 'Plug a cable in or out', params: { nic, up: z.boolean() }, when: alive }),
  'network.capture': method({
    summary: "Write a NIC's frames to a pcap file; null ends that",
    params: { nic, file: hostPath.nullable() },
    when: alive,
  }),
} as const;
