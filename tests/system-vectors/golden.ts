/** A short name for everything a case ended with, for the golden file. */
import type { CaseResult } from './machine-case.ts';

const OFFSET = 0xcbf29ce484222325n;
const PRIME = 0x100000001b3n;

/** FNV-1a over the text of the result, 64 bits in base 36. */
export function digest({ end, state, memory }: CaseResult): string {
  const { gpr, rip, eflags, segments, gdt, idt, cr0, cr2, cr3, cr4, efer, dr } = state;
  const registers = end === 'halt' ? [...gpr, rip, eflags, cr0, cr2, cr3, cr4, efer, ...dr, gdt.base, gdt.limit, idt.base, idt.limit] : [];
  const cached = end === 'halt' ? segments.flatMap(({ selector, base, limit, attributes }) => [selector, base, limit, attributes]) : [];
  const text = [end, ...registers, ...cached, ...(end === 'halt' ? memory.flat() : [])].map((value) => value.toString(16)).join(' ');
  let hash = OFFSET;
  for (let index = 0; index < text.length; index++) hash = BigInt.asUintN(64, (hash ^ BigInt(text.charCodeAt(index))) * PRIME);
  return hash.toString(36);
}
