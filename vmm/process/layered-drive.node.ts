/** A drive on the io thread: its image behind its filters, and the layers that snapshots put on it while it is used. */
import { dirname } from 'node:path';
import { VmmError } from '../base/errors.ts';
import { filtered, type FilterHost } from '../storage/filters/filtered.ts';
import type { ThrottleLimits, ThrottleNode } from '../storage/filters/throttle.ts';
import { openAlone, openImage } from '../storage/open.node.ts';
import type { BlockNode } from '../storage/node.ts';
import { OverlayNode } from '../storage/overlay.ts';
import { SwitchNode } from '../storage/switch-node.ts';
import { UndoLog } from '../storage/undo-log.ts';
import type { OpenRequest } from './io-messages.ts';

/** What a disk may remember between two points, bytes. */
const MOST_UNDO = 64 << 20;

export class LayeredDrive {
  /** What the guest reads and writes. */
  readonly node: SwitchNode;
  /** The same, with what it held at points in the past. */
  readonly undo: UndoLog;
  readonly #host: FilterHost;
  #throttle: ThrottleNode;
  #request: OpenRequest;
  /** Without its filters. */
  #image: BlockNode;
  #pending: { readonly file: string; readonly node: BlockNode } | undefined;
  /** Frozen just now, and still open for writing. */
  #frozen: { readonly node: SwitchNode; readonly request: OpenRequest } | undefined;
  /** Changes when the present top was put on, empty; undefined: it may hold something. */
  #emptyAt: number | undefined;

  private constructor(request: OpenRequest, image: BlockNode, host: FilterHost) {
    this.#request = request;
    this.#image = image;
    this.#host = host;
    const { node, throttle } = filtered(image, request.filters ?? {}, host);
    this.node = new SwitchNode(node);
    this.undo = new UndoLog(this.node, MOST_UNDO);
    this.#throttle = throttle;
  }

  static async open(request: OpenRequest, host: FilterHost): Promise<LayeredDrive> {
    return new LayeredDrive(request, (await openImage(request)).node, host);
  }

  get file(): string {
    return this.#request.file;
  }

  /** `file`: a new, empty difference to the present top. It takes the writes from `freeze` on. */
  async prepare(file: string): Promise<void> {
    await this.abandon();
    this.#pending = { file, node: await openAlone(file, 'qcow2', { readOnly: false }) };
  }

  async abandon(): Promise<void> {
    await this.#pending?.node.close();
    this.#pending = undefined;
  }

  /** At once, with nothing in flight. A top that nothing was written to stays: what lies below it is what the snapshot holds. */
  freeze({ always = false } = {}): void {
    const pending = this.#pending;
    if (pending === undefined || (!always && this.#emptyAt === this.node.writes)) return;
    this.#pending = undefined;
    const node = new SwitchNode(this.#image);
    this.#frozen = { node, request: this.#request };
    this.#image = new OverlayNode(pending.node, node);
    const { parentFolders = [], file } = this.#request;
    this.#request = { ...this.#request, file: pending.file, format: 'qcow2', parentFolders: [...new Set([...parentFolders, dirname(file)])] };
    this.node.set(this.#filtered());
    this.#emptyAt = always ? undefined : this.node.writes;
  }

  /** The prepared layer, if there is one, makes the disk what it was at a point. On return it survives a power cut. */
  async fillPending(point: number): Promise<void> {
    if (this.#pending === undefined) return;
    await this.node.flush();
    const { node } = this.#pending;
    for (const [offset, bytes] of this.undo.at(point)) await node.write(offset, bytes);
    await node.flush();
  }

  /** What was frozen becomes durable and is opened anew, for reading only: others may stand on it, too. @returns whether something was frozen */
  async settle(): Promise<boolean> {
    await this.abandon();
    const frozen = this.#frozen;
    if (frozen === undefined) return false;
    this.#frozen = undefined;
    await frozen.node.exchange(async (old) => {
      await old.flush();
      await old.close();
      return (await openImage({ ...frozen.request, readOnly: true })).node;
    });
    return true;
  }

  /** Another image takes this one's place: nothing of the guest's is in flight. */
  async replace(file: string, format: OpenRequest['format'], parentFolders: readonly string[]): Promise<void> {
    const request: OpenRequest = { ...this.#request, file, format, parentFolders };
    await this.node.exchange(async () => {
      const opened = (await openImage(request)).node;
      if (opened.size !== this.#image.size) {
        await opened.close();
        throw new VmmError('unsupported', `${file} has another size than the disk in use; power the machine off first`);
      }
      await this.#image.close();
      this.#image = opened;
      this.#request = request;
      return this.#filtered();
    });
    this.#emptyAt = this.node.writes;
  }

  /** Its throttle from now on. */
  limit(limits: ThrottleLimits): void {
    this.#throttle.limits = limits;
    this.#request = { ...this.#request, filters: { ...this.#request.filters, throttle: limits } };
  }

  #filtered(): BlockNode {
    const { node, throttle } = filtered(this.#image, this.#request.filters ?? {}, this.#host);
    this.#throttle = throttle;
    return node;
  }
}
