import { ArrowDownUp, ChevronDown, ChevronRight, Ellipsis, FileUp, FolderClosed, Plus } from 'lucide-react';
import { useRef } from 'react';
import { Button as AriaButton, GridList, GridListItem, type Selection } from 'react-aria-components';
import { useStore } from 'zustand';
import type { VmSummary } from '../../vmm/protocol/shared.ts';
import * as act from '../commands/actions.dom.ts';
import { runCommand } from '../commands/command.ts';
import { useCommandContext } from '../commands/context.dom.ts';
import { command } from '../commands/table.ts';
import { ago } from '../i18n/format.ts';
import { useText } from '../i18n/i18n.ts';
import { useApp, useLibrary, useSettings, useSystemTitle } from '../state/context.dom.tsx';
import { librarySorts } from '../state/settings.ts';
import { Button, IconButton } from '../ui/button.dom.tsx';
import { SelectBox } from '../ui/field.dom.tsx';
import { Menu } from '../ui/menu.dom.tsx';
import { type FolderGroup, tagsOf } from './arrange.ts';
import * as organise from './organise.dom.ts';
import { SelectionBar } from './selection-bar.dom.tsx';
import { StateBadge } from './state-badge.dom.tsx';
import { Thumbnail } from './thumbnail.dom.tsx';
import { TryGuests } from './try-guests.dom.tsx';
import { type Hit, useArrangement } from './use-arrangement.dom.ts';
import { VmContextMenu } from './vm-menu.dom.tsx';

/** The library's own page: every machine by folder, with what is done to one or to many. */
export function Machines() {
  const app = useApp();
  const t = useText();
  const area = useRef<HTMLDivElement>(null);
  const context = useCommandContext();
  const { groups, hits, query } = useArrangement();
  return (
    <div className="machines" ref={area}>
      <header className="page-head">
        <h1>{t('home.title')}</h1>
        <span className="page-tools">
          <SortMenu />
          <Button icon={Plus} onPress={() => void runCommand(command('new'), context)}>
            {t('command.new')}
          </Button>
          <Button kind="primary" icon={FileUp} onPress={() => act.pickFiles(app)}>
            {t('command.openFile')}
          </Button>
        </span>
      </header>
      <TagFilter />
      <SelectionBar />
      {groups.length === 0 && <p className="empty-line">{t('sidebar.noMatch', { query })}</p>}
      {groups.map((group) => (
        <Group key={group.folder} group={group} hits={hits} />
      ))}
      <p className="home-hint">
        <FileUp size={15} aria-hidden /> {t('home.dropHint')}
      </p>
      <TryGuests most={0} title={t('home.try')} />
      <VmContextMenu area={area} />
    </div>
  );
}

function SortMenu() {
  const app = useApp();
  const t = useText();
  const sort = useSettings((s) => s.librarySort);
  const entries = librarySorts.map((id) => ({
    id,
    title: t(`sort.${id}`),
    checked: id === sort,
    run: () => void app.changeSettings({ librarySort: id }).catch((error: unknown) => app.reportError(error)),
  }));
  return (
    <Menu label={t('sort.label')} groups={[{ id: 'sort', title: t('sort.label'), entries }]} placement="bottom end">
      <IconButton icon={ArrowDownUp} label={t('sort.label')} />
    </Menu>
  );
}

/** Tags as buttons: one narrows the list to the machines that carry it, once more shows all. */
function TagFilter() {
  const app = useApp();
  const t = useText();
  const vms = useLibrary((s) => s.vms);
  const query = useStore(app.transient, (s) => s.query);
  const tags = tagsOf(vms.values());
  if (tags.length === 0) return null;
  return (
    <div className="tag-filter" role="group" aria-label={t('tags.filter')}>
      {tags.slice(0, 12).map(([tag, count]) => {
        const wanted = `#${tag.split(/\s/)[0] ?? tag}`;
        const on = query === wanted;
        return (
          <AriaButton
            key={tag}
            className="tag"
            aria-pressed={on}
            onPress={() => app.transient.setState({ query: on ? '' : wanted })}
            {...(on ? { 'data-on': '' } : {})}
          >
            {tag} <span className="numeric tag-count">{count}</span>
          </AriaButton>
        );
      })}
    </div>
  );
}

