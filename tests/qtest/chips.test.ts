/*
 * Our board against QEMU's: both are given the same random accesses through the qtest protocol, and must answer alike. Skipped, and said so, where
 * qemu-system-x86_64 is not installed.
 */
import { qemuInstalled, startQemu, startStrate, type QtestBench } from './boards.node.ts';
import { NICS } from './nics.ts';
import { CHIPS, type Chip, type Random, type Step } from './chips.ts';

/** Set QTEST_SEEDS for a longer run. */
const SEEDS = Number(process.env['QTEST_SEEDS'] ?? '1');

const whenInstalled = qemuInstalled ? describe : describe.skip;

/** Mulberry32. */
function seeded(seed: number): Random {
  let state = seed * 0x9e3779b1;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

const valueOf = (answer: string): number => Number(BigInt.asUintN(32, BigInt(answer.split(' ')[1] ?? '0')));

async function answer(bench: QtestBench, line: string): Promise<number> {
  const text = await bench.ask(line);
  if (!text.startsWith('OK')) throw new Error(`${line}: ${text}`);
  return valueOf(text);
}

/** Makes a step on both boards: QEMU first, because only it decides how much time passes. */
async function perform(step: Step, strate: QtestBench, qemu: QtestBench): Promise<{ ours: number[]; theirs: number[] }> {
  const [ours, theirs]: [number[], number[]] = [[], []];
  for (const { line } of step.commands) {
    const [name, time] = line.split(' ');
    if (name === 'pass') {
      const passed = await qemu.pass(Number(time));
      theirs.push(passed);
      ours.push(await strate.pass(passed));
    } else {
      theirs.push(await answer(qemu, line));
      ours.push(await answer(strate, line));
    }
  }
  return { ours, theirs };
}

/** What of the answers differs, in words; undefined if they agree. */
function difference(step: Step, ours: readonly number[], theirs: readonly number[]): string | undefined {
  if (step.join !== undefined) {
    const word = (answers: readonly number[]) => answers.at(-2)! | (answers.at(-1)! << 8);
    const apart = (word(ours) - word(theirs) + 0x10000) & 0xffff;
    return Math.min(apart, 0x10000 - apart) <= step.join ? undefined : `${step.commands.at(-1)!.line}: ${word(ours)}, QEMU ${word(theirs)}`;
  }
  for (const [index, { line, mask = 0, tolerance }] of step.commands.entries()) {
    if (tolerance !== undefined && Math.abs(ours[index]! - theirs[index]!) <= tolerance) continue;
    const bits = (value: number) => (value & mask) >>> 0;
    if (bits(ours[index]!) !== bits(theirs[index]!))
      return `${line}: ${ours[index]!.toString(16)}h, QEMU ${theirs[index]!.toString(16)}h (mask ${mask.toString(16)}h)`;
  }
  return undefined;
}

whenInstalled('our board answers as QEMU’s', () => {
  let qemu: QtestBench | undefined;
  let strate: QtestBench;

  beforeEach(async () => {
    strate = startStrate();
    qemu = await startQemu();
  });
  afterEach(async () => {
    await qemu?.close();
    qemu = undefined;
    await strate.close();
  });

  async function compare(chip: Chip, seed: number): Promise<void> {
    const random = seeded(seed);
    const done: string[] = [];
    let time = 0;
    for (let count = 0; count < chip.prepare.length + chip.steps; count++) {
      const step = chip.prepare[count] ?? chip.random(random);
      const { ours, theirs } = await perform(step, strate, qemu!);
      for (const [index, { line }] of step.commands.entries()) if (line.startsWith('pass')) time += ours[index]!;
      done.push(
        `${time} ns: ` +
          step.commands.map(({ line }, index) => (/^(in|read|pass)/.test(line) ? `${line} = ${theirs[index]!.toString(16)}h` : line)).join(', '),
      );
      const wrong = difference(step, ours, theirs);
      if (wrong !== undefined) throw new Error(`step ${count}, seed ${seed}: ${wrong}\nafter\n${done.slice(-25).join('\n')}`);
    }
  }

  test.each([...CHIPS, ...NICS].map((chip) => [chip.name, chip] as const))(
    '%s',
    async (_name, chip) => {
      for (let seed = 1; seed <= SEEDS; seed++) await compare(chip, seed);
    },
    120_000,
  );
});
