import { FitAddon } from '@xterm/addon-fit';
import { SearchAddon } from '@xterm/addon-search';
import { Terminal } from '@xterm/xterm';
import { type RefObject, useEffect, useRef } from 'react';

export interface TerminalTools {
  readonly terminal: Terminal;
  readonly search: SearchAddon;
}

/** The other end of a terminal: `join` is called with the terminal when it is on the screen and returns what ends the connection. */
export interface TerminalPaneProps {
  readonly label: string;
  readonly join: (terminal: Terminal) => () => void;
  readonly tools?: RefObject<TerminalTools | undefined>;
}

/** A terminal. Whatever is written to it (megabytes of titles, escapes) stays in it: it takes what terminals take and touches nothing else. */
export function TerminalPane({ label, join, tools }: TerminalPaneProps) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const styles = getComputedStyle(element);
    const terminal = new Terminal({
      fontFamily: styles.getPropertyValue('--mono'),
      fontSize: 13,
      lineHeight: 1.2,
      scrollback: 10_000,
      cursorBlink: false,
      screenReaderMode: true,
      theme: { background: styles.backgroundColor, foreground: styles.color },
    });
    const fit = new FitAddon();
    const search = new SearchAddon();
    terminal.loadAddon(fit);
    terminal.loadAddon(search);
    terminal.open(element);
    fit.fit();
    if (tools) tools.current = { terminal, search };
    const resized = new ResizeObserver(() => fit.fit());
    resized.observe(element);
    const leave = join(terminal);
    terminal.focus();
    return () => {
      leave();
      resized.disconnect();
      terminal.dispose();
      if (tools) tools.current = undefined;
    };
  }, [join, tools]);
  return <div className="serial-screen" ref={place} aria-label={label} role="region" />;
}

/** What a terminal shows and has shown, as plain text. */
export function terminalText(terminal: Terminal): string {
  const buffer = terminal.buffer.active;
  const lines = Array.from({ length: buffer.length }, (_, n) => buffer.getLine(n)?.translateToString(true) ?? '');
  return `${lines.join('\n').trimEnd()}\n`;
}
