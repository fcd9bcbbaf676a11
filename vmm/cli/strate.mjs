#!/usr/bin/env node
// Plain JavaScript on purpose: a Node that is too old must get as far as this line to say so.
import module from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';

const REQUIRED_MAJOR = 26;

if (Number(process.versions.node.split('.')[0]) < REQUIRED_MAJOR) {
  process.stderr.write(
    `strate needs Node ${REQUIRED_MAJOR} or newer and this is ${process.versions.node}; run it through npm (npx strate), which uses the version that package.json names\n`,
  );
  process.exitCode = 2;
} else {
  // What Node makes of the TypeScript is kept: half of the time that a short command takes. The variable is for the processes that this one starts.
  process.env.NODE_COMPILE_CACHE ??= join(homedir(), '.cache', 'strate', 'compiled');
  module.enableCompileCache(process.env.NODE_COMPILE_CACHE);
  const { main } = await import('./main.node.ts');
  await main(process.argv.slice(2));
}
