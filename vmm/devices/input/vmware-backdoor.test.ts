import { createTestContext, describeDevice } from '../../bus/conformance.ts';
import type { DeviceContext } from '../../bus/device.ts';
import { vmwareBackdoor } from './vmware-backdoor.ts';

const MAGIC = 0x564d5868;
const [EAX, ECX, EDX, EBX] = [0, 1, 2, 3];

/** Plays the driver: sets registers, executes IN EAX, DX. */
function rig(context: DeviceContext = createTestContext()) {
  const values = new Array<number>(8).fill(0);
  const heard: boolean[] = [];
  let wakes = 0;
  const device = vmwareBackdoor.create(context, {
    registers: { read: (at) => values[at]!, write: (at, value) => void (values[at] = value) },
    memory: 64,
    timeStampHz: 5e9,
    wake: () => wakes++,
    absolute: (on) => heard.push(on),
  });
  const call = (command: number, ebx = 0, magic = MAGIC) => {
    values[EAX] = magic;
    values[ECX] = command;
    values[EBX] = ebx;
    values[EAX] = device.port.read(0, 4);
    return values[EAX];
  };
  const enable = () => {
    call(41, 0x45414552);
    call(39, 1);
    call(41, 0x53424152);
  };
  return { device, values, heard, call, enable, wakes: () => wakes };
}

test('answers only to the magic number and 32 bits wide', () => {
  const { device, call, values } = rig();
  expect(call(10, 0, 7)).toBe(0xffff_ffff);
  expect([device.port.read(0, 1), device.port.read(0, 2), device.port.read(2, 2)]).toEqual([0xff, 0xffff, 0xffff]);
  expect(call(10)).toBe(6);
  expect([values[EBX], values[ECX]]).toEqual([MAGIC, 4]);
  expect(call(20)).toBe(64);
  expect([call(45), values[EBX], values[ECX]]).toEqual([5e9 % 2 ** 32, 1, 0]);
  expect(call(0x123)).toBe(0xffff_ffff);
});

test('the driver’s handshake, then positions', () => {
  const { device, call, values, heard, wakes } = rig();
  device.pointer(0.5, 0.5, 0, 1);
  expect(wakes()).toBe(0); // nobody asked
  call(41, 0x45414552);
  expect(call(40)).toBe(1);
  expect(call(39, 1)).toBe(0x3442554a);
  call(86, 0);
  call(41, 0x53424152);
  expect(heard).toEqual([true]);
  device.pointer(0, 1, -1, 3);
  expect(wakes()).toBe(1);
  expect(call(40)).toBe(4);
  expect(call(39, 4)).toBe(0x30);
  expect([values[EBX], values[ECX], values[EDX]]).toEqual([0, 0xffff, 0xffff_ffff]);
  expect(call(40)).toBe(0);
  call(41, 0x4c455252);
  expect(heard).toEqual([true, false]);
});

test('a read of words that are not there is an error until the pointer is enabled anew', () => {
  const { call, enable } = rig();
  enable();
  expect(call(39, 4)).toBe(0xffff_ffff);
  expect(call(40)).toBe(0xffff_0000);
  enable();
  expect(call(40)).toBe(0);
});

test('disabling says so, and reset ends it', () => {
  const { device, call, heard, enable } = rig();
  enable();
  call(41, 0xf5);
  expect([heard, call(40)]).toEqual([[true, false], 0xffff_0000]);
  enable();
  device.reset('warm');
  expect(heard).toEqual([true, false, true, false]);
});

test('a guest that does not fetch loses movement, not presses', () => {
  const { device, call, enable } = rig();
  enable();
  for (let n = 0; n < 1000; n++) device.pointer(n / 1000, 0, 0, 0);
  expect(call(40)).toBe(1024);
  device.pointer(1, 1, 0, 1);
  expect(call(40)).toBe(1024);
  for (let n = 0; n < 255; n++) expect(call(39, 4)).toBe(0);
  expect(call(39, 4)).toBe(0x20);
});

describeDevice('VMware back door', (context) => {
  const { device } = rig(context);
  return { format: vmwareBackdoor.state, device, regions: [{ region: device.port, length: 4 }] };
});
