import type { VmSummary } from '../../vmm/protocol/shared.ts';
import { stopped } from '../../vmm/protocol/states.ts';
import { translate } from '../i18n/i18n.ts';
import type { App } from '../state/app.dom.ts';
import { closeTab, machineTabId, showView, soloSearch, type Tab } from '../state/layout-store.ts';
import type { MachineSession } from '../state/session.dom.ts';

/** What the commands do. Each either succeeds or throws one line for people; `runCommand` shows it. */

export function openVm(app: App, vm: VmSummary): void {
  app.layout.setState((layout) => {
    const tab = layout.tabs.find((open) => open.id === machineTabId(vm.id));
    return showView(layout, vm.id, tab?.kind === 'machine' ? tab.view : 'console');
  }, true);
}

export async function startVm(app: App, vm: VmSummary): Promise<void> {
  openVm(app, vm);
  await app.client.call('vm.start', { vm: vm.id });
}

export type SimpleCall = 'vm.pause' | 'vm.resume' | 'vm.reset' | 'vm.powerButton' | 'vm.powerOff' | 'vm.save';

export async function callVm(app: App, method: SimpleCall, vm: VmSummary): Promise<void> {
  await app.client.call(method, { vm: vm.id });
}

/** Asks, because the guest has no chance to save anything. */
function confirmLoss(app: App, vm: VmSummary, what: 'powerOff' | 'reset', method: SimpleCall): void {
  app.transient.setState({
    confirmation: {
      title: translate(`confirm.${what}.title`, { name: vm.name }),
      body: translate(`confirm.${what}.body`),
      confirm: translate(`confirm.${what}.confirm`),
      cancel: translate('action.cancel'),
      run: () => void callVm(app, method, vm).catch((error: unknown) => app.reportError(error, vm)),
    },
  });
}

export const resetVm = (app: App, vm: VmSummary) => confirmLoss(app, vm, 'reset', 'vm.reset');
export const powerOffVm = (app: App, vm: VmSummary) => confirmLoss(app, vm, 'powerOff', 'vm.powerOff');

/** To the trash, with an undo instead of a question. */
export async function deleteVm(app: App, vm: VmSummary): Promise<void> {
  if (!stopped.includes(vm.state)) throw new Error(translate('error.stopFirst', { name: vm.name }));
  const { trashed } = await app.client.call('vm.delete', { vm: vm.id });
  app.layout.setState((layout) => closeTab(layout, machineTabId(vm.id)), true);
  app.notices.show({
    tone: 'info',
    title: translate(trashed === undefined ? 'notice.letGo' : 'notice.deleted', { name: vm.name }),
    action: { title: translate('action.undo'), run: () => void undoDelete(app, vm, trashed).catch((error: unknown) => app.reportError(error, vm)) },
  });
}

/** A VM that lies outside the library was never moved: it is opened again where it is. */
async function undoDelete(app: App, vm: VmSummary, trashed: string | undefined): Promise<void> {
  if (trashed === undefined) await app.client.call('vm.open', { directory: vm.directory });
  else await restoreVm(app, trashed);
}

/** `id`: in the trash, which is not the VM's. */
export async function restoreVm(app: App, id: string): Promise<void> {
  await app.client.call('trash.restore', { id });
}

export function purge(app: App, vm: { id: string; name: string } | undefined): void {
  app.transient.setState({
    confirmation: {
      title: vm ? translate('confirm.purge.title', { name: vm.name }) : translate('confirm.purgeAll.title'),
      body: translate('confirm.purge.body'),
      confirm: translate('confirm.purge.confirm'),
      cancel: translate('action.cancel'),
      run: () => void app.client.call('trash.purge', vm ? { id: vm.id } : {}).catch((error: unknown) => app.reportError(error)),
    },
  });
}

export async function cloneVm(app: App, vm: VmSummary): Promise<void> {
  const { job } = await app.client.call('vm.clone', { vm: vm.id });
  const done = await app.waitForJob(job);
  if (done.state === 'failed') throw new Error(done.error?.message ?? '');
}

export function beginRename(app: App, vm: VmSummary): void {
  if (!app.isPanelShown('sidebar')) app.togglePanel('sidebar');
  app.transient.setState({ renaming: vm.id, query: '' });
}

export async function renameVm(app: App, vm: VmSummary, name: string): Promise<void> {
  app.transient.setState({ renaming: undefined });
  const trimmed = name.trim();
  if (trimmed !== '' && trimmed !== vm.name) await app.client.call('vm.rename', { vm: vm.id, name: trimmed });
}

export function closeTabOf(app: App, tab: Tab): void {
  if (tab.kind === 'create') app.dropDraft(tab.id);
  app.layout.setState((layout) => closeTab(layout, tab.id), true);
}

/** The view goes into a window of its own; here its tab closes. */
export function tearOff(app: App, tab: Tab & { kind: 'machine' }): void {
  app.host.openWindow?.(soloSearch(tab));
  app.layout.setState((layout) => closeTab(layout, tab.id), true);
}

