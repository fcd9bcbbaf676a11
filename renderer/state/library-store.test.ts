import { FakeLibrary } from '../fake/fake-library.ts';
import { createLibraryStore, followLibrary, grouped, matches } from './library-store.ts';

describe('search', () => {
  const library = new FakeLibrary();
  const vm = library.add({ name: 'Système d’exploitation', system: 'linux', tags: ['école'], folder: 'Small' });

  it.each(['systeme', 'LINUX', 'ecole small', ''])('finds by %p', (query) => {
    expect(matches(vm, query)).toBe(true);
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
  expect(grouped(vms, '').map((group) => [group.folder, group.vms.map((vm) => vm.name)])).toEqual([
    ['', ['z']],
    ['a', ['a']],
    ['b', ['vm 2', 'vm 10']],
  ]);
});

it('follows the server: everything once, then each change', async () => {
  const library = new FakeLibrary();
  const first = library.add({ name: 'first' });
  const store = createLibraryStore();
  const client = await library.openLibrary();
  await followLibrary(client, store);
  expect(store.getState().link).toBe('open');
  expect([...store.getState().vms.keys()]).toEqual([first.id]);

  const second = library.add({ name: 'second' });
  await client.call('vm.delete', { vm: first.id });
  await client.call('trash.list', {});
  expect([...store.getState().vms.keys()]).toEqual([second.id]);
  expect(store.getState().trash.map((vm) => vm.name)).toEqual(['first']);
  client.close();
});
