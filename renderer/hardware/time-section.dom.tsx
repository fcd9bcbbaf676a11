import { useText } from '../i18n/i18n.ts';
import { NumberField, Select, Switch } from '../ui/field.dom.tsx';
import type { SectionProps } from './edit.ts';
import { FormSection } from './sections.dom.tsx';

/** What is kept of the machine's past, and what becomes of a session's changes. */
export function TimeSection({ config, edit, issue }: SectionProps) {
  const t = useText();
  const { timeline, rewind } = config;
  return (
    <FormSection title={t('time.title')}>
      <NumberField
        label={t('time.interval')}
        hint={t('time.intervalHint')}
        value={timeline.interval}
        min={0}
        max={86_400}
        unit={t('time.seconds')}
        onChange={(interval) => edit({ timeline: { ...timeline, interval } })}
        error={issue('timeline.interval')}
      />
      <NumberField
        label={t('time.budget')}
        value={timeline.budget}
        min={16}
        max={1 << 20}
        unit="MiB"
        onChange={(budget) => edit({ timeline: { ...timeline, budget } })}
        error={issue('timeline.budget')}
      />
      <NumberField
        label={t('time.rewind')}
        hint={t('time.rewindHint')}
        value={rewind.budget}
        min={0}
        max={8192}
        unit="MiB"
        onChange={(budget) => edit({ rewind: { budget } })}
        error={issue('rewind.budget')}
      />
      <Select
        label={t('time.undo')}
        hint={t('time.undoHint')}
        value={config.undo}
        choices={[
          { id: 'off', title: t('time.undoOff') },
          { id: 'ask', title: t('time.undoAsk') },
          { id: 'discard', title: t('time.undoDiscard') },
        ]}
        onChange={(undo) => edit({ undo })}
      />
      <div>
        <Switch value={config.template} onChange={(template) => edit({ template })}>
          {t('time.template')}
        </Switch>
        <p className="hint">{t('time.templateHint')}</p>
      </div>
    </FormSection>
  );
}
