/**
 * `npm test`: prepares what the tests need (Debian packages where apt may install them, the engine), runs the static checks when asked
 * (`--check`), then jest, and ends with `N passed, N failed, N skipped`. Arguments after `--` go to jest.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { requireNode } from './require-node.node.ts';

requireNode();

interface JestSummary {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
  numFailedTestSuites: number;
  numRuntimeErrorTestSuites: number;
  testResults: { name: string; assertionResults: { status: string; fullName: string }[] }[];
}

/** What the tests use of the host, and the Debian package that brings it. Each is optional: tests that need it skip and say so. */
const HOST_PACKAGES: readonly { readonly path: string; readonly name: string }[] = [
  { path: '/usr/share/seabios/bios-256k.bin', name: 'seabios' },
  { path: '/usr/bin/chromium', name: 'chromium' },
  { path: '/usr/bin/qemu-img', name: 'qemu-utils' },
];

function installMissingPackages(): void {
  const missing = HOST_PACKAGES.filter((p) => !existsSync(p.path)).map((p) => p.name);
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    console.log(`Not installed: ${missing.join(', ')}. Tests that need them are skipped. On Debian: sudo apt-get install ${missing.join(' ')}`);
    return;
  }
  console.log(`Installing Debian packages for the tests: ${missing.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  spawnSync('apt-get', ['update', '-qq'], { stdio: 'inherit', env });
  const result = spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env,
  });
  if (result.status !== 0) console.log(`apt-get could not install ${missing.join(', ')}: tests that need them are skipped`);
}

function run(script: string, ...args: string[]): void {
  const result = spawnSync(process.execPath, [script, ...args], { stdio: 'inherit' });
  if (result.status !== 0) process.exit(result.status ?? 1);
}

installMissingPackages();
run('build/engine.node.ts');
if (existsSync('build/page.node.ts')) run('build/page.node.ts');

const scratch = mkdtempSync(join(tmpdir(), 'strate-test-'));
const summaryFile = join(scratch, 'jest.json');
const jest = spawnSync(process.execPath, ['node_modules/jest/bin/jest.js', '--json', `--outputFile=${summaryFile}`, ...process.argv.slice(2)], {
  stdio: ['ignore', 'ignore', 'inherit'],
});
if (!existsSync(summaryFile)) {
  rmSync(scratch, { recursive: true });
  console.error('jest did not run to its end');
  process.exit(jest.status ?? 1);
}
const summary = JSON.parse(readFileSync(summaryFile, 'utf8')) as JestSummary;
rmSync(scratch, { recursive: true });
for (const file of summary.testResults) {
  for (const test of file.assertionResults) if (test.status === 'pending') console.log(`skipped: ${test.fullName}`);
}
const failed = Math.max(summary.numFailedTests, summary.numFailedTestSuites, summary.numRuntimeErrorTestSuites);
console.log(`${summary.numPassedTests} passed, ${failed} failed, ${summary.numPendingTests + summary.numTodoTests} skipped`);
process.exit(jest.status ?? 1);
