import { useEffect, useRef, useState } from 'react';
import type { ScreenText } from '../../vmm/protocol/shared.ts';
import { useText } from '../i18n/i18n.ts';
import type { Size } from './scale.ts';

/**
 * The characters of a text-mode screen as real text, laid over the picture cell by cell: a screen reader reads them, and while `selectable`
 * they can be selected and copied as from any page.
 */
export function TextLayer({ text, size, selectable }: { text: ScreenText; size: Size; selectable: boolean }) {
  const t = useText();
  const cell = { width: size.width / Math.max(1, text.columns), height: size.height / Math.max(1, text.rows) };
  const fontSize = cell.height * 0.78;
  const advance = useAdvance();
  return (
    <div
      className="text-layer"
      role="region"
      aria-label={t('console.text')}
      data-selectable={selectable ? '' : undefined}
      style={{ fontSize, lineHeight: `${cell.height}px`, letterSpacing: cell.width - advance * fontSize }}
    >
      {text.lines.map((line, row) => (
        // Rows are the identity here: line n of the screen stays line n.
        <div key={row}>{line.trimEnd() === '' ? '\u00a0' : line.trimEnd()}</div>
      ))}
    </div>
  );
}

/** Width of a character of the layer's font, as a part of its size. */
function useAdvance(): number {
  const [advance, setAdvance] = useState(0.6);
  useEffect(() => {
    const context = document.createElement('canvas').getContext('2d');
    if (context === null) return;
    context.font = "100px 'IBM Plex Mono', monospace";
    setAdvance(context.measureText('M').width / 100);
  }, []);
  return advance;
}

/** Reads new lines out: those that were not on the last screen. Nothing while the person has not asked for it. */
export function Announcer({ text, enabled }: { text: ScreenText | undefined; enabled: boolean }) {
  const last = useRef<ReadonlySet<string>>(new Set());
  const [news, setNews] = useState('');
  useEffect(() => {
    if (!enabled || text === undefined) return;
    const lines = text.lines.map((line) => line.trim()).filter((line) => line !== '');
    setNews(lines.filter((line) => !last.current.has(line)).join('\n'));
    last.current = new Set(lines);
  }, [enabled, text]);
  return (
    <div className="visually-hidden" aria-live="polite">
      {enabled ? news : ''}
    </div>
  );
}
