import { writeOpcodeTables } from '../../cpu/decode/tables.ts';
import { generateInterpreter } from '../../cpu/bind/interp/module.ts';
import { deriveInstructions } from '../../cpu/isa/handlers.ts';
import type { Instructions } from '../../cpu/isa/handlers.ts';
import { encodings } from '../../cpu/isa/index.ts';
import type { CpuModel } from '../../cpu/models/models.ts';

/** The compiled parts of the engine, as bytes: dist/engine/*.wasm (build/engine.node.ts makes them). */
export interface EngineBinaries {
  readonly guestMemory: Uint8Array<ArrayBuffer>;
  readonly system: Uint8Array<ArrayBuffer>;
}

/** What the loop of generated code exports. */
export interface InterpreterExports {
  readonly run: () => void;
}

/** WebAssembly pages a guest memory may have: one module serves machines of every size. */
const RAM_PAGES = { minimum: 1, maximum: 65536 };

/** The engine's modules, compiled once and instantiated for every vCPU. */
export class WasmEngine {
  readonly guestMemory: WebAssembly.Module;
  readonly system: WebAssembly.Module;
  readonly instructions: Instructions;
  #interpreter: WebAssembly.Module | undefined;

  constructor(binaries: EngineBinaries) {
    this.guestMemory = new WebAssembly.Module(binaries.guestMemory);
    this.system = new WebAssembly.Module(binaries.system);
    this.instructions = deriveInstructions(encodings);
  }

  /** Generated from the instruction texts on first use. */
  get interpreter(): WebAssembly.Module {
    this.#interpreter ??= new WebAssembly.Module(generateInterpreter(this.instructions.handlers, { ramPages: RAM_PAGES }));
    return this.#interpreter;
  }

  /** Opcodes that the model lacks are invalid. */
  writeTables(core: DataView, model: CpuModel): void {
    const features: ReadonlySet<string> = model.features;
    writeOpcodeTables(core, this.instructions, (feature) => features.has(feature));
  }
}
