/** Hardware that suits a system, as data; and how a system is recognised by what its media are called. */
import type { VmConfigInput } from '../../protocol/config.ts';

export interface Template {
  readonly title: string;
  readonly config: Partial<Pick<VmConfigInput, 'memory' | 'cpu' | 'rtc' | 'boot' | 'display'>>;
  /** GiB of a new disk for an installer; none: a live system or one of floppies. */
  readonly disk?: number;
  /** Matched against volume labels, boot record texts and file names. */
  readonly signs: readonly RegExp[];
}

/** In the order in which they are tried. */
export const templates: Readonly<Record<string, Template>> = {
  memtest: { title: 'Memtest86+', config: { memory: 64 }, signs: [/memtest/i, /MT86PLUS/i] },
  'grub-rescue': { title: 'GRUB rescue', config: { memory: 64 }, signs: [/grub[-_ ]?rescue/i] },
  freedos: { title: 'FreeDOS', config: { memory: 32, rtc: 'local' }, disk: 0.5, signs: [/freedos/i, /FRDOS/, /KERNEL\s+SYS/] },
  'windows-xp': {
    title: 'Windows 2000/XP',
    config: { memory: 512, rtc: 'local' },
    disk: 16,
    signs: [/WXP|WINXP|Windows ?XP|GRTM[HP]|VRMPVOL|W2P|W2K|WIN2000|NTLDR/i],
  },
  'windows-nt': { title: 'Windows NT', config: { memory: 128, rtc: 'local' }, disk: 2, signs: [/WINNT|NTWKS|NTSRV|NT ?4/i] },
  'windows-9x': { title: 'Windows 95/98/Me', config: { memory: 128, rtc: 'local' }, disk: 2, signs: [/WIN_?9[58]|WIN(DOWS)? ?(95|98|ME)\b|MSWIN4/i] },
  'windows-3x': { title: 'Windows 3.x', config: { memory: 16, rtc: 'local' }, disk: 0.5, signs: [/WIN ?3[.1]|WFW/i] },
  dos: { title: 'DOS', config: { memory: 16, rtc: 'local' }, disk: 0.5, signs: [/MSDOS|MS-DOS|IBM +\d|IO\s+SYS|IBMBIO|DRDOS|PC-?DOS/i, /\bdos\b/i] },
  bsd: { title: 'BSD', config: { memory: 512 }, disk: 16, signs: [/FreeBSD|OpenBSD|NetBSD|DragonFly/i] },
  debian: { title: 'Debian', config: { memory: 1024 }, disk: 16, signs: [/debian/i] },
  linux: {
    title: 'Linux',
    config: { memory: 1024 },
    disk: 16,
    signs: [
      /linux|ubuntu|fedora|centos|rhel|suse|arch_?\d|alpine|mint|slackware|gentoo|knoppix|puppy|TinyCore|\bCore\b|slitaz|ext file system|GRUB/i,
    ],
  },
  other: { title: 'Other', config: { memory: 512 }, disk: 16, signs: [] },
};

/** Floppies of systems nobody recognised are small systems. */
const UNKNOWN_FLOPPY_MEMORY = 64;

/** The first template one of whose signs is in one of the texts, the texts in order of weight. */
export function recognise(texts: readonly string[]): string {
  for (const text of texts) {
    for (const [name, { signs }] of Object.entries(templates)) if (signs.some((sign) => sign.test(text))) return name;
  }
  return 'other';
}

export function hardwareFor(system: string, medium: string): Template['config'] {
  const { config } = templates[system] ?? templates['other']!;
  return medium === 'floppy' && system === 'other' ? { ...config, memory: UNKNOWN_FLOPPY_MEMORY } : config;
}
