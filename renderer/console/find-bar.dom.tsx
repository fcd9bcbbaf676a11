import { ChevronDown, ChevronUp, X } from 'lucide-react';
import { useMemo, useState } from 'react';
import type { ScreenText } from '../../vmm/protocol/shared.ts';
import { useText } from '../i18n/i18n.ts';
import { IconButton } from '../ui/button.dom.tsx';
import { SearchField } from '../ui/field.dom.tsx';
import { findText, type Hit } from './find.ts';
import type { Size } from './scale.ts';

export interface Finding {
  readonly query: string;
  readonly setQuery: (query: string) => void;
  readonly hits: readonly Hit[];
  /** Index of the hit that is being looked at. */
  readonly current: number;
  readonly step: (by: 1 | -1) => void;
}

/** What is looked for on a text-mode screen, and where it stands now: the screen goes on changing meanwhile. */
export function useFinding(text: ScreenText | undefined): Finding {
  const [query, setQuery] = useState('');
  const [index, setIndex] = useState(0);
  const hits = useMemo(() => (text === undefined ? [] : findText(text.lines, query)), [text, query]);
  const current = hits.length === 0 ? 0 : ((index % hits.length) + hits.length) % hits.length;
  return {
    query,
    hits,
    current,
    setQuery: (next) => {
      setQuery(next);
      setIndex(0);
    },
    step: (by) => setIndex(current + by),
  };
}

export function FindBar({ finding, close }: { readonly finding: Finding; readonly close: () => void }) {
  const t = useText();
  const { query, setQuery, hits, current, step } = finding;
  return (
    <search
      className="find-bar"
      // Captured: the field itself would take Esc to empty itself first.
      onKeyDownCapture={(event) => {
        if (event.key === 'Escape') close();
        else if (event.key === 'Enter') step(event.shiftKey ? -1 : 1);
      }}
    >
      <SearchField label={t('find.label')} clear={t('action.clear')} placeholder={t('find.label')} value={query} onChange={setQuery} autoFocus />
      <span className="find-count numeric" role="status">
        {query !== '' && (hits.length === 0 ? t('find.none') : t('find.of', { at: current + 1, total: hits.length }))}
      </span>
      <IconButton icon={ChevronUp} size="s" label={t('find.previous')} onPress={() => step(-1)} isDisabled={hits.length === 0} />
      <IconButton icon={ChevronDown} size="s" label={t('find.next')} onPress={() => step(1)} isDisabled={hits.length === 0} />
      <IconButton icon={X} size="s" label={t('find.close')} onPress={close} />
    </search>
  );
}

/** Frames around what was found, over the picture. */
export function FindMarks({ finding, text, size }: { readonly finding: Finding; readonly text: ScreenText; readonly size: Size }) {
  const cell = { width: size.width / Math.max(1, text.columns), height: size.height / Math.max(1, text.rows) };
  return (
    <div className="find-marks" aria-hidden>
      {finding.hits.map(({ row, column, length }, at) => (
        <span
          key={`${row} ${column}`}
          data-current={at === finding.current || undefined}
          style={{ left: column * cell.width, top: row * cell.height, width: length * cell.width, height: cell.height }}
        />
      ))}
    </div>
  );
}
