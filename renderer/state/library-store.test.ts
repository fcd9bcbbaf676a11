import { FakeLibrary } from '../fake/fake-library.ts';
import { createLibraryStore, followLibrary } from './library-store.ts';

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
