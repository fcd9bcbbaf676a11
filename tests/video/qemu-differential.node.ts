/*
 * Programs our VGA and QEMU's alike and compares the pictures. Run: node tests/video/qemu-differential.node.ts [name...]
 * Needs qemu-system-x86_64, whose guest never starts (-S); its ports and memory are driven through the qtest protocol, its screen is read
 * with QMP screendump.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LFB, VgaBench, type VgaTarget } from '../../vmm/devices/video/testing/vga-bench.ts';
import { PROGRAMS } from './programs.ts';
import { comparePictures, LineClient, openSocket, parsePpm } from './qemu-screen.node.ts';

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
  sockets.push(await openSocket(join(folder, 'qtest')), await openSocket(join(folder, 'qmp')));
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
    const difference = comparePictures(bench.screen.mode.surface, parsePpm(readFileSync(file)));
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
