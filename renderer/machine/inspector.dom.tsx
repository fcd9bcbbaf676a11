import { Disc3, EllipsisVertical, HardDrive, HardDriveUpload, Network, Save } from 'lucide-react';
import { type ReactNode, useEffect, useState } from 'react';
import { checkConfig, type Drive, type VmConfig } from '../../vmm/protocol/config.ts';
import { isRemovable } from '../../vmm/protocol/config-drives.ts';
import type { DriveStatus, VmSummary } from '../../vmm/protocol/shared.ts';
import * as act from '../commands/actions.dom.ts';
import { bytes, clock, dateTime, number, percent } from '../i18n/format.ts';
import { useText } from '../i18n/i18n.ts';
import { StateBadge } from '../library/state-badge.dom.tsx';
import { useApp, useSession, useSessionState, useSystemTitle } from '../state/context.dom.tsx';
import type { MachineSession } from '../state/session.dom.ts';
import { IconButton } from '../ui/button.dom.tsx';
import { Menu } from '../ui/menu.dom.tsx';

/** A VM's configuration as the library has it; read again when the VM changes. */
export function useConfig(vm: VmSummary | undefined): VmConfig | undefined {
  const app = useApp();
  const [config, setConfig] = useState<VmConfig>();
  useEffect(() => {
    let current = true;
    if (vm === undefined) return undefined;
    void app
      .whenConnected()
      .then((client) => client.call('vm.get', { vm: vm.id }))
      .then(({ config: data }) => {
        const check = checkConfig(data);
        if (current && check.ok) setConfig(check.config);
      })
      .catch(() => undefined);
    return () => {
      current = false;
    };
  }, [app, vm]);
  return config;
}

/** What the machine is and how it fares, beside any view. */
export function Inspector({ vm }: { vm: VmSummary }) {
  const t = useText();
  const config = useConfig(vm);
  const session = useSession(vm.id);
  const system = useSystemTitle(vm.system);
  return (
    <aside className="inspector" aria-label={t('inspector.label')}>
      <Section title={vm.name} aside={<StateBadge state={vm.state} />}>
        <Facts
          rows={[
            [t('field.system'), system],
            [t('field.memory'), `${number(vm.memory)} MiB`],
            [t('field.cpus'), number(vm.cpus)],
            [t('inspector.created'), vm.created === undefined ? undefined : dateTime(vm.created)],
          ]}
        />
      </Section>
      {session && <LiveFacts session={session} />}
      {session ? <LiveDrives session={session} vm={vm} /> : config && <DriveList vm={vm} drives={config.drives.map(driveOfConfig)} />}
      {config && (
        <Section title={t('inspector.network')}>
          {config.nics.length === 0 && <p className="hint">{t('inspector.noNetwork')}</p>}
          {config.nics.map((nic) => (
            <div key={nic.id} className="device-line">
              <Network aria-hidden />
              <div className="device-text">
                <p>{t(`nic.${nic.backend.type}`)}</p>
                <p className="hint mono">
                  {nic.model} · {nic.mac ?? t('inspector.macDerived')}
                </p>
                {nic.forwards.map((forward) => (
                  <p key={`${forward.protocol}${forward.hostAddress}${forward.hostPort}`} className="hint mono">
                    {forward.hostAddress}:{forward.hostPort} → :{forward.guestPort}
                  </p>
                ))}
              </div>
            </div>
          ))}
        </Section>
      )}
      {config && config.notes !== '' && (
        <Section title={t('field.notes')}>
          <p className="notes">{config.notes}</p>
        </Section>
      )}
    </aside>
  );
}

export function Section({ title, aside, children }: { title: string; aside?: ReactNode; children: ReactNode }) {
  return (
    <section className="inspector-section">
      <header>
        <h2>{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  );
}

/** Names and values in two columns; a row without a value is left out. */
export function Facts({ rows }: { rows: readonly (readonly [name: string, value: ReactNode])[] }) {
  return (
    <dl className="facts">
      {rows
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd className="numeric">{value}</dd>
          </div>
        ))}
    </dl>
  );
}

