/** What a configuration may ask for and this version cannot give yet. An entry goes away with the issue that brings the device. */
import type { VmConfig } from '../protocol/config.ts';

interface Gap {
  readonly what: string;
  readonly asked: (config: VmConfig) => boolean;
}

const gaps: readonly Gap[] = [
  { what: '--accel kvm', asked: ({ accel }) => accel === 'kvm' },
  { what: '--cpus above 1', asked: ({ cpu }) => cpu.count > 1 },
  { what: '--firmware uefi', asked: ({ firmware }) => firmware === 'uefi' },
  { what: '--boot n (network)', asked: ({ boot, nics }) => boot.order === 'n' && nics.length === 0 },
];

/** One line per thing that is asked for and missing. */
export function notAvailable(config: VmConfig): string[] {
  return gaps.filter(({ asked }) => asked(config)).map(({ what }) => `${what} is not available yet`);
}
