import { Tab, TabList, TabPanel, Tabs } from 'react-aria-components';
import type { VmSummary } from '../../vmm/protocol/shared.ts';
import { ConsoleView } from '../console/console-view.dom.tsx';
import { DisksView } from '../disks/disks-view.dom.tsx';
import { HardwareView } from '../hardware/hardware-view.dom.tsx';
import { useText } from '../i18n/i18n.ts';
import { MonitorView } from '../monitor/monitor-view.dom.tsx';
import { NetworkView } from '../network/network-view.dom.tsx';
import { SerialView } from '../serial/serial-view.dom.tsx';
import { TerminalView } from '../serial/terminal-view.dom.tsx';
import { useApp, usePanel, useVm } from '../state/context.dom.tsx';
import { type MachineView, machineViews, showView } from '../state/layout-store.ts';
import { TimelineView } from '../timeline/timeline-view.dom.tsx';
import { Inspector } from './inspector.dom.tsx';
import { LogView } from './log-view.dom.tsx';
import { MachineToolbar } from './toolbar.dom.tsx';

/** One machine: its tools, the chosen view of it, and the inspector beside. */
export function MachinePage({ vm: id, view }: { vm: string; view: MachineView }) {
  const t = useText();
  const vm = useVm(id);
  if (vm === undefined) return <p className="page empty-line">{t('machine.gone')}</p>;
  return <Machine vm={vm} view={view} />;
}

function Machine({ vm, view }: { vm: VmSummary; view: MachineView }) {
  const app = useApp();
  const t = useText();
  const inspector = usePanel('inspector');
  return (
    <Tabs
      className="machine"
      selectedKey={view}
      onSelectionChange={(key) => app.layout.setState((l) => showView(l, vm.id, key as MachineView), true)}
      keyboardActivation="manual"
    >
      <div className="machine-bar">
        <MachineToolbar vm={vm} />
        <TabList className="segments" aria-label={t('machine.views')}>
          {machineViews.map((id) => (
            <Tab key={id} id={id} className="segment">
              {t(`view.${id}`)}
            </Tab>
          ))}
        </TabList>
      </div>
      <div className="machine-body">
        <TabPanel id={view} className="machine-view" data-view={view}>
          {view === 'console' && <ConsoleView vm={vm} />}
          {view === 'timeline' && <TimelineView vm={vm} />}
          {view === 'serial' && <SerialView vm={vm} />}
          {view === 'terminal' && <TerminalView vm={vm} />}
          {view === 'hardware' && <HardwareView vm={vm} />}
          {view === 'disks' && <DisksView vm={vm} />}
          {view === 'network' && <NetworkView vm={vm} />}
          {view === 'monitor' && <MonitorView vm={vm} />}
          {view === 'log' && <LogView vm={vm} />}
        </TabPanel>
        {inspector && <Inspector vm={vm} />}
      </div>
    </Tabs>
  );
}
