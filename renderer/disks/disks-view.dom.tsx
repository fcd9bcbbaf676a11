import {
  CircleCheck,
  Combine,
  Disc3,
  Ellipsis,
  FileOutput,
  HardDrive,
  HardDriveUpload,
  Maximize2,
  Minimize2,
  Plus,
  Repeat,
  Save,
  Stethoscope,
  Wrench,
} from 'lucide-react';
import { useCallback, useEffect, useState } from 'react';
import { busSlots } from '../../vmm/protocol/config-drives.ts';
import type { DiskInfo } from '../../vmm/protocol/disk-methods.ts';
import type { VmSummary } from '../../vmm/protocol/shared.ts';
import { stopped } from '../../vmm/protocol/states.ts';
import * as act from '../commands/actions.dom.ts';
import { bytes } from '../i18n/format.ts';
import { useText } from '../i18n/i18n.ts';
import { useApp, useLibrary } from '../state/context.dom.tsx';
import { Button, IconButton } from '../ui/button.dom.tsx';
import { Notice } from '../ui/feedback.dom.tsx';
import { Menu, type MenuEntry } from '../ui/menu.dom.tsx';
import * as work from './disk-work.dom.ts';

/** The machine's disks as files: what each stands on, what it truly takes, and the work that can be done on it. */
export function DisksView({ vm }: { vm: VmSummary }) {
  const app = useApp();
  const t = useText();
  const [disks, setDisks] = useState<readonly DiskInfo[]>();
  const [problem, setProblem] = useState<string>();
  const ended = useLibrary((s) => [...s.jobs.values()].filter((job) => job.state !== 'running').length);
  const { id } = vm;
  const read = useCallback(() => {
    app.client.call('disk.list', { vm: id }).then(
      (answer) => {
        setDisks(answer.disks);
        setProblem(undefined);
      },
      (error: unknown) => setProblem(error instanceof Error ? error.message : String(error)),
    );
  }, [app, id]);
  useEffect(read, [read, vm, ended]);
  const isStopped = stopped.includes(vm.state);
  const free = busSlots.ide.find((name) => !disks?.some((disk) => disk.drive === name));
  return (
    <div className="page disks">
      <header className="page-head">
        <h1>{t('view.disks')}</h1>
        <span className="page-tools">
          <Button icon={HardDriveUpload} onPress={() => act.pickDisk(app, vm)}>
            {t('command.attachDisk')}
          </Button>
          <Button icon={Plus} isDisabled={!isStopped || free === undefined} onPress={() => free !== undefined && work.create(app, vm, free, read)}>
            {t('disks.new')}
          </Button>
        </span>
      </header>
      {!isStopped && <p className="hint">{t('disks.stopFirst')}</p>}
      {problem !== undefined && <Notice tone="bad" title={problem} />}
      {disks?.length === 0 && <p className="empty-line">{t('inspector.noDrives')}</p>}
      {disks?.map((disk) => (
        <Disk key={disk.drive} vm={vm} disk={disk} editable={isStopped} />
      ))}
    </div>
  );
}

function Disk({ vm, disk, editable }: { vm: VmSummary; disk: DiskInfo; editable: boolean }) {
  const app = useApp();
  const t = useText();
  const Icon = disk.media === 'cdrom' ? Disc3 : disk.bus === 'floppy' ? Save : HardDrive;
  const [top] = disk.chain;
  const taken = disk.chain.reduce((sum, image) => sum + image.allocated, 0);
  const hard = disk.media === 'disk' && disk.bus !== 'floppy' && disk.file !== null;
  const entries: MenuEntry[] = [
    { id: 'check', title: t('disks.check'), icon: Stethoscope, enabled: editable, run: () => work.check(app, vm, disk.drive, 'none') },
    { id: 'repair', title: t('disks.repair'), icon: Wrench, enabled: editable, run: () => work.check(app, vm, disk.drive, 'all') },
    { id: 'compact', title: t('disks.compact'), icon: Minimize2, enabled: editable, run: () => work.compact(app, vm, disk.drive) },
    {
      id: 'resize',
      title: t('disks.resize'),
      icon: Maximize2,
      enabled: editable && top !== undefined,
      run: () => top && work.resize(app, vm, disk.drive, top.size),
    },
    { id: 'convert', title: t('disks.convert'), icon: Repeat, enabled: editable, run: () => work.convert(app, vm, disk.drive, disk.format) },
    { id: 'merge', title: t('disks.merge'), icon: Combine, enabled: editable && disk.chain.length > 1, run: () => work.merge(app, vm, disk.drive) },
    { id: 'export', title: t('disks.export'), icon: FileOutput, enabled: editable, run: () => work.exportDisk(app, vm, disk.drive) },
  ];
  return (
    <section className="disk" aria-label={disk.drive}>
      <header>
        <Icon aria-hidden />
        <h2 className="mono">{disk.drive}</h2>
        <span className="hint">{disk.bus}</span>
        <span className="spring" />
        {hard && disk.problem === undefined && (
          <span className="disk-health">
            <CircleCheck size={14} aria-hidden /> {t('disks.opens')}
          </span>
        )}
        {hard && (
          <Menu label={t('disks.menu', { drive: disk.drive })} groups={[{ id: 'work', entries }]} placement="bottom end">
            <IconButton icon={Ellipsis} size="s" label={t('disks.menu', { drive: disk.drive })} />
          </Menu>
        )}
      </header>
      {disk.problem !== undefined && <Notice tone="bad" title={disk.problem} />}
      {disk.file === null && <p className="hint">{t('inspector.empty')}</p>}
      {top && (
        <>
          <p className="disk-size">
            <span>{t('disks.taken', { bytes: bytes(taken) })}</span>
            <span className="hint">{t('disks.virtual', { bytes: bytes(top.size) })}</span>
          </p>
          <div className="disk-bar" aria-hidden>
            <span style={{ width: `${Math.min(100, (taken / Math.max(1, top.size)) * 100)}%` }} />
          </div>
          <ol className="disk-chain">
            {disk.chain.map((image, at) => (
              <li key={image.file}>
                <span className="device-file">{image.file.replace(/^.*[/\\]/, '')}</span>
                <span className="hint mono">
                  {image.format} · {bytes(image.allocated)}
                  {at > 0 && ` · ${t('disks.base')}`}
                </span>
              </li>
            ))}
          </ol>
        </>
      )}
    </section>
  );
}
