import type { VmState } from '../../vmm/protocol/states.ts';
import { useText } from '../i18n/i18n.ts';

/** Each state has a shape of its own, so that it can be told without its colour. */
const shapes: Readonly<Record<VmState, React.ReactNode>> = {
  off: <circle cx="5" cy="5" r="3.4" fill="none" stroke="currentColor" strokeWidth="1.4" />,
  saved: <path d="M2 1.5h6v7L5 6.3 2 8.5z" fill="currentColor" />,
  crashed: <path d="M5 .8 9.7 9H.3z M4.4 4v2.4h1.2V4z M4.4 7v1.1h1.2V7z" fill="currentColor" fillRule="evenodd" />,
  starting: <circle cx="5" cy="5" r="3.4" fill="none" stroke="currentColor" strokeWidth="1.4" strokeDasharray="2.2 1.6" />,
  running: <path d="M2 1.2v7.6L8.8 5z" fill="currentColor" />,
  paused: <path d="M2 1.5h2.2v7H2z M5.8 1.5H8v7H5.8z" fill="currentColor" />,
  stopping: <path d="M2 2h6v6H2z" fill="currentColor" />,
};

export function StateMark({ state }: { state: VmState }) {
  return (
    <svg viewBox="0 0 10 10" width={10} height={10} aria-hidden className="state-mark" data-state={state}>
      {shapes[state]}
    </svg>
  );
}

export function StateBadge({ state }: { state: VmState }) {
  const t = useText();
  return (
    <span className="state" data-state={state}>
      <StateMark state={state} />
      {t(`state.${state}`)}
    </span>
  );
}