function LiveFacts({ session }: { session: MachineSession }) {
  const t = useText();
  const status = useSessionState(session, (s) => s.status);
  const stats = useSessionState(session, (s) => s.stats.at(-1));
  const mode = useSessionState(session, (s) => s.mode);
  useEffect(() => session.watchStats(), [session]);
  return (
    <Section title={t('inspector.now')}>
      <Facts
        rows={[
          [t('inspector.uptime'), status && clock((stats?.time ?? Date.now()) - status.started)],
          [t('inspector.engine'), status?.accel],
          [t('inspector.speed'), stats && `${number(stats.mips, stats.mips < 10 ? 1 : 0)} MIPS`],
          [t('inspector.hostCpu'), stats && percent(stats.hostCpu)],
          [t('inspector.memoryUsed'), stats && bytes(stats.rss)],
          [t('inspector.screen'), mode.width > 0 ? `${mode.width} × ${mode.height}` : undefined],
        ]}
      />
    </Section>
  );
}

function LiveDrives({ session, vm }: { session: MachineSession; vm: VmSummary }) {
  const drives = useSessionState(session, (s) => s.drives);
  return <DriveList vm={vm} drives={drives} />;
}

function driveOfConfig(drive: Drive): DriveStatus {
  const { id, bus, media, file, format, readOnly } = drive;
  return { id, bus, media, file, format, readOnly, removable: isRemovable(drive) };
}

const baseName = (path: string) => path.replace(/^.*[/\\]/, '');

function DriveList({ drives, vm }: { drives: readonly DriveStatus[]; vm: VmSummary }) {
  const app = useApp();
  const t = useText();
  return (
    <Section
      title={t('inspector.drives')}
      aside={<IconButton icon={HardDriveUpload} size="s" label={t('command.attachDisk')} onPress={() => act.pickDisk(app, vm)} />}
    >
      {drives.length === 0 && <p className="hint">{t('inspector.noDrives')}</p>}
      {drives.map((drive) => {
        const Icon = drive.media === 'cdrom' ? Disc3 : drive.bus === 'floppy' ? Save : HardDrive;
        return (
          <div key={drive.id} className="device-line">
            <Icon aria-hidden />
            <div className="device-text">
              <p className="device-file">{drive.file === null ? <span className="hint">{t('inspector.empty')}</span> : baseName(drive.file)}</p>
              <p className="hint mono">
                {drive.id}
                {drive.format !== undefined && drive.file !== null && ` · ${drive.format}`}
                {drive.size !== undefined && ` · ${bytes(drive.size)}`}
                {drive.readOnly && ` · ${t('inspector.readOnly')}`}
              </p>
            </div>
            {drive.removable && <DriveMenu drive={drive} vm={vm} />}
          </div>
        );
      })}
    </Section>
  );
}

function DriveMenu({ drive, vm }: { drive: DriveStatus; vm: VmSummary }) {
  const app = useApp();
  const t = useText();
  const report = (error: unknown) => app.reportError(error, vm);
  return (
    <Menu
      label={t('media.menu', { drive: drive.id })}
      placement="bottom end"
      groups={[
        {
          id: 'media',
          entries: [
            {
              id: 'insert',
              title: t('media.insert'),
              run: () => act.chooseFiles(app, false, ([file]) => file && void act.insertFile(app, vm, drive.id, file).catch(report)),
            },
            { id: 'eject', title: t('media.eject'), enabled: drive.file !== null, run: () => void act.eject(app, vm, drive.id).catch(report) },
          ],
        },
      ]}
    >
      <IconButton icon={EllipsisVertical} size="s" label={t('media.menu', { drive: drive.id })} />
    </Menu>
  );
}
