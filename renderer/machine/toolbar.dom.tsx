import { Ellipsis, Keyboard } from 'lucide-react';
import { Toolbar } from 'react-aria-components';
import type { VmSummary } from '../../vmm/protocol/shared.ts';
import * as act from '../commands/actions.dom.ts';
import { runCommand } from '../commands/command.ts';
import { capsOf, groupsOf, useCommandContext } from '../commands/context.dom.ts';
import { command } from '../commands/table.ts';
import { chords } from '../console/send-keys.ts';
import { useText } from '../i18n/i18n.ts';
import { Button, IconButton } from '../ui/button.dom.tsx';
import { Menu, type MenuGroup } from '../ui/menu.dom.tsx';

/** Power, keys, screen. Buttons are commands; the same ones that the palette has. */
export function MachineToolbar({ vm, compact = false }: { vm: VmSummary; compact?: boolean }) {
  const t = useText();
  const context = useCommandContext(vm.id);
  const { session } = context;
  const onConsole = context.tab?.kind === 'machine' && context.tab.view === 'console';
  const primary = ['start', 'resume', 'pause'].map(command).find((c) => c.enabled(context));

  const tool = (id: string) => {
    const found = command(id);
    if (found.icon === undefined) return null;
    return (
      <IconButton
        key={id}
        icon={found.icon}
        label={t(found.title)}
        keys={capsOf(found, context.app)}
        isDisabled={!found.enabled(context)}
        onPress={() => void runCommand(found, context)}
      />
    );
  };

  const keyMenu: MenuGroup[] = [
    ...groupsOf([['ctrl-alt-del', 'type-clipboard']], context),
    ...chords.map((group, index) => ({
      id: `chords-${index}`,
      entries: group
        .filter((chord) => chord.id !== 'ctrl+alt+delete')
        .map((chord) => ({
          id: chord.id,
          title: chord.title,
          enabled: session?.isOpen ?? false,
          run: () => {
            if (session) void act.sendKeys(session, chord.keys).catch((error: unknown) => context.app.reportError(error, vm));
          },
        })),
    })),
  ];

  return (
    <Toolbar className="toolbar" aria-label={t('machine.toolbar')}>
      {primary?.icon && !compact ? (
        <Button kind={primary.id === 'start' ? 'primary' : 'plain'} icon={primary.icon} onPress={() => void runCommand(primary, context)}>
          {t(primary.title)}
        </Button>
      ) : (
        primary && tool(primary.id)
      )}
      <span className="button-group">
        {tool('power-button')}
        {tool('reset')}
        {tool('power-off')}
      </span>
      {onConsole && (
        <>
          <span className="rule-v" />
          <span className="button-group">
            <Menu label={t('machine.keys')} groups={keyMenu}>
              <IconButton icon={Keyboard} label={t('machine.keys')} caret isDisabled={!(session?.isOpen ?? false)} />
            </Menu>
            {tool('screenshot')}
            {tool('scaling')}
            {tool('full-screen')}
          </span>
        </>
      )}
      {!compact && (
        <Menu
          label={t('machine.more')}
          groups={groupsOf(
            [
              ['zoom-in', 'zoom-out'],
              ['find-text', 'select-text', 'copy-text'],
              ['tear-off'],
              ['rename', 'clone', 'move-to-folder', 'edit-tags', 'private', 'autostart', 'reveal'],
              ['delete'],
            ],
            context,
          )}
        >
          <IconButton icon={Ellipsis} label={t('machine.more')} />
        </Menu>
      )}
    </Toolbar>
  );
}
