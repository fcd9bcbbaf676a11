import { commandGroups } from '../commands/command.ts';
import { isMac } from '../commands/context.dom.ts';
import { codeCap, hostKeyCap, shortcutCaps } from '../commands/shortcut.ts';
import { commands } from '../commands/table.ts';
import { useText } from '../i18n/i18n.ts';
import { useSettings } from '../state/context.dom.tsx';
import { Keys } from '../ui/keys.dom.tsx';

/** The shortcuts, straight from the command table, and the few rules of the console. */
export function HelpPage() {
  const t = useText();
  const hostKey = useSettings((s) => s.hostKey);
  const cap = hostKeyCap(hostKey, isMac());
  const withKeys = commands.filter((command) => command.shortcut ?? command.hostKey);
  return (
    <div className="page narrow help">
      <header className="page-head">
        <h1>{t('tabs.help')}</h1>
      </header>
      <section>
        <h2>{t('help.releaseTitle')}</h2>
        <p>{t('help.release', { key: cap })}</p>
        <p>{t('help.host', { key: cap })}</p>
      </section>
      {commandGroups.map((group) => {
        const rows = withKeys.filter((command) => command.group === group);
        if (rows.length === 0) return null;
        return (
          <section key={group}>
            <h2>{t(`group.${group}`)}</h2>
            <dl className="shortcut-list">
              {rows.map((command) => (
                <div key={command.id}>
                  <dt>{t(command.title)}</dt>
                  <dd>
                    {command.shortcut !== undefined && <Keys keys={shortcutCaps(command.shortcut, isMac())} />}
                    {command.hostKey !== undefined && <Keys keys={[cap, codeCap(command.hostKey)]} />}
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        );
      })}
    </div>
  );
}
