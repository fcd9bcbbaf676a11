import { useEffect } from 'react';
import { useStore } from 'zustand';
import { useText } from '../i18n/i18n.ts';
import { useApp } from '../state/context.dom.tsx';
import type { NoticeItem } from '../state/notices.ts';
import { Button } from '../ui/button.dom.tsx';
import { Notice } from '../ui/feedback.dom.tsx';

/** How long a message that asks for nothing stays, ms. Errors stay until they are dismissed. */
const STAY = 8000;

/** Messages at the corner of the window, over nothing that one needs to press. */
export function Notices() {
  const app = useApp();
  const t = useText();
  const items = useStore(app.notices.store, (s) => s.items);
  return (
    <section className="notices" aria-label={t('notice.label')}>
      {items.map((item) => (
        <PassingNotice key={item.id} item={item} />
      ))}
    </section>
  );
}

function PassingNotice({ item }: { item: NoticeItem }) {
  const app = useApp();
  const t = useText();
  useEffect(() => {
    if (item.tone === 'bad') return undefined;
    const timer = setTimeout(() => app.notices.dismiss(item.id), item.action ? STAY * 2 : STAY);
    return () => clearTimeout(timer);
  }, [app, item]);
  return (
    <Notice
      tone={item.tone}
      title={item.title}
      dismiss={{ label: t('action.dismiss'), run: () => app.notices.dismiss(item.id) }}
      actions={
        item.action && (
          <Button
            size="s"
            onPress={() => {
              item.action?.run();
              app.notices.dismiss(item.id);
            }}
          >
            {item.action.title}
          </Button>
        )
      }
    >
      {item.body}
    </Notice>
  );
}
