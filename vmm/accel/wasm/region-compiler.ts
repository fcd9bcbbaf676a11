/** What makes WebAssembly modules of regions: on the spot, or another thread. */
import { translateRegions } from '../../cpu/bind/jit/module.ts';
import type { Handler } from '../../cpu/isa/handlers.ts';
import type { Region } from '../../cpu/jit/region.ts';
import { nameOf } from './translator.ts';

export interface CompiledRegions {
  readonly module: WebAssembly.Module;
  /** Names of the regions exported as r0, r1, ... */
  readonly regions: readonly string[];
  /** Size of the module. */
  readonly bytes: number;
}

export interface RegionCompiler {
  /** What is submitted can be taken at once. */
  readonly immediate: boolean;
  submit(regions: readonly Region[]): void;
  take(): CompiledRegions | undefined;
}

export function compileRegions(regions: readonly Region[], handlers: readonly Handler[]): CompiledRegions {
  const bytes = translateRegions(regions, handlers);
  return { module: new WebAssembly.Module(bytes), regions: regions.map(nameOf), bytes: bytes.length };
}

/** Compiles on the processor's own thread. */
export class ImmediateCompiler implements RegionCompiler {
  readonly immediate = true;
  readonly #handlers: readonly Handler[];
  readonly #done: CompiledRegions[] = [];

  constructor(handlers: readonly Handler[]) {
    this.#handlers = handlers;
  }

  submit(regions: readonly Region[]): void {
    this.#done.push(compileRegions(regions, this.#handlers));
  }

  take(): CompiledRegions | undefined {
    return this.#done.shift();
  }
}
