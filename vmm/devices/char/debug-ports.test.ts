import { createTestContext, describeDevice } from '../../bus/conformance.ts';
import { debugConsole, debugExit, postPort } from './debug-ports.ts';

test('the debug console shows itself and prints', () => {
  let text = '';
  const { port } = debugConsole.create(createTestContext(), { write: (byte) => (text += String.fromCharCode(byte)) });
  for (const char of 'hi\n') port.write(0, 1, char.charCodeAt(0));
  expect([text, port.read(0, 1)]).toEqual(['hi\n', 0xe9]);
});

test.each([
  [0, 1],
  [0x10, 0x21],
  [0xff, 0xff],
])('writing %d to the exit port ends with status %d', (value, status) => {
  let seen: number | undefined;
  const { port } = debugExit.create(createTestContext(), { exit: (code) => (seen = code) });
  port.write(0, 4, value);
  expect(seen).toBe(status);
});

test('the POST port keeps its code and tells of new ones', () => {
  const codes: number[] = [];
  const { port } = postPort.create(createTestContext(), { changed: (code) => codes.push(code) });
  for (const code of [0x10, 0x10, 0x20]) port.write(0, 1, code);
  expect([codes, port.read(0, 1)]).toEqual([[0x10, 0x20], 0x20]);
});

describeDevice('POST port', (context) => {
  const device = postPort.create(context, {});
  return { format: postPort.state, device, regions: [{ region: device.port, length: 1 }] };
});
