/** Machines of other products, read into what Strate would build: what maps, and what is lost, said before anything is made. */
import type { DriveInput, VmConfigInput } from '../../../protocol/config.ts';
import { templates } from '../templates.ts';

/** A line of the preview: what the other product has, and what becomes of it here. */
export interface Mapped {
  readonly what: string;
  readonly from: string;
  readonly to: string;
}

export interface ForeignDrive {
  /** As the file names it: absolute, or relative to the file. */
  readonly path: string | undefined;
  readonly media: 'disk' | 'cdrom' | 'floppy';
  /** Where it is connected there: `SCSI 0:1`. */
  readonly place: string;
  /** Bus and slot here, where the place there says so. */
  readonly wish?: Pick<DriveInput, 'bus' | 'slot'>;
}

export interface ForeignMachine {
  readonly product: 'VMware' | 'Virtual PC' | 'VirtualBox' | 'OVF';
  readonly name: string;
  readonly config: Partial<Omit<VmConfigInput, 'drives'>>;
  readonly drives: readonly ForeignDrive[];
  readonly mapped: readonly Mapped[];
  /** What has no counterpart here, one line each. */
  readonly lost: readonly string[];
}

/** Systems by the names that other products give them. */
const systems: readonly (readonly [RegExp, string])[] = [
  [/win(dows)?(95|98|me|9x)/i, 'windows-9x'],
  [/win(dows)?_?(3\.?1|31)/i, 'windows-3x'],
  [/winnt|windowsnt|nt4/i, 'windows-nt'],
  [/win2000|windows2000|win2k/i, 'windows-2000'],
  [/winxp|windowsxp|winnet|windows2003|win2003/i, 'windows-xp'],
  [/freedos/i, 'freedos'],
  [/dos/i, 'dos'],
  [/bsd/i, 'bsd'],
  [/debian/i, 'debian'],
  [/(linux|ubuntu|fedora|centos|rhel|redhat|suse|gentoo|arch|oracle|mandriva|xandros|turbo).*64|64.*linux/i, 'linux'],
  [/linux|ubuntu|fedora|centos|rhel|redhat|suse|gentoo|arch|oracle|mandriva|xandros|turbo/i, 'linux-32'],
];

export function systemOf(guest: string): string {
  return systems.find(([sign]) => sign.test(guest))?.[1] ?? 'other';
}

export const titleOf = (system: string): string => templates[system]?.title ?? system;

/** Gathers the preview while a file is read. */
export class Mapping {
  readonly mapped: Mapped[] = [];
  readonly lost: string[] = [];

  map(what: string, from: string | number, to: string | number): void {
    this.mapped.push({ what, from: String(from).slice(0, 200), to: String(to).slice(0, 200) });
  }

  lose(line: string): void {
    if (!this.lost.includes(line)) this.lost.push(line.slice(0, 200));
  }

  memory(mib: number, most: number): number {
    const here = Math.max(1, Math.min(most, Math.round(mib)));
    this.map('Memory', `${mib} MiB`, here === mib ? `${here} MiB` : `${here} MiB, the most that is possible`);
    return here;
  }

  processors(count: number): number {
    this.map('Processors', count, count > 1 ? '1: several processors are not available yet' : 1);
    return 1;
  }
}

/** An Ethernet address with colons; undefined for one that no machine may have. */
export function macOf(text: string | undefined): string | undefined {
  const digits = text?.replaceAll(/[^0-9a-f]/gi, '').toLowerCase() ?? '';
  const mac = digits.match(/../g)?.join(':');
  return mac !== undefined && /^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/.test(mac) ? mac : undefined;
}
