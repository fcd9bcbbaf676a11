/** The options of `strate run` as a table. Each writes into a draft; the help text, the parser and the documentation come from here. */
import { accelKinds, displayKinds, type DriveInput, MAX_CPUS, MAX_MEMORY_MIB, SERIAL_PORTS, type VmConfigInput } from '../protocol/config.ts';
import { busSlots } from '../protocol/config-drives.ts';
import { nicValue } from './nic-option.ts';
import { parseHostPort, parseInteger, parsePairs, parseSeconds, parseSwitch, refuseRest, splitScheme, take, usage } from './option-values.ts';
import type { DriveDraft, RunDraft } from './run-settings.ts';

export interface RunOption {
  /** `--memory <MiB>`, or `--no-reboot` without a value. */
  readonly flags: string;
  readonly summary: string;
  readonly repeatable?: true;
  readonly group: 'machine' | 'boot' | 'drives' | 'devices' | 'run';
  /** `value` is '' for a flag without one. @throws VmmError `usage` */
  apply(draft: RunDraft, value: string): void;
}

type SerialInput = NonNullable<VmConfigInput['serial']>[number];
type SinkInput = NonNullable<VmConfigInput['debugcon']>;

function oneOf<T extends string>(values: readonly T[], option: string, value: string): T {
  const found = values.find((one) => one === value);
  if (found === undefined) throw usage(`${option} must be ${values.slice(0, -1).join(', ')} or ${values.at(-1)!}, not ${JSON.stringify(value)}`);
  return found;
}

function kernelOf(draft: RunDraft): NonNullable<VmConfigInput['kernel']> {
  return (draft.config.kernel ??= { file: '' });
}

/** Remembers that the file must be there. */
function needed(draft: RunDraft, option: string, path: string): string {
  if (path === '') throw usage(`${option} names no file`);
  draft.files.push({ option, path });
  return path;
}

function shortDrive(id: string, drive: DriveInput, what: string): RunOption {
  const option = `--${id}`;
  return {
    flags: `${option} <file>`,
    summary: what,
    group: 'drives',
    apply(draft, file) {
      draft.drives.push({ ...drive, id, file: needed(draft, option, file), option });
    },
  };
}

const DRIVE_KEYS =
  'file, format, if, media, index, readonly, id, parents, cache, trace, fault and throttle.read-bps, .write-bps, .read-iops, .write-iops, .burst';
const throttles = {
  'throttle.read-bps': 'readBandwidth',
  'throttle.write-bps': 'writeBandwidth',
  'throttle.read-iops': 'readOperations',
  'throttle.write-iops': 'writeOperations',
} as const;

function driveValue(draft: RunDraft, value: string): DriveDraft {
  const option = '--drive';
  const pairs = parsePairs(value, option, 'file');
  const file = take(pairs, 'file', option);
  const index = take(pairs, 'index', option);
  const readOnly = parseSwitch(take(pairs, 'readonly', option), `${option}: readonly`);
  const id = take(pairs, 'id', option);
  const throttle: Record<string, number> = {};
  for (const [key, field] of Object.entries(throttles)) {
    const rate = take(pairs, key, option);
    if (rate !== undefined) throttle[field] = parseInteger(rate, `${option}: ${key}`, 1, 1e12);
  }
  const burst = take(pairs, 'throttle.burst', option);
  if (burst !== undefined) throttle['burst'] = Number(burst);
  // Values of enumerations are checked by the configuration's schema, which names the field.
  const drive: Record<string, unknown> = { option, file: file === undefined ? null : needed(draft, option, file) };
  for (const [key, field] of [
    ['format', 'format'],
    ['if', 'bus'],
    ['media', 'media'],
    ['trace', 'trace'],
  ] as const) {
    const given = take(pairs, key, option);
    if (given !== undefined) drive[field] = given;
  }
  // Several of a kind are separated by colons, as commas separate the keys.
  for (const [key, field] of [
    ['parents', 'parents'],
    ['fault', 'faults'],
  ] as const) {
    const given = take(pairs, key, option);
    if (given !== undefined) drive[field] = field === 'parents' ? given.split(':') : given.split('/');
  }
  const cache = take(pairs, 'cache', option);
  if (cache !== undefined) drive['cache'] = parseInteger(cache, `${option}: cache`, 1, 1024);
  refuseRest(pairs, option, DRIVE_KEYS);
  if (index !== undefined) drive['slot'] = parseInteger(index, `${option}: index`, 0, 63);
  if (readOnly !== undefined) drive['readOnly'] = readOnly;
  if (id !== undefined) drive['id'] = id;
  if (Object.keys(throttle).length > 0) drive['throttle'] = throttle;
  return drive as DriveDraft;
}

