import { setMode, setVbeMode, loadFont, VgaBench } from '../devices/video/testing/vga-bench.ts';
import type { Damage, Rectangle } from './damage.ts';
import type { DisplaySink, ScreenMode } from './screen.ts';

class RecordingSink implements DisplaySink {
  readonly modes: ScreenMode[] = [];
  readonly damages: Rectangle[][] = [];
  mode(mode: ScreenMode): void {
    this.modes.push(mode);
  }
  damage(damage: Damage): void {
    this.damages.push(damage.rectangles());
  }
}

test('watchers are told the mode, then what changes', () => {
  const bench = new VgaBench();
  setMode(bench, 0x03);
  loadFont(bench);
  const sink = new RecordingSink();
  const end = bench.screen.watch(sink);
  expect(sink.modes).toMatchObject([{ text: true, aspect: [4, 3], surface: { width: 720, height: 400 } }]);
  bench.space.write(0xb8000 + 2 * 81, 2, 0x1741);
  expect(bench.screen.refresh()).toBe(true);
  expect(sink.damages).toEqual([[{ x: 9, y: 16, width: 9, height: 16 }]]);
  expect(bench.screen.refresh()).toBe(false);
  setVbeMode(bench, 1024, 768, 32);
  bench.screen.refresh();
  expect(sink.modes).toHaveLength(2);
  expect(sink.modes[1]).toMatchObject({ text: false, aspect: [0, 0], surface: { width: 1024, height: 768 } });
  bench.space.write(bench.lfb + (100 * 1024 + 50) * 4, 4, 0x00ffffff);
  bench.screen.refresh();
  expect(sink.damages.at(-1)).toEqual([{ x: 50, y: 100, width: 1, height: 1 }]);
  end();
  expect(bench.screen.watched).toBe(false);
});

test('text is read from the adapter as it is now', () => {
  const bench = new VgaBench();
  setMode(bench, 0x03);
  for (const [index, character] of Buffer.from('A:\\>').entries()) bench.write8(0xb8000 + index * 2, character);
  expect(bench.screen.text()?.lines[0]?.trimEnd()).toBe('A:\\>');
  expect(bench.screen.text()?.cursor).toEqual({ column: 0, row: 0, visible: true });
  setMode(bench, 0x13);
  expect(bench.screen.text()).toBeUndefined();
});

test('the cursor blinks in guest time', () => {
  const bench = new VgaBench();
  setMode(bench, 0x03);
  bench.screen.refresh();
  let changes = 0;
  for (let frame = 0; frame < 140; frame++) {
    bench.scheduler.advance(14_286_000);
    if (bench.screen.refresh()) changes++;
  }
  expect(changes).toBeGreaterThanOrEqual(17); // 2 s at 70 Hz, every 8 frames
  expect(changes).toBeLessThanOrEqual(18);
});
