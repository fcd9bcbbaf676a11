import {
  AppWindow,
  Camera,
  CircleHelp,
  ClipboardPaste,
  Command as CommandIcon,
  Copy,
  EyeOff,
  FileUp,
  FolderInput,
  FolderOpen,
  GitFork,
  History,
  HardDrive,
  HardDriveUpload,
  House,
  Keyboard,
  ListChecks,
  Maximize,
  Monitor,
  Network,
  PanelLeft,
  PanelRight,
  Pause,
  Pencil,
  Play,
  Plug,
  Plus,
  Power,
  RotateCcw,
  Save,
  Scaling,
  ScrollText,
  Settings,
  SlidersHorizontal,
  SquareChevronRight,
  SquareTerminal,
  Sunrise,
  Tag,
  TextSelect,
  Trash2,
  X,
  Activity,
} from 'lucide-react';
import type { LibraryMethods } from '../../vmm/protocol/methods.ts';
import { libraryMethods } from '../../vmm/protocol/methods.ts';
import { alive, type VmState } from '../../vmm/protocol/states.ts';
import { libraryTab, type MachineView, openTab, showView, stepTab } from '../state/layout-store.ts';
import * as organise from '../library/organise.dom.ts';
import { fork, takeSnapshot } from '../timeline/snapshot-actions.dom.ts';
import * as act from './actions.dom.ts';
import type { Command, CommandContext } from './command.ts';

const always = () => true;
const hasVm = ({ vm }: CommandContext) => vm !== undefined;
const connected = ({ app }: CommandContext) => app.library.getState().link === 'open';

/** A library call is possible in the states that the protocol's table names. */
const when = (method: keyof LibraryMethods) => {
  const states: readonly VmState[] | undefined = 'when' in libraryMethods[method] ? libraryMethods[method].when : undefined;
  return ({ vm, app }: CommandContext) => vm !== undefined && (states?.includes(vm.state) ?? true) && app.library.getState().link === 'open';
};
const isAlive = ({ vm, session }: CommandContext) => vm !== undefined && alive.includes(vm.state) && session !== undefined && session.isOpen;
const onConsole = (context: CommandContext) => isAlive(context) && context.tab?.kind === 'machine' && context.tab.view === 'console';

const goTo =
  (kind: 'trash' | 'jobs' | 'settings' | 'help') =>
  ({ app }: CommandContext) =>
    app.layout.setState((layout) => openTab(layout, { kind, id: kind }), true);
const view =
  (to: MachineView) =>
  ({ app, vm }: CommandContext) =>
    vm && app.layout.setState((layout) => showView(layout, vm.id, to), true);
const viewIs = (of: MachineView) => (c: CommandContext) => c.tab?.kind === 'machine' && c.tab.view === of;

