/**
 * SSE arithmetic, comparison and conversion of numbers at the edges (zeros, denormals, infinities, NaNs, halfway cases, the ends of the range) with MXCSR in
 * many states, recorded from a processor: sse-edges.hex has a case of 96 bytes a line: the instruction (its length at 15), XMM0, XMM1, XMM0 afterwards, MXCSR
 * before and after, RAX before and after, the flags that COMIS sets (FFFFh: not looked at).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { engineModules } from '../../build/engine.node.ts';
import * as L from '../../vmm/cpu/layout.ts';
import { Rig, createEngine } from './rig.ts';
import type { Binding } from './rig.ts';

const CODE = 0x3000_0000n;
const FLAGS = 0x8d5n;
const NO_FLAGS = 0xffffn;

const cases = readFileSync(join(__dirname, 'sse-edges.hex'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => Buffer.from(line, 'hex'));

test.each(['interp', 'oracle'] as const)(
  '%s agrees with the processor',
  async (binding: Binding) => {
    const rig = new Rig(createEngine(await engineModules()), binding, 64);
    const { core } = rig;
    const wrong: string[] = [];
    for (const record of cases) {
      const quad = (at: number): bigint => record.readBigUInt64LE(at);
      const code = record.subarray(0, record[15]);
      code.forEach((byte, i) => rig.poke(rig.offset(CODE)! + i, byte));
      [quad(16), quad(24)].forEach((value, i) => core.setBigUint64(L.XMM + 8 * i, value, true));
      [quad(32), quad(40)].forEach((value, i) => core.setBigUint64(L.XMM + L.XMM_STRIDE + 8 * i, value, true));
      core.setUint32(L.MXCSR, record.readUInt32LE(64), true);
      core.setBigUint64(L.RAX, quad(72), true);
      core.setBigUint64(L.RIP, CODE, true);
      const fault = rig.step();
      const compared = quad(88) !== NO_FLAGS;
      const actual = [
        fault,
        core.getBigUint64(L.XMM, true),
        core.getBigUint64(L.XMM + 8, true),
        core.getUint32(L.MXCSR, true),
        core.getBigUint64(L.RAX, true),
      ];
      const expected = [-1, quad(48), quad(56), record.readUInt32LE(68), quad(80)];
      if (compared) {
        actual.push(BigInt(rig.system['get_eflags']!() as number) & FLAGS);
        expected.push(quad(88));
      }
      if (actual.some((value, i) => value !== expected[i])) wrong.push(`${record.toString('hex')}: ${actual.map((v) => v.toString(16)).join(' ')}`);
    }
    expect(wrong).toEqual([]);
  },
  60_000,
);
