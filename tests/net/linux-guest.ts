/** A small Linux on a serial line, in QEMU or in a machine of ours: commands in, output and status back. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Our names of NICs to QEMU's. */
const qemuModels: Readonly<Record<string, string>> = {
  virtio: 'virtio-net-pci',
  e1000: 'e1000',
  ne2k: 'ne2k_pci',
  rtl8139: 'rtl8139',
  pcnet: 'pcnet',
};

export interface LinuxOptions {
  readonly kernel: string;
  readonly initrd: string;
  readonly memory: number;
  /** As we name it. */
  readonly model: string;
  /** QEMU's `-netdev` without its id, or what follows `--nic`. */
  readonly network: string;
  readonly mac?: string;
  /** QEMU's accelerator. */
  readonly accel?: string;
  readonly more?: readonly string[];
  /** Instead of this host's /etc/resolv.conf (needs root: a mount namespace). */
  readonly resolvConf?: string | undefined;
}

/** Of /proc: Linux's USER_HZ. */
const CLOCK_TICKS = 100;
const MAC = '52:54:00:12:34:56';
const APPEND = 'console=ttyS0 quiet';

export function linuxInQemu({ kernel, initrd, memory, model, network, accel = 'kvm', mac = MAC, more = [] }: LinuxOptions): LinuxGuest {
  const [type, ...rest] = network.split(',');
  const netdev = [type, 'id=n', ...rest].join(',');
  const nic = ['-netdev', netdev, '-device', `${qemuModels[model] ?? model},netdev=n,mac=${mac},romfile=`];
  return new LinuxGuest('qemu-system-x86_64', [
    ...['-accel', accel, '-m', String(memory), '-nographic', '-no-reboot', ...nic],
    ...['-kernel', kernel, '-initrd', initrd, '-append', APPEND, ...more],
  ]);
}

export function linuxInStrate({ kernel, initrd, memory, model, network, mac = MAC, more = [], resolvConf }: LinuxOptions): LinuxGuest {
  const strate = fileURLToPath(new URL('../../vmm/cli/strate.mjs', import.meta.url));
  const command = [
    ...[process.execPath, strate, 'run', '--serial', 'stdio', '--display', 'none', '--memory', String(memory)],
    ...['--nic', `${network},model=${model},mac=${mac}`],
    ...['--kernel', kernel, '--initrd', initrd, '--append', APPEND, ...more],
  ];
  if (resolvConf === undefined) return new LinuxGuest(command[0]!, command.slice(1));
  return new LinuxGuest('unshare', ['-m', 'sh', '-c', 'mount --bind "$0" /etc/resolv.conf && exec "$@"', resolvConf, ...command]);
}

export class LinuxGuest {
  readonly #process: ChildProcess;
  #output = '';
  #wake: () => void = () => undefined;
  #next = 1;

  constructor(command: string, args: readonly string[]) {
    this.#process = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#process.stdout!.on('data', (bytes: Buffer) => {
      this.#output += bytes.toString('latin1');
      this.#wake();
    });
  }

  async until(pattern: RegExp, seconds: number): Promise<RegExpExecArray> {
    const end = Date.now() + seconds * 1000;
    for (;;) {
      const match = pattern.exec(this.#output);
      if (match !== null) {
        this.#output = this.#output.slice(match.index + match[0].length);
        return match;
      }
      if (Date.now() > end)
        throw new Error(`${String(pattern)} did not come within ${seconds} s; the end of what came:\n${this.#output.slice(-2000)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1000);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Runs a line of shell; its output. @throws Error when it fails or does not end in time. */
  async shell(line: string, seconds = 60): Promise<string> {
    const id = this.#next++;
    this.#process.stdin!.write(`{ ${line}\n} 2>&1; echo ==do''ne${id} $?\n`);
    const [text, status] = await this.until(new RegExp(`([^]*)==done${id} (\\d+)\\r?\\n`), seconds).then((match) => [match[1]!, match[2]!] as const);
    if (status !== '0') throw new Error(`${line}: status ${status}\n${text}`);
    return text.replaceAll('\r', '');
  }

  get pid(): number {
    return this.#process.pid!;
  }

  /** What its process has used of processors until now. */
  get cpuSeconds(): number {
    const fields = readFileSync(`/proc/${this.#process.pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS;
  }

  end(): void {
    this.#process.kill('SIGKILL');
  }
}
