import { createTestContext, describeDevice } from '../../bus/conformance.ts';
import { ProbeIrq } from '../../bus/irq.ts';
import { pic8259, type Pic8259 } from './pic-8259.ts';

const EOI = 0x20;
const READ_IRR = 0x0a;
const READ_ISR = 0x0b;

function newPair(acknowledged?: (irq: number) => void): { pic: Pic8259; intr: ProbeIrq } {
  const intr = new ProbeIrq();
  return { pic: pic8259.create(createTestContext(), { intr, ...(acknowledged && { acknowledged }) }), intr };
}

/** The initialization of every PC BIOS: edge, cascade at IR2, vectors 08h and 70h, normal EOI; everything unmasked. */
function initialize(pic: Pic8259, icw4 = 0x01): void {
  for (const value of [0x08, 0x04, icw4, 0x00]) {
    if (value === 0x08) pic.master.write(0, 1, 0x11);
    pic.master.write(1, 1, value);
  }
  pic.slave.write(0, 1, 0x11);
  for (const value of [0x70, 0x02, 0x01, 0x00]) pic.slave.write(1, 1, value);
}

function ready(icw4?: number): { pic: Pic8259; intr: ProbeIrq } {
  const pair = newPair();
  initialize(pair.pic, icw4);
  return pair;
}

function readRegister(pic: Pic8259, ocw3: number): [number, number] {
  pic.master.write(0, 1, ocw3);
  pic.slave.write(0, 1, ocw3);
  return [pic.master.read(0, 1), pic.slave.read(0, 1)];
}

test('an edge is requested, acknowledged once, and in service until EOI', () => {
  const { pic, intr } = ready();
  pic.line(3).set(true);
  expect(intr.level).toBe(true);
  expect(readRegister(pic, READ_IRR)).toEqual([0x08, 0]);
  expect(pic.acknowledge()).toBe(0x0b);
  expect(intr.level).toBe(false);
  expect(readRegister(pic, READ_IRR)).toEqual([0, 0]);
  expect(readRegister(pic, READ_ISR)).toEqual([0x08, 0]);
  pic.master.write(0, 1, EOI);
  expect(readRegister(pic, READ_ISR)).toEqual([0, 0]);
  expect(intr.level).toBe(false); // still high, but no new edge
  pic.line(3).set(false);
  pic.line(3).set(true);
  expect(intr.level).toBe(true);
});

test('the slave is acknowledged through the cascade', () => {
  const { pic, intr } = ready();
  pic.line(14).set(true);
  expect(pic.acknowledge()).toBe(0x76);
  expect(readRegister(pic, READ_ISR)).toEqual([0x04, 0x40]);
  pic.line(12).set(true); // more urgent within the slave, but level 2 of the master is in service
  expect(intr.level).toBe(false);
  pic.slave.write(0, 1, EOI);
  pic.master.write(0, 1, EOI);
  expect(intr.level).toBe(true);
  expect(pic.acknowledge()).toBe(0x74);
});

test('special fully nested mode lets the slave interrupt itself', () => {
  const { pic, intr } = ready(0x11);
  pic.line(14).set(true);
  pic.acknowledge();
  pic.line(12).set(true);
  expect(intr.level).toBe(true);
  expect(pic.acknowledge()).toBe(0x74);
});

test('level-triggered inputs request as long as they are high', () => {
  const { pic, intr } = ready();
  pic.elcr.write(0, 1, 0xff);
  pic.elcr.write(1, 1, 0xff);
  expect([pic.elcr.read(0, 1), pic.elcr.read(1, 1)]).toEqual([0xf8, 0xde]);
  pic.line(11).set(true);
  expect(pic.acknowledge()).toBe(0x73);
  pic.slave.write(0, 1, EOI);
  pic.master.write(0, 1, EOI);
  expect(intr.level).toBe(true);
  pic.line(11).set(false);
  expect(intr.level).toBe(false);
});

test('a request that goes away before INTA is answered with the spurious IRQ 7, without service bit', () => {
  const { pic, intr } = ready();
  pic.line(5).set(true);
  pic.line(5).set(false);
  expect(intr.level).toBe(false);
  expect(pic.acknowledge()).toBe(0x0f);
  expect(readRegister(pic, READ_ISR)).toEqual([0, 0]);
});

test('masking the slave request during its acknowledge gives the spurious IRQ 15 and leaves the cascade in service', () => {
  const { pic } = ready();
  pic.line(15).set(true);
  pic.state.slave.imr = 0x80; // as a write that falls between INTR and INTA
  expect(pic.acknowledge()).toBe(0x77);
  expect(readRegister(pic, READ_ISR)).toEqual([0x04, 0]);
});

