import { Plus, X } from 'lucide-react';
import type { ReactNode } from 'react';
import { accelKinds, MAX_CPUS, MAX_MEMORY_MIB, SERIAL_PORTS, type SerialConfig, type VmConfig } from '../../vmm/protocol/config.ts';
import { nicModels } from '../../vmm/protocol/config-net.ts';
import { useText } from '../i18n/i18n.ts';
import { systemChoices } from '../library/systems.ts';
import { useLibrary } from '../state/context.dom.tsx';
import { Button, IconButton } from '../ui/button.dom.tsx';
import { NumberField, Select, Switch, TextField } from '../ui/field.dom.tsx';
import { parseTags, type SectionProps } from './edit.ts';

export function FormSection({ title, children, tools }: { title: string; children: ReactNode; tools?: ReactNode }) {
  return (
    <section className="form-section">
      <header>
        <h2>{title}</h2>
        {tools}
      </header>
      <div className="form-section-body">{children}</div>
    </section>
  );
}

const plain = <T extends string>(ids: readonly T[]) => ids.map((id) => ({ id, title: id }));
const orCurrent = <T extends string>(ids: readonly T[], current: T): readonly T[] => (ids.includes(current) ? ids : [...ids, current]);

export function GeneralSection({ config, edit, issue }: SectionProps) {
  const t = useText();
  const templates = useLibrary((s) => s.templates);
  return (
    <FormSection title={t('hardware.general')}>
      <TextField label={t('field.name')} value={config.name} onChange={(name) => edit({ name })} error={issue('name')} />
      <Select
        label={t('field.system')}
        value={config.system}
        choices={systemChoices(templates, config.system)}
        onChange={(system) => edit({ system })}
      />
      <TextField
        label={t('field.folder')}
        value={config.folder}
        onChange={(folder) => edit({ folder })}
        hint={t('hardware.folderHint')}
        error={issue('folder')}
      />
      <TextField
        label={t('field.tags')}
        value={config.tags.join(', ')}
        onChange={(text) => edit({ tags: text.endsWith(',') ? [...parseTags(text), ''] : parseTags(text) })}
        hint={t('hardware.tagsHint')}
      />
      <div className="wide">
        <TextField label={t('field.notes')} value={config.notes} onChange={(notes) => edit({ notes })} lines={3} error={issue('notes')} />
      </div>
      <Switch value={config.autostart} onChange={(autostart) => edit({ autostart })}>
        {t('hardware.autostart')}
      </Switch>
      <Switch value={config.private} onChange={(isPrivate) => edit({ private: isPrivate })}>
        {t('hardware.private')}
      </Switch>
    </FormSection>
  );
}

export function ProcessorSection({ config, edit, issue }: SectionProps) {
  const t = useText();
  const host = useLibrary((s) => s.host);
  const models = orCurrent(host?.cpuModels ?? [], config.cpu.model);
  const accelerators = orCurrent(
    accelKinds.filter((kind) => host?.accelerators.includes(kind) ?? true),
    config.accel,
  );
  return (
    <FormSection title={t('hardware.processor')}>
      <Select
        label={t('hardware.cpuModel')}
        value={config.cpu.model}
        choices={plain(models)}
        onChange={(model) => edit({ cpu: { ...config.cpu, model } })}
      />
      <NumberField
        label={t('field.cpus')}
        value={config.cpu.count}
        min={1}
        max={MAX_CPUS}
        onChange={(count) => edit({ cpu: { ...config.cpu, count } })}
        error={issue('cpu.count')}
      />
      <NumberField
        label={t('field.memory')}
        unit="MiB"
        value={config.memory}
        min={1}
        max={MAX_MEMORY_MIB}
        onChange={(memory) => edit({ memory })}
        error={issue('memory')}
      />
      <NumberField
        label={t('hardware.cpuLimit')}
        unit="%"
        value={config.cpu.limit}
        min={1}
        max={100}
        onChange={(limit) => edit({ cpu: { ...config.cpu, limit } })}
        hint={t('hardware.cpuLimitHint')}
      />
      <Select label={t('inspector.engine')} value={config.accel} choices={plain(accelerators)} onChange={(accel) => edit({ accel })} />
    </FormSection>
  );
}

