/*
 * Programs our VGA and QEMU's alike and compares the pictures. Run: node tests/video/qemu-differential.node.ts [name...]
 * Needs qemu-system-x86_64, whose guest never starts (-S); its ports and memory are driven through the qtest protocol, its screen is read
 * with QMP screendump.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Surface } from '../../vmm/display/surface.ts';
import { LFB, VgaBench, type VgaTarget } from '../../vmm/devices/video/testing/vga-bench.ts';
import { PROGRAMS } from './programs.ts';

/** Our DAC widens six bits as a monitor shows them, QEMU's differently; 5-bit colours too. The lower bits of each component are not compared. */
const COMPARED = 0xf8;
const FILL_CHUNK = 0x4000;

/** Collects qtest commands; reads answer 0 and are made for their side effects only. */
class CommandRecorder implements VgaTarget {
  readonly lfb = LFB;
  readonly commands: string[] = [];

  out8(port: number, value: number): void {
    this.commands.push(`outb ${port} ${value & 0xff}`);
  }
  out16(port: number, value: number): void {
    this.commands.push(`outw ${port} ${value & 0xffff}`);
  }
  in8(port: number): number {
    this.commands.push(`inb ${port}`);
    return 0;
  }
  write8(address: number, value: number): void {
    this.commands.push(`writeb ${address} ${value & 0xff}`);
  }
  fill(address: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += FILL_CHUNK) {
      const chunk = bytes.subarray(at, at + FILL_CHUNK);
      this.commands.push(`write ${address + at} ${chunk.length} 0x${Buffer.from(chunk).toString('hex')}`);
    }
  }
}

/** Lines sent, lines answered, in order. */
class LineClient {
  readonly #socket: Socket;
  readonly #waiting: ((line: string) => void)[] = [];

  constructor(socket: Socket, wanted: (line: string) => boolean) {
    this.#socket = socket;
    createInterface({ input: socket }).on('line', (line) => {
      if (wanted(line)) this.#waiting.shift()?.(line);
    });
  }

  ask(line: string): Promise<string> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#socket.write(`${line}\n`);
    });
  }
}

async function open(path: string): Promise<Socket> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await new Promise<Socket>((resolve, reject) => {
        const socket = connect(path, () => resolve(socket));
        socket.once('error', reject);
      });
    } catch (error) {
      if (attempt === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

function parsePpm(file: Buffer): Surface {
  const header = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(file.toString('latin1', 0, 64));
  if (header === null) throw new Error('not a PPM picture');
  const surface = new Surface(Number(header[1]), Number(header[2]));
  const data = file.subarray(header[0].length);
  for (let pixel = 0; pixel < surface.words.length; pixel++) {
    surface.words[pixel] = data[pixel * 3]! | (data[pixel * 3 + 1]! << 8) | (data[pixel * 3 + 2]! << 16) | (0xff << 24);
  }
  return surface;
}

/** Differing pixels; QEMU repeats doubled pixels and lines, ours has each once. */
function compare(ours: Surface, theirs: Surface): string | undefined {
  const across = theirs.width / ours.width;
  const down = theirs.height / ours.height;
  if (!Number.isInteger(across) || !Number.isInteger(down)) return `size ${ours.width}x${ours.height}, QEMU ${theirs.width}x${theirs.height}`;
  const mask = COMPARED * 0x010101;
  let differing = 0;
  let first = '';
  for (let y = 0; y < theirs.height; y++) {
    for (let x = 0; x < theirs.width; x++) {
      const our = ours.words[Math.floor(y / down) * ours.width + Math.floor(x / across)]! & mask;
      const their = theirs.words[y * theirs.width + x]! & mask;
      if (our !== their && differing++ === 0) first = `first at ${x},${y}: ours ${our.toString(16)}, QEMU ${their.toString(16)}`;
    }
  }
  return differing === 0 ? undefined : `${differing} of ${theirs.words.length} pixels differ, ${first}`;
}

const folder = mkdtempSync(join(tmpdir(), 'strate-video-'));
const qemu = spawn(
  'qemu-system-x86_64',
  ['-machine', 'pc,accel=tcg', '-S', '-m', '16', '-vga', 'std', '-nodefaults', '-display', 'none'].concat([
    '-qtest',
    `unix:${folder}/qtest,server=on,wait=off`,
    '-qtest-log',
    'none',
    '-qmp',
    `unix:${folder}/qmp,server=on,wait=off`,
  ]),
  { stdio: ['ignore', 'inherit', 'inherit'] },
);
let failures = 0;
const sockets: Socket[] = [];
try {
  sockets.push(await open(join(folder, 'qtest')), await open(join(folder, 'qmp')));
  const qtest = new LineClient(sockets[0]!, (line) => /^(OK|FAIL|ERR)/.test(line));
  const qmp = new LineClient(sockets[1]!, (line) => /"(return|error)"/.test(line));
  await qmp.ask('{"execute":"qmp_capabilities"}');
  const send = (commands: readonly string[]): Promise<string[]> => Promise.all(commands.map((command) => qtest.ask(command)));
  const configure = (register: number, value: number): string[] => [`outl 3320 ${0x80001000 + register}`, `outl 3324 ${value}`];
  await send([...configure(0x10, LFB), ...configure(0x04, 0x0003)]);

  const chosen = process.argv.slice(2);
  for (const program of PROGRAMS) {
    if (chosen.length > 0 && !chosen.some((name) => program.name.includes(name))) continue;
    const bench = new VgaBench();
    const recorder = new CommandRecorder();
    program.run(bench);
    program.run(recorder);
    const answers = await send(recorder.commands);
    const refused = answers.find((answer) => !answer.startsWith('OK'));
    if (refused !== undefined) throw new Error(`qtest: ${refused}`);
    const file = join(folder, 'screen.ppm');
    await qmp.ask(JSON.stringify({ execute: 'screendump', arguments: { filename: file } }));
    const difference = compare(bench.screen.mode.surface, parsePpm(readFileSync(file)));
    const expected = program.qemuDiffers;
    if (difference !== undefined && expected === undefined) failures++;
    const verdict = difference === undefined ? 'same   ' : expected === undefined ? 'DIFFERS' : 'known  ';
    console.log(`${verdict}  ${program.name}${difference === undefined ? '' : `: ${expected ?? difference}`}`);
  }
} finally {
  for (const socket of sockets) socket.destroy();
  qemu.kill();
  rmSync(folder, { recursive: true, force: true });
}
console.log(failures === 0 ? 'all pictures agree with QEMU' : `${failures} pictures differ`);
process.exitCode = failures === 0 ? 0 : 1;
