/** A WebAssembly module put together in memory (core specification 5.5). Knows nothing of what the code means. */
import { assert } from '../base/errors.ts';
import { ByteWriter } from './byte-writer.ts';
import { FunctionBody, valueTypes } from './function-body.ts';
import type { FunctionType } from './function-body.ts';

interface Limits {
  readonly minimum: number;
  readonly maximum?: number;
  readonly shared?: boolean;
}

const SECTION = { custom: 0, type: 1, import: 2, function: 3, table: 4, memory: 5, export: 7, element: 9, code: 10 };
const KIND = { function: 0, table: 1, memory: 2 };
const FUNCREF = 0x70;

export class ModuleWriter {
  readonly #types: FunctionType[] = [];
  readonly #imports: ((out: ByteWriter) => void)[] = [];
  readonly #functions: { readonly type: number; readonly name: string; body?: FunctionBody }[] = [];
  readonly #exports: { readonly name: string; readonly kind: number; readonly index: number }[] = [];
  readonly #elements: { readonly table: number; readonly offset: number; readonly functions: readonly number[] }[] = [];
  #importedFunctions = 0;
  #memories = 0;
  #importedTables = 0;
  readonly #tables: Limits[] = [];
  #ownMemory: Limits | undefined;

  /** Number of a function type. */
  type(params: FunctionType['params'], results: FunctionType['results']): number {
    const same = (a: readonly string[], b: readonly string[]): boolean => a.length === b.length && a.every((type, i) => type === b[i]);
    const found = this.#types.findIndex((type) => same(type.params, params) && same(type.results, results));
    return found >= 0 ? found : this.#types.push({ params, results }) - 1;
  }

