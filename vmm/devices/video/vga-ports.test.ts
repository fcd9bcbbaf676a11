import { set, setAttribute, setMode, VgaBench } from './testing/vga-bench.ts';
import { STANDARD_MODES } from './testing/standard-modes.ts';

const MICROSECOND = 1000;

function bench(): VgaBench {
  const made = new VgaBench(0x4_0000);
  made.out8(0x3c2, 0x67);
  return made;
}

describe('address decoding', () => {
  test('CRTC and status answer at 3Dxh or 3Bxh by the I/O address select', () => {
    const vga = bench();
    set(vga, 0x3d4, 0x0e, 0x12);
    expect(vga.get(0x3d4, 0x0e)).toBe(0x12);
    expect(vga.in8(0x3b5)).toBe(0xff);
    vga.out8(0x3b5, 0x34);
    vga.out8(0x3c2, 0x66);
    expect(vga.get(0x3b4, 0x0e)).toBe(0x12);
    expect(vga.in8(0x3d5)).toBe(0xff);
    expect(vga.in8(0x3da)).toBe(0xff);
    expect(vga.in8(0x3ba)).not.toBe(0xff);
  });

  test('3C3h switches ports and memory off and on', () => {
    const vga = bench();
    setMode(vga, 0x13);
    vga.out8(0x3c3, 0);
    expect(vga.in8(0x3cc)).toBe(0xff);
    expect(vga.read8(0xa0000)).toBe(0xff);
    expect(vga.in8(0x3c3)).toBe(0);
    vga.out8(0x3c3, 1);
    expect(vga.in8(0x3cc)).toBe(0x63);
    expect(vga.read8(0xa0000)).toBe(0);
  });

  test('a word write sets index and data', () => {
    const vga = bench();
    vga.out16(0x3c4, 0x0f02);
    vga.out16(0x3ce, 0x5508);
    vga.out16(0x3d4, 0xab0f);
    expect([vga.get(0x3c4, 2), vga.get(0x3ce, 8), vga.get(0x3d4, 0x0f)]).toEqual([0x0f, 0x55, 0xab]);
  });
});

test('registers hold the bits they have and no others', () => {
  const vga = bench();
  for (const [index, mask] of [0x03, 0x3d, 0x0f, 0x3f, 0x0e].entries()) {
    set(vga, 0x3c4, index, 0xff);
    expect([index, vga.get(0x3c4, index)]).toEqual([index, mask]);
  }
  for (const [index, mask] of [0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff].entries()) {
    set(vga, 0x3ce, index, 0xff);
    expect([index, vga.get(0x3ce, index)]).toEqual([index, mask]);
  }
  set(vga, 0x3ce, 0x0b, 0xff);
  expect(vga.get(0x3ce, 0x0b)).toBe(0);
});

test('a BIOS mode reads back as it was written', () => {
  const vga = bench();
  setMode(vga, 0x12);
  const mode = STANDARD_MODES[0x12];
  expect(vga.in8(0x3cc)).toBe(mode.misc);
  expect(mode.sequencer.map((_, index) => vga.get(0x3c4, index + 1))).toEqual(mode.sequencer);
  expect(mode.crtc.map((_, index) => vga.get(0x3d4, index))).toEqual(mode.crtc);
  expect(mode.graphics.map((_, index) => vga.get(0x3ce, index))).toEqual(mode.graphics);
});

describe('CRTC', () => {
  test('CR11 bit 7 protects CR0 to CR7, but for line compare bit 8', () => {
    const vga = bench();
    for (let index = 0; index < 8; index++) set(vga, 0x3d4, index, 0x0f);
    set(vga, 0x3d4, 0x11, 0x80);
    for (let index = 0; index < 8; index++) set(vga, 0x3d4, index, 0xf0);
    for (let index = 0; index < 7; index++) expect(vga.get(0x3d4, index)).toBe(0x0f);
    expect(vga.get(0x3d4, 7)).toBe(0x1f);
    set(vga, 0x3d4, 8, 0x55);
    expect(vga.get(0x3d4, 8)).toBe(0x55);
  });

  test('CR22, CR24 and CR26 show the latches and the attribute controller', () => {
    const vga = bench();
    setMode(vga, 0x12);
    vga.write8(0xa0000, 0x5a);
    vga.read8(0xa0000);
    expect(vga.get(0x3d4, 0x22)).toBe(0x5a);
    vga.in8(0x3da);
    expect(vga.get(0x3d4, 0x24)).toBe(0);
    vga.out8(0x3c0, 0x32);
    expect(vga.get(0x3d4, 0x24)).toBe(0x80);
    expect(vga.get(0x3d4, 0x26)).toBe(0x32);
  });
});

