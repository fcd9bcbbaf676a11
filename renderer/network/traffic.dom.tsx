import { Ban, Check, X } from 'lucide-react';
import { useCallback, useEffect, useState } from 'react';
import type { Traffic as Entry } from '../../vmm/protocol/network-methods.ts';
import { ago } from '../i18n/format.ts';
import { useText } from '../i18n/i18n.ts';
import { useApp } from '../state/context.dom.tsx';
import { Button, IconButton } from '../ui/button.dom.tsx';
import { WideTable } from './connections.dom.tsx';
import type { CardProps } from './network-view.dom.tsx';
import * as work from './network-work.dom.ts';

const EVERY = 2000;
const SHOWN = 50;

/** What a rule about an entry would name. */
const subjectOf = ({ name, address }: Entry) => name ?? address;

/** What left the machine, or wanted to, and the rules about it. */
export function Traffic({ vm, session, network, refresh }: CardProps) {
  const t = useText();
  const app = useApp();
  const { nic, allow, block } = network;
  const [entries, setEntries] = useState<readonly Entry[]>([]);
  const read = useCallback(() => {
    if (!session.isOpen) return;
    session.client.call('network.log', { nic, count: SHOWN }).then(
      (answer) => setEntries([...answer.entries].reverse()),
      () => undefined, // the list above says what is wrong
    );
  }, [session, nic]);
  useEffect(() => {
    read();
    const timer = setInterval(read, EVERY);
    return () => clearInterval(timer);
  }, [read]);
  const set = (rules: { allow: string[]; block: string[] }) =>
    void work
      .setRules(app, session, vm, nic, rules)
      .then(refresh)
      .catch((error: unknown) => app.reportError(error, vm));
  const without = (rules: readonly string[], rule: string) => rules.filter((one) => one !== rule);
  return (
    <div className="network-part">
      <h3>{t('network.traffic')}</h3>
      {allow.length + block.length > 0 && (
        <ul className="rule-list">
          {[...block.map((rule) => ({ rule, blocks: true })), ...allow.map((rule) => ({ rule, blocks: false }))].map(({ rule, blocks }) => (
            <li key={`${blocks} ${rule}`} data-blocks={blocks || undefined}>
              {blocks ? <Ban size={14} aria-hidden /> : <Check size={14} aria-hidden />}
              <span>{t(blocks ? 'network.blocked' : 'network.allowed', { what: rule })}</span>
              <IconButton
                icon={X}
                size="s"
                label={t('network.removeRule', { what: rule })}
                onPress={() => set(blocks ? { allow, block: without(block, rule) } : { allow: without(allow, rule), block })}
              />
            </li>
          ))}
        </ul>
      )}
      {entries.length === 0 && <p className="hint">{t('network.noTraffic')}</p>}
      {entries.length > 0 && (
        <WideTable label={t('network.traffic')}>
          <thead>
            <tr>
              <th scope="col">{t('network.when')}</th>
              <th scope="col">{t('network.what')}</th>
              <th scope="col">{t('network.where')}</th>
              <th scope="col">{t('network.times')}</th>
              <th scope="col">{t('network.rule')}</th>
            </tr>
          </thead>
          <tbody>
            {entries.map((entry) => {
              const subject = subjectOf(entry);
              return (
                <tr key={entry.index} data-blocked={entry.blockedBy !== undefined || undefined}>
                  <td>{ago(entry.time, Date.now())}</td>
                  <td>{entry.kind === 'name' ? t('network.nameAsked') : entry.kind.toUpperCase()}</td>
                  <td className="mono">
                    {subject}
                    {entry.name !== undefined && entry.address !== undefined && ` (${entry.address})`}
                    {entry.port !== undefined && `:${entry.port}`}
                  </td>
                  <td className="numeric">{entry.count}</td>
                  <td>
                    {entry.blockedBy !== undefined ? (
                      <span>{t('network.stoppedBy', { rule: entry.blockedBy })}</span>
                    ) : (
                      subject !== undefined &&
                      !block.includes(subject) && (
                        <Button
                          kind="quiet"
                          size="s"
                          icon={Ban}
                          aria-label={t('network.blockNamed', { what: subject })}
                          onPress={() => set({ allow, block: [...block, subject] })}
                        >
                          {t('network.block')}
                        </Button>
                      )
                    )}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </WideTable>
      )}
    </div>
  );
}