export function newEmpty(app: App): void {
  app.newDraft();
}

/** Each file becomes a draft of its own: a filled-in page, one key from running. */
export function dropFiles(app: App, files: readonly File[]): void {
  for (const file of files) void app.newDraft().takeFile(file, app.host, app.client);
}

/** The menu twin of dropping. */
export function pickFiles(app: App): void {
  chooseFiles(app, true, (files) => dropFiles(app, files));
}

export function chooseFiles(app: App, multiple: boolean, take: (files: readonly File[]) => void): void {
  const input = app.document.createElement('input');
  input.type = 'file';
  input.multiple = multiple;
  input.onchange = () => {
    const files = [...(input.files ?? [])];
    if (files.length > 0) take(files);
  };
  input.click();
}

export async function createDraftVm(app: App, draftId: string, start: boolean): Promise<void> {
  const draft = app.drafts.get(draftId);
  if (draft === undefined) return;
  let vm: string;
  try {
    vm = await draft.create(app.client, start, app.waitForJob);
  } catch {
    return; // the page shows it, beside the form
  }
  app.drafts.delete(draftId);
  app.layout.setState((layout) => showView(closeTab(layout, draftId), vm, 'console'), true);
}

export async function tryGuest(app: App, guest: string): Promise<void> {
  const { job } = await app.client.call('guests.try', { guest });
  const done = await app.waitForJob(job);
  if (done.state === 'failed') throw new Error(done.error?.message ?? '');
  const vm = (done.result as { vm?: unknown } | undefined)?.vm;
  if (typeof vm === 'string') app.layout.setState((layout) => showView(layout, vm, 'console'), true);
}

export async function sendKeys(session: MachineSession, keys: readonly string[]): Promise<void> {
  await session.client.call('input.keys', { keys: [...keys] });
}

export async function typeClipboard(app: App, session: MachineSession): Promise<void> {
  const text = await readClipboard();
  if (text === '') throw new Error(translate('error.clipboardEmpty'));
  const { skipped } = await session.client.call('input.type', { text, layout: app.settings.getState().guestLayout });
  if (skipped !== '')
    app.notices.show({ tone: 'warn', title: translate('notice.skipped.title'), body: translate('notice.skipped.body', { characters: skipped }) });
}

async function readClipboard(): Promise<string> {
  try {
    return await navigator.clipboard.readText();
  } catch {
    throw new Error(translate('error.clipboardRefused'));
  }
}

export async function copyScreenText(app: App, session: MachineSession): Promise<void> {
  const { text, lines } = await session.client.call('screen.text', {});
  if (!text) throw new Error(translate('error.graphicsMode'));
  await navigator.clipboard.writeText(
    lines
      .map((line) => line.trimEnd())
      .join('\n')
      .trimEnd(),
  );
  app.notices.show({ tone: 'ok', title: translate('notice.copied') });
}

/** The screen exactly as the guest draws it: its own resolution, no scaling. */
export async function saveScreenshot(app: App, vm: VmSummary, session: MachineSession): Promise<void> {
  const { png } = await session.client.call('screen.screenshot', {});
  const bytes = Uint8Array.from(atob(png), (character) => character.charCodeAt(0));
  const stamp = new Date().toISOString().slice(0, 19).replaceAll(':', '-').replace('T', ' ');
  saveFile(app, `${vm.name.replace(/[^\p{L}\p{N} ._-]/gu, '_')} ${stamp}.png`, new Blob([bytes], { type: 'image/png' }));
}

export function saveFile(app: App, name: string, blob: Blob): void {
  const url = URL.createObjectURL(blob);
  const link = app.document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Puts a file into a CD or floppy drive, at once where the machine runs. */
export async function insertFile(app: App, vm: VmSummary, drive: string, file: File): Promise<void> {
  const abort = new AbortController();
  const source = await app.host.offer(file, { signal: abort.signal, progress: () => undefined });
  await app.client.call('vm.insert', { vm: vm.id, drive, ...source });
}

export async function eject(app: App, vm: VmSummary, drive: string): Promise<void> {
  await app.client.call('vm.eject', { vm: vm.id, drive });
}

/** One more disk. What a running machine has only later is said. */
export async function attachFile(app: App, vm: VmSummary, file: File): Promise<void> {
  const abort = new AbortController();
  const source = await app.host.offer(file, { signal: abort.signal, progress: () => undefined });
  const { drive, nextStart } = await app.client.call('vm.attach', { vm: vm.id, ...source });
  app.notices.show({
    tone: 'ok',
    title: translate('notice.attached', { file: file.name, drive }),
    ...(nextStart && { body: translate('notice.attachedLater') }),
    vm: vm.id,
  });
}

/** The menu twin of dropping a disk on a machine. */
export function pickDisk(app: App, vm: VmSummary): void {
  chooseFiles(app, false, ([file]) => {
    if (file) void attachFile(app, vm, file).catch((error: unknown) => app.reportError(error, vm));
  });
}
