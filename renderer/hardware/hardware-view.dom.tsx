import { useEffect, useMemo, useState } from 'react';
import type { VmConfig } from '../../vmm/protocol/config.ts';
import type { VmSummary } from '../../vmm/protocol/shared.ts';
import { stopped } from '../../vmm/protocol/states.ts';
import { useText } from '../i18n/i18n.ts';
import { useConfig } from '../machine/inspector.dom.tsx';
import { useApp, useSession } from '../state/context.dom.tsx';
import { Button } from '../ui/button.dom.tsx';
import { changesBetween, issueFor, issuesOf, type SectionProps } from './edit.ts';
import { waiting } from './effects.ts';
import { ExtrasSection, KernelSection } from './more-sections.dom.tsx';
import { GuestView } from './guest-view.dom.tsx';
import { BootSection, DisplaySection, GeneralSection, NetworkSection, PortsSection, ProcessorSection } from './sections.dom.tsx';
import { DrivesSection } from './drives-section.dom.tsx';
import { TimeSection } from './time-section.dom.tsx';

/** Every option of the configuration. Changes are collected and applied together; what waits for the next start is said. */
export function HardwareView({ vm }: { vm: VmSummary }) {
  const app = useApp();
  const t = useText();
  const saved = useConfig(vm);
  const session = useSession(vm.id);
  const [draft, setDraft] = useState<VmConfig>();
  const [nextStart, setNextStart] = useState<readonly string[]>([]);
  const [problem, setProblem] = useState<string>();
  const isStopped = stopped.includes(vm.state);

  useEffect(() => {
    if (isStopped) setNextStart([]);
  }, [isStopped]);

  const config = draft ?? saved;
  const issues = useMemo(() => (config ? issuesOf(config) : []), [config]);
  const changes = useMemo(() => (saved && draft ? changesBetween(saved, draft) : {}), [saved, draft]);
  if (config === undefined || saved === undefined) return null;
  const count = Object.keys(changes).length;
  const later = waiting(saved, config);

  const apply = async () => {
    setProblem(undefined);
    const answer = await app.client.call('vm.configure', { vm: vm.id, changes });
    setDraft(undefined);
    if (!isStopped) setNextStart((old) => [...new Set([...old, ...answer.nextStart])]);
  };
  const section: SectionProps = {
    config,
    edit: (change) => setDraft({ ...config, ...change }),
    issue: (field) => issueFor(issues, field),
  };

  return (
    <div className="hardware">
      <div className="page hardware-form">
        {nextStart.length > 0 && (
          <p className="next-start" role="status">
            {t('hardware.nextStart', { fields: nextStart.join(', ') })}
          </p>
        )}
        <GeneralSection {...section} />
        <ProcessorSection {...section} />
        <DrivesSection {...section} />
        <NetworkSection {...section} />
        <PortsSection {...section} />
        <DisplaySection {...section} />
        <BootSection {...section} />
        <KernelSection {...section} />
        <TimeSection {...section} />
        <ExtrasSection {...section} />
        {session && <GuestView session={session} />}
      </div>
      {count > 0 && (
        <div className="apply-bar" role="region" aria-label={t('hardware.changes')}>
          <span className="apply-count">
            {issues.length > 0 ? t('hardware.invalid', { count: issues.length }) : (problem ?? t('hardware.changed', { count }))}
          </span>
          {!isStopped && issues.length === 0 && (
            <span className="effect" data-later={later.length > 0 ? '' : undefined}>
              {later.length > 0 ? t('hardware.later', { fields: later.join(', ') }) : t('hardware.now')}
            </span>
          )}
          <span className="spring" />
          <Button kind="quiet" onPress={() => setDraft(undefined)}>
            {t('hardware.revert')}
          </Button>
          <Button
            kind="primary"
            isDisabled={issues.length > 0}
            onPress={() => void apply().catch((error: unknown) => setProblem(error instanceof Error ? error.message : String(error)))}
          >
            {t('hardware.apply')}
          </Button>
        </div>
      )}
    </div>
  );
}
