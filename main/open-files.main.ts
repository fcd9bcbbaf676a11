import { isAbsolute, resolve } from 'node:path';

/** The files among a command line's arguments: everything after the program (and the application's folder, where one is given). */
export function filesOf(argv: readonly string[], packaged: boolean, cwd: string): string[] {
  return argv
    .slice(packaged ? 1 : 2)
    .filter((argument) => argument !== '' && !argument.startsWith('-'))
    .map((argument) => (isAbsolute(argument) ? argument : resolve(cwd, argument)));
}
