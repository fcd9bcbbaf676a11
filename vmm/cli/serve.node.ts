/** `strate serve`: the interface in a browser. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Command } from 'commander';
import { VmmError } from '../base/errors.ts';
import { installationRoot } from '../process/installation.node.ts';
import { autostart, openLibrary } from '../process/library/open-library.node.ts';
import { startWebServer, type WebServer, type WebServerOptions } from '../process/serve/web-server.node.ts';
import { exitStatus } from './exit-status.ts';
import type { Doing } from './main.node.ts';
import { parseInteger } from './option-values.ts';
import { complain, print, say } from './output.node.ts';

const DEFAULT_PORT = 8086;

export function addServe(program: Command, does: Doing): void {
  program
    .command('serve')
    .description('the same interface in a browser of this computer: prints the address to open')
    .option('--port <n>', `port on 127.0.0.1; 0: any free one (${DEFAULT_PORT}, or any free one if that is in use)`)
    .action(does(({ port }: { port?: string }) => serve(port === undefined ? undefined : parseInteger(port, '--port', 0, 65535))));
}

async function serve(port: number | undefined): Promise<number> {
  const page = await builtPage();
  const services = await openLibrary({
    onLog: ({ level, message, data }) => {
      if (level === 'error' || level === 'warn') complain(`${message}${data === undefined ? '' : ` ${JSON.stringify(data)}`}`);
    },
  });
  const server = await start({ ...services, page, port: port ?? DEFAULT_PORT }, port === undefined);
  print(server.url);
  say('Open this address in a browser. Ctrl-C ends the server; machines run on.');
  void autostart(services);
  const status = await new Promise<number>((resolve) => {
    process.once('SIGINT', () => resolve(exitStatus.interrupted));
    process.once('SIGTERM', () => resolve(exitStatus.terminated));
  });
  await server.close();
  await services.library.close();
  return status;
}

async function start(options: WebServerOptions, mayMove: boolean): Promise<WebServer> {
  try {
    return await startWebServer(options);
  } catch (error) {
    if (mayMove && error instanceof VmmError && error.kind === 'busy') return startWebServer({ ...options, port: 0 });
    throw error;
  }
}

/** The folder of the page; in a source checkout it is built when it is older than its sources. @throws VmmError `not-found` */
async function builtPage(): Promise<string> {
  const root = installationRoot();
  const builder = join(root, 'build', 'page.node.ts');
  if (existsSync(builder)) {
    const build = (await import(pathToFileURL(builder).href)) as { pageIsStale(): boolean; buildPage(): Promise<void> };
    if (build.pageIsStale()) {
      say('building the page ...');
      await build.buildPage();
    }
  }
  const page = join(root, 'dist', 'page');
  if (!existsSync(join(page, 'index.html')))
    throw new VmmError('not-found', `the page is missing from ${page}; run npm run build, or install Strate again`);
  return page;
}
