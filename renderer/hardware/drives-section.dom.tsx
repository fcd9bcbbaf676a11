import { Disc3, HardDrive, Plus, Save, X } from 'lucide-react';
import { busSlots, type Drive, driveBuses, driveFormats } from '../../vmm/protocol/config-drives.ts';
import { useText } from '../i18n/i18n.ts';
import { Button, IconButton } from '../ui/button.dom.tsx';
import { NumberField, Select, Switch, TextField } from '../ui/field.dom.tsx';
import { Menu } from '../ui/menu.dom.tsx';
import type { SectionProps } from './edit.ts';
import { FormSection } from './sections.dom.tsx';

type Place = Pick<Drive, 'bus' | 'slot'>;

/** The first free slot of a bus; CDs go behind the hard disks. */
function freeSlot(drives: readonly Place[], bus: Drive['bus'], media: Drive['media']): number | undefined {
  const order = busSlots[bus].map((_, slot) => slot);
  const wanted = media === 'cdrom' && bus === 'ide' ? [2, 3, 1, 0] : order;
  return wanted.find((slot) => !drives.some((drive) => drive.bus === bus && drive.slot === slot));
}

/** A drive moved to another bus takes the free slot there, and that slot's name. */
function placed(drives: readonly Drive[], drive: Drive, bus: Drive['bus']): Drive {
  const slot = freeSlot(
    drives.filter((other) => other !== drive),
    bus,
    drive.media,
  );
  return slot === undefined ? drive : { ...drive, bus, slot, id: busSlots[bus][slot] ?? drive.id };
}

const MIB = 2 ** 20;

/** A rate in the person's unit; 0 stands for no limit. */
export function RateField({
  label,
  unit,
  scale,
  value,
  onChange,
}: {
  label: string;
  unit: string;
  scale: number;
  value: number | undefined;
  onChange: (value: number | undefined) => void;
}) {
  const t = useText();
  return (
    <NumberField
      label={label}
      unit={unit}
      min={0}
      max={100_000}
      step={0.1}
      value={Math.round(((value ?? 0) / scale) * 10) / 10}
      hint={value === undefined ? t('limits.none') : t('drive.limitHint')}
      onChange={(rate) => onChange(rate > 0 ? Math.round(rate * scale) : undefined)}
    />
  );
}

/** A drive with another limit; without any the field goes away. */
export function throttled(drive: Drive, limits: NonNullable<Drive['throttle']>): Partial<Drive> {
  const all = Object.fromEntries(Object.entries({ ...drive.throttle, ...limits }).filter(([, value]) => value !== undefined));
  return { throttle: Object.keys(all).length > 0 ? all : undefined };
}

export function DrivesSection({ config, edit, issue }: SectionProps) {
  const t = useText();
  const { drives } = config;
  const change = (at: number, drive: Partial<Drive>) => edit({ drives: drives.map((old, n) => (n === at ? { ...old, ...drive } : old)) });

  const add = (bus: Drive['bus'], media: Drive['media'], file: string | null) => {
    const slot = freeSlot(drives, bus, media);
    if (slot === undefined) return;
    const id = busSlots[bus][slot] ?? `${bus}${slot}`;
    edit({ drives: [...drives, { id, file, format: media === 'cdrom' ? 'iso' : 'raw', bus, media, slot, readOnly: media === 'cdrom' }] });
  };
  const room = (bus: Drive['bus'], media: Drive['media']) => freeSlot(drives, bus, media) !== undefined;

  return (
    <FormSection
      title={t('inspector.drives')}
      tools={
        <Menu
          label={t('hardware.addDrive')}
          placement="bottom end"
          groups={[
            {
              id: 'kinds',
              entries: [
                { id: 'cd', title: t('drive.cdrom'), icon: Disc3, enabled: room('ide', 'cdrom'), run: () => add('ide', 'cdrom', null) },
                { id: 'floppy', title: t('drive.floppy'), icon: Save, enabled: room('floppy', 'disk'), run: () => add('floppy', 'disk', null) },
                { id: 'disk', title: t('drive.disk'), icon: HardDrive, enabled: room('ide', 'disk'), run: () => add('ide', 'disk', 'disk.img') },
              ],
            },
          ]}
        >
          <Button kind="quiet" size="s" icon={Plus} caret>
            {t('hardware.addDrive')}
          </Button>
        </Menu>
      }
    >
      {drives.length === 0 && <p className="hint wide">{t('inspector.noDrives')}</p>}
      {drives.map((drive, at) => (
        <fieldset key={drive.id} className="device-card wide">
          <legend className="visually-hidden">{drive.id}</legend>
          <header>
            <span className="mono">{drive.id}</span>
            <span className="hint">{t(`drive.${drive.bus === 'floppy' ? 'floppy' : drive.media}`)}</span>
            <span className="spring" />
            <IconButton
              icon={X}
              size="s"
              label={t('hardware.removeNamed', { name: drive.id })}
              onPress={() => edit({ drives: drives.filter((_, n) => n !== at) })}
            />
          </header>
          <div className="device-fields">
            <div className="span-2">
              <TextField
                label={t('drive.file')}
                value={drive.file ?? ''}
                mono
                placeholder={t('inspector.empty')}
                onChange={(file) => change(at, { file: file === '' ? null : file })}
                error={issue(`drives[${at}].file`)}
              />
            </div>
            <Select
              label={t('drive.format')}
              value={drive.format}
              choices={driveFormats.map((id) => ({ id, title: id }))}
              onChange={(format) => change(at, { format })}
              error={issue(`drives[${at}].format`)}
            />
            <Select
              label={t('drive.bus')}
              value={drive.bus}
              choices={driveBuses.map((id) => ({ id, title: id }))}
              onChange={(bus) => edit({ drives: drives.map((old, n) => (n === at ? placed(drives, old, bus) : old)) })}
              error={issue(`drives[${at}].bus`) ?? issue(`drives[${at}].slot`) ?? issue(`drives[${at}].media`)}
            />
            {drive.media !== 'cdrom' && (
              <Switch value={drive.readOnly} onChange={(readOnly) => change(at, { readOnly })}>
                {t('inspector.readOnly')}
              </Switch>
            )}
            <RateField
              label={t('drive.readLimit')}
              unit="MiB/s"
              scale={MIB}
              value={drive.throttle?.readBandwidth}
              onChange={(readBandwidth) => change(at, throttled(drive, { readBandwidth }))}
            />
            <RateField
              label={t('drive.writeLimit')}
              unit="MiB/s"
              scale={MIB}
              value={drive.throttle?.writeBandwidth}
              onChange={(writeBandwidth) => change(at, throttled(drive, { writeBandwidth }))}
            />
            <NumberField
              label={t('drive.cache')}
              unit="MiB"
              min={0}
              max={1024}
              value={drive.cache ?? 0}
              onChange={(cache) => change(at, { cache: cache > 0 ? cache : undefined })}
              error={issue(`drives[${at}].cache`)}
            />
          </div>
        </fieldset>
      ))}
    </FormSection>
  );
}