function serialValue(value: string): SerialInput {
  const option = '--serial';
  const [scheme, rest] = splitScheme(value);
  switch (scheme) {
    case 'stdio':
    case 'none':
    case 'pty':
      if (rest !== '') break;
      return { backend: scheme };
    case 'file':
      if (rest === '') throw usage(`${option} file: names no file`);
      return { backend: 'file', path: rest };
    case 'pipe':
      if (rest === '') throw usage(`${option}: name a pipe, pipe:PATH`);
      return { backend: 'pipe', path: rest };
    case 'tcp':
    case 'unix': {
      const [address = '', ...flags] = rest.split(',');
      const server = flags.includes('server');
      const unknown = flags.find((flag) => flag !== 'server' && flag !== 'nowait' && flag !== 'wait=off');
      if (unknown !== undefined) throw usage(`${option}: there is no ${unknown} for ${scheme}`);
      if (scheme === 'tcp') return { backend: 'tcp', ...parseHostPort(address, `${option} tcp:`), server };
      if (address === '') throw usage(`${option} unix: names no socket`);
      return { backend: 'unix', path: address, server };
    }
  }
  throw usage(`${option} must be stdio, file:F, pty, tcp:HOST:PORT, unix:PATH, pipe:PATH or none, not ${JSON.stringify(value)}`);
}

function sinkValue(option: string, value: string): SinkInput {
  const [scheme, rest] = splitScheme(value);
  if ((scheme === 'stdio' || scheme === 'none') && rest === '') return { backend: scheme };
  if (scheme === 'file' && rest !== '') return { backend: 'file', path: rest };
  throw usage(`${option} must be stdio, file:F or none, not ${JSON.stringify(value)}`);
}

