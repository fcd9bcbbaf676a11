import type { LucideIcon } from 'lucide-react';
import type { VmSummary } from '../../vmm/protocol/shared.ts';
import type { TextKey } from '../i18n/i18n.ts';
import type { App } from '../state/app.dom.ts';
import type { Tab } from '../state/layout-store.ts';
import type { MachineSession } from '../state/session.dom.ts';

/** What a command acts on: the window, and the VM of the active tab (or the one that was asked for). */
export interface CommandContext {
  readonly app: App;
  readonly tab: Tab | undefined;
  readonly vm: VmSummary | undefined;
  readonly session: MachineSession | undefined;
}

export const commandGroups = ['file', 'machine', 'power', 'screen', 'keys', 'view', 'help'] as const;
export type CommandGroup = (typeof commandGroups)[number];

/**
 * Something a person can do. It exists once, here, and appears in the menus, under its shortcut and in the palette. `enabled` is data about the
 * present moment; `run` does it, and what goes wrong becomes one message.
 */
export interface Command {
  readonly id: string;
  readonly title: TextKey;
  readonly group: CommandGroup;
  readonly icon?: LucideIcon;
  /** `Mod+K`: Mod is Ctrl, or Cmd on a Mac. Works while the guest does not have the keyboard. */
  readonly shortcut?: string;
  /** KeyboardEvent.code pressed with the host key: works while the guest has the keyboard. */
  readonly hostKey?: string;
  readonly danger?: boolean;
  enabled(context: CommandContext): boolean;
  checked?(context: CommandContext): boolean;
  run(context: CommandContext): void | Promise<void>;
}

/** Runs a command if it may run now; its failure is shown, never thrown. @returns whether it ran */
export function runCommand(command: Command, context: CommandContext): boolean {
  if (!command.enabled(context)) return false;
  const fail = (error: unknown) => context.app.reportError(error, context.vm);
  try {
    void Promise.resolve(command.run(context)).catch(fail);
  } catch (error) {
    fail(error);
  }
  return true;
}
