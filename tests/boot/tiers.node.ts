/**
 * `node tests/boot/tiers.node.ts KERNEL INITRD [--append TEXT] [--until S] [--every S]`: a Linux kernel booted in virtual time with the translator and without; both must have
 * executed the same number of instructions and have the same processors, devices and memory at every checkpoint.
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { ImmediateCompiler } from '../../vmm/accel/wasm/region-compiler.ts';
import { deriveInstructions } from '../../vmm/cpu/isa/handlers.ts';
import { encodings } from '../../vmm/cpu/isa/index.ts';
import { accelerator, smallMachine } from '../snapshot/small-machines.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    append: { type: 'string', default: 'console=ttyS0 panic=-1 mitigations=off' },
    until: { type: 'string', default: '10' },
    every: { type: 'string', default: '0.25' },
    memory: { type: 'string', default: '96' },
  },
});
const [kernel, initrd] = positionals;
if (kernel === undefined || initrd === undefined) throw new Error('usage: node tests/boot/tiers.node.ts KERNEL INITRD');

const S = 1e9;
const file = (name: string) => ({ name, data: new Uint8Array(readFileSync(name)) });
const boot = { kernel: file(kernel), initrd: file(initrd), append: values.append, modules: [] };
const config = { memory: Number(values.memory) };
const interpreted = smallMachine(config, {}, { boot });
const translated = smallMachine(config, {}, { boot, accelerator: accelerator(() => new ImmediateCompiler(deriveInstructions(encodings).handlers)) });
const every = Number(values.every) * S;
for (let until = every; until <= Number(values.until) * S; until += every) {
  for (const one of [interpreted, translated]) one.run(until);
  const [a, b] = [interpreted, translated].map(({ machine }) => machine.vcpus[0]!.instructions);
  const equal = a === b && interpreted.fingerprint() === translated.fingerprint();
  process.stdout.write(`${(until / S).toFixed(2)} s: ${a} instructions, ${equal ? 'equal' : `DIFFERENT (${b} translated)`}\n`);
  if (!equal) process.exit(1);
}
process.stdout.write(`${JSON.stringify(translated.machine.vcpus[0]!.stats?.())}\n${String.fromCharCode(...translated.serial).slice(-300)}\n`);
