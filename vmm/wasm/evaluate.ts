/**
 * Constant folding of float and vector instructions: each is run once, in a tiny module of its own, on the constants given. So a folded value is
 * by construction what the generated code would compute on this host.
 */
import { Node, constant, isConstant, typeOf, widthOf } from './expression.ts';
import type { Expression } from './expression.ts';
import { ModuleWriter } from './module-writer.ts';
import type { WasmType } from './operators.ts';

const SLOT = 16;
const loadOf = { i32: 'i32.load', i64: 'i64.load', f32: 'f32.load', f64: 'f64.load', v128: 'v128.load' } as const;
const storeOf = { i32: 'i32.store', i64: 'i64.store', f32: 'f32.store', f64: 'f64.store', v128: 'v128.store' } as const;

interface Evaluator {
  readonly memory: DataView;
  run(): void;
}

// One compiled evaluator per instruction (with its immediates): a pure function, so it may be shared.
const evaluators = new Map<string, Evaluator>();

/** The value of a node whose arguments are all constants, as a number, bigint or constant node. */
export function evaluate(node: Node): Expression {
  const key = `${node.op} ${String(node.immediate)}`;
  let evaluator = evaluators.get(key);
  if (!evaluator) evaluators.set(key, (evaluator = compile(node)));
  const { memory } = evaluator;
  node.args.forEach((arg, i) => writeBits(memory, i * SLOT, arg));
  evaluator.run();
  return readBits(memory, node.type);
}

export function allConstant(args: readonly Expression[]): boolean {
  return args.every(isConstant);
}

function compile(node: Node): Evaluator {
  const writer = new ModuleWriter();
  const memory = writer.memory({ minimum: 1 });
  const run = writer.declare('run', [], []);
  const body = writer.body(run);
  const args = node.args.map((arg, i) => body.load(loadOf[typeOf(arg)], i * SLOT));
  body.store(storeOf[node.type], 0, new Node(node.type, node.op, args, node.immediate));
  writer.exportFunction('run', run);
  writer.exportMemory('memory', memory);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(writer.finish()));
  return { memory: new DataView((exports['memory'] as WebAssembly.Memory).buffer), run: exports['run'] as () => void };
}

function writeBits(memory: DataView, at: number, value: Expression): void {
  if (typeof value === 'number') return memory.setInt32(at, value, true);
  const bits = typeof value === 'bigint' ? value : (value.immediate as bigint);
  memory.setBigUint64(at, BigInt.asUintN(64, bits), true);
  memory.setBigUint64(at + 8, bits >> 64n, true);
}

function readBits(memory: DataView, type: WasmType): Expression {
  if (type === 'i32') return memory.getInt32(0, true);
  const low = memory.getBigUint64(0, true);
  if (type === 'i64') return low;
  return constant(type, BigInt.asUintN(widthOf(type), low | (memory.getBigUint64(8, true) << 64n)));
}
