/** The thread that translates: regions in, WebAssembly modules out. Its code is compiled here too, so that the processor's thread only has to put it in place. */
import { setFlagsFromString } from 'node:v8';
import { type MessagePort, workerData } from 'node:worker_threads';
import { compileRegions } from '../accel/wasm/region-compiler.ts';
import type { EffectsTable } from '../cpu/isa/effects-table.ts';
import { deriveInstructions } from '../cpu/isa/handlers.ts';
import { encodings } from '../cpu/isa/index.ts';
import type { Region } from '../cpu/jit/region.ts';
import { standBack } from './thread-priority.node.ts';

export interface TranslatorData {
  readonly port: MessagePort;
  readonly effects: EffectsTable | undefined;
}

standBack();
// Otherwise V8 puts compiling off to the first call, on the processor's thread.
setFlagsFromString('--no-wasm-lazy-compilation');

const { port, effects } = workerData as TranslatorData;
const { handlers } = deriveInstructions(encodings, effects);
port.on('message', (regions: readonly Region[]) => {
  // How soon V8's second compiler follows, whose code is four times as fast and whose work is twenty times as much: wide regions are hot, others may be.
  setFlagsFromString(`--wasm-tiering-budget=${regions[0]?.wide ? 60_000 : 300_000}`);
  port.postMessage(compileRegions(regions, handlers));
});
