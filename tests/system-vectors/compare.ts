/** What differs between two ends of a case, in words. */
import type { CaseResult } from './machine-case.ts';

const REGISTERS = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'];
const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr'];

export function differences(ours: CaseResult, theirs: CaseResult): string[] {
  const list: string[] = [];
  const check = (name: string, a: bigint | number, b: bigint | number) => {
    if (a !== b) list.push(`${name}: ${a.toString(16)}, should be ${b.toString(16)}`);
  };
  if (ours.end !== theirs.end) list.push(`end: ${ours.end}, should be ${theirs.end}`);
  // After a shutdown registers are undefined (and KVM resets some).
  if (ours.end !== 'halt' || theirs.end !== 'halt') return list;
  const [a, b] = [ours.state, theirs.state];
  REGISTERS.forEach((name, index) => {
    check(name, a.gpr[index]!, b.gpr[index]!);
  });
  check('rip', a.rip, b.rip);
  check('eflags', a.eflags, b.eflags);
  for (const name of ['cr0', 'cr2', 'cr3', 'cr4', 'efer'] as const) check(name, a[name], b[name]);
  for (const index of [0, 1, 2, 3, 6, 7]) check(`dr${index}`, a.dr[index]!, b.dr[index]!);
  SEGMENTS.forEach((name, index) => {
    const [s, t] = [a.segments[index]!, b.segments[index]!];
    check(`${name} selector`, s.selector, t.selector);
    // Hidden parts of unusable segments are the vendor's business.
    const usable = (attributes: number) => (attributes & 0x8000) !== 0;
    if (!usable(s.attributes) && !usable(t.attributes)) return;
    check(`${name} base`, s.base, t.base);
    check(`${name} limit`, s.limit, t.limit);
    check(`${name} attributes`, s.attributes, t.attributes);
  });
  for (const name of ['gdt', 'idt'] as const) {
    check(`${name} base`, a[name].base, b[name].base);
    check(`${name} limit`, a[name].limit, b[name].limit);
  }
  const changed = new Map(theirs.memory);
  for (const [address, value] of ours.memory) {
    const wanted = changed.get(address);
    if (wanted === undefined) list.push(`memory ${address.toString(16)}: written ${value.toString(16)}, should be unchanged`);
    else check(`memory ${address.toString(16)}`, value, wanted);
    changed.delete(address);
  }
  for (const [address, value] of changed) list.push(`memory ${address.toString(16)}: unchanged, should be ${value.toString(16)}`);
  return list;
}