test('priorities: fixed, and rotated by EOI and by set-priority', () => {
  const { pic } = ready();
  for (const irq of [1, 6]) pic.line(irq).set(true);
  expect(pic.acknowledge()).toBe(0x09);
  pic.master.write(0, 1, 0xa0); // rotate on non-specific EOI: IR1 becomes the lowest
  pic.line(0).set(true);
  expect(pic.acknowledge()).toBe(0x0e);
  pic.master.write(0, 1, 0x66); // specific EOI of 6
  expect(pic.acknowledge()).toBe(0x08);
  pic.master.write(0, 1, 0xc3); // set priority: IR3 lowest, so IR4 highest
  expect(pic.state.master.lowest).toBe(3);
  pic.master.write(0, 1, 0xe0); // rotate on specific EOI of 0
  expect([pic.state.master.isr, pic.state.master.lowest]).toEqual([0, 0]);
});

test('non-specific EOI ends the most urgent level in service', () => {
  const { pic } = ready();
  pic.line(6).set(true);
  pic.acknowledge();
  pic.line(1).set(true);
  pic.acknowledge();
  pic.master.write(0, 1, EOI);
  expect(readRegister(pic, READ_ISR)[0]).toBe(0x40);
});

test('automatic EOI, with rotation', () => {
  const { pic, intr } = ready(0x03);
  pic.master.write(0, 1, 0x80); // rotate in automatic EOI mode
  pic.line(4).set(true);
  expect(pic.acknowledge()).toBe(0x0c);
  expect([pic.state.master.isr, pic.state.master.lowest]).toEqual([0, 4]);
  pic.master.write(0, 1, 0x00);
  expect(pic.state.master.rotateOnAutoEoi).toBe(false);
  expect(intr.level).toBe(false);
});

test('a slave in automatic EOI mode raises its second request as a new edge', () => {
  const { pic, intr } = ready();
  pic.slave.write(0, 1, 0x11);
  for (const value of [0x70, 0x02, 0x03, 0x00]) pic.slave.write(1, 1, value);
  pic.line(9).set(true);
  pic.line(10).set(true);
  expect(pic.acknowledge()).toBe(0x71);
  pic.master.write(0, 1, EOI);
  expect(intr.level).toBe(true);
  expect(pic.acknowledge()).toBe(0x72);
});

test('special mask mode lets less urgent levels through a masked level in service', () => {
  const { pic, intr } = ready();
  pic.line(1).set(true);
  pic.acknowledge();
  pic.line(5).set(true);
  expect(intr.level).toBe(false);
  pic.master.write(1, 1, 0x02);
  pic.master.write(0, 1, 0x68);
  expect(intr.level).toBe(true);
  expect(pic.acknowledge()).toBe(0x0d);
  pic.master.write(0, 1, EOI); // leaves the masked level 1 alone
  expect(readRegister(pic, READ_ISR)[0]).toBe(0x02);
  pic.master.write(0, 1, 0x48);
  expect(pic.state.master.specialMask).toBe(false);
});

test('poll mode acknowledges by reading', () => {
  const { pic } = ready();
  pic.master.write(0, 1, 0x0c);
  expect(pic.master.read(0, 1)).toBe(0);
  pic.line(6).set(true);
  pic.master.write(0, 1, 0x0c);
  expect(pic.master.read(0, 1)).toBe(0x86);
  expect(readRegister(pic, READ_ISR)[0]).toBe(0x40);
});

test('initialization clears masks, requests and service, and keeps level requests', () => {
  const { pic, intr } = ready();
  pic.elcr.write(0, 1, 0x20);
  for (const irq of [3, 4, 5]) pic.line(irq).set(true);
  pic.acknowledge();
  pic.master.write(1, 1, 0xff);
  initialize(pic);
  expect(readRegister(pic, READ_ISR)[0]).toBe(0);
  expect(readRegister(pic, READ_IRR)[0]).toBe(0x20);
  expect(pic.master.read(1, 1)).toBe(0);
  expect(intr.level).toBe(true);
});

test('the acknowledge hook names the IRQ, not spurious ones', () => {
  const seen: number[] = [];
  const { pic } = newPair((irq) => seen.push(irq));
  initialize(pic);
  pic.acknowledge();
  pic.line(0).set(true);
  pic.acknowledge();
  pic.master.write(0, 1, EOI);
  pic.line(8).set(true);
  expect(pic.requested(8)).toBe(true);
  pic.acknowledge();
  expect(seen).toEqual([0, 8]);
});

describeDevice('8259A pair', (context) => {
  const intr = new ProbeIrq();
  const pic = pic8259.create(context, { intr });
  return {
    format: pic8259.state,
    // A board reset lowers all inputs, too: their devices are reset.
    device: {
      ...pic,
      reset: (kind) => {
        for (let irq = 0; irq < 16; irq++) if (irq !== 2) pic.line(irq).set(false);
        pic.reset(kind);
      },
    },
    regions: [pic.master, pic.slave, pic.elcr].map((region) => ({ region, length: 2 })),
    irqs: [intr],
    events: {
      line: (value) => {
        if ((value & 15) !== 2) pic.line(value & 15).set((value & 16) !== 0);
      },
      acknowledge: () => {
        if (pic.pending) pic.acknowledge();
      },
    },
    observe: () => pic.pending,
  };
});
