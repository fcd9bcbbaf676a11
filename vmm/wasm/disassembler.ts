/** The code of a module's functions as text, for tests and for people who look at what was translated: what FunctionBody writes, no more. */
import { laneOperators, operators } from './operators.ts';
import { loadOperators, storeOperators } from './function-body.ts';

const CODE_SECTION = 10;
const HEADER = 8;
const SHUFFLE = 0xfd000d;

/** A function of the module that does not import it. */
export interface FunctionText {
  /** Of its code in the module. */
  readonly bytes: number;
  /** One for each statement: what leaves the stack empty, or changes the nesting. */
  readonly lines: readonly string[];
}

const plain = new Map<number, string>([
  [0x00, 'unreachable'],
  [0x1a, 'drop'],
  [0x1b, 'select'],
  [0x0f, 'return'],
]);
for (const [name, { code }] of operators) plain.set(code, name);
const lanes = new Map<number, string>(Object.entries(laneOperators).map(([name, [code]]) => [code, name]));
const memory = new Map<number, string>([...Object.entries(loadOperators), ...Object.entries(storeOperators)].map(([name, [code]]) => [code, name]));
const indexed = new Map<number, string>([
  [0x0c, 'br'],
  [0x0d, 'br_if'],
  [0x10, 'call'],
  [0x12, 'return_call'],
  [0x20, 'local.get'],
  [0x21, 'local.set'],
]);
const ENDS_STATEMENT = /^(local\.set|br|br_if|return|return_call|return_call_indirect|drop|unreachable|.*\.store\d*( |$)|memory\.)/;

export function disassemble(module: Uint8Array): FunctionText[] {
  const reader = new Reader(module, HEADER);
  while (!reader.done) {
    const section = reader.byte();
    const size = reader.unsigned();
    if (section !== CODE_SECTION) {
      reader.at += size;
      continue;
    }
    return Array.from({ length: reader.unsigned() }, () => {
      const bytes = reader.unsigned();
      return { bytes, lines: new FunctionReader(reader, reader.at + bytes).lines() };
    });
  }
  return [];
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly view: DataView;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = at;
  }

  get done(): boolean {
    return this.at >= this.#bytes.length;
  }

  byte(): number {
    return this.#bytes[this.at++]!;
  }

  unsigned(): number {
    return Number(BigInt.asUintN(64, this.#leb().value));
  }

  signed(): bigint {
    const { value, bits } = this.#leb();
    return BigInt.asIntN(Math.min(bits, 64), value);
  }

  #leb(): { value: bigint; bits: number } {
    let value = 0n;
    let bits = 0;
    for (;;) {
      const byte = this.byte();
      value |= BigInt(byte & 0x7f) << BigInt(bits);
      bits += 7;
      if ((byte & 0x80) === 0) return { value, bits };
    }
  }
}

class FunctionReader {
  readonly #reader: Reader;
  readonly #end: number;
  #depth = 0;
  #pending: string[] = [];
  readonly #lines: string[] = [];

  constructor(reader: Reader, end: number) {
    this.#reader = reader;
    this.#end = end;
  }

  lines(): string[] {
    const reader = this.#reader;
    for (let groups = reader.unsigned(); groups > 0; groups--) {
      reader.unsigned();
      reader.byte();
    }
    while (reader.at < this.#end) this.#instruction();
    this.#lines.pop(); // the end of the function
    return this.#lines;
  }

  #statement(last: string): void {
    this.#lines.push('  '.repeat(Math.max(this.#depth, 0)) + [...this.#pending, last].join(' '));
    this.#pending = [];
  }

  #instruction(): void {
    const reader = this.#reader;
    const first = reader.byte();
    switch (first) {
      case 0x02:
      case 0x03:
      case 0x04:
        reader.byte();
        this.#statement(['block', 'loop', 'if'][first - 2]!);
        this.#depth++;
        return;
      case 0x05:
      case 0x0b:
        this.#depth--;
        this.#statement(first === 0x05 ? 'else' : 'end');
        if (first === 0x05) this.#depth++;
        return;
    }
    const text = this.#operation(first);
    if (ENDS_STATEMENT.test(text)) this.#statement(text);
    else this.#pending.push(text);
  }

  #operation(first: number): string {
    const reader = this.#reader;
    const code = first === 0xfc || first === 0xfd ? (first << 16) | reader.unsigned() : first;
    const name = plain.get(code);
    if (name !== undefined) return name;
    const withIndex = indexed.get(code);
    if (withIndex !== undefined) return `${withIndex} ${reader.unsigned()}`;
    const access = memory.get(code);
    if (access !== undefined) return this.#access(access);
    const lane = lanes.get(code);
    if (lane !== undefined) return `${lane} ${reader.byte()}`;
    switch (code) {
      case 0x0e:
        return `br_table ${Array.from({ length: reader.unsigned() + 1 }, () => reader.unsigned()).join(' ')}`;
      case 0x11:
      case 0x13:
        return `${code === 0x11 ? 'call_indirect' : 'return_call_indirect'} type ${reader.unsigned()} table ${reader.unsigned()}`;
      case 0x1c:
        reader.at += 2;
        return 'select';
      case 0x41:
      case 0x42:
        return `${code === 0x41 ? 'i32' : 'i64'}.const ${reader.signed()}`;
      case 0x43:
        return `f32.const ${this.#bits(4)}`;
      case 0x44:
        return `f64.const ${this.#bits(8)}`;
      case 0xfd000c:
        return `v128.const ${this.#bits(16)}`;
      case SHUFFLE:
        return `i8x16.shuffle ${Array.from({ length: 16 }, () => reader.byte()).join(' ')}`;
      case 0xfc000a:
        return `memory.copy ${reader.unsigned()} ${reader.unsigned()}`;
      case 0xfc000b:
        return `memory.fill ${reader.unsigned()}`;
    }
    throw new Error(`opcode ${code.toString(16)} is not one that FunctionBody writes`);
  }

  /** Memory 0 is not named. */
  #access(name: string): string {
    const reader = this.#reader;
    const alignment = reader.unsigned();
    const index = alignment & 0x40 ? ` memory ${reader.unsigned()}` : '';
    const offset = reader.unsigned();
    return `${name}${index}${offset === 0 ? '' : ` +${offset}`}`;
  }

  #bits(bytes: number): string {
    const digits = Array.from({ length: bytes }, () => this.#reader.byte().toString(16).padStart(2, '0'));
    return `0x${digits.toReversed().join('')}`;
  }
}
