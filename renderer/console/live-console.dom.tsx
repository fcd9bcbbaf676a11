import { Play, Rewind } from 'lucide-react';
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { useStore } from 'zustand';
import type { VmSummary } from '../../vmm/protocol/shared.ts';
import { runCommand } from '../commands/command.ts';
import { contextOf, isMac } from '../commands/context.dom.ts';
import { hostKeyCap } from '../commands/shortcut.ts';
import { command, commands } from '../commands/table.ts';
import { useText } from '../i18n/i18n.ts';
import { MachineToolbar } from '../machine/toolbar.dom.tsx';
import { useApp, useSessionState, useSettings } from '../state/context.dom.tsx';
import type { MachineSession } from '../state/session.dom.ts';
import { Button } from '../ui/button.dom.tsx';
import { Notice } from '../ui/feedback.dom.tsx';
import { FindBar, FindMarks, useFinding } from './find-bar.dom.tsx';
import { place, type Size } from './scale.ts';
import { Announcer, TextLayer } from './text-layer.dom.tsx';
import { useFullScreen } from './use-full-screen.dom.ts';
import { type Keyboard, useKeyboard } from './use-keyboard.dom.ts';
import { useMouse } from './use-mouse.dom.ts';
import { type Rewinding, useRewind } from './use-rewind.dom.ts';

/** A running machine's screen, keyboard and mouse. */
export function LiveConsole({ vm, session }: { vm: VmSummary; session: MachineSession }) {
  const app = useApp();
  const t = useText();
  const stage = useRef<HTMLDivElement>(null);
  const frame = useRef<HTMLDivElement>(null);
  const link = useSessionState(session, (s) => s.link);
  const mode = useSessionState(session, (s) => s.mode);
  const text = useSessionState(session, (s) => s.text);
  const absolute = useSessionState(session, (s) => s.absolute);
  const notice = useSessionState(session, (s) => s.notice);
  const scaling = useSettings((s) => s.scaling);
  const lockOnClick = useSettings((s) => s.captureOnClick);
  const announce = useSettings((s) => s.announceScreen);
  const selecting = useStore(app.transient, (s) => s.selectText) && text !== undefined;
  const room = useRoom(stage);
  const zoom = useStore(app.transient, (s) => s.zoom);
  const placement = place(mode, room, scaling, window.devicePixelRatio, zoom);
  const find = useStore(app.transient, (s) => s.find) && text !== undefined;
  const finding = useFinding(find ? text : undefined);
  const closeFind = useCallback(() => app.transient.setState({ find: false }), [app]);
  const [isFull, toggleFullScreen] = useFullScreen();
  const running = vm.state === 'running';

  const { at: rewinding, hold, letGo } = useRewind(app, session, vm);
  const hostCommand = useCallback(
    (code: string) => {
      const context = contextOf(app, vm.id);
      if (code === command('rewind').hostKey && command('rewind').enabled(context)) {
        hold();
        return;
      }
      const found = commands.find((c) => c.hostKey === code && c.enabled(context));
      if (found) runCommand(found, context);
    },
    [app, vm.id, hold],
  );
  const keyboard = useKeyboard(app, session, frame, hostCommand, letGo);
  const { capture, release, tap } = keyboard;

  const onEscapeTaken = useCallback(() => tap('Escape'), [tap]);
  const locked = useMouse({ session, element: frame, absolute, enabled: !selecting, lockOnClick, onPress: capture, onEscapeTaken });

  useEffect(() => session.watchScreen(), [session]);

  useLayoutEffect(() => {
    const { canvas } = session.screen;
    canvas.className = 'screen';
    frame.current?.prepend(canvas);
    return () => canvas.remove();
  }, [session]);

  useEffect(() => {
    app.stage = { toggleFullScreen, release };
    return () => {
      app.stage = undefined;
    };
  }, [app, toggleFullScreen, release]);

  // Who opens a running machine wants to type into it: unless something else has the focus, the guest gets the keyboard.
  useEffect(() => {
    if (link !== 'open') return;
    const { activeElement } = document;
    if (activeElement === null || activeElement === document.body || !activeElement.closest('.popover, .modal, input, textarea')) {
      capture();
    }
  }, [link, capture]);

  useEffect(() => {
    if (selecting || find) release();
  }, [selecting, find, release]);

  return (
    <div className="stage" ref={stage} data-captured={keyboard.captured ? '' : undefined} data-full={isFull ? '' : undefined}>
      {isFull && (
        <div className="hover-bar">
          <MachineToolbar vm={vm} compact />
        </div>
      )}
      {notice !== undefined && (
        <div className="stage-notice">
          <Notice
            tone={notice.level === 'error' ? 'bad' : notice.level === 'warning' ? 'warn' : 'info'}
            title={notice.message}
            dismiss={{ label: t('action.dismiss'), run: () => session.store.setState({ notice: undefined }) }}
          />
        </div>
      )}
      {find && <FindBar finding={finding} close={closeFind} />}
      <div className="screen-room" data-zoomed={zoom > 1 || undefined}>
        <div
          className="screen-frame"
          style={{ width: placement.width, height: placement.height }}
          data-empty={mode.width === 0 ? '' : undefined}
          data-paused={vm.state === 'paused' && rewinding === undefined ? '' : undefined}
        >
          <div
            ref={frame}
            className="screen-input"
            role="application"
            aria-label={t('console.label', { name: vm.name })}
            aria-describedby="capture-hint"
            tabIndex={0}
            data-sharp={placement.sharp ? '' : undefined}
            data-cursor={absolute || locked ? 'hidden' : undefined}
            onKeyDown={(event) => {
              if (!keyboard.captured && (event.key === 'Enter' || event.key === ' ')) {
                event.preventDefault();
                capture();
              }
            }}
          />
          {text !== undefined && <TextLayer text={text} size={placement} selectable={selecting} />}
          {find && <FindMarks finding={finding} text={text} size={placement} />}
          {rewinding !== undefined ? <RewindOverlay {...rewinding} /> : vm.state === 'paused' && <PausedOverlay vm={vm} session={session} />}
        </div>
        {mode.width === 0 && (
          <p className="screen-wait" role="status">
            {link === 'closed' ? t('console.lost') : running ? t('console.noPicture') : t('console.connecting')}
          </p>
        )}
      </div>
      <CaptureBar keyboard={keyboard} locked={locked} absolute={absolute} />
      <Announcer text={text} enabled={announce} />
    </div>
  );
}

