/**
 * Which handlers there are: each text, specialised on operand size, on registers or memory, on the way addresses are made, and on REP where it matters.
 * Derived from the encodings; the interpreter generates code for each, the oracle executes them by number, the decoder's tables name them.
 */
import { effectsOf } from '../bind/effects.ts';
import type { Effects } from '../bind/effects.ts';
import {
  ADDRESSING_16,
  ADDRESSING_32,
  ADDRESSING_64,
  ADDRESSING_FLAT32,
  ADDRESSING_FLAT64,
  HANDLERS_RESERVED,
  HANDLER_INVALID,
} from '../decode/form-layout.ts';
import { loadEffects } from './effects-table.ts';
import type { EffectsTable } from './effects-table.ts';
import type { Encoding } from './encoding.ts';
import type { Machine, Size, Text } from './machine.ts';
import { bindOperands, parseOperand } from './operands.ts';
import type { BoundOperand, OperandSpec } from './operands.ts';

/** How linear addresses are made: any segment, limit and size; 32-bit offsets in flat segments; 64-bit mode without FS and GS. */
export type Addressing = 'general' | 'flat32' | 'flat64';
export type Repeat = Machine['rep'];

export interface Handler {
  readonly number: number;
  /** Mnemonic, sizes and operand kinds: for profiles and messages. */
  readonly name: string;
  readonly text: Text;
  readonly size: Size;
  readonly operands: readonly BoundOperand[];
  readonly addressing: Addressing;
  readonly addressSize: Size;
  readonly repeat: Repeat;
  readonly effects: Effects;
  /** Belongs into the dispatch loop. */
  readonly hot: boolean;
}

/** What an encoding, taken with registers or with memory, needs in the decoder's tables. */
export interface Form {
  readonly encoding: Encoding;
  readonly specs: readonly OperandSpec[];
  readonly side: 'register' | 'memory';
  readonly sizeClass: SizeClass;
  readonly ends: boolean;
  readonly addressed: boolean;
  /** Handler numbers by size index (0..2), addressing index (0..4), repeat index (0..2). */
  handler(size: number, addressing: number, repeat: number): number;
  readonly varies: { readonly size: boolean; readonly addressing: boolean; readonly repeat: boolean };
}

export type SizeClass = 'fixed' | 'v' | 'y' | 'd64' | 'f64';

export interface Instructions {
  readonly handlers: readonly Handler[];
  readonly forms: readonly Form[];
  /** Of every text with every kind of operands, in the order in which they were asked for. */
  readonly effects: readonly Effects[];
}

const SIZE_OF_INDEX: readonly Size[] = [16, 32, 64];
const REPEATS: readonly Repeat[] = ['none', 'rep', 'repne'];
const ADDRESSINGS: readonly (readonly [Addressing, Size])[] = [];
const addressings = ADDRESSINGS as [Addressing, Size][];
addressings[ADDRESSING_16] = ['general', 16];
addressings[ADDRESSING_32] = ['general', 32];
addressings[ADDRESSING_64] = ['general', 64];
addressings[ADDRESSING_FLAT32] = ['flat32', 32];
addressings[ADDRESSING_FLAT64] = ['flat64', 64];

