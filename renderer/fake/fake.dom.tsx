/** The interface over a library in memory: for looking at it, and for tests of every screen without a VMM. Never part of the product. */
import '../connection/no-eval.ts';
import '../connection/empty-html.dom.ts';
import { createRoot } from 'react-dom/client';
import type { Surface } from '../../vmm/protocol/frames.ts';
import { Shell } from '../shell/shell.dom.tsx';
import { App } from '../state/app.dom.ts';
import { AppProvider } from '../state/context.dom.tsx';
import { FakeLibrary } from './fake-library.ts';
import { fill } from './scenes.ts';

const WIDTH = 720;
const HEIGHT = 400;

function drawText(lines: readonly string[], columns: number, rows: number): Surface {
  const canvas = new OffscreenCanvas(WIDTH, HEIGHT);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (context === null) throw new Error('no canvas');
  context.fillStyle = '#000';
  context.fillRect(0, 0, WIDTH, HEIGHT);
  context.fillStyle = '#aaa';
  context.font = "14px 'IBM Plex Mono', 'DejaVu Sans Mono', monospace";
  const [cellWidth, cellHeight] = [WIDTH / columns, HEIGHT / rows];
  lines.forEach((line, row) => {
    Array.from(line).forEach((character, column) => context.fillText(character, column * cellWidth, (row + 0.78) * cellHeight));
  });
  const { data } = context.getImageData(0, 0, WIDTH, HEIGHT);
  return { width: WIDTH, height: HEIGHT, stride: WIDTH * 4, pixels: new Uint8Array(data.buffer) };
}

function thumbnail(lines: readonly string[], background: string, ink: string): string {
  const canvas = document.createElement('canvas');
  canvas.width = 320;
  canvas.height = 200;
  const context = canvas.getContext('2d');
  if (context === null) return '';
  context.fillStyle = background;
  context.fillRect(0, 0, 320, 200);
  context.fillStyle = ink;
  context.font = '9px monospace';
  lines.forEach((line, row) => context.fillText(line, 6, 14 + row * 11));
  return canvas.toDataURL('image/png').split(',')[1] ?? '';
}

const scene = new URLSearchParams(location.search).get('scene') ?? 'machines';
const library = new FakeLibrary({ painter: drawText, thumbnail: (vm) => pictures[vm.system] ?? null, firmware: scene !== 'no-firmware' });
const dos = [
  'Running on copy.sh/v86/',
  '',
  'A:\\>dir',
  ' Volume in drive A is FREEDOS',
  '',
  'COMMAND  COM    66,945',
  'KERNEL   SYS    45,344',
  'AUTOEXEC BAT       124',
  '',
  'A:\\>_',
];
const linux = [
  '[    0.000000] Linux version 6.1.0-13-amd64',
  '[    0.812031] pci 0000:00:01.1: [8086:7010]',
  '[    1.204410] EXT4-fs (sda1): mounted',
  '',
  'Debian GNU/Linux 12 debian tty1',
  '',
  'debian login: _',
];
const pictures: Record<string, string | undefined> = {
  dos: thumbnail(dos, '#000', '#bbb'),
  linux: thumbnail(linux, '#000', '#ddd'),
  'windows-9x': thumbnail(['', '  Windows 98'], '#008080', '#fff'),
};
const app = new App(library, document);
fill(library, scene, app);
Object.assign(window, { library, app });
const root = document.querySelector('#root');
if (root === null) throw new Error('fake.html has no #root');
void app.start();
createRoot(root).render(
  <AppProvider app={app}>
    <Shell />
  </AppProvider>,
);
