import type { Accelerator } from '../accelerator.ts';
import type { Handler } from '../../cpu/isa/handlers.ts';
import { WasmEngine } from './engine.ts';
import type { EngineBinaries } from './engine.ts';
import type { RegionCompiler } from './region-compiler.ts';
import { WasmVcpu } from './vcpu.ts';

/** The CPU in WebAssembly: an interpreter of decoded instructions, and with a compiler (one for each processor) hot code is translated. */
export function createWasmAccelerator(binaries: EngineBinaries, compiler?: (handlers: readonly Handler[]) => RegionCompiler): Accelerator {
  const engine = new WasmEngine(binaries);
  return { kind: 'wasm', createVcpu: (options) => new WasmVcpu(engine, options, compiler?.(engine.instructions.handlers)) };
}
