import { writeOpcodeTables } from '../../cpu/decode/tables.ts';
import type { EffectsTable } from '../../cpu/isa/effects-table.ts';
import { deriveInstructions } from '../../cpu/isa/handlers.ts';
import type { Instructions } from '../../cpu/isa/handlers.ts';
import { encodings } from '../../cpu/isa/index.ts';
import type { CpuModel } from '../../cpu/models/models.ts';

/** The compiled parts of the engine: dist/engine/* (build/engine.node.ts makes them). */
export interface EngineBinaries {
  readonly guestMemory: Uint8Array<ArrayBuffer>;
  readonly system: Uint8Array<ArrayBuffer>;
  readonly interpreter: Uint8Array<ArrayBuffer>;
  /** Absent: found out again. */
  readonly effects?: EffectsTable;
}

/** What the interpreter exports (bind/interp/module.ts). */
export interface InterpreterExports {
  readonly run: () => void;
  readonly dispatch: () => number;
  readonly leave: (wayOut: bigint, left: number, ripPage: bigint) => number;
  readonly handlers: WebAssembly.Table;
  readonly regions: WebAssembly.Table;
}

/** The engine's modules, compiled once and instantiated for every vCPU. */
export class WasmEngine {
  readonly guestMemory: WebAssembly.Module;
  readonly system: WebAssembly.Module;
  readonly interpreter: WebAssembly.Module;
  readonly instructions: Instructions;

  constructor(binaries: EngineBinaries) {
    this.guestMemory = new WebAssembly.Module(binaries.guestMemory);
    this.system = new WebAssembly.Module(binaries.system);
    this.interpreter = new WebAssembly.Module(binaries.interpreter);
    this.instructions = deriveInstructions(encodings, binaries.effects);
  }

  /** Opcodes that the model lacks are invalid. */
  writeTables(core: DataView, model: CpuModel): void {
    const features: ReadonlySet<string> = model.features;
    writeOpcodeTables(core, this.instructions, (feature) => features.has(feature));
  }
}
