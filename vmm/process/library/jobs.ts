/** Long work with progress and cancel. A job belongs to the library, not to the client that began it. */
import type { JobInfo } from '../../protocol/shared.ts';
import { ProtocolError, toWireError } from '../../protocol/wire.ts';

export interface JobControl {
  readonly signal: AbortSignal;
  /** `done`: 0..1, null: unknown. `detail`: what is being done now, for people. */
  progress(done: number | null, detail?: string): void;
}

/** What ended earlier, in this process or another. */
export interface JobHistory {
  read(): readonly JobInfo[];
  add(job: JobInfo): void;
}

interface Job {
  info: JobInfo;
  readonly abort: AbortController;
  readonly finished: Promise<unknown>;
}

/** Jobs that have ended are remembered, so many of them. */
const MAX_ENDED = 50;
/** Progress is told at most this often, ms. */
const PROGRESS_INTERVAL = 100;

export class Jobs {
  readonly #jobs = new Map<string, Job>();
  readonly #changed: (job: JobInfo) => void;
  readonly #now: () => number;
  readonly #history: JobHistory | undefined;
  #next = 1;

  /** `now`: Unix ms */
  constructor(changed: (job: JobInfo) => void, now: () => number, history?: JobHistory) {
    this.#changed = changed;
    this.#now = now;
    this.#history = history;
  }

  /** Begins work; it must leave nothing half-done when `signal` aborts it or it throws. Returns the job's id. */
  start(title: string, work: (control: JobControl) => Promise<object | undefined>): string {
    const id = `job${this.#now().toString(36)}-${this.#next++}`; // unlike those of other processes
    const abort = new AbortController();
    const info: JobInfo = { id, title, state: 'running', progress: null, cancellable: true, started: this.#now() };
    let lastTold = 0;
    const control: JobControl = {
      signal: abort.signal,
      progress: (done, detail) => {
        const now = this.#now();
        const news = detail !== undefined && detail !== job.info.detail;
        job.info = { ...job.info, progress: done, ...(detail !== undefined && { detail }) };
        if (!news && now - lastTold < PROGRESS_INTERVAL) return;
        lastTold = now;
        this.#changed(job.info);
      },
    };
    const finished = Promise.resolve()
      .then(() => work(control))
      .then(
        (result) => this.#end(job, { state: 'done', progress: 1, ...(result && { result }) }),
        (error: unknown) => this.#end(job, abort.signal.aborted ? { state: 'cancelled' } : { state: 'failed', error: { ...toWireError(error) } }),
      );
    const job: Job = { info, abort, finished };
    this.#jobs.set(id, job);
    this.#changed(info);
    return id;
  }

  #end(job: Job, change: Partial<JobInfo>): void {
    job.info = { ...job.info, ...change, cancellable: false, ended: this.#now() };
    try {
      this.#history?.add(job.info);
    } catch {
      // a full disk must not make a failure of what was done
    }
    this.#changed(job.info);
    const ended = [...this.#jobs.values()].filter(({ info }) => info.state !== 'running');
    for (const { info } of ended.slice(0, Math.max(0, ended.length - MAX_ENDED))) this.#jobs.delete(info.id);
  }

  /** Also those that ended in earlier sessions. */
  list(): JobInfo[] {
    const earlier = (this.#history?.read() ?? []).filter(({ id }) => !this.#jobs.has(id));
    return [...earlier, ...[...this.#jobs.values()].map(({ info }) => info)];
  }

  /** @throws ProtocolError `not-found` */
  cancel(id: string): void {
    const job = this.#jobs.get(id);
    if (job === undefined) throw new ProtocolError('not-found', `there is no job ${id}`);
    job.abort.abort();
  }

  /** Waits for a job. Never rejects: `info.state` tells. @throws ProtocolError `not-found` */
  async wait(id: string): Promise<JobInfo> {
    const job = this.#jobs.get(id);
    if (job === undefined) throw new ProtocolError('not-found', `there is no job ${id}`);
    await job.finished;
    return job.info;
  }

  /** Aborts what runs and waits until nothing does. */
  async cancelAll(): Promise<void> {
    const running = [...this.#jobs.values()].filter(({ info }) => info.state === 'running');
    for (const { abort } of running) abort.abort();
    await Promise.all(running.map(({ finished }) => finished));
  }
}
