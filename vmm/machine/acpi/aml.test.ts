import {
  byteFields,
  device,
  dma,
  dwordMemory,
  eisaId,
  int,
  interrupt,
  io,
  irq,
  memory32Fixed,
  name,
  pack,
  path,
  resources,
  scope,
  string,
  wordBusNumber,
  wordIo,
  ZERO,
} from './aml.ts';

/* Expected bytes are those of Intel's iasl 20200925 for the same source. */
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

test('integers take their shortest form', () => {
  expect([0, 1, 2, 0xff, 0x100, 0x1_0000, 0xffff_ffff, 0x1_0000_0000].map((value) => hex(int(value)))).toEqual([
    '00',
    '01',
    '0a02',
    '0aff',
    '0b0001',
    '0c00000100',
    '0cffffffff',
    '0e0000000001000000',
  ]);
});

test('names are padded, prefixed and counted', () => {
  expect(Buffer.from(path('\\_SB')).toString('latin1')).toBe('\\_SB_');
  expect(Buffer.from(path('^LNK')).toString('latin1')).toBe('^LNK_');
  expect(hex(path('_SB.PCI0'))).toBe(`2e${Buffer.from('_SB_PCI0').toString('hex')}`);
  expect(hex(path('\\_SB.PCI0.ISA'))).toBe(`5c2f03${Buffer.from('_SB_PCI0ISA_').toString('hex')}`);
});

test('EISA identifiers are compressed', () => {
  expect(hex(eisaId('PNP0A03'))).toBe('0c41d00a03');
  expect(hex(eisaId('PNP0C0F'))).toBe('0c41d00c0f');
});

test('package lengths grow with the content', () => {
  expect(hex(pack())).toBe('120200');
  expect(hex(pack(int(7), int(7)))).toBe('1206020a070a07');
  const long = scope('\\', string('x'.repeat(60))); // 64 bytes: one extra length byte
  expect([...long.subarray(0, 3)]).toEqual([0x10, 0x42, 0x04]);
  const longer = scope('\\', string('x'.repeat(5000)));
  expect([...longer.subarray(0, 4)]).toEqual([0x10, 0x8f, 0x38, 0x01]);
  expect(longer.length).toBe(1 + (0x138 << 4) + 0x0f);
});

test('devices, fields and resources', () => {
  expect(hex(device('RTC', name('_ADR', ZERO)))).toBe('5b820b5254435f085f41445200');
  expect(
    hex(
      byteFields('P40C', [
        ['PRQA', 8],
        ['PRQB', 8],
      ]),
    ),
  ).toBe(`5b8110503430430150525141085052514208`);
  expect(hex(resources(irq(1), io(0x60, 1)))).toBe('11100a0d22020047016000600001017900');
  expect(hex(resources(interrupt(5, 10)))).toBe('11120a0f890a000902050000000a0000007900');
  const windows = resources(
    wordBusNumber(0, 255),
    wordIo(0xd00, 0xffff),
    dwordMemory(0xa_0000, 0xb_ffff, true),
    memory32Fixed(0xfed0_0000, 0x400, false),
    dma(2),
  );
  expect(hex(windows)).toBe(
    '114f040a4b' +
      '880d00020c0000000000ff0000000001' +
      '880d00010c030000000dffff000000f3' +
      '871700000c030000000000000a00ffff0b000000000000000200' +
      '860900000000d0fe00040000' +
      '2a04007900',
  );
});
