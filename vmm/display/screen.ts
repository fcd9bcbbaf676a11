import type { Damage } from './damage.ts';
import { Renderer } from './renderer.ts';
import type { Aspect, DisplaySource } from './scanout.ts';
import type { Surface } from './surface.ts';
import { readTextScreen, type TextScreen } from './text.ts';

/** What a viewer must know of the screen before it can show it. */
export interface ScreenMode {
  /** The picture, kept up to date in place until the next mode. */
  readonly surface: Surface;
  readonly aspect: Aspect;
  readonly text: boolean;
}

/** Somebody who shows or records the screen. */
export interface DisplaySink {
  /** The screen is of another size or kind now. All of it is damaged. */
  mode(mode: ScreenMode): void;
  /** Part of the surface changed. To be copied (`merge`) by who keeps it: it is reused. */
  damage(damage: Damage): void;
}

/** The screen of a machine: draws what an adapter shows, when asked to, and tells those who watch. */
export class Screen {
  readonly #source: DisplaySource;
  readonly #renderer: Renderer;
  readonly #sinks = new Set<DisplaySink>();
  #mode: ScreenMode | undefined;

  constructor(source: DisplaySource) {
    this.#source = source;
    this.#renderer = new Renderer(source);
  }

  get mode(): ScreenMode {
    if (this.#mode === undefined) this.refresh();
    return this.#mode!;
  }

  /** Whether anybody watches: without a viewer nobody needs to call `refresh`. */
  get watched(): boolean {
    return this.#sinks.size > 0;
  }

  /** `sink` is told the present mode at once, and of all damage from then on. The returned function ends that. */
  watch(sink: DisplaySink): () => void {
    const { mode } = this;
    this.#sinks.add(sink);
    sink.mode(mode);
    return () => this.#sinks.delete(sink);
  }

  /** Brings the picture up to date: the adapter's state now. Returns whether anything changed. */
  refresh(): boolean {
    const damage = this.#renderer.render();
    const { surface } = this.#renderer;
    const { aspect, kind } = this.#renderer.scanout!;
    const old = this.#mode;
    const text = kind === 'text';
    if (surface !== old?.surface || text !== old.text || aspect[0] !== old.aspect[0] || aspect[1] !== old.aspect[1]) {
      this.#mode = { surface, aspect, text };
      for (const sink of this.#sinks) sink.mode(this.#mode);
      return true;
    }
    if (damage.empty) return false;
    for (const sink of this.#sinks) sink.damage(damage);
    return true;
  }

  /** The characters on the screen now; undefined in a graphics mode and while the adapter shows nothing. */
  text(): TextScreen | undefined {
    const scanout = this.#source.scanout();
    return scanout.kind === 'text' ? readTextScreen(scanout, this.#source.memory) : undefined;
  }
}
