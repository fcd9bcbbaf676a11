import { createHash } from 'node:crypto';
import { LFB, VgaBench, type VgaTarget } from '../../vmm/devices/video/testing/vga-bench.ts';
import type { Surface } from '../../vmm/display/surface.ts';
import { PROGRAMS } from './programs.ts';

function digest({ width, height, pixels }: Surface): string {
  return `${width}x${height} ${createHash('sha256').update(pixels).digest('hex').slice(0, 24)}`;
}

// qemu-differential.node.ts shows which of these pictures QEMU agrees with: all but those marked `qemuDiffers`.
test.each(PROGRAMS)('$name', ({ run }) => {
  const bench = new VgaBench();
  run(bench);
  expect(digest(bench.screen.mode.surface)).toMatchSnapshot();
});

test.each(PROGRAMS)('$name: drawn step by step it comes out the same', ({ run }) => {
  const watched = new VgaBench();
  let steps = 0;
  const stepwise: VgaTarget = {
    lfb: LFB,
    out8: (port, value) => watched.out8(port, value),
    out16: (port, value) => watched.out16(port, value),
    in8: (port) => watched.in8(port),
    write8: (address, value) => watched.write8(address, value),
    fill(address, bytes) {
      for (let at = 0; at < bytes.length; at += 10_007) {
        watched.fill(address + at, bytes.subarray(at, at + 10_007));
        if (steps++ % 5 === 0) watched.screen.refresh();
      }
      watched.screen.refresh();
    },
  };
  run(stepwise);
  watched.screen.refresh();
  const fresh = new VgaBench();
  run(fresh);
  expect(digest(watched.screen.mode.surface)).toBe(digest(fresh.screen.mode.surface));
});
