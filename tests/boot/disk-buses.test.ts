/** SeaBIOS boots from a disk on each bus, and its driver for that controller reads what a boot sector asks for. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

jest.setTimeout(180_000);

/**
 * xor ax, ax; ds = es = ss = ax; sp = 7C00h; si = packet; ah = 42h (extended read of sector 100 to 0:8000h); int 13h; jc failed; then print the string
 * there to port E9h, and leave through port F4h with 10h; failed: with 20h.
 */
const BOOT_SECTOR = '31c08ed88ec08ed0bc007cbe2d7cb442cd137212be0080ac84c07406bae900eeebf5b010eb02b020baf400eef4' + '10000100008000006400000000000000';
const TEXT = 'sector 100 was read';
const LEFT_WELL = (0x10 << 1) | 1;

let directory: string;
beforeAll(() => (directory = mkdtempSync(join(tmpdir(), 'strate-buses-'))));
afterAll(() => rmSync(directory, { recursive: true }));

test.each(['ide', 'ahci', 'virtio'])('%s', (bus) => {
  const image = new Uint8Array(4 << 20);
  image.set(Buffer.from(BOOT_SECTOR, 'hex'));
  image.set([0x55, 0xaa], 510);
  image.set(new TextEncoder().encode(`${TEXT}\0`), 100 * 512);
  const [disk, other, log] = [join(directory, `${bus}.img`), join(directory, `${bus}-other.img`), join(directory, `${bus}.log`)];
  writeFileSync(disk, image);
  writeFileSync(other, new Uint8Array(1 << 20));
  // One that cannot boot is on another bus: firmware is told which comes first.
  const drives = ['--drive', `file=${disk},format=raw,if=${bus}`, '--drive', `file=${other},format=raw,if=${bus === 'ide' ? 'virtio' : 'ide'}`];
  const machine = ['--memory', '64', '--display', 'none', '--serial', 'none', '--debug-exit', '--debugcon', `file:${log}`, '--timeout', '120'];
  const { status, stderr } = spawnSync(process.execPath, ['vmm/cli/strate.mjs', 'run', ...machine, ...drives], { encoding: 'utf8' });
  expect([status, stderr]).toEqual([LEFT_WELL, '']);
  expect(readFileSync(log, 'latin1')).toContain(TEXT);
});
