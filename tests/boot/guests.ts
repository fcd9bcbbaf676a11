/**
 * The guests that a release boots, each to its milestone. Files are looked for in the guest directory (STRATE_GUESTS, default .cache/guests): what ../shared/guests has and
 * builds (build-mini.sh, build-debian.sh), and Debian's memtest86+, grub-rescue-pc and debian-installer-12-netboot-* packages.
 */
export interface Step {
  /** Waits for this on the serial port. */
  readonly serial?: RegExp;
  /** Waits for this on the text screen. */
  readonly screen?: string;
  readonly type?: string;
  readonly keys?: string;
  /** Writes to the serial port. */
  readonly send?: string;
  /** Lets it run for so many seconds. */
  readonly wait?: number;
  /** Keeps a picture under this name. */
  readonly screenshot?: string;
}

export interface Guest {
  readonly name: string;
  /** What the last step shows, for the table. */
  readonly milestone: string;
  /** What the guest needs of the guest directory; `{}` in args stands for it. */
  readonly files: readonly string[];
  readonly args: readonly string[];
  readonly steps: readonly Step[];
  /** Seconds until the last step must be done. */
  readonly timeout: number;
}

const linux = (arch: string, prefix: string, append: string, memory: number): readonly string[] => [
  '--kernel',
  `{}/${prefix}-${arch}.vmlinuz`,
  '--initrd',
  `{}/${prefix}-${arch}.initrd`,
  '--append',
  append,
  '--memory',
  String(memory),
];

/** A shell that does what it is told. What the guest prints and its prompt come in either order. */
const command = (prompt: RegExp): readonly Step[] => [{ serial: prompt, send: 'echo sum=$((6*7)); uname -m\n' }, { serial: /sum=42/ }];

const mini = (arch: string): Guest => ({
  name: `mini-${arch}`,
  milestone: 'shell on the serial port, a command run',
  files: [`mini-${arch}.vmlinuz`, `mini-${arch}.initrd`],
  args: linux(arch, 'mini', 'console=ttyS0,115200', 256),
  steps: [{ serial: /GUEST-MILESTONE: shell/ }, ...command(/\/ # /)],
  timeout: 600,
});

/** On the text screen: with a frame buffer the installer draws its dialogs as pixels, where nothing can be waited for. With less memory it first says so. */
const installer = (arch: string): Guest => ({
  name: `installer-${arch}`,
  milestone: 'language screen',
  files: [`di-${arch}.vmlinuz`, `di-${arch}.initrd`],
  args: linux(arch, 'di', 'vga=normal fb=false nomodeset', 1024),
  steps: [{ screen: 'Select a language' }, { screenshot: `installer-${arch}` }],
  timeout: 900,
});

const disk = (arch: string, flavour: string, milestone: string, steps: readonly Step[], timeout: number): Guest => ({
  name: `debian-${arch}-${flavour}`,
  milestone,
  files: [`debian-${arch}-${flavour}.img`],
  args: ['--hda', `{}/debian-${arch}-${flavour}.img`, '--discard-writes', '--memory', '512'],
  steps,
  timeout,
});

const memtest = (bits: string): Guest => ({
  name: `memtest-${bits}`,
  milestone: 'one pass over 64 MB',
  files: [`memtest86+${bits}.bin`],
  args: ['--kernel', `{}/memtest86+${bits}.bin`, '--memory', '64'],
  steps: [{ screen: 'Pass:  1        Errors: 0' }, { screenshot: `memtest-${bits}` }],
  timeout: 3600,
});

export const guests: readonly Guest[] = [
  {
    name: 'freedos',
    milestone: '`A:\\>`, `dir` typed, listing',
    files: ['freedos722.img'],
    args: ['--fda', '{}/freedos722.img', '--discard-writes', '--memory', '32'],
    steps: [{ screen: 'A:\\>' }, { type: 'dir\n' }, { screen: 'bytes free' }, { screenshot: 'freedos' }],
    timeout: 120,
  },
  {
    name: 'mikeos',
    milestone: 'its dialog',
    files: ['mikeos.flp'],
    args: ['--fda', '{}/mikeos.flp', '--discard-writes', '--memory', '16'],
    steps: [{ screen: 'Thanks for trying out MikeOS!' }, { screenshot: 'mikeos' }],
    timeout: 120,
  },
  {
    name: 'bootos',
    milestone: '`$`, `dir` typed, listing',
    files: ['bootos-osall.img'],
    args: ['--fda', '{}/bootos-osall.img', '--discard-writes', '--memory', '16'],
    steps: [{ screen: '$' }, { type: 'dir\n' }, { wait: 3 }, { screenshot: 'bootos' }],
    timeout: 120,
  },
  ...['invaders', 'pillman'].map((game): Guest => ({
    name: `bootos-${game}`,
    milestone: `${game} on the screen`,
    files: ['bootos-osall.img'],
    args: ['--fda', '{}/bootos-osall.img', '--discard-writes', '--memory', '16'],
    steps: [{ screen: '$' }, { type: `${game}\n` }, { wait: 4 }, { screenshot: `bootos-${game}` }],
    timeout: 120,
  })),
  {
    name: 'grub-rescue',
    milestone: 'the menu, from the ATAPI CD',
    files: ['grub-rescue-cdrom.iso'],
    args: ['--cdrom', '{}/grub-rescue-cdrom.iso', '--boot', 'd', '--memory', '128'],
    steps: [{ screen: 'GNU GRUB' }, { screen: 'to boot the selected OS' }, { screenshot: 'grub-rescue' }],
    timeout: 180,
  },
  mini('i386'),
  mini('amd64'),
  disk('i386', 'console', 'SeaBIOS, GRUB, IDE disk, login, a command run', [{ serial: /GUEST-MILESTONE: rootfs/ }, ...command(/guest# /)], 1200),
  disk('amd64', 'console', 'SeaBIOS, GRUB, IDE disk, login, a command run', [{ serial: /GUEST-MILESTONE: rootfs/ }, ...command(/guest# /)], 1800),
  installer('i386'),
  installer('amd64'),
  ...['i386', 'amd64'].map((arch) =>
    // On a busy host the programs of the session are not there yet after half a minute: they read every font first.
    disk(
      arch,
      'desktop',
      'X11, screenshot',
      [{ serial: /GUEST-MILESTONE: x11/ }, { wait: 30 }, { screenshot: `desktop-${arch}` }, { wait: 150 }, { screenshot: `desktop-${arch}-later` }],
      2400,
    ),
  ),
  memtest('ia32'),
  memtest('x64'),
];
