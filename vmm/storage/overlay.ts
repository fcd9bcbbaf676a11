import { RangeLock } from './range-lock.ts';
import type { BlockNode, Extent } from './node.ts';

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

  async read(offset: number, into: Uint8Array): Promise<void> {
    return this.#lock.run(offset, into.length, true, () => this.readThrough(offset, into));
  }

  private async readThrough(offset: number, into: Uint8Array): Promise<void> {
    for (let at = 0; at < into.length;) {
      const { length, kind } = await this.#top.extent(offset + at, into.length - at);
      const part = into.subarray(at, at + length);
      if (kind === 'absent') await this.readParent(offset + at, part);
      else if (kind === 'zero') part.fill(0);
      else await this.#top.read(offset + at, part);
      at += length;
    }
  }

  private async readParent(offset: number, into: Uint8Array): Promise<void> {
    const length = Math.max(0, Math.min(into.length, this.#parent.size - offset));
    if (length > 0) await this.#parent.read(offset, into.subarray(0, length));
    into.fill(0, length);
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    const unit = this.#top.granularity;
    const start = offset - (offset % unit);
    const end = Math.min(this.size, Math.ceil((offset + from.length) / unit) * unit);
    return this.#lock.run(start, end - start, false, async () => {
      const headAbsent = start < offset && (await this.isAbsent(start));
      const lastUnit = end - 1 - ((end - 1) % unit);
      const tailAbsent = end > offset + from.length && (lastUnit === start && start < offset ? headAbsent : await this.isAbsent(lastUnit));
      if (!headAbsent && !tailAbsent) return this.#top.write(offset, from);
      const whole = { start: headAbsent ? start : offset, end: tailAbsent ? end : offset + from.length };
      const merged = new Uint8Array(whole.end - whole.start);
      if (headAbsent) await this.readParent(start, merged.subarray(0, offset - start));
      if (tailAbsent) await this.readParent(offset + from.length, merged.subarray(offset + from.length - whole.start));
      merged.set(from, offset - whole.start);
      return this.#top.write(whole.start, merged);
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
      await this.readThrough(unitStart, merged);
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
