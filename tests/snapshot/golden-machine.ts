/** The machine of the golden saved states: every device there is, around a program of its own in place of firmware. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import type { VmConfigInput } from '../../vmm/protocol/config.ts';
import type { NetBackend } from '../../vmm/net/cable/cable.ts';
import { decodeContainer } from '../../vmm/snapshot/container.node.ts';
import { EchoCable } from './echo-cable.ts';
import { smallMachine, type SmallMachine } from './small-machines.ts';

export const GOLDEN = join(import.meta.dirname, 'golden');

const models = ['e1000', 'ne2k', 'ne2k-isa', 'rtl8139', 'pcnet', 'virtio'] as const;
const config: Partial<VmConfigInput> = {
  memory: 2,
  cpu: { count: 2 },
  display: { memory: 1 },
  serial: [{ backend: 'none' }, { backend: 'none' }],
  debugExit: true,
  drives: [
    { bus: 'floppy', file: 'a' },
    { bus: 'ide', file: 'b' },
    { bus: 'ide', media: 'cdrom', file: 'c' },
    { bus: 'ahci', file: 'd' },
    { bus: 'virtio', file: 'e' },
  ],
  nics: models.map((model, index) => ({ id: `net${index}`, model })),
};

/** Where the program counts, and the letters it writes to COM1 one after the other. */
export const COUNTER = 0x500;

/** 16-bit code at F000:E05B, to which the reset vector jumps: sets up COM1 and the timer, counts, writes a letter per 65,536. */
function firmware(): Uint8Array {
  const rom = new Uint8Array(0x40000).fill(0xff);
  const at = rom.length - 0x10000 + 0xe05b;
  // prettier-ignore
  rom.set([
    0xfa, 0x31, 0xc0, 0x8e, 0xd8, // cli; xor ax, ax; mov ds, ax
    0xba, 0xfb, 0x03, 0xb0, 0x03, 0xee, // mov dx, 3FBh; mov al, 3; out dx, al: eight bits
    0xb0, 0x36, 0xe6, 0x43, 0xb0, 0x34, 0xe6, 0x40, 0xb0, 0x12, 0xe6, 0x40, // timer 0: mode 3, 1234h
    0xb0, 0x41, // mov al, 'A'
    0x66, 0xff, 0x06, 0x00, 0x05, // again: inc dword [500h]
    0x83, 0x3e, 0x00, 0x05, 0x00, // cmp word [500h], 0
    0x75, 0xf4, // jne again
    0xba, 0xf8, 0x03, 0xee, // mov dx, 3F8h; out dx, al
    0xfe, 0xc0, // inc al
    0xeb, 0xec, // jmp again
  ], at);
  rom.set([0xea, 0x5b, 0xe0, 0x00, 0xf0], rom.length - 16); // jmp F000:E05B
  return rom;
}

export function goldenMachine(): SmallMachine {
  const media: Record<string, Uint8Array> = { fda: new Uint8Array(1_474_560) };
  for (const id of ['hda', 'hdc', 'sata0', 'vda']) media[id] = new Uint8Array(1 << 20);
  return smallMachine(config, media, {
    bios: firmware(),
    nets: (ring) => new Map<string, NetBackend & { drain(): void }>(models.map((_, index) => [`net${index}`, new EchoCable(ring)])),
  });
}

export const counterOf = ({ machine }: SmallMachine): number => {
  const { bytes } = machine.board.memory;
  return new DataView(bytes.buffer).getUint32(COUNTER, true);
};

export const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Loads a golden state into the machine: the container as it was written then, and memory beside it. */
export function loadGolden(release: string, into: SmallMachine): { readonly time: number } {
  const { machine, meta } = decodeContainer(readFileSync(join(GOLDEN, `${release}.state`)), release);
  const memory = zstdDecompressSync(readFileSync(join(GOLDEN, `${release}.memory.zst`)));
  const { blocks } = into.machine.board.memory;
  expect(meta.blocks).toEqual(blocks.map(({ name, length }) => ({ name, length })));
  const load = into.machine.prepare(machine);
  load(() => {
    let at = 0;
    for (const block of blocks) {
      block.bytes.set(memory.subarray(at, at + block.length));
      at += block.length;
    }
  });
  return { time: meta.guestTime };
}