/** Always says where the keyboard goes and how to take it back. */
function CaptureBar({ keyboard, locked, absolute }: { keyboard: Keyboard; locked: boolean; absolute: boolean }) {
  const t = useText();
  const hostKey = useSettings((s) => s.hostKey);
  const cap = hostKeyCap(hostKey, isMac());
  return (
    <div className="capture-bar" id="capture-hint" data-captured={keyboard.captured ? '' : undefined}>
      {keyboard.captured ? (
        <>
          <span>{locked ? t('console.bothCaptured') : t('console.keysCaptured')}</span>
          <span className="capture-keys">
            <kbd>{cap}</kbd> {t('console.releases')} <span className="capture-or">{t('console.or')}</span> <kbd>Esc</kbd> {t('console.hold')}
          </span>
          {!locked && !absolute && <span className="capture-more">{t('console.clickForMouse')}</span>}
        </>
      ) : (
        <span>{t('console.clickToCapture')}</span>
      )}
      {keyboard.escape > 0 && (
        <span className="escape-meter" role="status">
          <span style={{ width: `${keyboard.escape * 100}%` }} />
          <span className="visually-hidden">{t('console.holding')}</span>
        </span>
      )}
    </div>
  );
}

function RewindOverlay({ back, most }: Rewinding) {
  const t = useText();
  return (
    <div className="rewind-overlay" role="status">
      <Rewind aria-hidden />
      <span>{t('rewind.back', { seconds: Math.round(back) })}</span>
      <span className="rewind-track" aria-hidden>
        <span style={{ insetInlineEnd: `${most === 0 ? 0 : (back / most) * 100}%` }} />
      </span>
    </div>
  );
}

function PausedOverlay({ vm, session }: { vm: VmSummary; session: MachineSession }) {
  const app = useApp();
  const t = useText();
  const why = useSessionState(session, (s) => s.status?.notice);
  return (
    <div className="paused-overlay">
      <p>{t('state.paused')}</p>
      {why !== undefined && <p className="paused-why">{why}</p>}
      <Button kind="primary" icon={Play} onPress={() => void runCommand(command('resume'), contextOf(app, vm.id))}>
        {t('command.resume')}
      </Button>
    </div>
  );
}

/** The room for the screen, kept up to date. */
function useRoom(element: React.RefObject<HTMLElement | null>): Size {
  const [room, setRoom] = useState<Size>({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const target = element.current?.querySelector('.screen-room');
    if (!target) return undefined;
    const observer = new ResizeObserver(([entry]) => {
      const [box] = entry?.borderBoxSize ?? []; // its scroll bars, when zoomed, take nothing away
      if (box) setRoom({ width: box.inlineSize, height: box.blockSize });
    });
    observer.observe(target);
    return () => observer.disconnect();
  }, [element]);
  return room;
}
