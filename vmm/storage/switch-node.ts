import { readSegments, writeSegments, type BlockNode, type Extent } from './node.ts';

/**
 * A node that can be exchanged for another while its users go on: a layer is frozen and a new one put on top of it, or a disk goes back to what it was. The
 * new node has the size of the old one.
 */
export class SwitchNode implements BlockNode {
  /** Changes so far. */
  writes = 0;
  #node: BlockNode;
  #inFlight = 0;
  #idle: (() => void)[] = [];
  /** Pending while the node is being exchanged. */
  #gate: Promise<void> | undefined;

  constructor(node: BlockNode) {
    this.#node = node;
  }

  get current(): BlockNode {
    return this.#node;
  }
  get name(): string {
    return this.#node.name;
  }
  get size(): number {
    return this.#node.size;
  }
  get readOnly(): boolean {
    return this.#node.readOnly;
  }
  get granularity(): number {
    return this.#node.granularity;
  }

  /** At once: nothing may be in flight that must not meet the new node. */
  set(node: BlockNode): void {
    this.#node = node;
  }

  /** When nothing is in flight; what comes meanwhile waits. When `make` fails the old node stays. */
  async exchange(make: (old: BlockNode) => Promise<BlockNode>): Promise<void> {
    while (this.#gate !== undefined) await this.#gate;
    let open: () => void = () => undefined;
    this.#gate = new Promise((resolve) => (open = resolve));
    try {
      if (this.#inFlight > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
      this.#node = await make(this.#node);
    } finally {
      this.#gate = undefined;
      open();
    }
  }

  async #pass<T>(work: (node: BlockNode) => Promise<T>): Promise<T> {
    while (this.#gate !== undefined) await this.#gate;
    this.#inFlight++;
    try {
      return await work(this.#node);
    } finally {
      if (--this.#inFlight === 0) for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    return this.#pass((node) => node.read(offset, into));
  }
  write(offset: number, from: Uint8Array): Promise<void> {
    this.writes++;
    return this.#pass((node) => node.write(offset, from));
  }
  readv(offset: number, into: readonly Uint8Array[]): Promise<void> {
    return this.#pass((node) => readSegments(node, offset, into));
  }
  writev(offset: number, from: readonly Uint8Array[]): Promise<void> {
    this.writes++;
    return this.#pass((node) => writeSegments(node, offset, from));
  }
  flush(): Promise<void> {
    return this.#pass((node) => node.flush());
  }
  extent(offset: number, length: number): Promise<Extent> {
    return this.#pass((node) => node.extent(offset, length));
  }
  zero(offset: number, length: number): Promise<void> {
    this.writes++;
    return this.#pass(async (node) => {
      if (node.zero !== undefined) return node.zero(offset, length);
      return node.write(offset, new Uint8Array(length));
    });
  }
  async discard(offset: number, length: number): Promise<void> {
    this.writes++;
    await this.#pass(async (node) => node.discard?.(offset, length));
  }
  async close(): Promise<void> {
    await this.#pass((node) => node.close());
  }
}
