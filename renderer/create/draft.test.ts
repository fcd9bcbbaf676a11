import type { JobInfo } from '../../vmm/protocol/shared.ts';
import { FakeLibrary } from '../fake/fake-library.ts';
import { App } from '../state/app.dom.ts';
import { changesOf, createDraft, fieldsOf } from './draft.ts';

const proposal = { name: 'FreeDOS', system: 'dos', memory: 32, cpu: { count: 1, model: '486' }, nics: [] };

it('shows the proposal, and sends only what was touched', () => {
  const fields = fieldsOf(proposal, true);
  expect(fields).toMatchObject({ name: 'FreeDOS', system: 'dos', memory: 32, cpus: 1, network: false, copy: true });
  expect(changesOf(proposal, fields)).toEqual({});
  expect(changesOf(proposal, { ...fields, memory: 64, cpus: 2, network: true })).toEqual({
    memory: 64,
    cpu: { count: 2, model: '486' },
    nics: [{ id: 'net0' }],
  });
});

async function setUp() {
  const library = new FakeLibrary();
  library.media.set('freedos.img', {
    medium: { kind: 'floppy', format: 'raw', bytes: 737_280, description: 'FreeDOS boot floppy', system: 'dos', bootable: true, warnings: [] },
    config: { name: 'FreeDOS', system: 'dos', memory: 32 },
  });
  library.media.set('empty.img', 'empty.img is empty: it has no bytes at all');
  const app = new App(library, {} as Document);
  await app.start();
  return { library, app };
}

it('goes from a dropped file to a running machine', async () => {
  const { library, app } = await setUp();
  const draft = createDraft('create:1', true);
  await draft.takeFile(new File(['x'], 'freedos.img'), library, app.client);
  expect(draft.store.getState()).toMatchObject({ phase: 'ready', medium: { kind: 'floppy' }, fields: { name: 'FreeDOS', memory: 32 } });
  const vm = await draft.create(app.client, true, app.waitForJob);
  expect(library.entries.get(vm)?.vm).toMatchObject({ name: 'FreeDOS', state: 'running' });
  app.stop();
});

it('says in one line what is wrong with a file', async () => {
  const { library, app } = await setUp();
  const draft = createDraft('create:1', true);
  await draft.takeFile(new File([], 'empty.img'), library, app.client);
  expect(draft.store.getState()).toMatchObject({ phase: 'failed', problem: 'empty.img is empty: it has no bytes at all' });
  app.stop();
});

it('stays a form when the machine cannot be made, with the reason', async () => {
  const { library, app } = await setUp();
  const draft = createDraft('create:1', true);
  await draft.takeFile(new File(['x'], 'freedos.img'), library, app.client);
  const failed: JobInfo = {
    id: 'j',
    title: '',
    state: 'failed',
    progress: null,
    cancellable: false,
    started: 0,
    error: { code: 7, kind: 'host', message: 'the disk is full' },
  };
  await expect(draft.create(app.client, true, () => Promise.resolve(failed))).rejects.toThrow('the disk is full');
  expect(draft.store.getState()).toMatchObject({ phase: 'ready', problem: 'the disk is full' });
  app.stop();
});

it('makes an empty machine', async () => {
  const { library, app } = await setUp();
  const draft = app.newDraft();
  draft.edit({ name: 'Blank', newDisk: 0 });
  const vm = await draft.create(app.client, false, app.waitForJob);
  expect(library.entries.get(vm)?.vm).toMatchObject({ name: 'Blank', state: 'off' });
  app.stop();
});
