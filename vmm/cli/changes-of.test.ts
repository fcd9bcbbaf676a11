import { changesOf } from './library-commands.node.ts';

const config = { memory: 64, cpu: { model: '486', count: 1 }, tags: [] };

it.each([
  [['memory=128'], { memory: 128 }],
  [['name=My PC'], { name: 'My PC' }],
  [['notes='], { notes: null }],
  [['cpu.count=2'], { cpu: { model: '486', count: 2 } }],
  [['cpu.count=2', 'cpu.model=pentium'], { cpu: { model: 'pentium', count: 2 } }],
  [['cpu.model='], { cpu: { count: 1 } }],
  [['tags=["a","b"]'], { tags: ['a', 'b'] }],
  [['kernel.file=vmlinuz'], { kernel: { file: 'vmlinuz' } }],
])('%j', (settings, changes) => {
  expect(changesOf(config, settings)).toEqual(changes);
});

it('wants name=value', () => {
  expect(() => changesOf(config, ['memory'])).toThrow('"memory" must be name=value');
});
