import { join } from 'node:path';
import process from 'node:process';
import * as electron from 'electron';
import { Application } from './application.main.ts';

// Bundled to dist/main/index.main.cjs, so __dirname is dist/main.
const application = new Application(electron, {
  dist: join(__dirname, '..'),
  platform: process.platform,
  argv: process.argv,
  cwd: process.cwd(),
  ...(electron.app.isPackaged && { resources: process.resourcesPath }),
});
void application.start();
