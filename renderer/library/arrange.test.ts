import { FakeLibrary } from '../fake/fake-library.ts';
import { foldersOf, grouped, matches, tagsOf } from './arrange.ts';

describe('search', () => {
  const library = new FakeLibrary();
  const vm = library.add({ name: 'Système d’exploitation', system: 'linux', tags: ['école'], folder: 'Small' });

  it.each(['systeme', 'LINUX', 'ecole small', ''])('finds by %p', (query) => {
    expect(matches(vm, query)).toBe(true);
  });
  it.each([
    ['#ecole', true],
    ['#work', false],
    ['is:off', true],
    ['is:running', false],
  ])('%s -> %p', (query, found) => {
    expect(matches(vm, query)).toBe(found);
  });
  it('knows a system by its title', () => {
    expect(matches(vm, 'penguin', 'The penguin')).toBe(true);
  });
  it('wants every word', () => {
    expect(matches(vm, 'linux windows')).toBe(false);
  });
});

it('groups by folder, the top level first, names in natural order', () => {
  const library = new FakeLibrary();
  const vms = [
    library.add({ name: 'vm 10', folder: 'b' }),
    library.add({ name: 'vm 2', folder: 'b' }),
    library.add({ name: 'z' }),
    library.add({ name: 'a', folder: 'a' }),
  ];
  expect(grouped(vms, { query: '' }).map((group) => [group.folder, group.vms.map((vm) => vm.name)])).toEqual([
    ['', ['z']],
    ['a', ['a']],
    ['b', ['vm 2', 'vm 10']],
  ]);
});

it('sorts as asked, by name where that says nothing', () => {
  const library = new FakeLibrary();
  const vms = [
    library.add({ name: 'b', memory: 16 }, { lastStarted: 2, created: 1 }),
    library.add({ name: 'a', memory: 16 }, { lastStarted: 1, created: 2 }),
    library.add({ name: 'c', memory: 64 }, { state: 'running', lastStarted: 3, created: 3 }),
  ];
  const names = (sort: 'name' | 'used' | 'state' | 'memory') =>
    grouped(vms, { query: '', sort })[0]!
      .vms.map((vm) => vm.name)
      .join('');
  expect([names('name'), names('used'), names('state'), names('memory')]).toEqual(['abc', 'cba', 'cab', 'cab']);
});

it('shows what the server found, whatever it is called', () => {
  const vm = new FakeLibrary().add({ name: 'x' });
  expect(grouped([vm], { query: 'login' })).toEqual([]);
  expect(grouped([vm], { query: 'login', found: new Map([[vm.id, {}]]) })[0]!.vms).toEqual([vm]);
});

it('knows the folders, those around them, and the tags', () => {
  const library = new FakeLibrary();
  const vms = [library.add({ name: 'x', folder: 'Work/Old', tags: ['a'] }), library.add({ name: 'y', tags: ['b', 'a'] })];
  expect(foldersOf(vms)).toEqual(['Work', 'Work/Old']);
  expect(tagsOf(vms)).toEqual([
    ['a', 2],
    ['b', 1],
  ]);
});