/** `table`: what `effects` was for the same encodings. */
export function deriveInstructions(encodings: readonly Encoding[], table?: EffectsTable): Instructions {
  const known = table && loadEffects(table);
  const handlers: Handler[] = [];
  const byKey = new Map<string, Handler>();
  const textNumbers = new Map<Text, number>();
  const effectsByKey = new Map<string, Effects>();
  const forms: Form[] = [];

  const textNumber = (text: Text): number => {
    let number = textNumbers.get(text);
    if (number === undefined) textNumbers.set(text, (number = textNumbers.size));
    return number;
  };

  for (const encoding of encodings) {
    const specs = (encoding.operands ?? '').split(' ').filter(Boolean).map(parseOperand);
    const rm = specs.find((spec) => spec.rm);
    const sides = rm?.rm === 'either' ? (['register', 'memory'] as const) : rm?.rm === 'memory' ? (['memory'] as const) : (['register'] as const);
    const sizeClass = sizeClassOf(encoding, specs);
    for (const side of sides) {
      const sized = sizeClass !== 'fixed';
      const probeOperands = (size: Size): BoundOperand[] => bindOperands(specs, size, side);
      const sizes: readonly Size[] = sized ? SIZE_OF_INDEX : [fixedSize(specs, side)];
      const prepared = sizes.map((size) => {
        const operands = probeOperands(size);
        const key = `${textNumber(encoding.text)} ${size} ${operands.map(operandKey).join(' ')}`;
        let effects = effectsByKey.get(key);
        if (!effects) effectsByKey.set(key, (effects = known?.[effectsByKey.size] ?? effectsOf(encoding.text, size, operands)));
        return { size, operands, key, effects };
      });
      const effects = prepared[0]!.effects;
      const strings = specs.some((spec) => spec.string);
      const addressed = strings || (encoding.addressed ?? false);
      const usesAddress = effects.memory || effects.stack || effects.jumps;

      const handlerFor = (sizeIndex: number, addressingIndex: number, repeatIndex: number): number => {
        const { size, operands, key, effects } = prepared[sized ? sizeIndex : 0]!;
        let [addressing, addressSize] = ADDRESSINGS[addressingIndex]!;
        if (!usesAddress && !addressed) [addressing, addressSize] = ['general', 64];
        else if (addressing !== 'general' && !encoding.hot) addressing = 'general';
        if (addressing === 'general' && !addressed) addressSize = 64;
        const repeat = encoding.rep ? REPEATS[repeatIndex]! : 'none';
        const full = `${key} ${addressing} ${addressSize} ${repeat}`;
        const found = byKey.get(full);
        if (found) return found.number;
        const number = HANDLERS_RESERVED + handlers.length;
        const kinds = operands.map((operand) => `${operand.kind}${operand.size}`).join(',');
        const name = `${repeat === 'none' ? '' : `${repeat} `}${encoding.name ?? encoding.text.name} ${size} ${kinds} ${addressing}${addressed ? addressSize : ''}`;
        const hot = (encoding.hot ?? false) && repeat === 'none' && (!usesAddress || addressing !== 'general' || effects.jumps);
        const handler: Handler = { number, name, text: encoding.text, size, operands, addressing, addressSize, repeat, effects, hot };
        byKey.set(full, handler);
        handlers.push(handler);
        return number;
      };
      const memory = side === 'memory' || strings || specs.some((spec) => spec.immediate === 'offset');
      const numbers: number[] = [];
      const varies = { size: sized, addressing: addressed || ((encoding.hot ?? false) && usesAddress), repeat: encoding.rep ?? false };
      forms.push({
        encoding,
        specs,
        side,
        sizeClass,
        ends: prepared.some((p) => p.effects.ends),
        addressed: addressed || memory,
        handler: (size, addressing, repeat) => {
          // A form that does not vary with addressing is asked for under index 0 in every mode.
          const mode = varies.addressing ? addressing : undefined;
          const at = (size * ADDRESSINGS.length + addressing) * REPEATS.length + repeat;
          return (numbers[at] ??= usable(encoding, sizeClass, size, mode) ? handlerFor(size, addressing, repeat) : HANDLER_INVALID);
        },
        varies,
      });
    }
  }
  // Handlers come into being when the tables ask for them: ask for all, in a fixed order.
  for (const form of forms) {
    for (let size = 0; size < (form.varies.size ? 3 : 1); size++)
      for (let addressing = 0; addressing < (form.varies.addressing ? 5 : 1); addressing++)
        for (let repeat = 0; repeat < (form.varies.repeat ? 3 : 1); repeat++) form.handler(size, addressing, repeat);
  }
  return { handlers, forms, effects: [...effectsByKey.values()] };
}

/** Combinations no mode can reach need no handler. */
function usable(encoding: Encoding, sizeClass: SizeClass, size: number, addressing: number | undefined): boolean {
  if (addressing === undefined) return !(size === 2 && sizeClass !== 'fixed' && encoding.mode === 'i64') && !(sizeClass === 'y' && size === 0);
  if (sizeClass === 'fixed') return encoding.mode !== 'i64' || addressing !== ADDRESSING_FLAT64;
  if (size === 2 && (encoding.mode === 'i64' || addressing === ADDRESSING_FLAT32 || addressing === ADDRESSING_16)) return false;
  if (sizeClass === 'f64' && addressing === ADDRESSING_FLAT64 && size !== 2) return false;
  if (sizeClass === 'd64' && addressing === ADDRESSING_FLAT64 && size === 1) return false;
  if (sizeClass === 'y' && size === 0) return false;
  return encoding.mode !== 'i64' || addressing !== ADDRESSING_FLAT64;
}

function operandKey(operand: BoundOperand): string {
  return `${operand.kind}${operand.size}${operand.address ?? ''}${operand.second ? 's' : ''}${operand.constant ?? ''}@${operand.slot}`;
}

function sizeClassOf(encoding: Encoding, specs: readonly OperandSpec[]): SizeClass {
  if (encoding.size === 'd64' || encoding.size === 'f64') return encoding.size;
  if (encoding.size === 'v') return 'v';
  const types = specs.map((spec) => spec.code.slice(1));
  if (specs.some((spec) => /^[A-Z][vzpa]$/.test(spec.code) || /^r[A-D]X$/.test(spec.code))) return 'v';
  return types.includes('y') ? 'y' : 'fixed';
}

function fixedSize(specs: readonly OperandSpec[], side: 'register' | 'memory'): Size {
  const size = specs[0]?.size(32, side === 'memory' && specs[0].rm ? 'memory' : 'register');
  return size === 8 || size === 16 || size === 64 ? size : 32;
}
