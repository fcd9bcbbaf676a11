/**
 * `node tests/system-vectors/against-qemu.node.ts [group,...]`: runs the cases on QEMU's TCG and on our engine and prints, by kind, where they differ.
 * What QEMU 7.2 is known to do otherwise than the manuals is taken out first where that can be told from the result alone (see README.md).
 */
import { engineModules } from '../../build/engine.node.ts';
import { differences } from './compare.ts';
import { EngineRunner } from './engine-run.ts';
import { casesOf, groups } from './groups.ts';
import type { CaseResult, MachineCase } from './machine-case.ts';
import { Qemu } from './qemu.node.ts';

const EXAMPLES = 2;
const KINDS = 8;
/** RF is never pushed, VIF and VIP are not kept by IRET. */
const FLAGS_NOT_COMPARED = 0x190000;
const CR4_VME_PVI = 3n;
const BUSY = 0x200;

/** Removes from both results what QEMU is known to leave out. */
function forgive(ours: CaseResult, theirs: CaseResult, before: BigUint64Array, { state }: MachineCase): void {
  for (const { state: end } of [ours, theirs]) {
    end.eflags &= ~FLAGS_NOT_COMPARED;
    end.segments[7]!.attributes |= BUSY;
    if ((state.cr0 & 1n) === 0n) end.segments[1]!.attributes &= ~0x800;
    if ((state.efer & 0x400n) === 0n) end.gpr.fill(0n, 8);
  }
  const [mine, their] = [ours, theirs].map(({ memory }) => new Map(memory));
  const flags = BigInt(FLAGS_NOT_COMPARED);
  for (const address of new Set([...mine!.keys(), ...their!.keys()])) {
    const value = (map: Map<number, bigint>) => map.get(address) ?? before[address / 8] ?? 0n;
    const change = value(mine!) ^ value(their!);
    const accessedBit = address >= 0x1000 && address < 0x3000 && change === 1n << 40n;
    const extBit = change === 1n || change === 1n << 32n;
    if ((change & ~flags) === 0n || (change & ~(flags << 32n)) === 0n || accessedBit || extBit) {
      mine!.delete(address);
      their!.delete(address);
    }
  }
  (ours.memory as [number, bigint][]).splice(0, Infinity, ...mine!);
  (theirs.memory as [number, bigint][]).splice(0, Infinity, ...their!);
}

async function compareGroup(group: string, qemu: Qemu, engine: EngineRunner): Promise<void> {
  const kinds = new Map<string, string[]>();
  let [same, skipped] = [0, 0];
  for (const original of casesOf(group)) {
    const { result, machineCase, before } = await qemu.run(original);
    const ours = engine.run(machineCase);
    if (ours.end === 'other' || result.end === 'other' || (original.state.cr4 & CR4_VME_PVI) !== 0n) {
      skipped++;
      continue;
    }
    forgive(ours, result, before, original);
    const list = differences(ours, result);
    if (list.length === 0) same++;
    else {
      const kind = list.map((line) => line.split(':')[0]).join(', ');
      kinds.set(kind, [...(kinds.get(kind) ?? []), `${original.name}: ${list.slice(0, 6).join(' | ')}`]);
    }
  }
  console.log(`${group}: ${same} equal, ${[...kinds.values()].flat().length} different, ${skipped} not comparable`);
  for (const [kind, cases] of [...kinds].toSorted((a, b) => b[1].length - a[1].length).slice(0, KINDS)) {
    console.log(`  ${cases.length} x ${kind}`);
    for (const example of cases.slice(0, EXAMPLES)) console.log(`    ${example}`);
  }
}

const wanted = process.argv[2]?.split(',') ?? Object.keys(groups);
const qemu = new Qemu();
try {
  await qemu.start();
  const engine = new EngineRunner(await engineModules());
  for (const group of wanted) await compareGroup(group, qemu, engine);
} finally {
  qemu.stop();
}
