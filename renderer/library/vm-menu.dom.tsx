import { useEffect, useState } from 'react';
import { Popover } from 'react-aria-components';
import { groupsOf, useCommandContext } from '../commands/context.dom.ts';
import { useText } from '../i18n/i18n.ts';
import { MenuBody } from '../ui/menu.dom.tsx';

const groups = [
  ['start', 'resume', 'pause', 'power-button', 'reset', 'power-off'],
  ['view-console', 'view-hardware', 'view-log'],
  ['rename', 'clone', 'move-to-folder', 'edit-tags', 'private', 'autostart', 'reveal'],
  ['delete'],
] as const;

/** The commands of one VM, for its context menu and its "more" button. */
export function useVmGroups(vm: string) {
  return groupsOf(groups, useCommandContext(vm), true);
}

interface Point {
  readonly x: number;
  readonly y: number;
  readonly vm: string;
}

/** Context menus for a list of VMs: the element carries `data-vm`. Also opens on the Menu key and Shift+F10. */
export function VmContextMenu({ area }: { area: React.RefObject<HTMLElement | null> }) {
  const [point, setPoint] = useState<Point>();
  useEffect(() => {
    const element = area.current;
    if (element === null) return undefined;
    const open = (event: MouseEvent) => {
      const row = event.target instanceof Element ? event.target.closest<HTMLElement>('[data-vm]') : null;
      const vm = row?.dataset['vm'];
      if (row === null || vm === undefined) return;
      event.preventDefault();
      const box = row.getBoundingClientRect();
      const byKeyboard = event.clientX === 0 && event.clientY === 0;
      setPoint({ vm, x: byKeyboard ? box.left + 24 : event.clientX, y: byKeyboard ? box.top + 24 : event.clientY });
    };
    element.addEventListener('contextmenu', open);
    return () => element.removeEventListener('contextmenu', open);
  }, [area]);
  return point === undefined ? null : <OpenMenu point={point} onClose={() => setPoint(undefined)} />;
}

function OpenMenu({ point, onClose }: { point: Point; onClose: () => void }) {
  const t = useText();
  const entries = useVmGroups(point.vm);
  const [anchor, setAnchor] = useState<HTMLElement | null>(null);
  return (
    <>
      <span ref={setAnchor} className="menu-anchor" style={{ left: point.x, top: point.y }} />
      {anchor !== null && (
        <Popover
          className="popover"
          triggerRef={{ current: anchor }}
          isOpen
          onOpenChange={(open) => !open && onClose()}
          placement="bottom start"
          offset={0}
          aria-label={t('menu.machine')}
        >
          <MenuBody label={t('menu.machine')} groups={entries} onClose={onClose} />
        </Popover>
      )}
    </>
  );
}