export const runOptions: readonly RunOption[] = [
  {
    flags: '--config <file>',
    summary: 'a VmConfig (JSON); the other options override it',
    group: 'machine',
    apply(draft, file) {
      draft.configFile = needed(draft, '--config', file);
    },
  },
  { flags: '--name <name>', summary: 'name of the machine', group: 'machine', apply: (draft, name) => void (draft.config.name = name) },
  {
    flags: '--memory <MiB>',
    summary: `guest memory, 1 to ${MAX_MEMORY_MIB} (256)`,
    group: 'machine',
    apply: (draft, value) => void (draft.config.memory = parseInteger(value, '--memory', 1, MAX_MEMORY_MIB)),
  },
  {
    flags: '--cpus <n>',
    summary: 'number of processors (1)',
    group: 'machine',
    apply: (draft, value) => void (draft.config.cpu = { ...draft.config.cpu, count: parseInteger(value, '--cpus', 1, MAX_CPUS) }),
  },
  {
    flags: '--cpu <model>',
    summary: 'CPU model (qemu64)',
    group: 'machine',
    apply: (draft, model) => void (draft.config.cpu = { ...draft.config.cpu, model }),
  },
  {
    flags: '--accel <kind>',
    summary: `how instructions are run: ${accelKinds.join(', ')} (wasm)`,
    group: 'machine',
    apply: (draft, value) => void (draft.config.accel = oneOf(accelKinds, '--accel', value)),
  },
  {
    flags: '--time <clock>',
    summary: 'real, or virtual: guest time follows executed instructions (real)',
    group: 'machine',
    apply: (draft, value) => void (draft.config.time = oneOf(['real', 'virtual'] as const, '--time', value)),
  },
  {
    flags: '--rtc <base>',
    summary: 'clock at power-on: utc, local or a date such as 2000-01-31T12:00:00 (utc)',
    group: 'machine',
    apply: (draft, value) => void (draft.config.rtc = value),
  },
  {
    flags: '--seed <n>',
    summary: 'seed of all randomness that the machine uses',
    group: 'machine',
    apply: (draft, value) => void (draft.config.seed = parseInteger(value, '--seed', 0, 0xffff_ffff)),
  },

  {
    flags: '--kernel <file>',
    summary: 'boot this Linux bzImage, PVH or multiboot 1 ELF directly',
    group: 'boot',
    apply: (draft, file) => void (kernelOf(draft).file = needed(draft, '--kernel', file)),
  },
  {
    flags: '--initrd <file>',
    summary: 'initial RAM disk of the kernel',
    group: 'boot',
    apply: (draft, file) => void (kernelOf(draft).initrd = needed(draft, '--initrd', file)),
  },
  { flags: '--append <text>', summary: 'command line of the kernel', group: 'boot', apply: (draft, text) => void (kernelOf(draft).append = text) },
  {
    flags: '--module <file and arguments>',
    summary: 'multiboot module: "FILE ARGS"',
    repeatable: true,
    group: 'boot',
    apply(draft, value) {
      const [file = '', ...args] = value.trim().split(' ');
      const kernel = kernelOf(draft);
      kernel.modules = [...(kernel.modules ?? []), { file: needed(draft, '--module', file), args: args.join(' ') }];
    },
  },
  {
    flags: '--boot <order>',
    summary: 'some of a (floppy), c (disk), d (CD), n (network), such as dc (acdn)',
    group: 'boot',
    apply: (draft, order) => void (draft.config.boot = { ...draft.config.boot, order }),
  },
  {
    flags: '--bios <file>',
    summary: 'firmware image in place of SeaBIOS',
    group: 'boot',
    apply: (draft, file) => void (draft.config.firmware = needed(draft, '--bios', file)),
  },
  {
    flags: '--firmware <name or file>',
    summary: 'seabios, uefi or a file (seabios)',
    group: 'boot',
    apply: (draft, value) => void (draft.config.firmware = value === 'seabios' || value === 'uefi' ? value : needed(draft, '--firmware', value)),
  },

  ...busSlots.floppy.map((id, slot) => shortDrive(id, { bus: 'floppy', slot }, `floppy image in drive ${'AB'[slot]!}:`)),
  ...busSlots.ide.map((id, slot) =>
    shortDrive(id, { bus: 'ide', slot }, `hard disk image, IDE ${slot < 2 ? 'primary' : 'secondary'} ${slot % 2 === 0 ? 'master' : 'slave'}`),
  ),
  shortDrive('cdrom', { bus: 'ide', media: 'cdrom' }, 'CD image, IDE secondary master'),
  {
    flags: '--drive <settings>',
    summary: `file=F,format=raw|qcow2|...,if=ide|ahci|virtio|floppy,media=disk|cdrom,index=N,readonly,throttle.*=N`,
    repeatable: true,
    group: 'drives',
    apply: (draft, value) => void draft.drives.push(driveValue(draft, value)),
  },
  { flags: '--discard-writes', summary: 'no image is changed', group: 'drives', apply: (draft) => void (draft.config.discardWrites = true) },

  {
    flags: '--nic <settings>',
    summary: 'user|internal:NAME|socket:...|tap:NAME|none[,model=M][,mac=..][,hostfwd=tcp:127.0.0.1:2222-:22][,pcap=F]',
    repeatable: true,
    group: 'devices',
    apply(draft, value) {
      const nic = nicValue(value, draft.config.nics?.length ?? 0);
      draft.config.nics = [...(draft.config.nics ?? []), ...(nic === undefined ? [] : [nic])];
    },
  },
  {
    flags: '--serial <back end>',
    summary: 'stdio|file:F|pty|tcp:HOST:PORT|unix:PATH|none; first COM1, then COM2, ...',
    repeatable: true,
    group: 'devices',
    apply(draft, value) {
      draft.config.serial = [...(draft.config.serial ?? []), serialValue(value)];
      if (draft.config.serial.length > SERIAL_PORTS) throw usage(`--serial: a PC has ${SERIAL_PORTS} serial ports`);
    },
  },
  {
    flags: '--parallel <back end>',
    summary: 'where printed bytes go: stdio|file:F|none',
    group: 'devices',
    apply: (draft, value) => void (draft.config.parallel = sinkValue('--parallel', value)),
  },
  {
    flags: '--debugcon <back end>',
    summary: 'where bytes written to ports 0xE9 and 0x402 go: stdio|file:F',
    group: 'devices',
    apply: (draft, value) => void (draft.config.debugcon = sinkValue('--debugcon', value)),
  },
  {
    flags: '--debug-exit',
    summary: 'isa-debug-exit at port 0xF4: value v ends the run with status (v << 1) | 1',
    group: 'devices',
    apply: (draft) => void (draft.config.debugExit = true),
  },
  {
    flags: '--display <kind>',
    summary: `${displayKinds.join(', ')} (none)`,
    group: 'devices',
    apply: (draft, value) => void (draft.config.display = { ...draft.config.display, kind: oneOf(displayKinds, '--display', value) }),
  },

  {
    flags: '--screenshot <file.png[@seconds]>',
    summary: 'save the screen at a time, or at the end',
    repeatable: true,
    group: 'run',
    apply(draft, value) {
      const match = /^(.+?)(?:@([0-9.]+))?$/.exec(value);
      if (!match?.[1]?.toLowerCase().endsWith('.png')) throw usage(`--screenshot must name a .png file, not ${JSON.stringify(value)}`);
      draft.screenshots.push({ file: match[1], ...(match[2] !== undefined && { at: parseSeconds(match[2], '--screenshot: the time') }) });
    },
  },
  {
    flags: '--no-reboot',
    summary: 'a reset by the guest ends the run (status 0)',
    group: 'run',
    apply: (draft) => void (draft.config.noReboot = true),
  },
  {
    flags: '--control <path>',
    summary: "socket for the protocol (default: in the VM's folder)",
    group: 'run',
    apply: (draft, path) => void (draft.control = path),
  },
  {
    flags: '--qtest <unix:path>',
    summary: "QEMU's qtest protocol on that socket, with --accel none",
    group: 'run',
    apply(draft, value) {
      const [scheme, rest] = splitScheme(value);
      if (scheme !== 'unix' || rest === '') throw usage(`--qtest must be unix:PATH, not ${JSON.stringify(value)}`);
      draft.qtest = rest;
    },
  },
  {
    flags: '--stats <file|->',
    summary: 'figures of the run as JSON at the end; - is standard output',
    group: 'run',
    apply: (draft, file) => void (draft.stats = file),
  },
  {
    flags: '--timeout <seconds>',
    summary: 'end the run after that time, with status 124',
    group: 'run',
    apply: (draft, value) => void (draft.timeout = parseSeconds(value, '--timeout')),
  },
];
