import type { ReactNode } from 'react';
import { isMac } from '../commands/context.dom.ts';
import { hostKeyCap } from '../commands/shortcut.ts';
import { number } from '../i18n/format.ts';
import { useText } from '../i18n/i18n.ts';
import { useApp, useLibrary, useSettings } from '../state/context.dom.tsx';
import { contrasts, hostKeys, languages, librarySorts, motions, scalings, type Settings, themes } from '../state/settings.ts';
import { Facts } from '../machine/inspector.dom.tsx';
import { Select, Switch } from '../ui/field.dom.tsx';

/** Every setting takes effect at once and is kept by the server: there is nothing to confirm. */
export function SettingsPage() {
  const app = useApp();
  const t = useText();
  const settings = useSettings((s) => s);
  const host = useLibrary((s) => s.host);
  const change = (values: Partial<Settings>) => void app.changeSettings(values).catch((error: unknown) => app.reportError(error));

  return (
    <div className="page narrow settings">
      <header className="page-head">
        <h1>{t('tabs.settings')}</h1>
      </header>
      <Group title={t('settings.look')}>
        <Select
          label={t('settings.theme')}
          value={settings.theme}
          choices={themes.map((id) => ({ id, title: t(`theme.${id}`) }))}
          onChange={(theme) => change({ theme })}
        />
        <Select
          label={t('settings.contrast')}
          value={settings.contrast}
          choices={contrasts.map((id) => ({ id, title: t(`contrast.${id}`) }))}
          onChange={(contrast) => change({ contrast })}
        />
        <Select
          label={t('settings.motion')}
          value={settings.motion}
          choices={motions.map((id) => ({ id, title: t(`motion.${id}`) }))}
          onChange={(motion) => change({ motion })}
        />
        <Select
          label={t('settings.language')}
          value={settings.language}
          choices={languages.map((id) => ({ id, title: t(`language.${id}`) }))}
          onChange={(language) => change({ language })}
        />
      </Group>
      <Group title={t('settings.console')}>
        <Select
          label={t('settings.hostKey')}
          hint={t('settings.hostKeyHint')}
          value={settings.hostKey}
          choices={hostKeys.map((id) => ({ id, title: hostKeyCap(id, isMac()) }))}
          onChange={(hostKey) => change({ hostKey })}
        />
        <Select
          label={t('settings.scaling')}
          value={settings.scaling}
          choices={scalings.map((id) => ({ id, title: t(`scaling.${id}`) }))}
          onChange={(scaling) => change({ scaling })}
        />
        <Select
          label={t('settings.guestLayout')}
          hint={t('settings.guestLayoutHint')}
          value={settings.guestLayout}
          choices={(['us', 'uk', 'fr', 'de'] as const).map((id) => ({ id, title: t(`layout.${id}`) }))}
          onChange={(guestLayout) => change({ guestLayout })}
        />
        <Switch value={settings.captureOnClick} onChange={(captureOnClick) => change({ captureOnClick })}>
          {t('settings.captureOnClick')}
        </Switch>
        <Switch value={settings.announceScreen} onChange={(announceScreen) => change({ announceScreen })}>
          {t('settings.announceScreen')}
        </Switch>
      </Group>
      <Group title={t('settings.library')}>
        <Select
          label={t('sort.label')}
          value={settings.librarySort}
          choices={librarySorts.map((id) => ({ id, title: t(`sort.${id}`) }))}
          onChange={(librarySort) => change({ librarySort })}
        />
        <Switch value={settings.thumbnails} onChange={(thumbnails) => change({ thumbnails })}>
          {t('settings.thumbnails')}
        </Switch>
        {app.host.filesStayInPlace && (
          <Switch value={settings.copyImages} onChange={(copyImages) => change({ copyImages })}>
            {t('settings.copyImages')}
          </Switch>
        )}
      </Group>
      {host && (
        <Group title={t('settings.host')}>
          <Facts
            rows={[
              [t('settings.version'), host.version],
              [t('settings.folder'), <span className="mono">{host.library}</span>],
              [t('settings.accelerators'), host.accelerators.join(', ')],
              [t('settings.firmware'), <span className="mono">{host.firmware ?? host.firmwareHelp}</span>],
              [t('settings.cpus'), number(host.cpus)],
              [t('settings.memory'), `${number(host.memory)} MiB`],
            ]}
          />
        </Group>
      )}
    </div>
  );
}

function Group({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="settings-group">
      <h2>{title}</h2>
      <div className="settings-fields">{children}</div>
    </section>
  );
}
