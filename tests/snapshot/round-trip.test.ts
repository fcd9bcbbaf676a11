/**
 * promises.md D9: a saved-state round trip is exact. The oracle is the run without the save; states are compared as a whole, with RAM, video memory and
 * media.
 */
import fc from 'fast-check';
import type { VmConfigInput } from '../../vmm/protocol/config.ts';
import { firmwareFile, guestFile, keep, smallMachine, type SmallMachine, takeUp } from './small-machines.ts';

const MS = 1e6;

interface Guest {
  readonly file: string;
  readonly config: Partial<VmConfigInput>;
  readonly media: (image: Uint8Array) => Record<string, Uint8Array>;
  /** Guest time in which it boots and works, ns. */
  readonly length: number;
  /** Keys at guest times. */
  readonly keys?: readonly (readonly [at: number, code: number])[];
}

const floppy = { drives: [{ bus: 'floppy' as const, file: 'a.img' }] };
const ENTER = 28;
/** Long enough for the firmware to be at work; STRATE_GUEST_MS lets the guests come up. */
const LENGTH = Number(process.env['STRATE_GUEST_MS'] ?? 400) * MS;
const guests: Readonly<Record<string, Guest>> = {
  FreeDOS: { file: 'freedos722.img', config: floppy, media: (fda) => ({ fda }), length: LENGTH, keys: [[LENGTH * 0.8, ENTER]] },
  MikeOS: { file: 'mikeos.flp', config: floppy, media: (fda) => ({ fda }), length: LENGTH, keys: [[LENGTH * 0.8, ENTER]] },
  bootOS: { file: 'bootos-osall.img', config: floppy, media: (fda) => ({ fda }), length: LENGTH, keys: [[LENGTH * 0.8, ENTER]] },
};

function boot(name: string): SmallMachine {
  const { config, media, file } = guests[name]!;
  return smallMachine(config, media(new Uint8Array(guestFile(file)!)));
}

/** Runs to `until`, typing what the guest's script says on the way. */
function play(name: string, machine: SmallMachine, until: number): void {
  for (const [at, code] of guests[name]!.keys ?? []) {
    if (at < machine.machine.clock.now() || at >= until) continue;
    machine.run(at);
    machine.parts.keyboard.key(code, true);
    machine.parts.keyboard.key(code, false);
  }
  machine.run(until);
}

const available = firmwareFile('bios-256k.bin') !== undefined;
const runs = Number(process.env['STRATE_RUNS'] ?? 1);

describe.each(Object.keys(guests))('%s', (name) => {
  const there = available && guestFile(guests[name]!.file) !== undefined;
  const { length } = guests[name]!;

  (there ? test : test.skip)(
    'a run with a save and a load in it is the run without',
    () => {
      const plain = boot(name);
      play(name, plain, length);
      const wanted = plain.fingerprint();
      fc.assert(
        fc.property(fc.integer({ min: 1, max: length - 1 }), fc.integer({ min: 0, max: 200 * MS }), fc.boolean(), (at, astray, fresh) => {
          const first = boot(name);
          play(name, first, at);
          const kept = keep(first);
          const state = first.fingerprint();
          // Into a machine that was just made, or into one that has gone elsewhere.
          const second = fresh ? boot(name) : first;
          if (!fresh) first.run(first.machine.clock.now() + astray);
          takeUp(kept, second);
          expect(second.fingerprint()).toBe(state);
          play(name, second, length);
          expect(second.fingerprint()).toBe(wanted);
        }),
        { numRuns: runs },
      );
    },
    600_000,
  );
});
