/** Regions as a WebAssembly module: exports `r0`, `r1`, ... one for each. Imports what the interpreter's instance offers and the helpers they call. */
import { assert } from '../../../base/errors.ts';
import { ModuleWriter } from '../../../wasm/module-writer.ts';
import type { Handler } from '../../isa/handlers.ts';
import { helpers } from '../../isa/helpers.ts';
import type { Region } from '../../jit/region.ts';
import { CORE_MEMORY_PAGES } from '../../layout.ts';
import { inliningOf } from './inlining.ts';
import { writeRegion } from './region-writer.ts';
import { HANDLERS_RESERVED } from '../../decode/form-layout.ts';
import { UOP_HANDLER, UOP_SIZE } from '../../uop.ts';

const RAM_PAGES = { minimum: 1, maximum: 65536, shared: true };
/** Bytes of WebAssembly for a byte of micro-ops: most regions have less. */
const CODE_RATIO = 3;
/** Called by JitMemory. */
const MEMORY_HELPERS = ['seg_check', 'load_slow', 'store_slow', 'prepare_write', 'load_block', 'store_block'];

export function translateRegions(regions: readonly Region[], handlers: readonly Handler[]): Uint8Array<ArrayBuffer> {
  const writer = new ModuleWriter();
  writer.importMemory('memory', 'core', { minimum: CORE_MEMORY_PAGES, maximum: CORE_MEMORY_PAGES });
  writer.importMemory('memory', 'ram', RAM_PAGES);
  const handlerTable = writer.importTable('engine', 'handlers', { minimum: 1 });
  const dispatch = writer.importFunction('engine', 'dispatch', [], ['i32']);
  const leave = writer.importFunction('engine', 'leave', ['i64', 'i32', 'i64'], ['i32']);
  const hotTrace = writer.importFunction('engine', 'hot_trace', ['i32'], []);
  const functions = new Map<string, number>();
  for (const name of helpersOf(regions, handlers)) {
    const { params, result } = helpers[name]!;
    functions.set(name, writer.importFunction('system', name, params, result ? [result] : []));
  }
  const helper = (name: string): number => {
    const index = functions.get(name);
    assert(index !== undefined, `helper ${name} is not imported`);
    return index;
  };
  const imports = { function: helper, dispatch, leave, hotTrace, handlerType: writer.type(['i32'], ['i32']), handlerTable };
  regions.forEach((region, i) => {
    const index = writer.declare(`region ${region.key.toString(16)}`, [], ['i32']);
    writer.exportFunction(`r${i}`, index);
    writeRegion(writer.body(index, region.code.length * CODE_RATIO), region, handlers, imports);
  });
  return writer.finish({ names: true });
}

function helpersOf(regions: readonly Region[], handlers: readonly Handler[]): Set<string> {
  const names = new Set<string>();
  for (const { code } of regions) {
    const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
    for (let at = 0; at < code.length; at += UOP_SIZE) {
      const handler = handlers[view.getUint16(at + UOP_HANDLER, true) - HANDLERS_RESERVED];
      if (!handler) continue;
      const { treatment, calls } = inliningOf(handler);
      if (treatment !== 'inline' || !calls) continue;
      for (const name of handler.effects.helpers) names.add(name);
      if (handler.effects.memory || handler.effects.stack) for (const name of MEMORY_HELPERS) names.add(name);
    }
  }
  return names;
}
