/** A small Linux in QEMU (KVM where there is) on a serial line: commands in, output and status back. */
import { type ChildProcess, spawn } from 'node:child_process';

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

  end(): void {
    this.#process.kill('SIGKILL');
  }
}
