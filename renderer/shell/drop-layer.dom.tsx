import { Disc3, FilePlus2, HardDrive, type LucideIcon, Save } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import * as act from '../commands/actions.dom.ts';
import { useCommandContext } from '../commands/context.dom.ts';
import { useText } from '../i18n/i18n.ts';
import { isRemovable } from '../../vmm/protocol/config-drives.ts';
import type { VmSummary } from '../../vmm/protocol/shared.ts';
import { alive } from '../../vmm/protocol/states.ts';
import { useConfig } from '../machine/inspector.dom.tsx';
import type { MachineSession } from '../state/session.dom.ts';

/** What a drop means, decided by where it lands. */
interface Target {
  readonly id: string;
  readonly title: string;
  readonly icon: LucideIcon;
  take(files: readonly File[]): void;
}

function carriesFiles(event: DragEvent): boolean {
  return event.dataTransfer?.types.includes('Files') ?? false;
}

/** A browser offers a folder as a file that cannot be read; the desktop application knows its path. */
function carriesFolder(event: DragEvent): boolean {
  return [...(event.dataTransfer?.items ?? [])].some((item) => item.webkitGetAsEntry()?.isDirectory === true);
}

/**
 * Files dragged over the window. Over the library the whole window is one target: a new machine. Over a machine its drives appear as targets too,
 * and a new disk. Each has a menu twin: "Open a file", "Insert" at each drive in the inspector, "Attach a disk".
 */
export function DropLayer() {
  const t = useText();
  const context = useCommandContext();
  const [over, setOver] = useState(false);
  const { app, vm, session } = context;

  const create: Target = { id: 'create', title: t('drop.create'), icon: FilePlus2, take: (files) => act.dropFiles(app, files) };
  const depth = useRef(0); // dragenter and dragleave come for every element on the way
  const drives = useMachineDrives(vm, session);
  const targets = [create, ...(vm ? machineTargets(vm) : [])];

  function machineTargets(machine: VmSummary): Target[] {
    const report = (error: unknown) => app.reportError(error, machine);
    return [
      ...drives.map((drive) => ({
        id: drive.id,
        title: drive.media === 'cdrom' ? t('drop.cd', { drive: drive.id }) : t('drop.floppy', { drive: drive.id === 'fdb' ? 'B:' : 'A:' }),
        icon: drive.media === 'cdrom' ? Disc3 : Save,
        take: ([file]: readonly File[]) => {
          if (file) void act.insertFile(app, machine, drive.id, file).catch(report);
        },
      })),
      {
        id: 'disk',
        title: alive.includes(machine.state) ? t('drop.diskLater') : t('drop.disk'),
        icon: HardDrive,
        take: (files) => {
          for (const file of files) void act.attachFile(app, machine, file).catch(report);
        },
      },
    ];
  }

  useEffect(() => {
    const enter = (event: DragEvent) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      depth.current++;
      setOver(true);
    };
    const leave = (event: DragEvent) => {
      if (!carriesFiles(event)) return;
      depth.current = Math.max(0, depth.current - 1);
      if (depth.current === 0) setOver(false);
    };
    const move = (event: DragEvent) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      if (event.dataTransfer) event.dataTransfer.dropEffect = 'copy';
    };
    const drop = (event: DragEvent) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      depth.current = 0;
      setOver(false);
      const files = [...(event.dataTransfer?.files ?? [])];
      const place = event.target instanceof Element ? event.target.closest<HTMLElement>('[data-drop]')?.dataset['drop'] : undefined;
      const target = targets.find(({ id }) => id === place) ?? create;
      if (files.length === 0) return;
      try {
        if (!app.host.filesStayInPlace && carriesFolder(event)) throw new Error(t('drop.folderInBrowser'));
        target.take(files);
      } catch (error) {
        app.reportError(error);
      }
    };
    window.addEventListener('dragenter', enter);
    window.addEventListener('dragleave', leave);
    window.addEventListener('dragover', move);
    window.addEventListener('drop', drop);
    return () => {
      window.removeEventListener('dragenter', enter);
      window.removeEventListener('dragleave', leave);
      window.removeEventListener('dragover', move);
      window.removeEventListener('drop', drop);
    };
  });

  if (!over) return null;
  return (
    <div className="drop-layer" data-count={targets.length}>
      {targets.map(({ id, title, icon: Icon }) => (
        <div key={id} className="drop-target" data-drop={id}>
          <Icon aria-hidden />
          <span>{title}</span>
        </div>
      ))}
    </div>
  );
}

/** The CD and floppy drives of the machine on screen. */
function useMachineDrives(vm: VmSummary | undefined, session: MachineSession | undefined): readonly { id: string; media: string }[] {
  const config = useConfig(vm);
  if (session?.isOpen) return session.store.getState().drives.filter((drive) => drive.removable);
  return config?.drives.filter(isRemovable) ?? [];
}
