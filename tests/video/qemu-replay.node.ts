/*
 * Runs a guest in QEMU, gives our VGA everything it did to QEMU's, and compares: each register it read, and the picture at the end.
 * Run: node tests/video/qemu-replay.node.ts SECONDS QEMU-OPTIONS..., for instance 10 -fda ../shared/guests/freedos722.img
 * QEMU traces register accesses (vga_std_*, vga_vbe_*); video memory is copied at the end, because both adapters lay it out alike.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VgaBench } from '../../vmm/devices/video/testing/vga-bench.ts';
import type { Surface } from '../../vmm/display/surface.ts';
import { comparePictures, LineClient, openSocket, parsePpm } from './qemu-screen.node.ts';

/** What depends on time or is documented to differ: Input Status 1 and 0, feature control. */
const NOT_COMPARED: ReadonlySet<number> = new Set([0x3ba, 0x3da, 0x3c2, 0x3ca]);
/** QEMU says it can do 16000x12000. */
const QEMU_LIMITS: ReadonlySet<number> = new Set([16000, 12000]);
const SLOT_2_BAR_0 = /bar 0: 32 bit prefetchable memory at 0x([0-9a-f]+)|BAR0: 32 bit prefetchable memory at 0x([0-9a-f]+)/;
const VRAM_BYTES = 0x100_0000;

interface Replay {
  readonly bench: VgaBench;
  readonly accesses: number;
  readonly differences: ReadonlyMap<string, number>;
}

/** Lines of QEMU's "log" trace back end. */
function replay(trace: string): Replay {
  const bench = new VgaBench(VRAM_BYTES);
  const differences = new Map<string, number>();
  let accesses = 0;
  const differ = (what: string): void => void differences.set(what, (differences.get(what) ?? 0) + 1);
  for (const line of trace.split('\n')) {
    const access = /(vga_std|vga_vbe)_(read|write)(?:_io)? (?:addr|index) 0x([0-9a-f]+), val 0x([0-9a-f]+)/.exec(line);
    if (access === null) continue;
    accesses++;
    const vbe = access[1] === 'vga_vbe';
    const place = parseInt(access[3]!, 16);
    const value = parseInt(access[4]!, 16);
    if (access[2] === 'write') {
      if (vbe) {
        bench.out16(0x1ce, place);
        bench.out16(0x1cf, value);
      } else {
        bench.out8(place, value);
      }
      continue;
    }
    const ours = vbe ? bench.dispi(place) : bench.in8(place);
    if (ours !== value && (vbe ? !QEMU_LIMITS.has(value) : !NOT_COMPARED.has(place))) {
      const name = vbe ? `DISPI ${place}` : `port ${place.toString(16)}h`;
      differ(`${name}: ours ${ours.toString(16)}h, QEMU ${value.toString(16)}h`);
    }
  }
  return { bench, accesses, differences };
}

/** QEMU shows the text cursor whenever it draws; ours may be in the dark half of its blinking. */
function hideCursor(picture: Surface, bench: VgaBench): void {
  const scanout = bench.adapter.scanout();
  if (scanout.kind !== 'text' || scanout.cursor === undefined) return;
  const cell = scanout.cursor.cell - scanout.start;
  const x = (cell % scanout.pitch) * scanout.cellWidth;
  const y = Math.floor(cell / scanout.pitch) * scanout.cellHeight;
  for (let line = 0; line < scanout.cellHeight; line++) {
    const at = (y + line) * picture.width + x;
    if (y >= 0 && y + line < picture.height) picture.words.fill(0, at, at + scanout.cellWidth);
  }
}

const [seconds, ...options] = process.argv.slice(2);
if (seconds === undefined || !(Number(seconds) > 0)) {
  console.error('usage: qemu-replay.node.ts SECONDS QEMU-OPTIONS...');
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), 'strate-video-'));
const path = (name: string): string => join(folder, name);
const qemu = spawn(
  'qemu-system-x86_64',
  [
    '-machine',
    'pc,accel=tcg',
    '-vga',
    'std',
    '-net',
    'none',
    '-display',
    'none',
    '-snapshot',
    '-qmp',
    `unix:${path('qmp')},server=on,wait=off`,
  ].concat(['-trace', 'vga_std_*', '-trace', 'vga_vbe_*', '-D', path('trace')], options),
  { stdio: ['ignore', 'inherit', 'inherit'] },
);
try {
  const socket = await openSocket(path('qmp'));
  const qmp = new LineClient(socket, (line) => /"(return|error)"/.test(line));
  const execute = (command: string, args: object = {}): Promise<string> => qmp.ask(JSON.stringify({ execute: command, arguments: args }));
  await execute('qmp_capabilities');
  await new Promise((resolve) => setTimeout(resolve, Number(seconds) * 1000));
  await execute('stop');
  const pci = await execute('human-monitor-command', { 'command-line': 'info pci' });
  const bar = SLOT_2_BAR_0.exec(pci.slice(pci.indexOf('1234:1111')));
  if (bar === null) throw new Error('the guest did not map the frame buffer');
  await execute('pmemsave', { val: parseInt((bar[1] ?? bar[2])!, 16), size: VRAM_BYTES, filename: path('vram') });
  await execute('screendump', { filename: path('screen.ppm') });
  await execute('quit');
  socket.destroy();

  const { bench, accesses, differences } = replay(readFileSync(path('trace'), 'latin1'));
  console.log(`${accesses} register accesses, ${differences.size} kinds of reads differ`);
  for (const [what, count] of differences) console.log(`  ${count} times ${what}`);
  bench.adapter.memory.set(readFileSync(path('vram')));
  bench.adapter.loaded!(); // memory was exchanged
  const planes = bench.adapter.scanout();
  if (planes.kind === 'text' && planes.cells.stride === 2) {
    // Text is kept as cells here and in the planes there.
    const cells = new Uint8Array(VRAM_BYTES / 512);
    for (let cell = 0; cell < cells.length / 2; cell++) cells.set(bench.adapter.memory.subarray(cell * 4, cell * 4 + 2), cell * 2);
    bench.adapter.memory.set(cells, VRAM_BYTES);
  }
  bench.adapter.dirty.fill(1);
  const ours = bench.screen.mode.surface;
  const theirs = parsePpm(readFileSync(path('screen.ppm')));
  hideCursor(ours, bench);
  hideCursor(theirs, bench);
  const difference = comparePictures(ours, theirs);
  console.log(`${difference === undefined ? 'same picture' : 'DIFFERS'}: ${JSON.stringify(bench.adapter.inspect!())} ${difference ?? ''}`);
  for (const line of bench.screen.text()?.lines ?? []) if (line.trim() !== '') console.log(`  | ${line.trimEnd()}`);
  process.exitCode = difference === undefined && differences.size === 0 ? 0 : 1;
} finally {
  qemu.kill();
  rmSync(folder, { recursive: true, force: true });
}
