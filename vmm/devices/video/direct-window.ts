import { PRIORITY_LEGACY, type BlockMapping, type MemoryBus } from '../../bus/memory-bus.ts';
import type { MemoryBlock } from '../../memory/physical-map.ts';
import type { DirectView, DirectWindow } from './legacy-window.ts';

/**
 * The board's side of the legacy window at `base` (A0000h): puts parts of `block` over the register region mapped there before. A change of bank only
 * slides the mapping, because programs do that thousands of times a second.
 */
export function createDirectWindow(memory: MemoryBus, base: number, block: MemoryBlock): DirectWindow {
  let shown: DirectView | undefined;
  let mapping: BlockMapping | undefined;
  return {
    show(view) {
      if (view !== undefined && view.offset === shown?.offset && view.length === shown.length) {
        mapping?.slide(view.source);
      } else {
        mapping?.dispose();
        mapping =
          view && memory.mapBlock(base + view.offset, block, { offset: view.source, length: view.length, dirtyLog: true, priority: PRIORITY_LEGACY });
      }
      shown = view;
    },
  };
}
