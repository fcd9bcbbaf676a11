import { Ban, CircleAlert, CircleCheck, LoaderCircle, X } from 'lucide-react';
import type { JobInfo } from '../../vmm/protocol/shared.ts';
import { ago } from '../i18n/format.ts';
import { useText } from '../i18n/i18n.ts';
import { useApp, useLibrary } from '../state/context.dom.tsx';
import { IconButton } from '../ui/button.dom.tsx';
import { Progress } from '../ui/feedback.dom.tsx';

const stateIcon = { running: LoaderCircle, done: CircleCheck, failed: CircleAlert, cancelled: Ban } as const;

/** Long work, the newest first. */
export function JobList({ recent }: { recent?: number }) {
  const t = useText();
  const jobs = useLibrary((s) => s.jobs);
  const sorted = [...jobs.values()].sort((a, b) => b.started - a.started).slice(0, recent);
  if (sorted.length === 0) return <p className="empty-line">{t('jobs.nothing')}</p>;
  return (
    <ul className="rows">
      {sorted.map((job) => (
        <JobRow key={job.id} job={job} />
      ))}
    </ul>
  );
}

function JobRow({ job }: { job: JobInfo }) {
  const app = useApp();
  const t = useText();
  const Icon = stateIcon[job.state];
  return (
    <li className="row job" data-state={job.state}>
      <Icon className="job-icon" size={16} aria-hidden />
      <div className="row-text">
        <p>{job.title}</p>
        <p className="hint">
          {t(`job.${job.state}`)}
          {job.error ? ` · ${job.error.message}` : job.detail !== undefined ? ` · ${job.detail}` : ''}
          {job.ended !== undefined && ` · ${ago(job.ended, Date.now())}`}
        </p>
        {job.state === 'running' && <Progress label={job.title} value={job.progress ?? undefined} />}
      </div>
      {job.state === 'running' && job.cancellable && (
        <IconButton
          icon={X}
          size="s"
          label={t('jobs.cancelNamed', { title: job.title })}
          onPress={() => void app.client.call('jobs.cancel', { job: job.id }).catch((error: unknown) => app.reportError(error))}
        />
      )}
    </li>
  );
}

export function JobsPage() {
  const t = useText();
  return (
    <div className="page narrow">
      <header className="page-head">
        <h1>{t('tabs.jobs')}</h1>
      </header>
      <JobList />
    </div>
  );
}
