import { Search } from 'lucide-react';
import { useMemo } from 'react';
import { Autocomplete, Dialog, Input, ListBox, ListBoxItem, Modal, ModalOverlay, SearchField } from 'react-aria-components';
import { useStore } from 'zustand';
import { openVm } from '../commands/actions.dom.ts';
import { runCommand } from '../commands/command.ts';
import { capsOf, useCommandContext } from '../commands/context.dom.ts';
import { commands } from '../commands/table.ts';
import { useText } from '../i18n/i18n.ts';
import { StateMark } from '../library/state-badge.dom.tsx';
import { useApp } from '../state/context.dom.tsx';
import { Keys } from '../ui/keys.dom.tsx';
import { score } from './score.ts';

/** Everything that can be done now, and every machine, by a few letters. */
export function Palette() {
  const app = useApp();
  const open = useStore(app.transient, (s) => s.palette);
  const close = () => app.transient.setState({ palette: false });
  return (
    <ModalOverlay className="palette-overlay" isOpen={open} onOpenChange={(is) => !is && close()} isDismissable>
      <Modal className="palette">
        <PaletteBody close={close} />
      </Modal>
    </ModalOverlay>
  );
}

interface Entry {
  readonly id: string;
  readonly title: string;
  readonly group: string;
  readonly mark: React.ReactNode;
  readonly keys: readonly string[] | undefined;
  run(): void;
}

function PaletteBody({ close }: { close: () => void }) {
  const app = useApp();
  const t = useText();
  const context = useCommandContext();
  const vms = useStore(app.library, (s) => s.vms);

  const entries = useMemo<Entry[]>(
    () => [
      ...commands
        .filter((command) => command.id !== 'palette' && command.enabled(context))
        .map((command): Entry => {
          const Icon = command.icon;
          return {
            id: command.id,
            title: t(command.title),
            group: t(`group.${command.group}`),
            mark: Icon ? <Icon aria-hidden /> : <span />,
            keys: capsOf(command, app),
            run: () => void runCommand(command, context),
          };
        }),
      ...[...vms.values()].map((vm): Entry => ({
        id: `vm:${vm.id}`,
        title: vm.name,
        group: t('palette.open'),
        mark: <StateMark state={vm.state} />,
        keys: undefined,
        run: () => openVm(app, vm),
      })),
    ],
    [app, context, t, vms],
  );

  return (
    <Dialog className="palette-dialog" aria-label={t('command.palette')}>
      <Autocomplete filter={(text, query) => score(text, query) > 0}>
        <SearchField className="palette-search" aria-label={t('palette.search')} autoFocus>
          <Search aria-hidden />
          <Input placeholder={t('palette.search')} />
        </SearchField>
        <div className="palette-scroll" tabIndex={0}>
          <ListBox
            className="palette-list"
            aria-label={t('command.palette')}
            items={entries}
            onAction={(key) => {
              close();
              entries.find((entry) => entry.id === key)?.run();
            }}
            renderEmptyState={() => <p className="empty-line">{t('palette.nothing')}</p>}
          >
            {(entry) => (
              <ListBoxItem id={entry.id} textValue={`${entry.title} ${entry.group}`} className="palette-item">
                {entry.mark}
                <span className="palette-title">{entry.title}</span>
                <span className="palette-group">{entry.group}</span>
                {entry.keys ? <Keys keys={entry.keys} /> : <span />}
              </ListBoxItem>
            )}
          </ListBox>
        </div>
      </Autocomplete>
    </Dialog>
  );
}
