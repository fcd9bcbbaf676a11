import { useEffect } from 'react';
import { TabPanel, Tabs } from 'react-aria-components';
import { useStore } from 'zustand';
import { CreatePage } from '../create/create-page.dom.tsx';
import { useText } from '../i18n/i18n.ts';
import { JobsPage } from '../jobs/job-list.dom.tsx';
import { Home } from '../library/home.dom.tsx';
import { Trash } from '../library/trash.dom.tsx';
import { MachinePage } from '../machine/machine-page.dom.tsx';
import { Palette } from '../palette/palette.dom.tsx';
import { HelpPage } from '../settings/help-page.dom.tsx';
import { SettingsPage } from '../settings/settings-page.dom.tsx';
import { useApp, useLayout, useLibrary, usePanel } from '../state/context.dom.tsx';
import type { Tab } from '../state/layout-store.ts';
import { ConfirmDialog } from '../ui/feedback.dom.tsx';
import { useDesktop } from './use-desktop.dom.ts';
import { DropLayer } from './drop-layer.dom.tsx';
import { Notices } from './notices.dom.tsx';
import { Sidebar } from './sidebar.dom.tsx';
import { StatusStrip } from './status-strip.dom.tsx';
import { TabStrip } from './tab-strip.dom.tsx';
import { useTheme } from './theme.dom.ts';
import { useNarrow } from './use-narrow.dom.ts';
import { useShortcuts } from './use-shortcuts.dom.ts';

/** The window: library left, tabs in the centre, status strip at the foot. */
export function Shell() {
  const app = useApp();
  const t = useText();
  useTheme();
  useShortcuts();
  useDesktop();
  useWindowTitle();
  const sidebar = usePanel('sidebar');
  useNarrow();
  const tabs = useLayout((s) => s.tabs);
  const active = useLayout((s) => s.active);
  const link = useLibrary((s) => s.link);
  const problem = useLibrary((s) => s.linkProblem);
  const confirmation = useStore(app.transient, (s) => s.confirmation);
  return (
    <div className="shell" data-sidebar={sidebar && !app.solo ? '' : undefined} data-solo={app.solo ? '' : undefined}>
      {sidebar && !app.solo && <Sidebar />}
      <Tabs
        className="centre"
        selectedKey={active}
        onSelectionChange={(key) => app.layout.setState({ active: String(key) })}
        keyboardActivation="manual"
      >
        {!app.solo && <TabStrip />}
        {link === 'lost' && (
          <p className="link-lost" role="alert">
            {t('link.lostLong')} {problem}
          </p>
        )}
        {tabs.map((tab) => (
          <TabPanel key={tab.id} id={tab.id} className="tab-panel" data-kind={tab.kind}>
            <main>
              <Page tab={tab} />
            </main>
          </TabPanel>
        ))}
      </Tabs>
      {!app.solo && <StatusStrip />}
      <Notices />
      <DropLayer />
      <Palette />
      <ConfirmDialog question={confirmation} onClose={() => app.transient.setState({ confirmation: undefined })} />
    </div>
  );
}

/** The window is called after the machine it shows: what the desktop's own lists of windows tell. */
function useWindowTitle(): void {
  const tab = useLayout((s) => s.tabs.find((open) => open.id === s.active));
  const name = useLibrary((s) => (tab?.kind === 'machine' ? s.vms.get(tab.vm)?.name : undefined));
  useEffect(() => {
    document.title = name === undefined ? 'Strate' : `${name.slice(0, 120)} · Strate`;
  }, [name]);
}

function Page({ tab }: { tab: Tab }) {
  switch (tab.kind) {
    case 'library':
      return <Home />;
    case 'machine':
      return <MachinePage vm={tab.vm} view={tab.view} />;
    case 'create':
      return <CreatePage id={tab.id} />;
    case 'trash':
      return <Trash />;
    case 'jobs':
      return <JobsPage />;
    case 'settings':
      return <SettingsPage />;
    case 'help':
      return <HelpPage />;
  }
}
