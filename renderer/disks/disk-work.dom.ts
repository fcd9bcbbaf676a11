/** Long work on disks: each is a job; what it needs to know is asked in the palette's place, and its result is one message. */
import { newDiskFormats } from '../../vmm/protocol/disk-methods.ts';
import type { JobInfo, VmSummary } from '../../vmm/protocol/shared.ts';
import { bytes } from '../i18n/format.ts';
import { translate } from '../i18n/i18n.ts';
import type { App } from '../state/app.dom.ts';

const GIB = 2 ** 30;

function begin(
  app: App,
  vm: VmSummary,
  call: Promise<{ job: string }>,
  tell: (result: Readonly<Record<string, unknown>>) => { title: string; bad?: boolean },
): void {
  void (async () => {
    const { job } = await call;
    const done: JobInfo = await app.waitForJob(job);
    if (done.state === 'cancelled') return;
    if (done.state === 'failed') throw new Error(done.error?.message ?? '');
    const { title, bad = false } = tell((done.result ?? {}) as Record<string, unknown>);
    app.notices.show({ tone: bad ? 'warn' : 'ok', title, vm: vm.id });
  })().catch((error: unknown) => app.reportError(error, vm));
}

const count = (value: unknown) => (typeof value === 'number' ? value : 0);

export function check(app: App, vm: VmSummary, drive: string, repair: 'none' | 'all'): void {
  begin(app, vm, app.client.call('disk.check', { vm: vm.id, drive, repair }), (result) => {
    const errors = count(result['errorCount']);
    if (repair === 'all') return { title: translate('disks.repaired', { drive, count: count(result['repaired']) }) };
    return errors > 0 ? { title: translate('disks.damaged', { drive, count: errors }), bad: true } : { title: translate('disks.sound', { drive }) };
  });
}

export function compact(app: App, vm: VmSummary, drive: string): void {
  begin(app, vm, app.client.call('disk.compact', { vm: vm.id, drive }), (result) => ({
    title: translate('disks.compacted', { drive, bytes: bytes(Math.max(0, count(result['before']) - count(result['after']))) }),
  }));
}

export function merge(app: App, vm: VmSummary, drive: string): void {
  begin(app, vm, app.client.call('disk.merge', { vm: vm.id, drive }), () => ({ title: translate('disks.merged', { drive }) }));
}

/** Asks for a size in GiB. */
function askSize(app: App, title: string, take: (size: number) => void): void {
  const pick = (gib: number) => ({ id: `${gib}`, title: `${gib} GiB`, run: () => take(Math.round(gib * GIB)) });
  app.transient.setState({
    palette: {
      title,
      placeholder: translate('disks.sizeHint'),
      typedFirst: true,
      picks: [2, 8, 16, 32, 64, 128].map(pick),
      fromText: (text) => {
        const gib = Number(text.replace(',', '.').replace(/\s*gi?b?$/i, ''));
        return gib > 0 && gib <= 4096 ? { ...pick(gib), id: 'typed' } : undefined;
      },
    },
  });
}

export function create(app: App, vm: VmSummary, drive: string, done: () => void): void {
  askSize(app, translate('disks.newTitle', { drive }), (size) => {
    app.client
      .call('disk.create', { vm: vm.id, drive, size })
      .then(done)
      .catch((error: unknown) => app.reportError(error, vm));
  });
}

export function resize(app: App, vm: VmSummary, drive: string, now: number): void {
  askSize(app, translate('disks.resizeTitle', { drive, bytes: bytes(now) }), (size) => {
    const run = () =>
      begin(app, vm, app.client.call('disk.resize', { vm: vm.id, drive, size, shrink: size < now }), () => ({
        title: translate('disks.resized', { drive, bytes: bytes(size) }),
      }));
    if (size >= now) run();
    else
      app.transient.setState({
        confirmation: {
          title: translate('disks.shrinkTitle', { drive }),
          body: translate('disks.shrinkBody', { bytes: bytes(size) }),
          confirm: translate('disks.resize'),
          cancel: translate('action.cancel'),
          run,
        },
      });
  });
}

function askFormat(app: App, title: string, take: (format: (typeof newDiskFormats)[number]) => void, without?: string): void {
  app.transient.setState({
    palette: {
      title,
      placeholder: translate('drive.format'),
      picks: newDiskFormats.filter((format) => format !== without).map((format) => ({ id: format, title: format, run: () => take(format) })),
    },
  });
}

export function convert(app: App, vm: VmSummary, drive: string, present: string): void {
  askFormat(
    app,
    translate('disks.convertTitle', { drive }),
    (format) =>
      begin(app, vm, app.client.call('disk.convert', { vm: vm.id, drive, format }), (result) => ({
        title: translate('disks.converted', { drive, file: typeof result['file'] === 'string' ? result['file'] : format }),
      })),
    present,
  );
}

export function exportDisk(app: App, vm: VmSummary, drive: string): void {
  askFormat(app, translate('disks.exportTitle', { drive }), (format) => {
    const suggestion = `${vm.directory}/${drive}-export.${format === 'raw' ? 'img' : format}`;
    const run = (path: string) =>
      begin(app, vm, app.client.call('disk.export', { vm: vm.id, drive, path, format }), () => ({
        title: translate('disks.exported', { file: path }),
      }));
    app.transient.setState({
      palette: {
        title: translate('disks.exportWhere', { drive }),
        placeholder: translate('disks.pathHint'),
        picks: [{ id: 'here', title: suggestion, run: () => run(suggestion) }],
        fromText: (text) => (/^([/~]|[A-Za-z]:)/.test(text) ? { id: 'typed', title: text, run: () => run(text) } : undefined),
      },
    });
  });
}
