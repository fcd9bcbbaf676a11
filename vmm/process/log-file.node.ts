/** A run's log: a file in the VM's folder that does not grow without end, and its last lines in memory. */
import { closeSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { LogRecord } from '../base/log.ts';

const MAX_BYTES = 4 << 20;
const LINES_IN_MEMORY = 1000;

export class LogFile {
  readonly #path: string | undefined;
  readonly #echo: ((line: string) => void) | undefined;
  #descriptor: number | undefined;
  #bytes = 0;
  readonly #lines: string[] = [];

  /** Begins anew; the log of the run before is kept as `PATH.1`. Without a path: in memory only. */
  constructor(path?: string, echo?: (line: string) => void) {
    this.#path = path;
    this.#echo = echo;
    if (path !== undefined) this.#open(path);
  }

  readonly record = (record: LogRecord): void => {
    const data = record.data === undefined ? '' : ` ${JSON.stringify(record.data)}`;
    this.line(`${record.level} ${record.component}: ${record.message}${data}`, record.level === 'error' || record.level === 'warn');
  };

  line(text: string, important = false): void {
    const line = `${new Date().toISOString()} ${text.replaceAll('\n', '\n  ')}`;
    this.#lines.push(line);
    if (this.#lines.length > LINES_IN_MEMORY) this.#lines.splice(0, this.#lines.length - LINES_IN_MEMORY);
    if (important) this.#echo?.(text);
    if (this.#descriptor === undefined) return;
    if (this.#bytes > MAX_BYTES) this.#open(this.#path!);
    try {
      this.#bytes += writeSync(this.#descriptor, `${line}\n`);
    } catch {
      this.close(); // the disk is full: the run matters more than its log
    }
  }

  last(count: number): string[] {
    return this.#lines.slice(-count);
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #open(path: string): void {
    this.close();
    try {
      mkdirSync(dirname(path), { recursive: true });
      try {
        renameSync(path, `${path}.1`);
      } catch {
        // the first run
      }
      this.#descriptor = openSync(path, 'w', 0o600);
      this.#bytes = 0;
    } catch {
      this.#descriptor = undefined; // a read-only folder: the log is in memory
    }
  }
}