type Nic = VmConfig['nics'][number];

export function NetworkSection({ config, edit, issue }: SectionProps) {
  const t = useText();
  const change = (at: number, nic: Partial<Nic>) => edit({ nics: config.nics.map((old, n) => (n === at ? { ...old, ...nic } : old)) });
  const add = () => {
    const used = new Set(config.nics.map((nic) => nic.id));
    const id = ['net0', 'net1', 'net2', 'net3', 'net4', 'net5', 'net6', 'net7'].find((name) => !used.has(name)) ?? 'net8';
    edit({ nics: [...config.nics, { id, model: 'e1000', backend: { type: 'user' }, forwards: [], allow: [], block: [], link: true }] });
  };
  return (
    <FormSection
      title={t('inspector.network')}
      tools={
        <Button kind="quiet" size="s" icon={Plus} onPress={add} isDisabled={config.nics.length >= 8}>
          {t('hardware.addNic')}
        </Button>
      }
    >
      {config.nics.length === 0 && <p className="hint wide">{t('inspector.noNetwork')}</p>}
      {config.nics.map((nic, at) => (
        <fieldset key={nic.id} className="device-card wide">
          <legend className="visually-hidden">{nic.id}</legend>
          <header>
            <span className="mono">{nic.id}</span>
            <IconButton
              icon={X}
              size="s"
              label={t('hardware.removeNamed', { name: nic.id })}
              onPress={() => edit({ nics: config.nics.filter((_, n) => n !== at) })}
            />
          </header>
          <div className="device-fields">
            <Select label={t('hardware.model')} value={nic.model} choices={plain(nicModels)} onChange={(model) => change(at, { model })} />
            <Select
              label={t('hardware.connection')}
              value={nic.backend.type}
              choices={(['user', 'internal', 'socket', 'tap', 'none'] as const).map((id) => ({ id, title: t(`nic.${id}`) }))}
              onChange={(type) => change(at, { backend: backendOf(type) })}
            />
            {nic.backend.type === 'internal' && (
              <TextField
                label={t('hardware.networkName')}
                value={nic.backend.name}
                onChange={(name) => change(at, { backend: { type: 'internal', name } })}
                error={issue(`nics[${at}].backend`)}
              />
            )}
            {nic.backend.type === 'socket' && (
              <SocketFields backend={nic.backend} change={(backend) => change(at, { backend })} issue={issue(`nics[${at}].backend`)} />
            )}
            {nic.backend.type === 'tap' && (
              <TextField
                label={t('hardware.nicTap')}
                value={nic.backend.name}
                mono
                onChange={(name) => change(at, { backend: { type: 'tap', name } })}
                error={issue(`nics[${at}].backend`)}
              />
            )}
            <TextField
              label={t('hardware.pcap')}
              value={nic.pcap ?? ''}
              mono
              onChange={(pcap) => change(at, { pcap: pcap === '' ? undefined : pcap })}
              error={issue(`nics[${at}].pcap`)}
            />
            <TextField
              label={t('hardware.mac')}
              value={nic.mac ?? ''}
              placeholder={t('inspector.macDerived')}
              mono
              onChange={(mac) => change(at, { mac: mac === '' ? undefined : mac })}
              error={issue(`nics[${at}].mac`)}
            />
            <Switch value={nic.link} onChange={(link) => change(at, { link })}>
              {t('hardware.link')}
            </Switch>
          </div>
          {nic.backend.type === 'user' && (
            <Forwards nic={nic} change={(forwards) => change(at, { forwards })} issue={issue(`nics[${at}].forwards`)} />
          )}
        </fieldset>
      ))}
    </FormSection>
  );
}

