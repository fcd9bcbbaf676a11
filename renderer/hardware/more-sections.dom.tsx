import { Plus, X } from 'lucide-react';
import type { ByteSinkConfig, VmConfig } from '../../vmm/protocol/config.ts';
import { useText } from '../i18n/i18n.ts';
import { Button, IconButton } from '../ui/button.dom.tsx';
import { NumberField, Select, Switch, TextField } from '../ui/field.dom.tsx';
import type { SectionProps } from './edit.ts';
import { FormSection } from './sections.dom.tsx';

type Kernel = NonNullable<VmConfig['kernel']>;

/** Direct boot of a kernel, without firmware's search for a disk. */
export function KernelSection({ config, edit, issue }: SectionProps) {
  const t = useText();
  const { kernel } = config;
  const change = (part: Partial<Kernel>) => kernel && edit({ kernel: { ...kernel, ...part } });
  return (
    <FormSection
      title={t('hardware.kernel')}
      tools={
        kernel === undefined ? (
          <Button kind="quiet" size="s" icon={Plus} onPress={() => edit({ kernel: { file: 'vmlinuz', append: '', modules: [] } })}>
            {t('hardware.addKernel')}
          </Button>
        ) : (
          <Button kind="quiet" size="s" icon={X} onPress={() => edit({ kernel: undefined })}>
            {t('hardware.noKernel')}
          </Button>
        )
      }
    >
      {kernel === undefined ? (
        <p className="hint wide">{t('hardware.kernelHint')}</p>
      ) : (
        <>
          <TextField label={t('hardware.kernelFile')} value={kernel.file} mono onChange={(file) => change({ file })} error={issue('kernel.file')} />
          <TextField
            label={t('hardware.initrd')}
            value={kernel.initrd ?? ''}
            mono
            onChange={(initrd) => change({ initrd: initrd === '' ? undefined : initrd })}
            error={issue('kernel.initrd')}
          />
          <div className="wide">
            <TextField
              label={t('hardware.append')}
              value={kernel.append}
              mono
              onChange={(append) => change({ append })}
              error={issue('kernel.append')}
            />
          </div>
          {kernel.modules.map((module, at) => (
            <div key={at} className="serial-line wide">
              <TextField
                label={t('hardware.module')}
                value={module.file}
                mono
                onChange={(file) => change({ modules: kernel.modules.map((old, n) => (n === at ? { ...old, file } : old)) })}
                error={issue(`kernel.modules[${at}]`)}
              />
              <TextField
                label={t('hardware.moduleArgs')}
                value={module.args}
                mono
                onChange={(args) => change({ modules: kernel.modules.map((old, n) => (n === at ? { ...old, args } : old)) })}
              />
              <span />
              <IconButton
                icon={X}
                size="s"
                label={t('hardware.removeNamed', { name: module.file })}
                onPress={() => change({ modules: kernel.modules.filter((_, n) => n !== at) })}
              />
            </div>
          ))}
          <div className="wide">
            <Button kind="quiet" size="s" icon={Plus} onPress={() => change({ modules: [...kernel.modules, { file: 'module', args: '' }] })}>
              {t('hardware.addModule')}
            </Button>
          </div>
        </>
      )}
    </FormSection>
  );
}

function ByteSink({
  label,
  value,
  onChange,
  error,
}: {
  label: string;
  value: ByteSinkConfig;
  onChange: (value: ByteSinkConfig) => void;
  error: string | undefined;
}) {
  const t = useText();
  return (
    <>
      <Select
        label={label}
        value={value.backend === 'stdio' ? 'none' : value.backend}
        choices={[
          { id: 'none', title: t('hardware.sinkNone') },
          { id: 'file', title: t('serial.to.file') },
        ]}
        onChange={(backend) => onChange(backend === 'file' ? { backend, path: 'output.txt' } : { backend })}
      />
      {value.backend === 'file' ? (
        <TextField label={t('hardware.path')} value={value.path} mono onChange={(path) => onChange({ backend: 'file', path })} error={error} />
      ) : (
        <span />
      )}
    </>
  );
}

/** Printer, debugging ports, pointer, and what makes runs repeatable. */
export function ExtrasSection({ config, edit, issue }: SectionProps) {
  const t = useText();
  const dated = config.rtc !== 'utc' && config.rtc !== 'local';
  return (
    <FormSection title={t('hardware.extras')}>
      <ByteSink label={t('hardware.parallel')} value={config.parallel} onChange={(parallel) => edit({ parallel })} error={issue('parallel')} />
      <ByteSink label={t('hardware.debugcon')} value={config.debugcon} onChange={(debugcon) => edit({ debugcon })} error={issue('debugcon')} />
      <Select
        label={t('hardware.rtc')}
        value={dated ? 'date' : config.rtc}
        choices={(['utc', 'local', 'date'] as const).map((id) => ({ id, title: t(`rtc.${id}`) }))}
        onChange={(rtc) => edit({ rtc: rtc === 'date' ? '2000-01-01T00:00:00Z' : rtc })}
        error={dated ? undefined : issue('rtc')}
      />
      {dated ? <TextField label={t('hardware.rtcDate')} value={config.rtc} mono onChange={(rtc) => edit({ rtc })} error={issue('rtc')} /> : <span />}
      <NumberField
        label={t('hardware.seed')}
        value={config.seed ?? NaN}
        min={0}
        max={0xffff_ffff}
        hint={t('hardware.seedHint')}
        onChange={(seed) => edit({ seed: Number.isNaN(seed) ? undefined : seed })}
        error={issue('seed')}
      />
      <div className="wide stack">
        <Switch value={config.absolutePointer} onChange={(absolutePointer) => edit({ absolutePointer })}>
          {t('hardware.absolutePointer')}
        </Switch>
        <Switch value={config.noReboot} onChange={(noReboot) => edit({ noReboot })}>
          {t('hardware.noReboot')}
        </Switch>
        <Switch value={config.debugExit} onChange={(debugExit) => edit({ debugExit })}>
          {t('hardware.debugExit')}
        </Switch>
      </div>
    </FormSection>
  );
}
