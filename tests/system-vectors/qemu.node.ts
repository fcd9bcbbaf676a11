/** QEMU's TCG as a reference: one process that is reset for every case, driven over QMP and its gdb stub. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, openSync, readSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { type Socket, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CaseEnd, CaseResult, CaseSegment, CaseState, MachineCase } from './machine-case.ts';
import { STUB, STUB_END, STUB_TABLE, stubOf } from './stub.ts';

/** Below the video memory: what cases may use. */
const LOW = 0xa0000;
/** Polls before a case counts as endless; each takes a millisecond or so. */
const MOST_POLLS = 60;

class Connection {
  readonly #path: string;
  #socket!: Socket;
  #buffer = '';
  #wake: (() => void) | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  async open(): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        await new Promise<void>((resolve, reject) => {
          this.#socket = connect(this.#path, resolve);
          this.#socket.on('error', reject);
        });
        break;
      } catch (error) {
        if (attempt === 100) throw error;
        await sleep(50);
      }
    }
    this.#socket.on('data', (data: Buffer) => {
      this.#buffer += data.toString('latin1');
      this.#wake?.();
    });
  }

  write(text: string): void {
    this.#socket.write(Buffer.from(text, 'latin1'));
  }

  /** The next part of the stream that `pattern` matches; what precedes it is dropped. */
  async next(pattern: RegExp): Promise<string> {
    for (;;) {
      const match = pattern.exec(this.#buffer);
      if (match) {
        this.#buffer = this.#buffer.slice(match.index + match[0].length);
        return match[1]!;
      }
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}

export interface QemuRun {
  readonly result: CaseResult;
  /** The case with what the stub left in memory: our engine must run this one. */
  readonly machineCase: MachineCase;
  /** Memory as the case found it, by quadword. */
  readonly before: BigUint64Array;
}

export class Qemu {
  readonly #folder = mkdtempSync(join(tmpdir(), 'strate-qemu-'));
  readonly #qmp = new Connection(join(this.#folder, 'qmp'));
  readonly #gdb = new Connection(join(this.#folder, 'gdb'));
  #process!: ChildProcess;
  #ram = -1;
  #guestReset = false;

  async start(): Promise<void> {
    const bios = Buffer.alloc(0x10000, 0xf4);
    bios.set([0xea, STUB & 0xff, STUB >> 8, 0, 0], 0xfff0);
    writeFileSync(join(this.#folder, 'bios'), bios);
    const ram = join(this.#folder, 'ram');
    const options = ['-accel', 'tcg', '-cpu', 'max', '-machine', 'pc,memory-backend=ram', '-m', '16', '-nodefaults', '-display', 'none', '-S'];
    options.push('-object', `memory-backend-file,id=ram,size=16M,mem-path=${ram},share=on`, '-bios', join(this.#folder, 'bios'));
    options.push('-qmp', `unix:${join(this.#folder, 'qmp')},server=on,wait=off`, '-gdb', `unix:path=${join(this.#folder, 'gdb')},server=on,wait=off`);
    this.#process = spawn('qemu-system-x86_64', options, { stdio: 'ignore' });
    await this.#qmp.open();
    await this.#command('qmp_capabilities');
    await this.#gdb.open();
    await this.#packet('?');
    this.#ram = openSync(ram, 'r+');
  }

  stop(): void {
    this.#process.kill();
    this.#qmp.close();
    this.#gdb.close();
    rmSync(this.#folder, { recursive: true });
  }

  async run(machineCase: MachineCase): Promise<QemuRun> {
    const stub = stubOf(machineCase);
    const memory = [...machineCase.memory, ...stub.left, { address: STUB, bytes: stub.code }, { address: STUB_TABLE, bytes: stub.table }];
    const image = new Uint8Array(LOW);
    for (const { address, bytes } of memory) image.set(bytes, address);
    const before = image.slice();
    // LTR wants an available TSS; the limit is the state's.
    const tss = machineCase.state.segments[7]!;
    const at = Number(machineCase.state.gdt.base) + (tss.selector & ~7);
    const isProtected = (machineCase.state.cr0 & 1n) !== 0n;
    if (isProtected) image.set([tss.limit & 0xff, tss.limit >> 8, image[at + 2]!, image[at + 3]!, image[at + 4]!, image[at + 5]! & ~2], at);
    await this.#reset();
    writeSync(this.#ram, image, 0, LOW, 0);
    // Code goes through the gdb stub, which drops translations.
    await this.#poke(0x5000, image.subarray(0x5000, 0x9000));
    await this.#poke(0x30000, image.subarray(0x30000, 0x30010));
    this.#guestReset = false;
    await this.#command('cont');
    const { end, registers } = await this.#wait();
    const after = new Uint8Array(LOW);
    readSync(this.#ram, after, 0, LOW, 0);
    if (isProtected && after[at] === image[at] && after[at + 1] === image[at + 1]) after.set(before.subarray(at, at + 2), at);
    after.set(before.subarray(STUB, STUB_END), STUB);
    const [old, now] = [new BigUint64Array(before.buffer), new BigUint64Array(after.buffer)];
    const changes: [number, bigint][] = [];
    for (let index = 0; index < old.length; index++) if (old[index] !== now[index]) changes.push([index * 8, now[index]!]);
    return { result: { end, state: parseRegisters(registers), memory: changes }, machineCase: { ...machineCase, memory }, before: old };
  }

  async #wait(): Promise<{ end: CaseEnd; registers: string }> {
    let registers = '';
    for (let poll = 0; poll < MOST_POLLS; poll++) {
      registers = await this.#monitor('info registers');
      const halted = registers.includes('HLT=1');
      if (halted) await this.#command('query-status'); // an event may be on its way
      if (this.#guestReset) return { end: 'shutdown', registers };
      if (halted) return { end: 'halt', registers };
      await sleep(1);
    }
    return { end: 'other', registers };
  }

  async #reset(): Promise<void> {
    await this.#command('stop');
    await this.#command('system_reset');
    for (;;) {
      const registers = await this.#monitor('info registers');
      if (registers.includes('EIP=0000fff0') && registers.includes('HLT=0')) return;
      await sleep(1);
    }
  }

  async #command(execute: string, args?: object): Promise<unknown> {
    this.#qmp.write(`${JSON.stringify({ execute, arguments: args })}\n`);
    for (;;) {
      const message = JSON.parse(await this.#qmp.next(/([^\n]+)\n/)) as {
        event?: string;
        data?: { guest?: boolean };
        return?: unknown;
        error?: unknown;
      };
      if (message.event === 'RESET' && message.data?.guest === true) this.#guestReset = true;
      if (message.error !== undefined) throw new Error(`${execute}: ${JSON.stringify(message.error)}`);
      if ('return' in message) return message.return;
    }
  }

  async #monitor(line: string): Promise<string> {
    return (await this.#command('human-monitor-command', { 'command-line': line })) as string;
  }

  async #packet(text: string): Promise<string> {
    const sum = Array.from(text).reduce((total, character) => (total + character.charCodeAt(0)) & 0xff, 0);
    this.#gdb.write(`$${text}#${sum.toString(16).padStart(2, '0')}`);
    for (;;) {
      const answer = await this.#gdb.next(/\$([^#]*)#../);
      this.#gdb.write('+');
      // Stop notices arrive at any time.
      if (text === '?' || !answer.startsWith('T')) return answer;
    }
  }

  async #poke(address: number, bytes: Uint8Array): Promise<void> {
    const PART = 1024;
    for (let at = 0; at < bytes.length; at += PART) {
      const part = bytes.subarray(at, at + PART);
      const answer = await this.#packet(`M${(address + at).toString(16)},${part.length.toString(16)}:${Buffer.from(part).toString('hex')}`);
      if (answer !== 'OK') throw new Error(`gdb stub: ${answer}`);
    }
  }
}

/** The output of `info registers`. */
function parseRegisters(text: string): CaseState {
  const find = (name: string): bigint => {
    const match = new RegExp(`\\b${name} ?=([0-9a-f]+)`).exec(text);
    return match ? BigInt(`0x${match[1]!}`) : 0n;
  };
  const wide = text.includes('RAX=');
  const names = ['AX', 'CX', 'DX', 'BX', 'SP', 'BP', 'SI', 'DI'].map((name) => (wide ? 'R' : 'E') + name);
  for (let index = 8; index < 16; index++) names.push(`R${index}`);
  const segments = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'LDT', 'TR'].map((name): CaseSegment => {
    const match = new RegExp(`\\b${name} ?=([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+)`).exec(text);
    const [selector, base, limit, attributes] = match!.slice(1);
    return {
      selector: parseInt(selector!, 16),
      base: BigInt(`0x${base!}`),
      limit: parseInt(limit!, 16),
      attributes: parseInt(attributes!, 16) & 0xf0ff00,
    };
  });
  const table = (name: string) => {
    const match = new RegExp(`${name}= +([0-9a-f]+) ([0-9a-f]+)`).exec(text)!;
    return { base: BigInt(`0x${match[1]!}`), limit: parseInt(match[2]!, 16) & 0xffff };
  };
  return {
    gpr: names.map(find),
    rip: find(wide ? 'RIP' : 'EIP'),
    eflags: Number(find(wide ? 'RFL' : 'EFL')),
    segments,
    gdt: table('GDT'),
    idt: table('IDT'),
    cr0: find('CR0'),
    cr2: find('CR2'),
    cr3: find('CR3'),
    cr4: find('CR4'),
    efer: find('EFER'),
    dr: [find('DR0'), find('DR1'), find('DR2'), find('DR3'), 0n, 0n, find('DR6'), find('DR7')],
  };
}