const backendOf = (type: Nic['backend']['type']): Nic['backend'] => {
  switch (type) {
    case 'internal':
      return { type, name: 'lan' };
    case 'socket':
      return { type, mode: 'listen', address: '127.0.0.1:5555' };
    case 'tap':
      return { type, name: 'tap0' };
    default:
      return { type };
  }
};

type SocketBackend = Extract<Nic['backend'], { type: 'socket' }>;

function SocketFields({ backend, change, issue }: { backend: SocketBackend; change: (backend: SocketBackend) => void; issue: string | undefined }) {
  const t = useText();
  return (
    <>
      <Select
        label={t('hardware.nicSocket')}
        value={backend.mode}
        choices={plain(['listen', 'connect', 'mcast', 'udp'] as const)}
        onChange={(mode) => change({ ...backend, mode })}
      />
      <TextField
        label={t('hardware.nicAddress')}
        value={backend.address}
        mono
        onChange={(address) => change({ ...backend, address })}
        error={issue}
      />
    </>
  );
}

function Forwards({ nic, change, issue }: { nic: Nic; change: (forwards: Nic['forwards']) => void; issue: string | undefined }) {
  const t = useText();
  const { forwards } = nic;
  const edit = (at: number, part: Partial<Nic['forwards'][number]>) => change(forwards.map((old, n) => (n === at ? { ...old, ...part } : old)));
  return (
    <div className="forwards">
      {forwards.map((forward, at) => (
        <div key={at} className="forward">
          <Select
            label={t('forward.protocol')}
            value={forward.protocol}
            choices={plain(['tcp', 'udp'] as const)}
            onChange={(protocol) => edit(at, { protocol })}
          />
          <TextField label={t('forward.hostAddress')} value={forward.hostAddress} onChange={(hostAddress) => edit(at, { hostAddress })} mono />
          <NumberField label={t('forward.hostPort')} value={forward.hostPort} min={0} max={65535} onChange={(hostPort) => edit(at, { hostPort })} />
          <NumberField
            label={t('forward.guestPort')}
            value={forward.guestPort}
            min={1}
            max={65535}
            onChange={(guestPort) => edit(at, { guestPort })}
          />
          <IconButton
            icon={X}
            size="s"
            label={t('hardware.removeNamed', { name: `${forward.hostPort}` })}
            onPress={() => change(forwards.filter((_, n) => n !== at))}
          />
        </div>
      ))}
      {issue !== undefined && <p className="field-error">{issue}</p>}
      <Button
        kind="quiet"
        size="s"
        icon={Plus}
        onPress={() => change([...forwards, { protocol: 'tcp', hostAddress: '127.0.0.1', hostPort: 2222, guestPort: 22 }])}
      >
        {t('forward.add')}
      </Button>
    </div>
  );
}

const serialOf = (backend: SerialConfig['backend']): SerialConfig => {
  switch (backend) {
    case 'file':
      return { backend, path: 'serial.log' };
    case 'tcp':
      return { backend, host: '127.0.0.1', port: 4555, server: true };
    case 'unix':
      return { backend, path: 'serial.sock', server: true };
    case 'pipe':
      return { backend, path: 'serial.pipe' };
    default:
      return { backend };
  }
};

