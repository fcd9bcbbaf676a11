/** A processor for instruction vectors: the engine's modules over a small RAM, without a board. */
import { engineModules } from '../../build/engine.node.ts';
import { generateInterpreter } from '../../vmm/cpu/bind/interp/module.ts';
import type { HelperFunctions } from '../../vmm/cpu/bind/oracle/oracle-machine.ts';
import { Oracle } from '../../vmm/cpu/bind/oracle/oracle.ts';
import { writeOpcodeTables } from '../../vmm/cpu/decode/tables.ts';
import { deriveInstructions } from '../../vmm/cpu/isa/handlers.ts';
import { encodings } from '../../vmm/cpu/isa/index.ts';
import * as L from '../../vmm/cpu/layout.ts';
import { writeModel } from '../../vmm/cpu/models/cpuid.ts';
import { cpuModel } from '../../vmm/cpu/models/models.ts';
import { resetState, writeCpuState } from '../../vmm/cpu/state.ts';
import type { CpuState } from '../../vmm/cpu/state.ts';

export type Binding = 'oracle' | 'interp';
export const RAM_BYTES = 0x400000;

export interface Processor {
  readonly core: DataView;
  readonly ram: Uint8Array;
  /** The power-on state, to be changed and loaded. */
  initialState(): CpuState;
  load(state: CpuState): void;
  eflags(): number;
  /** Executes `instructions`; a fault ends it at once, undelivered, unless `deliver`. The vector, or -1. */
  run(instructions: number, deliver: boolean): number;
}

export async function createProcessor(binding: Binding): Promise<Processor> {
  const modules = await engineModules();
  const pages = RAM_BYTES / 65536;
  const coreMemory = new WebAssembly.Memory({ initial: L.CORE_MEMORY_PAGES, maximum: L.CORE_MEMORY_PAGES });
  const ramMemory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const memory = { core: coreMemory, ram: ramMemory };
  const core = new DataView(coreMemory.buffer);
  const guestMemory = new WebAssembly.Instance(new WebAssembly.Module(modules.guestMemory), { memory });
  const systemModule = new WebAssembly.Module(modules.system);
  const imports: Record<string, Record<string, WebAssembly.ImportValue>> = {};
  for (const { module, name, kind } of WebAssembly.Module.imports(systemModule)) {
    const group = (imports[module] ??= {});
    if (kind === 'memory') group[name] = coreMemory;
    else group[name] = guestMemory.exports[name] ?? ((...args: unknown[]) => (name.includes('apic_base') ? 0n : args.length * 0));
  }
  const system = new WebAssembly.Instance(systemModule, imports).exports as unknown as HelperFunctions;
  const instructions = deriveInstructions(encodings);
  writeOpcodeTables(core, instructions, () => true);
  const model = cpuModel('max');
  writeModel(core, model, 0, 1);
  for (let page = 0; page < RAM_BYTES >> 12; page++) core.setUint32(L.PHYSICAL_PAGES + page * 4, (page << 12) | L.PAGE_READ | L.PAGE_WRITE, true);

  let delivers = false;
  let fault = -1;
  const helpers: HelperFunctions = {
    ...system,
    next_trace: () => {
      const vector = core.getInt32(L.FAULT_VECTOR, true);
      if (vector < 0 || delivers) return system['next_trace']!();
      fault = vector;
      return 0;
    },
  };
  let execute: () => void;
  if (binding === 'oracle') {
    const oracle = new Oracle(coreMemory, helpers, instructions.handlers);
    execute = () => oracle.run();
  } else {
    const bytes = generateInterpreter(instructions.handlers, { ramPages: { minimum: pages, maximum: pages } });
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { memory, system: helpers as WebAssembly.ModuleImports });
    execute = instance.exports['run'] as () => void;
  }
  return {
    core,
    ram: new Uint8Array(ramMemory.buffer),
    initialState: () => resetState(model, 0),
    load: (state) => {
      writeCpuState(core, state);
      system['state_loaded']!();
      system['drop_all_code']!();
    },
    eflags: () => system['get_eflags']!() as number,
    run: (count, deliver) => {
      delivers = deliver;
      fault = -1;
      core.setInt32(L.CURRENT_UOP, 0, true);
      core.setInt32(L.LINK_FROM, 0, true);
      core.setInt32(L.LEFT, count, true);
      core.setBigInt64(L.SLICE_END, BigInt(count), true);
      execute();
      return fault;
    },
  };
}
