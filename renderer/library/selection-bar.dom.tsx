import { FolderInput, Pause, Play, Plug, Power, Tag, Trash2, X } from 'lucide-react';
import { useStore } from 'zustand';
import type { LibraryMethods } from '../../vmm/protocol/methods.ts';
import { libraryMethods } from '../../vmm/protocol/methods.ts';
import type { VmSummary } from '../../vmm/protocol/shared.ts';
import type { VmState } from '../../vmm/protocol/states.ts';
import { useText } from '../i18n/i18n.ts';
import { useApp, useLibrary } from '../state/context.dom.tsx';
import { Button, IconButton } from '../ui/button.dom.tsx';
import * as organise from './organise.dom.ts';

const possible = (method: keyof LibraryMethods) => {
  const states: readonly VmState[] | undefined = 'when' in libraryMethods[method] ? libraryMethods[method].when : undefined;
  return (vm: VmSummary) => states?.includes(vm.state) ?? true;
};

/** What can be done to all marked machines at once; each button acts on those it can act on. */
export function SelectionBar() {
  const app = useApp();
  const t = useText();
  const selection = useStore(app.transient, (s) => s.selection);
  const vms = useLibrary((s) => s.vms);
  const marked = [...selection].flatMap((id) => vms.get(id) ?? []);
  if (marked.length === 0) return null;
  const run = (work: Promise<unknown>) => void work.catch((error: unknown) => app.reportError(error));
  const those = (method: keyof LibraryMethods) => marked.filter(possible(method));
  const tools = [
    { id: 'start', icon: Play, title: t('command.start'), on: those('vm.start'), run: (all: VmSummary[]) => run(organise.startAll(app, all)) },
    {
      id: 'pause',
      icon: Pause,
      title: t('command.pause'),
      on: those('vm.pause'),
      run: (all: VmSummary[]) => run(organise.callAll(app, all, 'vm.pause')),
    },
    {
      id: 'resume',
      icon: Play,
      title: t('command.resume'),
      on: those('vm.resume'),
      run: (all: VmSummary[]) => run(organise.callAll(app, all, 'vm.resume')),
    },
    {
      id: 'button',
      icon: Power,
      title: t('command.powerButton'),
      on: those('vm.powerButton'),
      run: (all: VmSummary[]) => run(organise.callAll(app, all, 'vm.powerButton')),
    },
    { id: 'off', icon: Plug, title: t('command.powerOff'), on: those('vm.powerOff'), run: (all: VmSummary[]) => organise.powerOffAll(app, all) },
    { id: 'folder', icon: FolderInput, title: t('command.moveToFolder'), on: marked, run: (all: VmSummary[]) => organise.moveToFolder(app, all) },
    { id: 'tags', icon: Tag, title: t('command.editTags'), on: marked, run: (all: VmSummary[]) => organise.editTags(app, all) },
    { id: 'trash', icon: Trash2, title: t('command.delete'), on: those('vm.delete'), run: (all: VmSummary[]) => run(organise.deleteAll(app, all)) },
  ];
  return (
    <div className="selection-bar" role="toolbar" aria-label={t('select.label')}>
      <IconButton icon={X} size="s" label={t('select.none')} onPress={() => app.transient.setState({ selection: new Set() })} />
      <span className="selection-count">{t('select.count', { count: marked.length })}</span>
      <span className="spring" />
      {tools
        .filter(({ on }) => on.length > 0)
        .map(({ id, icon, title, on, run: does }) => (
          <Button key={id} kind="quiet" size="s" icon={icon} onPress={() => does(on)}>
            {title}
          </Button>
        ))}
    </div>
  );
}
