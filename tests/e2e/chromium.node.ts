/** Debian's Chromium for the end-to-end tests: found where the distribution puts it, started without a profile and without the network. */
import { existsSync } from 'node:fs';
import process from 'node:process';
import { type Browser, chromium } from 'playwright-core';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/usr/bin/google-chrome-stable'];

const FLAGS = [
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-quic',
  '--force-color-profile=srgb',
];

export const chromiumPath: string | undefined = process.env['STRATE_CHROMIUM'] ?? PLACES.find((path) => existsSync(path));

export function launchChromium(): Promise<Browser> {
  if (chromiumPath === undefined) throw new Error('Chromium is not installed: apt-get install chromium, or set STRATE_CHROMIUM');
  const root = process.getuid?.() === 0; // Chromium's sandbox refuses to run as root
  return chromium.launch({ executablePath: chromiumPath, headless: true, args: root ? ['--no-sandbox', ...FLAGS] : FLAGS });
}

/** `describe` where Chromium is installed; otherwise the tests are skipped and the reason is printed. */
export function describeWithChromium(name: string, body: () => void): void {
  if (chromiumPath !== undefined) {
    describe(name, body);
    return;
  }
  console.log(`${name}: skipped, Chromium is not installed (apt-get install chromium, or set STRATE_CHROMIUM)`);
  describe.skip(name, body);
}
