/** Hardware that suits a system, as data; and how a system is recognised by what stands on its media. */
import type { VmConfigInput } from '../../protocol/config.ts';

export interface Template {
  readonly title: string;
  readonly config: Partial<Pick<VmConfigInput, 'memory' | 'cpu' | 'rtc' | 'boot' | 'display'>>;
  /** GiB of a new disk for an installer; none: a live system or one of floppies. */
  readonly disk?: number;
  /** Matched against volume labels, boot record texts, names in the root of a CD (`/NAME`), kinds of partitions and file names. */
  readonly signs: readonly RegExp[];
}

const cpu = (model: string): VmConfigInput['cpu'] => ({ model });

/** In the order in which they are tried. */
export const templates: Readonly<Record<string, Template>> = {
  memtest: { title: 'Memtest86+', config: { memory: 64 }, signs: [/memtest/i, /MT86PLUS/i] },
  'grub-rescue': { title: 'GRUB rescue', config: { memory: 64 }, signs: [/grub[-_ ]?rescue/i] },
  freedos: { title: 'FreeDOS', config: { memory: 32, cpu: cpu('pentium'), rtc: 'local' }, disk: 0.5, signs: [/freedos/i, /FRDOS/, /KERNEL\s+SYS/] },
  'windows-2000': {
    title: 'Windows 2000',
    config: { memory: 256, cpu: cpu('pentium3'), rtc: 'local' },
    disk: 8,
    signs: [/^\/CDROM_NT\.5$/i, /W2[PS]|W2K|WIN ?2000|Windows 2000/i],
  },
  'windows-xp': {
    title: 'Windows XP',
    config: { memory: 512, cpu: cpu('pentium3'), rtc: 'local' },
    disk: 16,
    signs: [/^\/WIN5[12]/i, /WXP|WINXP|Windows ?XP|GRTM[HP]|VRMPVOL|NTLDR/i],
  },
  'windows-nt': {
    title: 'Windows NT',
    config: { memory: 128, cpu: cpu('pentium'), rtc: 'local' },
    disk: 2,
    signs: [/^\/CDROM_[WS]\.40$/i, /WINNT|NTWKS|NTSRV|NT ?4/i],
  },
  'windows-9x': {
    title: 'Windows 95/98/Me',
    config: { memory: 128, cpu: cpu('pentium'), rtc: 'local' },
    disk: 2,
    signs: [/^\/WIN9[58X]$/i, /WIN_?9[58]|WIN(DOWS)? ?(95|98|ME)\b|MSWIN4/i],
  },
  'windows-3x': { title: 'Windows 3.x', config: { memory: 16, cpu: cpu('pentium'), rtc: 'local' }, disk: 0.5, signs: [/WIN ?3[.1]|WFW/i] },
  dos: {
    title: 'DOS',
    config: { memory: 16, cpu: cpu('pentium'), rtc: 'local' },
    disk: 0.5,
    signs: [/MSDOS|MS-DOS|IBM +\d|IO\s+SYS|IBMBIO|DRDOS|PC-?DOS/i, /^partition: FAT$/, /\bdos\b/i],
  },
  bsd: { title: 'BSD', config: { memory: 512 }, disk: 16, signs: [/FreeBSD|OpenBSD|NetBSD|DragonFly/i, /^partition: BSD$/] },
  debian: { title: 'Debian', config: { memory: 1024 }, disk: 16, signs: [/debian/i, /^\/INSTALL\.(AMD|386)$/i] },
  linux: {
    title: 'Linux',
    config: { memory: 1024 },
    disk: 16,
    signs: [
      /linux|ubuntu|fedora|centos|rhel|suse|arch_?\d|alpine|mint|slackware|gentoo|knoppix|puppy|TinyCore|\bCore\b|slitaz|ext file system|GRUB/i,
      /^\/(ISOLINUX|CASPER|LIVE|SYSLINUX)$/i,
      /^partition: Linux$/,
    ],
  },
  'linux-32': { title: 'Linux, 32 bits', config: { memory: 512, cpu: cpu('i686') }, disk: 8, signs: [] },
  other: { title: 'Other', config: { memory: 512 }, disk: 16, signs: [] },
};

/** Floppies of systems nobody recognised are small systems. */
const UNKNOWN_FLOPPY_MEMORY = 64;

/** The first template one of whose signs is in one of the texts, the texts in order of weight. */
export function recognise(texts: readonly string[]): string {
  for (const text of texts) {
    for (const [name, { signs }] of Object.entries(templates)) {
      if (!signs.some((sign) => sign.test(text))) continue;
      return name === 'linux' && texts.some(is32Bit) && !texts.some(is64Bit) ? 'linux-32' : name;
    }
  }
  return 'other';
}

const is32Bit = (text: string) => /\bi[3-6]86\b|x86[-_]32|32[-_ ]?bit|^\/INSTALL\.386$/i.test(text);
const is64Bit = (text: string) => /amd64|x86[-_]64|\bx64\b|64[-_ ]?bit|^\/INSTALL\.AMD$/i.test(text);

export function hardwareFor(system: string, medium: string): Template['config'] {
  const { config } = templates[system] ?? templates['other']!;
  return medium === 'floppy' && system === 'other' ? { ...config, memory: UNKNOWN_FLOPPY_MEMORY } : config;
}
