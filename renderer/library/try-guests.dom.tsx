import { Download } from 'lucide-react';
import { useState } from 'react';
import * as act from '../commands/actions.dom.ts';
import { bytes } from '../i18n/format.ts';
import { useText } from '../i18n/i18n.ts';
import { useApp, useLibrary } from '../state/context.dom.tsx';
import type { Guest } from '../state/library-store.ts';
import { Button } from '../ui/button.dom.tsx';

/** Small guests to try. `most`: how many are offered before "more". */
export function TryGuests({ most, title }: { most: number; title: string }) {
  const t = useText();
  const guests = useLibrary((s) => s.guests);
  const [all, setAll] = useState(false);
  if (guests.length === 0) return null;
  const ordered = [...guests].sort((a, b) => Number(b.available) - Number(a.available) || Number(b.cached) - Number(a.cached));
  const shown = all ? ordered : ordered.slice(0, most);
  return (
    <section className="try" aria-label={title}>
      <h2>{title}</h2>
      <ul>
        {shown.map((guest) => (
          <TryGuest key={guest.id} guest={guest} />
        ))}
      </ul>
      {shown.length < guests.length && (
        <Button kind="quiet" size="s" onPress={() => setAll(true)}>
          {t('first.more', { count: guests.length - shown.length })}
        </Button>
      )}
    </section>
  );
}

function TryGuest({ guest }: { guest: Guest }) {
  const app = useApp();
  const t = useText();
  const [busy, setBusy] = useState(false);
  return (
    <li className="try-guest">
      <div>
        <p className="try-name">{guest.name}</p>
        <p className="hint">{guest.available ? guest.description : (guest.help ?? guest.description)}</p>
      </div>
      <span className="hint numeric">{guest.cached ? t('first.here') : bytes(guest.bytes)}</span>
      <Button
        icon={Download}
        isDisabled={!guest.available || busy}
        aria-label={busy ? `${t('first.fetching')} ${guest.name}` : t('first.tryNamed', { name: guest.name })}
        onPress={() => {
          setBusy(true);
          act
            .tryGuest(app, guest.id)
            .catch((error: unknown) => app.reportError(error))
            .finally(() => setBusy(false));
        }}
      >
        {busy ? t('first.fetching') : t('first.tryIt')}
      </Button>
    </li>
  );
}