describe('attribute controller', () => {
  test('3C0h takes index and data by turns; reading the status begins anew', () => {
    const vga = bench();
    vga.in8(0x3da);
    vga.out8(0x3c0, 0x12);
    vga.out8(0x3c0, 0x0f);
    vga.out8(0x3c0, 0x13);
    vga.in8(0x3da);
    vga.out8(0x3c0, 0x13); // index again, not data
    vga.out8(0x3c0, 0x08);
    expect(vga.in8(0x3c1)).toBe(0x08);
    vga.in8(0x3da);
    vga.out8(0x3c0, 0x12);
    expect(vga.in8(0x3c1)).toBe(0x0f);
    expect(vga.in8(0x3c0)).toBe(0x12);
  });

  test('the palette is loaded only while it does not drive the screen', () => {
    const vga = bench();
    setAttribute(vga, 0x05, 0x2a);
    setAttribute(vga, 0x25, 0x15); // index 5 with the palette address source set
    vga.in8(0x3da);
    vga.out8(0x3c0, 0x05);
    expect(vga.in8(0x3c1)).toBe(0x2a);
    setAttribute(vga, 0x31, 0x3f); // the other registers do not care
    expect(vga.in8(0x3c1)).toBe(0x3f);
  });
});

describe('DAC', () => {
  test('colours are stored with their third component and the address moves on', () => {
    const vga = bench();
    vga.out8(0x3c8, 0xff);
    for (const value of [1, 2, 3, 4, 5]) vga.out8(0x3c9, value);
    expect(vga.in8(0x3c8)).toBe(0); // wrapped after 255
    expect(vga.in8(0x3c7)).toBe(0); // write mode
    vga.out8(0x3c7, 0xff);
    expect(vga.in8(0x3c7)).toBe(3);
    expect([vga.in8(0x3c9), vga.in8(0x3c9), vga.in8(0x3c9)]).toEqual([1, 2, 3]);
    expect([vga.in8(0x3c9), vga.in8(0x3c9)]).toEqual([0, 0]); // the unfinished colour was dropped
  });

  test('components have six bits', () => {
    const vga = bench();
    vga.out8(0x3c8, 0);
    for (const value of [0xff, 0x40, 0x7f]) vga.out8(0x3c9, value);
    vga.out8(0x3c7, 0);
    expect([vga.in8(0x3c9), vga.in8(0x3c9), vga.in8(0x3c9)]).toEqual([0x3f, 0x00, 0x3f]);
  });

  test('3C8h tells the next address after one was set for reading', () => {
    const vga = bench();
    vga.out8(0x3c7, 0x10);
    expect(vga.in8(0x3c8)).toBe(0x11);
  });
});

describe('input status 1 follows the beam', () => {
  /** Steps through a second; returns how often vertical retrace began and how long it lasted, ns. */
  function retraces(vga: VgaBench, step: number): { count: number; length: number } {
    let count = 0;
    let inside = 0;
    let before = vga.in8(0x3da) & 8;
    for (let time = 0; time < 1e9; time += step) {
      vga.scheduler.advance(step);
      const now = vga.in8(0x3da) & 8;
      if (now && !before) count++;
      if (now) inside++;
      before = now;
    }
    return { count, length: (inside * step) / count };
  }

  test('mode 3: 70 Hz, retrace of two lines of 31.8 us', () => {
    const vga = bench();
    setMode(vga, 0x03);
    const { count, length } = retraces(vga, 5 * MICROSECOND);
    expect(count).toBe(70);
    expect(length).toBeCloseTo(63.6 * MICROSECOND, -4);
  });

  test('mode 12h: 60 Hz', () => {
    const vga = bench();
    setMode(vga, 0x12);
    expect(retraces(vga, 20 * MICROSECOND).count).toBe(60);
  });

  test('display enable alternates once per line', () => {
    const vga = bench();
    setMode(vga, 0x12);
    let starts = 0;
    let before = vga.in8(0x3da) & 1;
    for (let time = 0; time < 3_177_700; time += 500) {
      vga.scheduler.advance(500);
      const now = vga.in8(0x3da) & 1;
      if (!now && before) starts++;
      before = now;
    }
    expect(starts).toBeGreaterThanOrEqual(99);
    expect(starts).toBeLessThanOrEqual(100);
  });

  test('the diagnostic bits alternate', () => {
    const vga = bench();
    setMode(vga, 0x03);
    expect((vga.in8(0x3da) ^ vga.in8(0x3da)) & 0x30).toBe(0x30);
  });
});
