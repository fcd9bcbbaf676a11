import { closeSync, openSync, writeSync } from 'node:fs';
import { openHostPty } from './host-pty.node.ts';

(process.platform === 'win32' ? it.skip : it)('a pseudo-terminal passes bytes both ways, unchanged and without an echo', async () => {
  const pty = await openHostPty();
  const received: number[] = [];
  pty.stream.on('data', (data: Buffer) => received.push(...data));
  const other = openSync(pty.path, 'r+');
  writeSync(other, Uint8Array.of(0x0d, 0x0a, 0x03, 0xff));
  pty.stream.write(Uint8Array.of(1, 2, 0x0d));
  for (let tries = 0; received.length < 4 && tries < 100; tries++) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(received).toEqual([0x0d, 0x0a, 0x03, 0xff]); // and nothing of what was written: a cooked terminal would have echoed it
  closeSync(other);
  pty.close();
});
