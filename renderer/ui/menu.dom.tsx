import type { LucideIcon } from 'lucide-react';
import { Check } from 'lucide-react';
import type { ReactNode } from 'react';
import { Header, Menu as AriaMenu, MenuItem as AriaMenuItem, MenuSection, MenuTrigger, Popover, Separator } from 'react-aria-components';
import type { PopoverProps } from 'react-aria-components';
import { Keys } from './keys.dom.tsx';

export interface MenuEntry {
  readonly id: string;
  readonly title: string;
  readonly detail?: string | undefined;
  readonly icon?: LucideIcon | undefined;
  readonly keys?: readonly string[] | undefined;
  readonly enabled?: boolean | undefined;
  readonly checked?: boolean | undefined;
  readonly danger?: boolean | undefined;
  readonly run: () => void;
}

export interface MenuGroup {
  readonly id: string;
  readonly title?: string | undefined;
  readonly entries: readonly MenuEntry[];
}

/** A button (the child) that opens a menu of groups; a group's entries are set apart by a line. */
export function Menu({
  label,
  groups,
  placement = 'bottom start',
  children,
  onOpenChange,
}: {
  label: string;
  groups: readonly MenuGroup[];
  placement?: PopoverProps['placement'];
  children: ReactNode;
  onOpenChange?: (open: boolean) => void;
}) {
  return (
    <MenuTrigger {...(onOpenChange ? { onOpenChange } : {})}>
      {children}
      <Popover className="popover" placement={placement} offset={4}>
        <MenuBody label={label} groups={groups} />
      </Popover>
    </MenuTrigger>
  );
}

/** The list alone, for a menu that opens where the pointer is. */
export function MenuBody({ label, groups, onClose }: { label: string; groups: readonly MenuGroup[]; onClose?: () => void }) {
  const filled = groups.filter((group) => group.entries.length > 0);
  const runById = new Map(filled.flatMap((group) => group.entries.map((entry) => [entry.id, entry.run] as const)));
  return (
    <AriaMenu className="menu" aria-label={label} onAction={(key) => runById.get(String(key))?.()} {...(onClose ? { onClose } : {})}>
      {filled.flatMap((group, index) => [
        ...(index > 0 ? [<Separator key={`${group.id}-line`} className="menu-separator" />] : []),
        <MenuSection key={group.id} aria-label={group.title ?? group.id}>
          {group.title !== undefined && <Header className="menu-header">{group.title}</Header>}
          {group.entries.map((entry) => (
            <MenuRow key={entry.id} entry={entry} />
          ))}
        </MenuSection>,
      ])}
    </AriaMenu>
  );
}

function MenuRow({ entry }: { entry: MenuEntry }) {
  const Icon = entry.checked === true ? Check : entry.icon;
  return (
    <AriaMenuItem
      id={entry.id}
      textValue={entry.title}
      className="menu-item"
      isDisabled={entry.enabled === false}
      {...(entry.danger ? { 'data-danger': '' } : {})}
    >
      {Icon ? <Icon aria-hidden /> : <span />}
      <span className="menu-text">
        {entry.title}
        {entry.checked === true && <span className="visually-hidden"> ✓</span>}
        {entry.detail !== undefined && <small>{entry.detail}</small>}
      </span>
      {entry.keys && <Keys keys={entry.keys} />}
    </AriaMenuItem>
  );
}
