/**
 * Whole boots with the translator and without: in virtual time processors, devices, memory and media must be the same at every checkpoint, the number of executed
 * instructions among them. STRATE_GUEST_MS lets the guests come further.
 */
import { ImmediateCompiler } from '../../vmm/accel/wasm/region-compiler.ts';
import { deriveInstructions } from '../../vmm/cpu/isa/handlers.ts';
import { encodings } from '../../vmm/cpu/isa/index.ts';
import { accelerator, firmwareFile, guestFile, smallMachine, type SmallMachine } from '../snapshot/small-machines.ts';

const MS = 1e6;
const LENGTH = Number(process.env['STRATE_GUEST_MS'] ?? 400) * MS;
const CHECKPOINTS = 8;
const guests = { FreeDOS: 'freedos722.img', MikeOS: 'mikeos.flp', bootOS: 'bootos-osall.img' } as const;

const translating = accelerator(() => new ImmediateCompiler(deriveInstructions(encodings).handlers));

function boot(file: string, translated: boolean): SmallMachine {
  const config = { drives: [{ bus: 'floppy' as const, file: 'a.img' }] };
  return smallMachine(config, { fda: new Uint8Array(guestFile(file)!) }, translated ? { accelerator: translating } : {});
}

/** Counters of the first processor. */
const counters = ({ machine }: SmallMachine): Record<string, number> => machine.vcpus[0]!.stats?.() ?? {};

describe.each(Object.entries(guests))('%s', (_, file) => {
  const there = firmwareFile('bios-256k.bin') !== undefined && guestFile(file) !== undefined;

  (there ? test : test.skip)(
    'boots in the interpreter as in translated code',
    () => {
      const [interpreted, translated] = [boot(file, false), boot(file, true)];
      for (let n = 1; n <= CHECKPOINTS; n++) {
        const until = (LENGTH * n) / CHECKPOINTS;
        interpreted.run(until);
        translated.run(until);
        expect(translated.machine.vcpus[0]!.instructions).toBe(interpreted.machine.vcpus[0]!.instructions);
        expect(translated.fingerprint()).toBe(interpreted.fingerprint());
      }
      expect(counters(translated)['translated instructions executed']).toBeGreaterThan(0);
    },
    600_000,
  );
});
