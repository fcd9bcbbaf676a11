import { createHash } from 'node:crypto';
import { LFB, VgaBench } from '../../vmm/devices/video/testing/vga-bench.ts';
import type { Surface } from '../../vmm/display/surface.ts';
import { PROGRAMS } from './programs.ts';

function digest({ width, height, pixels }: Surface): string {
  return `${width}x${height} ${createHash('sha256').update(pixels).digest('hex').slice(0, 24)}`;
}

// qemu-differential.node.ts shows which of these pictures QEMU agrees with: all but those marked `qemuDiffers`.
test.each(PROGRAMS)('$name, drawn at once and step by step', ({ run }) => {
  const fresh = new VgaBench();
  run(fresh);
  const picture = digest(fresh.screen.mode.surface);
  expect(picture).toMatchSnapshot();

  const watched = new VgaBench();
  let steps = 0;
  run({
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
  });
  watched.screen.refresh();
  expect(digest(watched.screen.mode.surface)).toBe(picture);
});
