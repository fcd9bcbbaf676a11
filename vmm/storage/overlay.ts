import { RangeLock } from './range-lock.ts';
import { cutSegments, lengthOf, readSegments, writeSegments, type BlockNode, type Extent } from './node.ts';

/**
 * One node on top of another: what the top does not hold is read from the parent, what is written goes to the top and fills whole
 * allocation units of it. The one place where differencing images of any format, linked clones and discarded writes are made; the formats
 * know nothing of their parents. The parent may be shorter (the rest reads as zeros) and is never written.
 */
export class OverlayNode implements BlockNode {
  readonly #top: BlockNode;
  readonly #parent: BlockNode;
  readonly #lock = new RangeLock();

  constructor(top: BlockNode, parent: BlockNode) {
    this.#top = top;
    this.#parent = parent;
  }

  get name(): string {
    return this.#top.name;
  }
  get size(): number {
    return this.#top.size;
  }
  get readOnly(): boolean {
    return this.#top.readOnly;
  }
  get granularity(): number {
    return this.#top.granularity;
  }
  get top(): BlockNode {
    return this.#top;
  }
  get parent(): BlockNode {
    return this.#parent;
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    return this.readv(offset, [into]);
  }

  readv(offset: number, into: readonly Uint8Array[]): Promise<void> {
    return this.#lock.run(offset, lengthOf(into), true, () => this.readThrough(offset, into));
  }

  private async readThrough(offset: number, into: readonly Uint8Array[]): Promise<void> {
    const total = lengthOf(into);
    for (let at = 0; at < total;) {
      const { length, kind } = await this.#top.extent(offset + at, total - at);
      const part = length === total ? into : cutSegments(into, at, length);
      if (kind === 'absent') await this.readParent(offset + at, part);
      else if (kind === 'zero') for (const piece of part) piece.fill(0);
      else await readSegments(this.#top, offset + at, part);
      at += length;
    }
  }

  private async readParent(offset: number, into: readonly Uint8Array[]): Promise<void> {
    const total = lengthOf(into);
    const length = Math.max(0, Math.min(total, this.#parent.size - offset));
    if (length === total) return readSegments(this.#parent, offset, into);
    if (length > 0) await readSegments(this.#parent, offset, cutSegments(into, 0, length));
    for (const piece of cutSegments(into, length, total - length)) piece.fill(0);
  }

  write(offset: number, from: Uint8Array): Promise<void> {
    return this.writev(offset, [from]);
  }

  writev(offset: number, from: readonly Uint8Array[]): Promise<void> {
    const unit = this.#top.granularity;
    const length = lengthOf(from);
    const start = offset - (offset % unit);
    const end = Math.min(this.size, Math.ceil((offset + length) / unit) * unit);
    return this.#lock.run(start, end - start, false, async () => {
      const headAbsent = start < offset && (await this.isAbsent(start));
      const lastUnit = end - 1 - ((end - 1) % unit);
      const tailAbsent = end > offset + length && (lastUnit === start && start < offset ? headAbsent : await this.isAbsent(lastUnit));
      const [head, tail] = [headAbsent ? offset - start : 0, tailAbsent ? end - offset - length : 0];
      const filled = [new Uint8Array(head), ...from, new Uint8Array(tail)].filter((piece) => piece.length > 0);
      if (head > 0) await this.readParent(start, filled.slice(0, 1));
      if (tail > 0) await this.readParent(offset + length, filled.slice(-1));
      return writeSegments(this.#top, offset - head, filled);
    });
  }

  private async isAbsent(unitStart: number): Promise<boolean> {
    return (await this.#top.extent(unitStart, Math.min(this.#top.granularity, this.size - unitStart))).kind === 'absent';
  }

  flush(): Promise<void> {
    return this.#top.flush();
  }

  async extent(offset: number, length: number): Promise<Extent> {
    const top = await this.#top.extent(offset, length);
    if (top.kind !== 'absent') return top;
    if (offset >= this.#parent.size) return { ...top, kind: 'zero' };
    return this.#parent.extent(offset, Math.min(top.length, this.#parent.size - offset));
  }

  async zero(offset: number, length: number): Promise<void> {
    const unit = this.#top.granularity;
    const start = offset - (offset % unit);
    return this.#lock.run(start, Math.ceil((offset + length) / unit) * unit - start, false, async () => {
      await this.zeroUnlocked(offset, length);
    });
  }

  /** Whole units by the top's own means, partial ones as writes of zeros. */
  private async zeroUnlocked(offset: number, length: number): Promise<void> {
    const unit = this.#top.granularity;
    const first = Math.min(offset + length, Math.ceil(offset / unit) * unit);
    const last = Math.max(first, offset + length === this.size ? this.size : offset + length - ((offset + length) % unit));
    const edges: (readonly [number, number])[] = [
      [offset, first],
      [last, offset + length],
    ];
    for (const [start, end] of edges) {
      if (start >= end) continue;
      const unitStart = start - (start % unit);
      const merged = new Uint8Array(Math.min(unit, this.size - unitStart));
      await this.readThrough(unitStart, [merged]);
      merged.fill(0, start - unitStart, end - unitStart);
      await this.#top.write(unitStart, merged);
    }
    if (last <= first) return;
    if (this.#top.zero !== undefined) return this.#top.zero(first, last - first);
    for (let at = first; at < last; at += unit) await this.#top.write(at, new Uint8Array(Math.min(unit, last - at)));
  }

  /** Discarded data must not come back from the parent as something older still: it becomes zeros, by whole units. */
  async discard(offset: number, length: number): Promise<void> {
    const unit = this.#top.granularity;
    const start = Math.ceil(offset / unit) * unit;
    const end = offset + length - ((offset + length) % unit);
    if (end > start) await this.zero(start, end - start);
  }

  async close(): Promise<void> {
    await this.#top.close();
    await this.#parent.close();
  }
}