export function PortsSection({ config, edit, issue }: SectionProps) {
  const t = useText();
  const change = (at: number, port: SerialConfig) => edit({ serial: config.serial.map((old, n) => (n === at ? port : old)) });
  return (
    <FormSection
      title={t('hardware.serial')}
      tools={
        <Button
          kind="quiet"
          size="s"
          icon={Plus}
          isDisabled={config.serial.length >= SERIAL_PORTS}
          onPress={() => edit({ serial: [...config.serial, { backend: 'none' }] })}
        >
          {t('hardware.addSerial')}
        </Button>
      }
    >
      {config.serial.map((port, at) => (
        <div key={at} className="serial-line wide">
          <Select
            label={`COM${at + 1}`}
            value={port.backend}
            choices={(['none', 'file', 'tcp', 'unix', 'pipe', 'pty'] as const).map((id) => ({ id, title: t(`serial.to.${id}`) }))}
            onChange={(backend) => change(at, serialOf(backend))}
          />
          {(port.backend === 'file' || port.backend === 'unix' || port.backend === 'pipe') && (
            <TextField
              label={t('hardware.path')}
              value={port.path}
              mono
              onChange={(path) => change(at, { ...port, path })}
              error={issue(`serial[${at}]`)}
            />
          )}
          {port.backend === 'tcp' && (
            <>
              <TextField
                label={t('hardware.host')}
                value={port.host}
                mono
                onChange={(host) => change(at, { ...port, host })}
                error={issue(`serial[${at}]`)}
              />
              <NumberField
                label={t('hardware.port')}
                value={port.port}
                min={0}
                max={65535}
                onChange={(value) => change(at, { ...port, port: value })}
              />
            </>
          )}
          {(port.backend === 'tcp' || port.backend === 'unix') && (
            <Switch value={port.server} onChange={(server) => change(at, { ...port, server })}>
              {t('hardware.server')}
            </Switch>
          )}
          <TextField
            label={t('serial.logFile')}
            value={port.log ?? ''}
            mono
            placeholder={t('serial.logNone')}
            onChange={(log) => change(at, { ...port, log: log === '' ? undefined : log })}
            error={issue(`serial[${at}].log`)}
          />
          {at === config.serial.length - 1 && at > 0 && (
            <IconButton
              icon={X}
              size="s"
              label={t('hardware.removeNamed', { name: `COM${at + 1}` })}
              onPress={() => edit({ serial: config.serial.slice(0, -1) })}
            />
          )}
        </div>
      ))}
    </FormSection>
  );
}

export function DisplaySection({ config, edit, issue }: SectionProps) {
  const t = useText();
  return (
    <FormSection title={t('hardware.display')}>
      <Select
        label={t('hardware.adapter')}
        value={config.display.adapter}
        choices={[
          { id: 'vga', title: 'VGA (Bochs VBE)' },
          { id: 'none', title: t('hardware.noDisplay') },
        ]}
        onChange={(adapter) => edit({ display: { ...config.display, adapter } })}
      />
      <NumberField
        label={t('hardware.videoMemory')}
        unit="MiB"
        value={config.display.memory}
        min={1}
        max={64}
        onChange={(memory) => edit({ display: { ...config.display, memory } })}
        error={issue('display.memory')}
      />
    </FormSection>
  );
}

export function BootSection({ config, edit, issue }: SectionProps) {
  const t = useText();
  return (
    <FormSection title={t('hardware.boot')}>
      <TextField
        label={t('hardware.bootOrder')}
        value={config.boot.order}
        mono
        hint={t('hardware.bootHint')}
        error={issue('boot.order')}
        onChange={(order) => edit({ boot: { ...config.boot, order: order.toLowerCase() } })}
      />
      <TextField label={t('settings.firmware')} value={config.firmware} mono onChange={(firmware) => edit({ firmware })} error={issue('firmware')} />
      <Select
        label={t('hardware.time')}
        value={config.time}
        choices={[
          { id: 'real', title: t('hardware.timeReal') },
          { id: 'virtual', title: t('hardware.timeVirtual') },
        ]}
        onChange={(time) => edit({ time })}
      />
      <div className="wide stack">
        <Switch value={config.boot.menu} onChange={(menu) => edit({ boot: { ...config.boot, menu } })}>
          {t('hardware.bootMenu')}
        </Switch>
        <Switch value={config.discardWrites} onChange={(discardWrites) => edit({ discardWrites })}>
          {t('hardware.discardWrites')}
        </Switch>
      </div>
    </FormSection>
  );
}
