/** Order in the library, for one machine or many: folders, tags, what starts by itself, what shows no picture. */
import { Folder, FolderPlus, House, Tag as TagIcon } from 'lucide-react';
import type { VmConfigInput } from '../../vmm/protocol/config.ts';
import type { VmSummary } from '../../vmm/protocol/shared.ts';
import { stopped } from '../../vmm/protocol/states.ts';
import { callVm, type SimpleCall } from '../commands/actions.dom.ts';
import { translate } from '../i18n/i18n.ts';
import type { App } from '../state/app.dom.ts';
import { closeTab, machineTabId } from '../state/layout-store.ts';
import { foldersOf, tagsOf } from './arrange.ts';

/** Does something to each; what goes wrong with one does not stop the others and is told. */
export async function forEach(app: App, vms: readonly VmSummary[], work: (vm: VmSummary) => Promise<unknown>): Promise<void> {
  await Promise.all(vms.map((vm) => work(vm).catch((error: unknown) => app.reportError(error, vm))));
}

const configure = (app: App, vm: VmSummary, changes: Partial<VmConfigInput>) => app.client.call('vm.configure', { vm: vm.id, changes });

/** Asks for a folder: those there are, the top level, or a new one by typing its name. */
export function moveToFolder(app: App, vms: readonly VmSummary[]): void {
  const move = (folder: string) => void forEach(app, vms, (vm) => configure(app, vm, { folder }));
  const known = foldersOf(app.library.getState().vms.values());
  app.transient.setState({
    palette: {
      title: translate('folder.move', { count: vms.length }),
      placeholder: translate('folder.type'),
      picks: [
        { id: 'top', title: translate('folder.top'), icon: House, run: () => move('') },
        ...known.map((folder) => ({ id: `folder:${folder}`, title: folder, icon: Folder, run: () => move(folder) })),
      ],
      fromText: (text) => {
        const folder = text
          .split('/')
          .map((part) => part.trim())
          .filter((part) => part !== '')
          .join('/');
        if (folder === '' || known.includes(folder)) return undefined;
        return { id: 'new', title: translate('folder.new', { name: folder }), icon: FolderPlus, run: () => move(folder) };
      },
    },
  });
}

/** Gives a folder, with the folders in it, another name. */
export function renameFolder(app: App, folder: string): void {
  const inside = [...app.library.getState().vms.values()].filter((vm) => vm.folder === folder || vm.folder.startsWith(`${folder}/`));
  const rename = (to: string) =>
    void forEach(app, inside, (vm) =>
      configure(app, vm, { folder: [to, vm.folder.slice(folder.length + 1)].filter((part) => part !== '').join('/') }),
    );
  app.transient.setState({
    palette: {
      title: translate('folder.rename', { name: folder }),
      placeholder: translate('folder.type'),
      picks: [{ id: 'top', title: translate('folder.dissolve'), icon: House, run: () => rename('') }],
      fromText: (text) => ({ id: 'new', title: translate('folder.renameTo', { name: text }), icon: FolderPlus, run: () => rename(text) }),
    },
  });
}

/** Adds a tag to all of them, or takes it from all where each has it. */
export function editTags(app: App, vms: readonly VmSummary[]): void {
  const toggle = (tag: string) => {
    const remove = vms.every((vm) => vm.tags.includes(tag));
    void forEach(app, vms, (vm) => configure(app, vm, { tags: remove ? vm.tags.filter((one) => one !== tag) : [...new Set([...vm.tags, tag])] }));
  };
  const known = tagsOf(app.library.getState().vms.values());
  app.transient.setState({
    palette: {
      title: translate('tags.edit', { count: vms.length }),
      placeholder: translate('tags.type'),
      picks: known.map(([tag]) => ({
        id: `tag:${tag}`,
        title: tag,
        detail: translate(vms.every((vm) => vm.tags.includes(tag)) ? 'tags.takeAway' : 'tags.add'),
        icon: TagIcon,
        run: () => toggle(tag),
      })),
      fromText: (text) =>
        known.some(([tag]) => tag === text)
          ? undefined
          : { id: 'new', title: translate('tags.new', { name: text }), icon: TagIcon, run: () => toggle(text.slice(0, 64)) },
    },
  });
}

export const setPrivate = (app: App, vms: readonly VmSummary[], hidden: boolean) =>
  forEach(app, vms, (vm) => configure(app, vm, { private: hidden }));
export const setAutostart = (app: App, vms: readonly VmSummary[], on: boolean) => forEach(app, vms, (vm) => configure(app, vm, { autostart: on }));

export const callAll = (app: App, vms: readonly VmSummary[], method: SimpleCall) => forEach(app, vms, (vm) => callVm(app, method, vm));
export const startAll = (app: App, vms: readonly VmSummary[]) => forEach(app, vms, (vm) => app.client.call('vm.start', { vm: vm.id }));

/** One question for all of them. */
export function powerOffAll(app: App, vms: readonly VmSummary[]): void {
  app.transient.setState({
    confirmation: {
      title: translate('confirm.powerOffAll.title', { count: vms.length }),
      body: vms.map((vm) => vm.name).join(', '),
      confirm: translate('confirm.powerOff.confirm'),
      cancel: translate('action.cancel'),
      run: () => void callAll(app, vms, 'vm.powerOff'),
    },
  });
}

/** All to the trash, with one undo for all. Machines that run stay. */
export async function deleteAll(app: App, vms: readonly VmSummary[]): Promise<void> {
  const undo: (() => Promise<unknown>)[] = [];
  await forEach(app, vms, async (vm) => {
    if (!stopped.includes(vm.state)) throw new Error(translate('error.stopFirst', { name: vm.name }));
    const { trashed } = await app.client.call('vm.delete', { vm: vm.id });
    undo.push(() =>
      trashed === undefined ? app.client.call('vm.open', { directory: vm.directory }) : app.client.call('trash.restore', { id: trashed }),
    );
    app.layout.setState((layout) => closeTab(layout, machineTabId(vm.id)), true);
  });
  app.transient.setState({ selection: new Set() });
  if (undo.length === 0) return;
  app.notices.show({
    tone: 'info',
    title: translate('notice.deletedAll', { count: undo.length }),
    action: {
      title: translate('action.undo'),
      run: () => void Promise.all(undo.map((one) => one())).catch((error: unknown) => app.reportError(error)),
    },
  });
}

export const canStart = (vm: VmSummary): boolean => stopped.includes(vm.state);
