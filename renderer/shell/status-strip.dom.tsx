import { ListChecks } from 'lucide-react';
import { DialogTrigger, Dialog, Popover } from 'react-aria-components';
import { alive } from '../../vmm/protocol/states.ts';
import { JobList } from '../jobs/job-list.dom.tsx';
import { number } from '../i18n/format.ts';
import { useText } from '../i18n/i18n.ts';
import { useLibrary } from '../state/context.dom.tsx';
import { Button } from '../ui/button.dom.tsx';

/** The line at the foot of the window: what is running, what is being worked on. */
export function StatusStrip() {
  const t = useText();
  const vms = useLibrary((s) => s.vms);
  const jobs = useLibrary((s) => s.jobs);
  const host = useLibrary((s) => s.host);
  const running = [...vms.values()].filter((vm) => alive.includes(vm.state));
  const memory = running.reduce((sum, vm) => sum + vm.memory, 0);
  const working = [...jobs.values()].filter((job) => job.state === 'running');
  const first = working[0];
  return (
    <footer className="status-strip">
      <span>{t('status.running', { count: running.length })}</span>
      {memory > 0 && <span className="numeric">{t('status.memory', { mib: number(memory) })}</span>}
      <span className="spring" />
      {jobs.size > 0 && (
        <DialogTrigger>
          <Button kind="quiet" size="s" icon={ListChecks}>
            {first ? (working.length > 1 ? t('status.jobs', { count: working.length }) : jobLine(first)) : t('status.noJobs')}
          </Button>
          <Popover className="popover" placement="top end">
            <Dialog className="jobs-popover" aria-label={t('tabs.jobs')}>
              <JobList recent={5} />
            </Dialog>
          </Popover>
        </DialogTrigger>
      )}
      {host && <span className="status-version">Strate {host.version}</span>}
    </footer>
  );
}

function jobLine(job: { title: string; progress: number | null }): string {
  return job.progress === null ? job.title : `${job.title} · ${Math.round(job.progress * 100)} %`;
}
