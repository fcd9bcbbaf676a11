import type { Accelerator } from '../accelerator.ts';
import { WasmEngine } from './engine.ts';
import type { EngineBinaries } from './engine.ts';
import { WasmVcpu } from './vcpu.ts';

/** The CPU in WebAssembly: an interpreter of decoded instructions. */
export function createWasmAccelerator(binaries: EngineBinaries): Accelerator {
  const engine = new WasmEngine(binaries);
  return { kind: 'wasm', createVcpu: (options) => new WasmVcpu(engine, options) };
}