/** Every command, in the order of the menus. Letters with the host key are VirtualBox's, which people's fingers know. */
export const commands: readonly Command[] = [
  { id: 'new', title: 'command.new', group: 'file', icon: Plus, shortcut: 'Mod+Alt+N', enabled: connected, run: ({ app }) => act.newEmpty(app) },
  {
    id: 'open-file',
    title: 'command.openFile',
    group: 'file',
    icon: FileUp,
    shortcut: 'Mod+O',
    enabled: connected,
    run: ({ app }) => act.pickFiles(app),
  },
  {
    id: 'library',
    title: 'command.library',
    group: 'file',
    icon: House,
    shortcut: 'Alt+1',
    enabled: always,
    run: ({ app }) => app.layout.setState((l) => openTab(l, libraryTab), true),
  },
  { id: 'trash', title: 'command.trash', group: 'file', icon: Trash2, enabled: always, run: goTo('trash') },
  { id: 'jobs', title: 'command.jobs', group: 'file', icon: ListChecks, enabled: always, run: goTo('jobs') },
  { id: 'settings', title: 'command.settings', group: 'file', icon: Settings, shortcut: 'Mod+,', enabled: always, run: goTo('settings') },
  {
    id: 'close-tab',
    title: 'command.closeTab',
    group: 'file',
    icon: X,
    shortcut: 'Alt+W',
    hostKey: 'KeyQ',
    enabled: ({ tab }) => tab !== undefined && tab.kind !== 'library',
    run: ({ app, tab }) => tab && act.closeTabOf(app, tab),
  },

  {
    id: 'rename',
    title: 'command.rename',
    group: 'machine',
    icon: Pencil,
    shortcut: 'F2',
    enabled: hasVm,
    run: ({ app, vm }) => vm && act.beginRename(app, vm),
  },
  { id: 'clone', title: 'command.clone', group: 'machine', icon: Copy, enabled: when('vm.clone'), run: ({ app, vm }) => vm && act.cloneVm(app, vm) },
  {
    id: 'attach-disk',
    title: 'command.attachDisk',
    group: 'machine',
    icon: HardDriveUpload,
    enabled: hasVm,
    run: ({ app, vm }) => vm && act.pickDisk(app, vm),
  },
  {
    id: 'move-to-folder',
    title: 'command.moveToFolder',
    group: 'machine',
    icon: FolderInput,
    enabled: hasVm,
    run: ({ app, vm }) => vm && organise.moveToFolder(app, [vm]),
  },
  {
    id: 'edit-tags',
    title: 'command.editTags',
    group: 'machine',
    icon: Tag,
    enabled: hasVm,
    run: ({ app, vm }) => vm && organise.editTags(app, [vm]),
  },
  {
    id: 'private',
    title: 'command.private',
    group: 'machine',
    icon: EyeOff,
    enabled: hasVm,
    checked: ({ vm }) => vm?.private === true,
    run: ({ app, vm }) => vm && organise.setPrivate(app, [vm], !vm.private),
  },
  {
    id: 'autostart',
    title: 'command.autostart',
    group: 'machine',
    icon: Sunrise,
    enabled: hasVm,
    checked: ({ vm }) => vm?.autostart === true,
    run: ({ app, vm }) => vm && organise.setAutostart(app, [vm], !vm.autostart),
  },
  {
    id: 'reveal',
    title: 'command.reveal',
    group: 'machine',
    icon: FolderOpen,
    enabled: ({ app, vm }) => vm !== undefined && app.host.revealFolder !== undefined,
    run: ({ app, vm }) => vm && app.host.revealFolder?.(vm.id),
  },
  {
    id: 'delete',
    title: 'command.delete',
    group: 'machine',
    icon: Trash2,
    danger: true,
    enabled: when('vm.delete'),
    run: ({ app, vm }) => vm && act.deleteVm(app, vm),
  },

  {
    id: 'start',
    title: 'command.start',
    group: 'power',
    icon: Play,
    shortcut: 'Mod+Enter',
    enabled: when('vm.start'),
    run: ({ app, vm }) => vm && act.startVm(app, vm),
  },
  {
    id: 'pause',
    title: 'command.pause',
    group: 'power',
    icon: Pause,
    hostKey: 'KeyP',
    enabled: when('vm.pause'),
    run: ({ app, vm }) => vm && act.callVm(app, 'vm.pause', vm),
  },
  {
    id: 'resume',
    title: 'command.resume',
    group: 'power',
    icon: Play,
    hostKey: 'KeyP',
    enabled: when('vm.resume'),
    run: ({ app, vm }) => vm && act.callVm(app, 'vm.resume', vm),
  },
  {
    id: 'power-button',
    title: 'command.powerButton',
    group: 'power',
    icon: Power,
    hostKey: 'KeyH',
    enabled: when('vm.powerButton'),
    run: ({ app, vm }) => vm && act.callVm(app, 'vm.powerButton', vm),
  },
  {
    id: 'snapshot',
    title: 'command.snapshot',
    group: 'machine',
    icon: Camera,
    hostKey: 'KeyT',
    enabled: when('snapshot.take'),
    run: ({ app, vm }) => vm && takeSnapshot(app, vm),
  },
  {
    id: 'fork',
    title: 'command.fork',
    group: 'machine',
    icon: GitFork,
    hostKey: 'KeyN',
    enabled: when('snapshot.fork'),
    run: ({ app, vm }) => vm && fork(app, vm),
  },
  {
    id: 'save',
    title: 'command.save',
    group: 'power',
    icon: Save,
    enabled: when('vm.save'),
    run: ({ app, vm }) => vm && act.callVm(app, 'vm.save', vm),
  },
  {
    id: 'reset',
    title: 'command.reset',
    group: 'power',
    icon: RotateCcw,
    hostKey: 'KeyR',
    danger: true,
    enabled: when('vm.reset'),
    run: ({ app, vm }) => vm && act.resetVm(app, vm),
  },
  {
    id: 'power-off',
    title: 'command.powerOff',
    group: 'power',
    icon: Plug,
    danger: true,
    enabled: when('vm.powerOff'),
    run: ({ app, vm }) => vm && act.powerOffVm(app, vm),
  },

  {
    id: 'full-screen',
    title: 'command.fullScreen',
    group: 'screen',
    icon: Maximize,
    hostKey: 'KeyF',
    shortcut: 'Mod+Alt+F',
    enabled: onConsole,
    run: ({ app }) => app.stage?.toggleFullScreen(),
  },
  {
    id: 'scaling',
    title: 'command.scaling',
    group: 'screen',
    icon: Scaling,
    hostKey: 'KeyC',
    enabled: onConsole,
    checked: ({ app }) => app.settings.getState().scaling === 'smooth',
    run: ({ app }) => app.changeSettings({ scaling: app.settings.getState().scaling === 'smooth' ? 'integer' : 'smooth' }),
  },
  {
    id: 'screenshot',
    title: 'command.screenshot',
    group: 'screen',
    icon: Camera,
    hostKey: 'KeyE',
    enabled: isAlive,
    run: ({ app, vm, session }) => vm && session && act.saveScreenshot(app, vm, session),
  },
  {
    id: 'select-text',
    title: 'command.selectText',
    group: 'screen',
    icon: TextSelect,
    enabled: (c) => onConsole(c) && c.session?.store.getState().textMode === true,
    checked: ({ app }) => app.transient.getState().selectText,
    run: ({ app }) => app.transient.setState((s) => ({ selectText: !s.selectText })),
  },
  {
    id: 'copy-text',
    title: 'command.copyText',
    group: 'screen',
    icon: Copy,
    enabled: (c) => isAlive(c) && c.session?.store.getState().textMode === true,
    run: ({ app, session }) => session && act.copyScreenText(app, session),
  },

  {
    id: 'ctrl-alt-del',
    title: 'command.ctrlAltDel',
    group: 'keys',
    icon: Keyboard,
    hostKey: 'Delete',
    enabled: isAlive,
    run: ({ session }) => session && act.sendKeys(session, ['ctrl+alt+delete']),
  },
  {
    id: 'type-clipboard',
    title: 'command.typeClipboard',
    group: 'keys',
    icon: ClipboardPaste,
    hostKey: 'KeyV',
    enabled: isAlive,
    run: ({ app, session }) => session && act.typeClipboard(app, session),
  },

  {
    id: 'view-console',
    title: 'command.viewConsole',
    group: 'view',
    icon: Monitor,
    enabled: hasVm,
    checked: viewIs('console'),
    run: view('console'),
  },
  {
    id: 'view-timeline',
    title: 'command.viewTimeline',
    group: 'view',
    icon: History,
    enabled: hasVm,
    checked: viewIs('timeline'),
    run: view('timeline'),
  },
  {
    id: 'view-serial',
    title: 'command.viewSerial',
    group: 'view',
    icon: SquareTerminal,
    enabled: hasVm,
    checked: viewIs('serial'),
    run: view('serial'),
  },
  {
    id: 'view-terminal',
    title: 'command.viewTerminal',
    group: 'view',
    icon: SquareChevronRight,
    enabled: hasVm,
    checked: viewIs('terminal'),
    run: view('terminal'),
  },
  {
    id: 'view-hardware',
    title: 'command.viewHardware',
    group: 'view',
    icon: SlidersHorizontal,
    hostKey: 'KeyS',
    enabled: hasVm,
    checked: viewIs('hardware'),
    run: view('hardware'),
  },
  { id: 'view-disks', title: 'command.viewDisks', group: 'view', icon: HardDrive, enabled: hasVm, checked: viewIs('disks'), run: view('disks') },
  {
    id: 'view-network',
    title: 'command.viewNetwork',
    group: 'view',
    icon: Network,
    enabled: hasVm,
    checked: viewIs('network'),
    run: view('network'),
  },
  {
    id: 'view-monitor',
    title: 'command.viewMonitor',
    group: 'view',
    icon: Activity,
    enabled: hasVm,
    checked: viewIs('monitor'),
    run: view('monitor'),
  },
  { id: 'view-log', title: 'command.viewLog', group: 'view', icon: ScrollText, enabled: hasVm, checked: viewIs('log'), run: view('log') },
  {
    id: 'tear-off',
    title: 'command.tearOff',
    group: 'view',
    icon: AppWindow,
    shortcut: 'Mod+Alt+D',
    enabled: ({ app, tab }) => tab?.kind === 'machine' && app.solo === undefined && app.host.openWindow !== undefined,
    run: ({ app, tab }) => {
      if (tab?.kind === 'machine') act.tearOff(app, tab);
    },
  },
  {
    id: 'sidebar',
    title: 'command.sidebar',
    group: 'view',
    icon: PanelLeft,
    shortcut: 'Mod+B',
    enabled: always,
    checked: ({ app }) => app.isPanelShown('sidebar'),
    run: ({ app }) => app.togglePanel('sidebar'),
  },
  {
    id: 'inspector',
    title: 'command.inspector',
    group: 'view',
    icon: PanelRight,
    shortcut: 'Mod+I',
    enabled: ({ tab }) => tab?.kind === 'machine',
    checked: ({ app }) => app.isPanelShown('inspector'),
    run: ({ app }) => app.togglePanel('inspector'),
  },
  {
    id: 'next-tab',
    title: 'command.nextTab',
    group: 'view',
    shortcut: 'Mod+Alt+Right',
    enabled: always,
    run: ({ app }) => app.layout.setState((l) => stepTab(l, 1), true),
  },
  {
    id: 'previous-tab',
    title: 'command.previousTab',
    group: 'view',
    shortcut: 'Mod+Alt+Left',
    enabled: always,
    run: ({ app }) => app.layout.setState((l) => stepTab(l, -1), true),
  },

  {
    id: 'palette',
    title: 'command.palette',
    group: 'help',
    icon: CommandIcon,
    shortcut: 'Mod+K',
    hostKey: 'KeyK',
    enabled: always,
    run: ({ app }) => app.transient.setState({ palette: true }),
  },
  { id: 'help', title: 'command.help', group: 'help', icon: CircleHelp, shortcut: 'F1', enabled: always, run: goTo('help') },
];

export const commandById: ReadonlyMap<string, Command> = new Map(commands.map((command) => [command.id, command]));

export function command(id: string): Command {
  const found = commandById.get(id);
  if (found === undefined) throw new Error(`there is no command ${id}`);
  return found;
}
