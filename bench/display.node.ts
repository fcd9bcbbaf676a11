/*
 * How long a full frame takes from video memory to the surface, and from there to a frame message. Run: node bench/display.node.ts
 * Target: 1024x768x32 well under 10 ms, so that a full-motion guest leaves the machine thread to its CPU.
 */
import { encodeFrame } from '../vmm/protocol/frames.ts';
import { Renderer } from '../vmm/display/renderer.ts';
import { loadFont, setMode, setVbeMode, VgaBench } from '../vmm/devices/video/testing/vga-bench.ts';

const FRAMES = 60;

function measure(name: string, prepare: (bench: VgaBench) => void): void {
  const bench = new VgaBench();
  prepare(bench);
  const { memory, dirty } = bench.adapter;
  const renderer = new Renderer(bench.adapter);
  const drawing: number[] = [];
  const encoding: number[] = [];
  let bytes = 0;
  for (let frame = 0; frame < FRAMES; frame++) {
    // Every pixel changes: nothing is saved by comparing.
    for (let at = 0; at < memory.length; at++) memory[at] = (memory[at]! + 17) & 0xff;
    dirty.fill(1);
    const start = performance.now();
    const damage = renderer.render();
    const drawn = performance.now();
    bytes = encodeFrame({ sequence: 0, whole: false, aspect: [0, 0], guestTime: 0 }, renderer.surface, damage.rectangles()).length;
    encoding.push(performance.now() - drawn);
    drawing.push(drawn - start);
  }
  const median = (times: number[]): string => times.sort((a, b) => a - b)[FRAMES >> 1]!.toFixed(2);
  console.log(
    `${name.padEnd(24)} draw ${median(drawing).padStart(6)} ms   encode ${median(encoding).padStart(6)} ms   ${(bytes / 1024).toFixed(0)} KiB`,
  );
}

console.log(`median of ${FRAMES} full frames`);
measure('text 80x25', (bench) => {
  setMode(bench, 0x03);
  loadFont(bench);
});
measure('mode 12h 640x480x4', (bench) => setMode(bench, 0x12));
measure('mode 13h 320x200x8', (bench) => setMode(bench, 0x13));
for (const bpp of [4, 8, 16, 24, 32]) {
  measure(`VBE 1024x768x${bpp}`, (bench) => {
    setMode(bench, 0x13); // for its palette
    setVbeMode(bench, 1024, 768, bpp);
  });
}
measure('VBE 1920x1200x32', (bench) => setVbeMode(bench, 1920, 1200, 32));
