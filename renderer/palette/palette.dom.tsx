import { Search } from 'lucide-react';
import { useMemo, useState } from 'react';
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
import type { Pick, QuickPick } from './quick-pick.ts';
import { score } from './score.ts';

/** Everything that can be done now, and every machine, by a few letters; or the choices of a command that asks. */
export function Palette() {
  const app = useApp();
  const open = useStore(app.transient, (s) => s.palette);
  const close = () => app.transient.setState({ palette: false });
  return (
    <ModalOverlay className="palette-overlay" isOpen={open !== false} onOpenChange={(is) => !is && close()} isDismissable>
      <Modal className="palette">{typeof open === 'object' ? <QuickPickBody ask={open} close={close} /> : <CommandBody close={close} />}</Modal>
    </ModalOverlay>
  );
}

interface Entry {
  readonly id: string;
  readonly title: string;
  readonly group: string;
  readonly mark: React.ReactNode;
  readonly keys?: readonly string[] | undefined;
  readonly run: () => void;
}

function CommandBody({ close }: { close: () => void }) {
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
        run: () => openVm(app, vm),
      })),
    ],
    [app, context, t, vms],
  );
  return <PaletteList title={t('command.palette')} placeholder={t('palette.search')} entries={entries} close={close} />;
}

function QuickPickBody({ ask, close }: { ask: QuickPick; close: () => void }) {
  const entryOf = ({ id, title, detail, icon: Icon, run }: Pick): Entry => ({
    id,
    title,
    group: detail ?? '',
    mark: Icon ? <Icon aria-hidden /> : <span />,
    run,
  });
  const { fromText } = ask;
  return (
    <PaletteList
      heading={ask.title}
      title={ask.title}
      placeholder={ask.placeholder}
      entries={ask.picks.map(entryOf)}
      typedFirst={ask.typedFirst ?? false}
      fromText={
        fromText &&
        ((text) => {
          const pick = fromText(text);
          return pick && entryOf(pick);
        })
      }
      close={close}
    />
  );
}

function PaletteList({
  heading,
  title,
  placeholder,
  entries,
  fromText,
  typedFirst = false,
  close,
}: {
  heading?: string;
  title: string;
  placeholder: string;
  entries: readonly Entry[];
  fromText?: ((text: string) => Entry | undefined) | undefined;
  typedFirst?: boolean;
  close: () => void;
}) {
  const t = useText();
  const [query, setQuery] = useState('');
  const made = query.trim() === '' ? undefined : fromText?.(query.trim());
  const found = entries
    .map((entry, at) => ({ entry, at, points: score(`${entry.title} ${entry.group}`, query) }))
    .filter(({ points }) => points > 0)
    .sort((a, b) => b.points - a.points || a.at - b.at)
    .map(({ entry }) => entry);
  const shown = made === undefined ? found : typedFirst ? [made, ...found] : [...found, made];
  return (
    <Dialog className="palette-dialog" aria-label={title}>
      {heading !== undefined && <p className="palette-heading">{heading}</p>}
      <Autocomplete inputValue={query} onInputChange={setQuery}>
        <SearchField className="palette-search" aria-label={placeholder} autoFocus>
          <Search aria-hidden />
          <Input placeholder={placeholder} />
        </SearchField>
        <div className="palette-scroll" tabIndex={0}>
          <ListBox
            className="palette-list"
            aria-label={title}
            items={shown}
            onAction={(key) => {
              close();
              shown.find((entry) => entry.id === key)?.run();
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
