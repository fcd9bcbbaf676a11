import { evaluate } from './evaluate.ts';
import { Node, constant, node, untypedNode } from './expression.ts';
import { Label } from './function-body.ts';
import { ModuleWriter } from './module-writer.ts';
import { operators } from './operators.ts';

function instantiate(writer: ModuleWriter, imports: WebAssembly.Imports = {}): Record<string, (...args: unknown[]) => unknown> {
  return new WebAssembly.Instance(new WebAssembly.Module(writer.finish({ names: true })), imports).exports as never;
}

test('expressions, locals and loops compute', () => {
  const writer = new ModuleWriter();
  const sum = writer.declare('sum', ['i32'], ['i64']);
  const body = writer.body(sum);
  const count = body.param(0, 'i32');
  const total = body.local('i64');
  body.loop((start) => {
    body.set(total, node('i64.add', total.get(), node('i64.extend_i32_u', count.get())));
    body.set(count, node('i32.sub', count.get(), 1));
    body.brIf(start, count.get(), true);
  });
  body.push(total.get());
  writer.exportFunction('sum', sum);
  expect(instantiate(writer)['sum']!(100)).toBe(5050n);
});

test('br_table, call_indirect and tail calls reach their targets', () => {
  const writer = new ModuleWriter();
  const type = writer.type(['i32'], ['i32']);
  const table = writer.table({ minimum: 2, maximum: 2 });
  const double = writer.declare('double', ['i32'], ['i32']);
  const negate = writer.declare('negate', ['i32'], ['i32']);
  const pick = writer.declare('pick', ['i32', 'i32'], ['i32']);
  for (const [index, op, value] of [
    [double, 'i32.mul', 2],
    [negate, 'i32.mul', -1],
  ] as const) {
    const body = writer.body(index);
    body.push(node(op, body.param(0, 'i32').get(), value));
  }
  writer.elements(table, 0, [double, negate]);
  const body = writer.body(pick);
  const labels = [new Label(), new Label()];
  const otherwise = new Label();
  const [which, value] = [body.param(0, 'i32'), body.param(1, 'i32')];
  for (const label of [otherwise, ...labels]) body.open(label);
  body.brTable(which.get(), labels, otherwise);
  body.end(labels[1]!);
  body.callIndirect(type, 0, [value.get()], table);
  body.return(node('i32.add', body.pop('i32'), 1000));
  body.end(labels[0]!);
  body.returnCallIndirect(type, 1, [value.get()], table);
  body.end(otherwise);
  body.push(-1);
  writer.exportFunction('pick', pick);
  const exports = instantiate(writer);
  expect([0, 1, 2].map((which) => exports['pick']!(which, 21))).toEqual([-21, 1042, -1]);
});

test('two memories are kept apart', () => {
  const writer = new ModuleWriter();
  writer.importMemory('m', 'a', { minimum: 1 });
  writer.importMemory('m', 'b', { minimum: 1, maximum: 1, shared: true });
  const move = writer.declare('move', ['i32'], []);
  const body = writer.body(move);
  const at = body.param(0, 'i32');
  body.store('i32.store', at.get(), body.load('i32.load', at.get(), 4, 1), 8, 0);
  body.copy(100, 0, 8, 1, 0);
  writer.exportFunction('move', move);
  const a = new WebAssembly.Memory({ initial: 1 });
  const b = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  new DataView(b.buffer).setUint32(20, 0xdeadbeef, true);
  new DataView(a.buffer).setUint32(4, 77, true);
  instantiate(writer, { m: { a, b } })['move']!(16);
  expect(new DataView(a.buffer).getUint32(24, true)).toBe(0xdeadbeef);
  expect(new DataView(b.buffer).getUint32(104, true)).toBe(77);
});

test('hints, vectors and selects validate', () => {
  const writer = new ModuleWriter();
  const f = writer.declare('f', ['i32'], ['i32']);
  const body = writer.body(f);
  const x = body.param(0, 'i32');
  body.if(x.get(), () => body.return(1), undefined, false);
  const vector = body.let('v128', node('i8x16.add', constant('v128', 0x0102n), constant('v128', 0x0101n)));
  const chosen = new Node('v128', 'select', [vector, constant('v128', 0n), 1]);
  const shuffled = new Node('v128', 'i8x16.shuffle', [chosen, chosen], [1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
  body.push(new Node('i32', 'i16x8.extract_lane_u', [shuffled], 0));
  writer.exportFunction('f', f);
  expect(instantiate(writer)['f']!(0)).toBe(0x0302);
});

test('folding gives what the instruction gives', () => {
  expect(evaluate(node('f64.add', constant('f64', 0x3ff0000000000000n), constant('f64', 0x4000000000000000n)))).toEqual(
    constant('f64', 0x4008000000000000n),
  );
  expect(evaluate(node('i32x4.add', constant('v128', 5n), constant('v128', (1n << 96n) + 6n)))).toEqual(constant('v128', (1n << 96n) + 11n));
  expect(evaluate(node('i64.reinterpret_f64', constant('f64', 0xfff8000000000123n)))).toBe(0xfff8000000000123n);
});

test('every instruction of the tables validates', () => {
  for (const [name, { params, result }] of operators) {
    const zero = { i32: 1, i64: 1n, f32: constant('f32', 0n), f64: constant('f64', 0n), v128: constant('v128', 1n) };
    const value = evaluate(
      untypedNode(
        name,
        params.map((type) => zero[type]),
      ),
    );
    expect(typeof value === 'number' ? 'i32' : typeof value === 'bigint' ? 'i64' : value.type).toBe(result);
  }
});
