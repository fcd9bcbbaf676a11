import type { VmConfig } from '../../vmm/protocol/config.ts';
import type { VmSummary } from '../../vmm/protocol/shared.ts';
import { RateField, throttled } from '../hardware/drives-section.dom.tsx';
import { useText } from '../i18n/i18n.ts';
import { useConfig } from '../machine/inspector.dom.tsx';
import { useApp } from '../state/context.dom.tsx';
import { NumberField } from '../ui/field.dom.tsx';

const MIB = 2 ** 20;

/** What the machine may use of this computer, changed while it runs. */
export function Limits({ vm }: { vm: VmSummary }) {
  const app = useApp();
  const t = useText();
  const config = useConfig(vm);
  if (config === undefined) return null;
  const apply = (changes: Partial<VmConfig>) =>
    void app.client.call('vm.configure', { vm: vm.id, changes }).catch((error: unknown) => app.reportError(error, vm));
  const limit = (id: string, limits: NonNullable<VmConfig['drives'][number]['throttle']>) =>
    apply({ drives: config.drives.map((drive) => (drive.id === id ? { ...drive, ...throttled(drive, limits) } : drive)) });
  return (
    <section className="limits-section" aria-label={t('limits.title')}>
      <h2>{t('limits.title')}</h2>
      <p className="hint">{t('limits.hint')}</p>
      <div className="limits">
        <NumberField
          label={t('limits.cpu')}
          unit="%"
          min={1}
          max={100}
          value={config.cpu.limit}
          onChange={(percent) => apply({ cpu: { ...config.cpu, limit: percent } })}
        />
        {config.drives
          .filter((drive) => drive.file !== null)
          .flatMap((drive) => [
            <RateField
              key={`${drive.id} read`}
              label={t('limits.read', { drive: drive.id })}
              unit="MiB/s"
              scale={MIB}
              value={drive.throttle?.readBandwidth}
              onChange={(readBandwidth) => limit(drive.id, { readBandwidth })}
            />,
            <RateField
              key={`${drive.id} write`}
              label={t('limits.write', { drive: drive.id })}
              unit="MiB/s"
              scale={MIB}
              value={drive.throttle?.writeBandwidth}
              onChange={(writeBandwidth) => limit(drive.id, { writeBandwidth })}
            />,
          ])}
      </div>
    </section>
  );
}
