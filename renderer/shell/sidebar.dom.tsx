import { CircleCheck, FolderClosed, Plus, Settings, Trash2 } from 'lucide-react';
import { useLayoutEffect, useRef, useState } from 'react';
import { GridList, GridListHeader, GridListItem, GridListSection, Input, TextField } from 'react-aria-components';
import { useStore } from 'zustand';
import type { VmSummary } from '../../vmm/protocol/shared.ts';
import * as act from '../commands/actions.dom.ts';
import { contextOf, groupsOf, useCommandContext } from '../commands/context.dom.ts';
import { runCommand } from '../commands/command.ts';
import { command } from '../commands/table.ts';
import { Mark } from '../design/mark.dom.tsx';
import { useText } from '../i18n/i18n.ts';
import { StateBadge } from '../library/state-badge.dom.tsx';
import { Thumbnail } from '../library/thumbnail.dom.tsx';
import { useArrangement } from '../library/use-arrangement.dom.ts';
import { VmContextMenu } from '../library/vm-menu.dom.tsx';
import { useApp, useLayout, useLibrary, useSettings, useSystemTitle } from '../state/context.dom.tsx';
import { machineTabId } from '../state/layout-store.ts';
import { IconButton } from '../ui/button.dom.tsx';
import { SearchField } from '../ui/field.dom.tsx';
import { Menu } from '../ui/menu.dom.tsx';

/** The library, always at hand: every VM with its screen and state, by folder. */
export function Sidebar() {
  const app = useApp();
  const t = useText();
  const vms = useLibrary((s) => s.vms);
  const trash = useLibrary((s) => s.trash.length);
  const active = useLayout((s) => s.active);
  const area = useRef<HTMLElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const renaming = useStore(app.transient, (s) => (s.renaming === undefined ? undefined : vms.get(s.renaming)));
  const { groups, query } = useArrangement();
  const closed = useSettings((s) => s.closedFolders);
  const context = useCommandContext();

  return (
    <nav className="sidebar" aria-label={t('sidebar.label')} ref={area}>
      <header className="sidebar-head">
        <Mark />
        <span className="wordmark">Strate</span>
        <Menu label={t('sidebar.add')} groups={groupsOf([['open-file', 'new']], context)} placement="bottom end">
          <IconButton icon={Plus} label={t('sidebar.add')} />
        </Menu>
      </header>
      <div className="sidebar-search">
        <SearchField
          label={t('sidebar.search')}
          placeholder={t('sidebar.search')}
          clear={t('action.clear')}
          value={query}
          onChange={(value) => app.transient.setState({ query: value })}
        />
      </div>
      <div className="sidebar-list" ref={list}>
        {vms.size === 0 && <p className="sidebar-empty">{t('sidebar.empty')}</p>}
        {vms.size > 0 && groups.length === 0 && <p className="sidebar-empty">{t('sidebar.noMatch', { query })}</p>}
        {groups.length > 0 && (
          <GridList
            aria-label={t('sidebar.machines')}
            selectionMode="none"
            onAction={(key) => {
              const vm = vms.get(String(key));
              if (vm) act.openVm(app, vm);
            }}
          >
            {groups.map((group) => (
              <GridListSection key={group.folder} aria-label={group.folder || t('sidebar.machines')}>
                {group.folder !== '' && (
                  <GridListHeader className="folder-head">
                    <FolderClosed size={13} aria-hidden /> {group.folder}
                  </GridListHeader>
                )}
                {(query === '' && closed.includes(group.folder) ? [] : group.vms).map((vm) => (
                  <VmRow key={vm.id} vm={vm} isOpen={active === machineTabId(vm.id)} />
                ))}
              </GridListSection>
            ))}
          </GridList>
        )}
        {renaming && <RenameField key={renaming.id} vm={renaming} list={list} />}
      </div>
      <footer className="sidebar-foot">
        <IconButton
          icon={Trash2}
          label={trash === 0 ? t('command.trash') : `${t('command.trash')} (${trash})`}
          onPress={() => void runCommand(command('trash'), contextOf(app))}
        />
        <IconButton icon={Settings} label={t('command.settings')} onPress={() => void runCommand(command('settings'), contextOf(app))} />
        <LinkState />
      </footer>
      <VmContextMenu area={area} />
    </nav>
  );
}

function VmRow({ vm, isOpen }: { vm: VmSummary; isOpen: boolean }) {
  const system = useSystemTitle(vm.system);
  return (
    <GridListItem id={vm.id} textValue={vm.name} className="vm-row" {...(isOpen ? { 'data-open': '' } : {})}>
      <span className="vm-row-body" data-vm={vm.id}>
        <Thumbnail vm={vm} />
        <span className="vm-row-text">
          <span className="vm-name">{vm.name}</span>
          <span className="vm-row-sub">
            <StateBadge state={vm.state} />
            <span className="vm-system">{system}</span>
          </span>
        </span>
      </span>
    </GridListItem>
  );
}

/** Lies over the row, not in it: a list takes the focus for its rows whenever it comes in, and the field would lose it. */
function RenameField({ vm, list }: { vm: VmSummary; list: React.RefObject<HTMLElement | null> }) {
  const app = useApp();
  const t = useText();
  const [name, setName] = useState(vm.name);
  const [top, setTop] = useState(0);
  const done = useRef(false);
  const input = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => {
    const row = list.current?.querySelector<HTMLElement>(`[data-vm="${CSS.escape(vm.id)}"]`);
    if (list.current && row) setTop(row.getBoundingClientRect().top - list.current.getBoundingClientRect().top + list.current.scrollTop);
    input.current?.focus();
    input.current?.select();
  }, [list, vm.id]);
  const finish = (keep: boolean) => {
    if (done.current) return;
    done.current = true;
    void act.renameVm(app, vm, keep ? name : vm.name).catch((error: unknown) => app.reportError(error, vm));
  };
  return (
    <TextField aria-label={t('field.name')} value={name} onChange={setName} className="rename" style={{ top }}>
      <Input
        ref={input}
        className="input"
        maxLength={120}
        onBlur={() => finish(true)}
        onKeyDown={(event) => {
          event.stopPropagation(); // the window's shortcuts
          if (event.key === 'Enter') finish(true);
          if (event.key === 'Escape') finish(false);
        }}
      />
    </TextField>
  );
}

function LinkState() {
  const t = useText();
  const link = useLibrary((s) => s.link);
  return (
    <span className="link-state" data-link={link} role="status">
      {link === 'open' ? (
        <span className="visually-hidden">
          <CircleCheck aria-hidden /> {t('link.open')}
        </span>
      ) : (
        t(`link.${link}`)
      )}
    </span>
  );
}
