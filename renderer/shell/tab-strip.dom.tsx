import { CircleHelp, House, ListChecks, PanelLeft, PanelRight, Plus, Search, Settings, Trash2, X } from 'lucide-react';
import { useSyncExternalStore } from 'react';
import { Tab as AriaTab, TabList } from 'react-aria-components';
import * as act from '../commands/actions.dom.ts';
import { runCommand } from '../commands/command.ts';
import { capsOf, useCommandContext } from '../commands/context.dom.ts';
import { command } from '../commands/table.ts';
import type { Draft } from '../create/draft.ts';
import { useText } from '../i18n/i18n.ts';
import { StateMark } from '../library/state-badge.dom.tsx';
import { useApp, useLayout, useLibrary, usePanel } from '../state/context.dom.tsx';
import type { Tab } from '../state/layout-store.ts';
import { IconButton, ToggleIconButton } from '../ui/button.dom.tsx';

const pageIcon = { library: House, create: Plus, trash: Trash2, jobs: ListChecks, settings: Settings, help: CircleHelp } as const;

/** The tabs, between the two panels' switches. A tab closes with its cross, a middle click, Delete, or the command. */
export function TabStrip() {
  const app = useApp();
  const t = useText();
  const tabs = useLayout((s) => s.tabs);
  const sidebar = usePanel('sidebar');
  const inspector = usePanel('inspector');
  const context = useCommandContext();
  const run = (id: string) => void runCommand(command(id), context);
  const caps = (id: string) => capsOf(command(id), app);
  const tabOf = (target: EventTarget) => {
    const key = target instanceof Element ? target.closest<HTMLElement>('[role=tab]')?.dataset['key'] : undefined;
    return tabs.find((tab) => tab.id === key);
  };
  const close = (target: EventTarget) => {
    const tab = tabOf(target);
    if (tab) act.closeTabOf(app, tab);
  };
  return (
    <header
      className="tab-strip"
      onAuxClick={(event) => event.button === 1 && close(event.target)}
      onKeyUp={(event) => event.key === 'Delete' && close(event.target)}
    >
      <ToggleIconButton
        icon={PanelLeft}
        label={t('command.sidebar')}
        keys={caps('sidebar')}
        isSelected={sidebar}
        onChange={() => run('sidebar')}
        size="s"
      />
      <TabList className="tabs" aria-label={t('tabs.label')} items={tabs}>
        {(tab) => (
          <AriaTab id={tab.id} className="tab">
            <TabFace tab={tab} />
          </AriaTab>
        )}
      </TabList>
      <span className="tab-strip-tools">
        <IconButton icon={Search} label={t('command.palette')} keys={caps('palette')} onPress={() => run('palette')} size="s" />
        <ToggleIconButton
          icon={PanelRight}
          label={t('command.inspector')}
          keys={caps('inspector')}
          isSelected={inspector}
          onChange={() => run('inspector')}
          isDisabled={!command('inspector').enabled(context)}
          size="s"
        />
      </span>
    </header>
  );
}

/** The file that a machine is being made of. */
function useDraftName(draft: Draft | undefined): string | undefined {
  return useSyncExternalStore(draft?.store.subscribe ?? neverChanges, () => draft?.store.getState().fileName);
}

const neverChanges = () => () => undefined;

function TabFace({ tab }: { tab: Tab }) {
  const app = useApp();
  const t = useText();
  const vm = useLibrary((s) => (tab.kind === 'machine' ? s.vms.get(tab.vm) : undefined));
  const Icon = tab.kind === 'machine' ? undefined : pageIcon[tab.kind];
  const fileName = useDraftName(tab.kind === 'create' ? app.drafts.get(tab.id) : undefined);
  const title = tab.kind === 'machine' ? (vm?.name ?? t('tabs.gone')) : (fileName ?? t(`tabs.${tab.kind}`));
  return (
    <>
      {Icon ? <Icon aria-hidden /> : vm && <StateMark state={vm.state} />}
      <span className="tab-title">{title}</span>
      {vm && <span className="visually-hidden">, {t(`state.${vm.state}`)}</span>}
      {tab.kind !== 'library' && (
        // For the pointer only: nested buttons have no place in a tab. Delete closes it with the keyboard.
        <span
          className="tab-close"
          aria-hidden
          title={t('command.closeTab')}
          onPointerDown={(event) => event.stopPropagation()}
          onClick={(event) => {
            event.stopPropagation();
            act.closeTabOf(app, tab);
          }}
        >
          <X />
        </span>
      )}
    </>
  );
}