function Group({ group, hits }: { group: FolderGroup; hits: ReadonlyMap<string, Hit> }) {
  const app = useApp();
  const t = useText();
  const selection = useStore(app.transient, (s) => s.selection);
  const closed = useSettings((s) => s.closedFolders).includes(group.folder) && hits.size === 0;
  const ids = new Set(group.vms.map((vm) => vm.id));
  const select = (keys: Selection) => {
    const here = keys === 'all' ? ids : new Set([...keys].map(String));
    app.transient.setState((s) => ({ selection: new Set([...[...s.selection].filter((id) => !ids.has(id)), ...here]) }));
  };
  return (
    <section className="machine-group">
      {group.folder !== '' && <FolderHead folder={group.folder} vms={group.vms} closed={closed} />}
      {!closed && (
        <GridList
          aria-label={group.folder || t('sidebar.machines')}
          layout="grid"
          className="cards"
          selectionMode="multiple"
          selectionBehavior="toggle"
          selectedKeys={[...selection].filter((id) => ids.has(id))}
          onSelectionChange={select}
          onAction={(key) => {
            const vm = app.library.getState().vms.get(String(key));
            if (vm) act.openVm(app, vm);
          }}
          {...(selection.size > 0 ? { 'data-selecting': '' } : {})}
        >
          {group.vms.map((vm) => (
            <Card key={vm.id} vm={vm} hit={hits.get(vm.id)} />
          ))}
        </GridList>
      )}
    </section>
  );
}

function FolderHead({ folder, vms, closed }: { folder: string; vms: readonly VmSummary[]; closed: boolean }) {
  const app = useApp();
  const t = useText();
  const toggle = () => {
    const { closedFolders } = app.settings.getState();
    const next = closed ? closedFolders.filter((one) => one !== folder) : [...closedFolders, folder];
    void app.changeSettings({ closedFolders: next }).catch((error: unknown) => app.reportError(error));
  };
  return (
    <header
      className="group-head"
      onDragOver={(event) => event.dataTransfer.types.includes(DRAGGED_VM) && event.preventDefault()}
      onDrop={(event) => {
        const id = event.dataTransfer.getData(DRAGGED_VM);
        if (id === '') return;
        event.preventDefault();
        void app.client.call('vm.configure', { vm: id, changes: { folder } }).catch((error: unknown) => app.reportError(error));
      }}
    >
      <h2>
        <AriaButton className="folder-toggle" onPress={toggle} aria-expanded={!closed}>
          {closed ? <ChevronRight size={15} aria-hidden /> : <ChevronDown size={15} aria-hidden />}
          <FolderClosed size={15} aria-hidden /> {folder}
          <span className="numeric folder-count">{vms.length}</span>
        </AriaButton>
      </h2>
      <Menu
        label={t('folder.menu', { name: folder })}
        groups={[
          {
            id: 'folder',
            entries: [
              { id: 'start', title: t('folder.startAll'), run: () => void organise.startAll(app, vms.filter(organise.canStart)) },
              { id: 'select', title: t('folder.selectAll'), run: () => app.transient.setState({ selection: new Set(vms.map((vm) => vm.id)) }) },
              { id: 'rename', title: t('folder.renameAsk'), run: () => organise.renameFolder(app, folder) },
            ],
          },
        ]}
      >
        <IconButton icon={Ellipsis} size="s" label={t('folder.menu', { name: folder })} />
      </Menu>
    </header>
  );
}

/** Type of a machine that is dragged to a folder; its menu twin is "Move to folder". */
const DRAGGED_VM = 'application/x-strate-vm';

function Card({ vm, hit }: { vm: VmSummary; hit: Hit | undefined }) {
  const t = useText();
  const system = useSystemTitle(vm.system);
  return (
    <GridListItem id={vm.id} textValue={vm.name} className="card">
      <span
        className="card-body"
        data-vm={vm.id}
        draggable
        onDragStart={(event) => {
          event.dataTransfer.setData(DRAGGED_VM, vm.id);
          event.dataTransfer.effectAllowed = 'move';
        }}
      >
        <span className="card-picture">
          <Thumbnail vm={vm} />
          <SelectBox label={t('select.one', { name: vm.name })} />
        </span>
        <span className="card-text">
          <span className="vm-name">{vm.name}</span>
          <span className="card-sub">
            <StateBadge state={vm.state} />
            <span>{system}</span>
            {vm.lastStarted !== undefined && <span className="card-when">{ago(vm.lastStarted, Date.now())}</span>}
          </span>
          {vm.problem !== undefined && <span className="card-problem">{vm.problem}</span>}
          {hit !== undefined && (
            <span className="card-hit">
              {t(`hit.${hit.where}`)} <q>{hit.line}</q>
            </span>
          )}
          {vm.tags.length > 0 && (
            <span className="tags">
              {vm.tags.map((tag) => (
                <span key={tag} className="tag">
                  {tag}
                </span>
              ))}
            </span>
          )}
        </span>
      </span>
    </GridListItem>
  );
}