  importFunction(module: string, name: string, params: FunctionType['params'], results: FunctionType['results']): number {
    assert(this.#functions.length === 0, 'imports come before functions');
    const type = this.type(params, results);
    this.#imports.push((out) => {
      out.name(module);
      out.name(name);
      out.byte(KIND.function);
      out.u32(type);
    });
    return this.#importedFunctions++;
  }

  importMemory(module: string, name: string, limits: Limits): number {
    assert(!this.#ownMemory, 'imported memories come first');
    this.#imports.push((out) => {
      out.name(module);
      out.name(name);
      out.byte(KIND.memory);
      writeLimits(out, limits);
    });
    return this.#memories++;
  }

  importTable(module: string, name: string, limits: Limits): number {
    assert(this.#tables.length === 0, 'imported tables come first');
    this.#imports.push((out) => {
      out.name(module);
      out.name(name);
      out.byte(KIND.table);
      out.byte(FUNCREF);
      writeLimits(out, limits);
    });
    return this.#importedTables++;
  }

  memory(limits: Limits): number {
    assert(!this.#ownMemory, 'one memory of its own is enough');
    this.#ownMemory = limits;
    return this.#memories++;
  }

  table(limits: Limits): number {
    return this.#importedTables + this.#tables.push(limits) - 1;
  }

  /** Reserves a function; its body may be written later. Returns its index. */
  declare(name: string, params: FunctionType['params'], results: FunctionType['results']): number {
    this.#functions.push({ type: this.type(params, results), name });
    return this.#importedFunctions + this.#functions.length - 1;
  }

  /** `room`: how many bytes its code may have before memory is allocated again. */
  body(index: number, room?: number): FunctionBody {
    const entry = this.#functions[index - this.#importedFunctions];
    assert(entry, `function ${index}`);
    entry.body ??= new FunctionBody(this.#types[entry.type]!.params, room);
    return entry.body;
  }

  exportFunction(name: string, index: number): void {
    this.#exports.push({ name, kind: KIND.function, index });
  }

  exportTable(name: string, index: number): void {
    this.#exports.push({ name, kind: KIND.table, index });
  }

  exportMemory(name: string, index: number): void {
    this.#exports.push({ name, kind: KIND.memory, index });
  }

  elements(table: number, offset: number, functions: readonly number[]): void {
    this.#elements.push({ table, offset, functions });
  }

  /** The module's bytes. `names`: with a name section, so that stack traces and profiles tell functions apart. */
  finish(options: { readonly names?: boolean } = {}): Uint8Array<ArrayBuffer> {
    const out = new ByteWriter(0x10000);
    out.raw(Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00));
    section(out, SECTION.type, this.#types, (to, type) => {
      to.byte(0x60);
      to.u32(type.params.length);
      for (const param of type.params) to.byte(valueTypes[param]);
      to.u32(type.results.length);
      for (const result of type.results) to.byte(valueTypes[result]);
    });
    section(out, SECTION.import, this.#imports, (to, write) => write(to));
    section(out, SECTION.function, this.#functions, (to, { type }) => to.u32(type));
    section(out, SECTION.table, this.#tables, (to, limits) => {
      to.byte(FUNCREF);
      writeLimits(to, limits);
    });
    section(out, SECTION.memory, this.#ownMemory ? [this.#ownMemory] : [], writeLimits);
    section(out, SECTION.export, this.#exports, (to, { name, kind, index }) => {
      to.name(name);
      to.byte(kind);
      to.u32(index);
    });
    section(out, SECTION.element, this.#elements, writeElements);
    this.#writeHints(out);
    section(out, SECTION.code, this.#functions, (to, { body, name }) => {
      assert(body, `function ${name} has no body`);
      const { bytes } = body.finish();
      to.u32(bytes.length);
      to.raw(bytes);
    });
    if (options.names) this.#writeNames(out);
    return out.bytes().slice();
  }

  /** Branch hinting proposal: custom section `metadata.code.branch_hint`, before the code section; offsets count from the function's first byte (its locals). */
  #writeHints(out: ByteWriter): void {
    const hinted = this.#functions
      .map(({ body }, i) => ({ body, index: this.#importedFunctions + i }))
      .filter(({ body }) => body && body.hints.length > 0);
    if (hinted.length === 0) return;
    const to = new ByteWriter();
    to.name('metadata.code.branch_hint');
    to.u32(hinted.length);
    for (const { body, index } of hinted) {
      const { start } = body!.finish();
      to.u32(index);
      to.u32(body!.hints.length);
      for (const [offset, likely] of body!.hints) {
        to.u32(start + offset);
        to.u32(1);
        to.byte(likely);
      }
    }
    writeSection(out, SECTION.custom, to);
  }

  #writeNames(out: ByteWriter): void {
    const map = new ByteWriter();
    map.u32(this.#functions.length);
    this.#functions.forEach(({ name }, i) => {
      map.u32(this.#importedFunctions + i);
      map.name(name);
    });
    const to = new ByteWriter();
    to.name('name');
    to.byte(1); // function names
    to.u32(map.length);
    to.raw(map.bytes());
    writeSection(out, SECTION.custom, to);
  }
}

function section<T>(out: ByteWriter, id: number, items: readonly T[], write: (out: ByteWriter, item: T) => void): void {
  if (items.length === 0) return;
  const content = new ByteWriter();
  content.u32(items.length);
  for (const item of items) write(content, item);
  writeSection(out, id, content);
}

function writeSection(out: ByteWriter, id: number, content: ByteWriter): void {
  out.byte(id);
  out.u32(content.length);
  out.raw(content.bytes());
}

function writeLimits(out: ByteWriter, { minimum, maximum, shared }: Limits): void {
  out.byte((maximum === undefined ? 0 : 1) | (shared ? 2 : 0));
  out.u32(minimum);
  if (maximum !== undefined) out.u32(maximum);
}

function writeElements(out: ByteWriter, { table, offset, functions }: { table: number; offset: number; functions: readonly number[] }): void {
  // Flags 0: table 0; flags 2: a table index and an element kind (function references).
  out.u32(table === 0 ? 0 : 2);
  if (table !== 0) out.u32(table);
  out.byte(0x41);
  out.s32(offset);
  out.byte(0x0b);
  if (table !== 0) out.byte(0);
  out.u32(functions.length);
  for (const index of functions) out.u32(index);
}
