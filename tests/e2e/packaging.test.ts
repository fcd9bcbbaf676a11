/** The configuration of electron-builder is one that it accepts, and what it names exists; the packages themselves need Electron's binary. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import process from 'node:process';
import type { Configuration } from 'electron-builder';

const nodeRequire = createRequire(join(process.cwd(), 'package.json'));
const config = JSON.parse(readFileSync('build/electron-builder.json', 'utf8')) as Configuration;

it('is valid for electron-builder’s own schema', async () => {
  const builder = dirname(nodeRequire.resolve('app-builder-lib/package.json'));
  const { validateConfiguration } = (await import(join(builder, 'out/util/config/config.js'))) as {
    validateConfiguration: (config: Configuration, log: { isEnabled: boolean }) => Promise<void>;
  };
  await expect(validateConfiguration(config, { isEnabled: false })).resolves.toBeUndefined();
  await expect(validateConfiguration({ ...config, nonsense: true } as Configuration, { isEnabled: false })).rejects.toThrow(/nonsense/);
});

it('names icons that exist', () => {
  for (const { icon } of [config.linux, config.mac, config.win] as { icon: string }[])
    expect([icon, existsSync(join('build/icons', icon))]).toEqual([icon, true]);
});

it('sets the fuses that Electron’s security checklist asks for', () => {
  expect(config.electronFuses).toMatchObject({
    runAsNode: true, // the one that stays open: VMM processes are started with it (docs/decisions)
    enableNodeOptionsEnvironmentVariable: false,
    enableNodeCliInspectArguments: false,
    enableEmbeddedAsarIntegrityValidation: true,
    onlyLoadAppFromAsar: true,
    grantFileProtocolExtraPrivileges: false,
  });
});
