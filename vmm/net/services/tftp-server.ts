/** Serves the files of one directory to PXE (RFC 1350, options of RFC 2347 to 2349); reads only. */
import type { HostFile, HostNetwork, NetTime } from '../nat/host.ts';
import { addressKey, type IpAddress } from '../wire/address.ts';
import { emitTftp, parseTftp, tftpErrors, type TftpOption, type TftpRepr } from '../wire/tftp.ts';

const DEFAULT_BLOCK = 512;
/** What fits into a frame of 1500 bytes: no fragments for firmware that may not put them together. */
const MAX_BLOCK = 1468;
const RESEND = 1000;
const MAX_RESENDS = 6;

interface Transfer {
  readonly file: HostFile;
  readonly blockSize: number;
  /** 0: the option acknowledgment */
  block: number;
  last: boolean;
  resends: number;
  cancel: () => void;
  reading: boolean;
}

export class TftpServer {
  readonly #network: HostNetwork;
  readonly #time: NetTime;
  readonly #limit: number;
  readonly #send: (packet: Uint8Array, to: IpAddress, port: number) => void;
  readonly #transfers = new Map<string, Transfer>();
  #opening = 0;

  constructor(network: HostNetwork, time: NetTime, limit: number, send: (packet: Uint8Array, to: IpAddress, port: number) => void) {
    this.#network = network;
    this.#time = time;
    this.#limit = limit;
    this.#send = send;
  }

  get running(): number {
    return this.#transfers.size + this.#opening;
  }

  receive(packet: Uint8Array, from: IpAddress, port: number): void {
    const message = parseTftp(packet);
    const key = `${addressKey(from)}${String.fromCharCode(port)}`;
    const address = from.slice();
    const say = (repr: TftpRepr) => this.#send(emitTftp(repr), address, port);
    switch (message?.type) {
      case 'read':
        if (this.running < this.#limit || this.#transfers.has(key)) void this.#open(key, message, say);
        return;
      case 'write':
        return say({ type: 'error', code: tftpErrors.accessViolation, message: 'read only' });
      case 'ack':
        return void this.#acknowledged(key, message.block, say);
      case 'error':
        return this.#close(key);
      default:
    }
  }

  async #open(
    key: string,
    { file: name, mode, options }: Extract<TftpRepr, { type: 'read' | 'write' }>,
    say: (repr: TftpRepr) => void,
  ): Promise<void> {
    this.#close(key);
    if (mode !== 'octet') {
      say({ type: 'error', code: tftpErrors.illegalOperation, message: 'only octet' });
      return;
    }
    this.#opening++;
    const file = await this.#network.openFile(name).catch(() => undefined);
    this.#opening--;
    if (file === undefined) {
      say({ type: 'error', code: tftpErrors.notFound, message: 'no such file' });
      return;
    }
    const accepted: TftpOption[] = [];
    let blockSize = DEFAULT_BLOCK;
    for (const { name: option, value } of options) {
      if (option === 'blksize' && Number(value) >= 8) {
        blockSize = Math.min(MAX_BLOCK, Math.floor(Number(value)));
        accepted.push({ name: option, value: String(blockSize) });
      } else if (option === 'tsize') accepted.push({ name: option, value: String(file.size) });
    }
    const transfer: Transfer = { file, blockSize, block: 0, last: false, resends: 0, cancel: () => undefined, reading: false };
    this.#close(key);
    this.#transfers.set(key, transfer);
    if (accepted.length > 0) this.#transmit(key, transfer, { type: 'optionAck', options: accepted }, say);
    else await this.#next(key, transfer, say);
  }

  async #acknowledged(key: string, block: number, say: (repr: TftpRepr) => void): Promise<void> {
    const transfer = this.#transfers.get(key);
    // An acknowledgment of an earlier block is a duplicate; answering it would double every packet after it (the Sorcerer's Apprentice).
    if (transfer === undefined || transfer.reading || block !== (transfer.block & 0xffff)) return;
    if (transfer.last) {
      this.#close(key);
      return;
    }
    await this.#next(key, transfer, say);
  }

  async #next(key: string, transfer: Transfer, say: (repr: TftpRepr) => void): Promise<void> {
    transfer.reading = true;
    try {
      const data = await transfer.file.read(transfer.block * transfer.blockSize, transfer.blockSize);
      if (this.#transfers.get(key) !== transfer) return;
      transfer.block++;
      transfer.last = data.length < transfer.blockSize;
      this.#transmit(key, transfer, { type: 'data', block: transfer.block & 0xffff, data }, say);
    } catch {
      this.#close(key);
      say({ type: 'error', code: tftpErrors.notDefined, message: 'cannot be read' });
    } finally {
      transfer.reading = false;
    }
  }

  #transmit(key: string, transfer: Transfer, repr: TftpRepr, say: (repr: TftpRepr) => void): void {
    transfer.cancel();
    transfer.resends = 0;
    const again = () => {
      if (++transfer.resends > MAX_RESENDS) {
        this.#close(key);
        return;
      }
      say(repr);
      transfer.cancel = this.#time.after(RESEND, again);
    };
    say(repr);
    transfer.cancel = this.#time.after(RESEND, again);
  }

  #close(key: string): void {
    const transfer = this.#transfers.get(key);
    if (transfer === undefined) return;
    this.#transfers.delete(key);
    transfer.cancel();
    transfer.file.close();
  }

  close(): void {
    for (const key of this.#transfers.keys()) this.#close(key);
  }
}
