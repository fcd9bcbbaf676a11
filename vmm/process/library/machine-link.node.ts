/** A library's connection to a running VM: follows its state, passes orders on. */
import { connect as connectSocket } from 'node:net';
import { VmmError } from '../../base/errors.ts';
import { type Client, connect } from '../../protocol/client.ts';
import { socketTransport } from '../../protocol/socket.node.ts';
import type { Transport } from '../../protocol/transport.ts';
import { reasonOf } from '../vm-folder.node.ts';

/** @throws VmmError `not-found` when nobody answers there. */
export async function dialMachine(path: string): Promise<Transport> {
  const socket = connectSocket(path);
  try {
    await new Promise<void>((connected, fail) => socket.once('connect', connected).once('error', fail));
  } catch (error) {
    throw new VmmError('not-found', `the machine's process does not answer on ${path}: ${reasonOf(error)}`, {}, error);
  }
  return socketTransport(socket);
}

export async function connectMachine(path: string): Promise<Client<'machine'>> {
  return connect(await dialMachine(path), 'machine');
}
