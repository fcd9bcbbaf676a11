import type { VmSummary } from '../../vmm/protocol/shared.ts';
import type { SnapshotInfo } from '../../vmm/protocol/snapshots.ts';
import { bytes } from '../i18n/format.ts';
import { translate } from '../i18n/i18n.ts';
import type { App } from '../state/app.dom.ts';
import { showView } from '../state/layout-store.ts';

export async function takeSnapshot(app: App, vm: VmSummary): Promise<void> {
  const { snapshot } = await app.client.call('snapshot.take', { vm: vm.id });
  app.notices.show({
    tone: 'ok',
    title: translate('notice.snapshot', { name: snapshot.name }),
    action: { title: translate('view.timeline'), run: () => app.layout.setState((layout) => showView(layout, vm.id, 'timeline'), true) },
  });
}

/** Goes there; the present was kept, so that this can be undone. */
export async function goTo(app: App, vm: VmSummary, snapshot: SnapshotInfo): Promise<void> {
  const { before } = await app.client.call('snapshot.goTo', { vm: vm.id, snapshot: snapshot.id });
  app.notices.show({
    tone: 'ok',
    title: translate('notice.wentTo', { name: snapshot.name }),
    ...(before !== undefined && {
      action: {
        title: translate('action.undo'),
        run: () =>
          void app.client
            .call('snapshot.goTo', { vm: vm.id, snapshot: before, keepPresent: false })
            .catch((error: unknown) => app.reportError(error, vm)),
      },
    }),
  });
}

/** Ten seconds back, from a menu; holding the key goes as far as one likes. */
export async function rewind(app: App, vm: VmSummary): Promise<void> {
  const { points } = await app.client.call('rewind.step', { vm: vm.id, by: 0 });
  const { points: left, at } = await app.client.call('rewind.step', { vm: vm.id, by: -points.filter(({ ago }) => ago < 10_000).length });
  await app.client.call('rewind.release', { vm: vm.id });
  const back = left.find(({ number }) => number === at)?.ago ?? 0;
  app.notices.show({ tone: 'ok', title: translate('rewind.went', { seconds: Math.round(back / 1000) }) });
}

/** Undo disks: what the last session wrote stays, or goes. */
export async function endUndo(app: App, vm: VmSummary, action: 'commit' | 'discard'): Promise<void> {
  await app.client.call('vm.endUndo', { vm: vm.id, action });
  app.notices.show({ tone: 'ok', title: translate(action === 'commit' ? 'timeline.committed' : 'timeline.discarded') });
}

/** Asks, because it cannot be undone. */
export function freeSnapshot(app: App, vm: VmSummary, snapshot: SnapshotInfo): void {
  app.transient.setState({
    confirmation: {
      title: translate('confirm.freeSnapshot.title', { name: snapshot.name }),
      body: translate('confirm.freeSnapshot.body', { size: bytes(snapshot.bytes) }),
      confirm: translate('timeline.free'),
      cancel: translate('action.cancel'),
      run: () => void app.client.call('snapshot.delete', { vm: vm.id, snapshot: snapshot.id }).catch((error: unknown) => app.reportError(error, vm)),
    },
  });
}

export async function fork(app: App, vm: VmSummary, snapshot?: SnapshotInfo): Promise<void> {
  const { vm: made } = await app.client.call('snapshot.fork', { vm: vm.id, ...(snapshot && { snapshot: snapshot.id }) });
  app.layout.setState((layout) => showView(layout, made.id, 'console'), true);
}
