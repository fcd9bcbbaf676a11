/** What the command says to a person goes to stderr: stdout is for results and for the guest. */
import { messageOf, VmmError } from '../base/errors.ts';
import { ProtocolError } from '../protocol/wire.ts';
import { exitStatus } from './exit-status.ts';

export function say(message: string): void {
  process.stderr.write(`${message}\n`);
}

export function complain(message: string): void {
  for (const line of message.split('\n')) process.stderr.write(`strate: ${line}\n`);
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Says what went wrong; returns the exit status. Our own bugs show their stack. */
export function failure(error: unknown): number {
  if ((error instanceof VmmError || error instanceof ProtocolError) && error.kind !== 'internal') {
    complain(error.message);
    return error.kind === 'host' || error.kind === 'closed'
      ? exitStatus.internalError
      : error.kind === 'timeout'
        ? exitStatus.timeout
        : exitStatus.badUsage;
  }
  complain(`internal error: ${error instanceof Error ? (error.stack ?? error.message) : messageOf(error)}`);
  return exitStatus.internalError;
}

/** Columns as wide as their widest cell, two spaces between. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows.reduce<number[]>((sofar, row) => row.map((cell, column) => Math.max(sofar[column] ?? 0, cell.length)), []);
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** What comes from a guest or a file is shown without what would move the terminal's cursor. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '\ufffd');
}
