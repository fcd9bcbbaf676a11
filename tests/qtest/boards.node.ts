/* Two boards without a running processor, driven by the same qtest commands: QEMU's `pc` machine and ours. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { noAccelerator } from '../../vmm/accel/none.ts';
import { silentLog } from '../../vmm/base/log.ts';
import { buildMachine } from '../../vmm/machine/build.ts';
import { Qtest } from '../../vmm/process/qtest.ts';
import { qtestBoard } from '../../vmm/process/qtest-board.ts';
import { type NetBackend, PLAIN } from '../../vmm/net/cable/cable.ts';
import { parseConfig } from '../../vmm/protocol/config.ts';
import { MemoryBackend } from '../../vmm/storage/memory-backend.ts';
import { NIC_MAC, NIC_SLOTS } from './nics.ts';

export const QEMU = '/usr/bin/qemu-system-x86_64';
export const qemuInstalled = existsSync(QEMU);

/** When both boards' clocks start. */
export const RTC_START = '1999-12-31T23:59:50';

export interface QtestBench {
  /** The answer to one command, as `OK ...` or `FAIL ...`. */
  ask(line: string): Promise<string>;
  /** Lets about `nanoseconds` pass; tells how many did. */
  pass(nanoseconds: number): Promise<number>;
  close(): Promise<void>;
}

const HPET_CONFIGURATION = 0xfed00010;
const HPET_COUNTER = 0xfed000f0;
const HPET_TICK = 10;

/** A disk both boards have: what is on it, and where it is attached. */
export interface QtestDisk {
  readonly bus: 'ahci' | 'virtio';
  readonly content: Uint8Array;
}

/** PCI slots that our board gives out, in order: QEMU's is told to use the same. */
const FIRST_SLOT = 3;

/** Lines sent to QEMU and lines it answers, in order. QEMU connects to a socket of ours, so there is nothing to poll for. */
class Lines {
  readonly path: string;
  readonly #server: Server;
  readonly #socket: Promise<Socket>;
  readonly #waiting: ((line: string) => void)[] = [];

  constructor(path: string, isAnswer: (line: string) => boolean) {
    this.path = path;
    this.#server = createServer();
    this.#socket = new Promise((resolve) => {
      this.#server.once('connection', (socket) => {
        socket.on('error', () => undefined); // it ends as QEMU does
        createInterface({ input: socket }).on('line', (line) => {
          if (isAnswer(line)) this.#waiting.shift()?.(line);
        });
        resolve(socket);
      });
    });
    this.#server.listen(path);
  }

  async ask(line: string): Promise<string> {
    const socket = await this.#socket;
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      socket.write(`${line}\n`);
    });
  }

  async close(): Promise<void> {
    (await this.#socket).destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/**
 * QEMU's board. Its processor halts at reset with interrupts off, and time passes only within `pass`: not stepped (distributions leave QEMU's qtest
 * accelerator out), but let run for a while and measured with the HPET, which is enabled for that.
 */
export async function startQemu(disks: readonly QtestDisk[] = []): Promise<QtestBench> {
  const folder = mkdtempSync(join(tmpdir(), 'strate-qtest-'));
  const qtest = new Lines(join(folder, 'qtest'), (line) => !line.startsWith('IRQ'));
  const qmp = new Lines(join(folder, 'qmp'), (line) => line.includes('"return"') || line.includes('"error"'));
  const rom = new Uint8Array(0x10000).fill(0x90);
  rom.set([0xfa, 0xf4, 0xeb, 0xfd], 0xfff0); // cli; hlt; jmp to the hlt
  writeFileSync(join(folder, 'rom'), rom);

  const args = ['-S', '-accel', 'tcg', '-machine', 'pc', '-m', '32', '-nodefaults', '-display', 'none', '-bios', join(folder, 'rom')];
  args.push('-serial', 'null', '-serial', 'null', '-parallel', 'null', '-rtc', `base=${RTC_START},clock=vm`);
  // Disks take the slots that the network controllers have otherwise.
  if (disks.length === 0) {
    for (const [model, slot] of Object.entries(NIC_SLOTS)) args.push('-device', `${model},addr=${slot},mac=${NIC_MAC},rombar=0`);
    args.push('-device', `ne2k_isa,iobase=0x300,irq=3,mac=${NIC_MAC}`);
  }
  disks.forEach(({ bus, content }, index) => {
    const file = join(folder, `disk${index}`);
    writeFileSync(file, content);
    const addr = `addr=${FIRST_SLOT + index}`;
    args.push('-drive', `if=none,id=d${index},file=${file},format=raw`);
    if (bus === 'virtio') args.push('-device', `virtio-blk-pci,drive=d${index},${addr}`);
    else args.push('-device', `ich9-ahci,id=a${index},${addr}`, '-device', `ide-hd,drive=d${index},bus=a${index}.0`);
  });
  args.push('-qmp', `unix:${qmp.path}`, '-qtest', `unix:${qtest.path}`, '-qtest-log', 'none');
  const child = spawn(QEMU, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await Promise.race([qmp.ask('{"execute":"qmp_capabilities"}'), ended.then(() => Promise.reject(new Error('qemu-system-x86_64 did not start')))]);
  await qtest.ask(`writel ${HPET_CONFIGURATION} 1`);

  const counter = async () => Number((await qtest.ask(`readl ${HPET_COUNTER}`)).split(' ')[1]);
  return {
    ask: (line) => qtest.ask(line),
    async pass(nanoseconds) {
      const before = await counter();
      await qmp.ask('{"execute":"cont"}');
      await new Promise((resolve) => setTimeout(resolve, nanoseconds / 1e6));
      await qmp.ask('{"execute":"stop"}');
      return (((await counter()) - before) >>> 0) * HPET_TICK;
    },
    async close() {
      child.kill();
      await ended;
      await Promise.all([qtest.close(), qmp.close()]);
      rmSync(folder, { recursive: true });
    },
  };
}

const nics = [...Object.keys(NIC_SLOTS), 'ne2k-isa'].map((model) => ({ id: model, model: model as 'e1000', mac: NIC_MAC }));

/** A cable with nobody at the other end: what is sent is gone. */
const unusedCable: NetBackend = {
  link: true,
  peerAccepts: PLAIN,
  send: () => true,
  ready: () => undefined,
  attach: () => undefined,
  setLink: () => undefined,
};

/** Our board, in this process. */
export function startStrate(disks: readonly QtestDisk[] = []): QtestBench {
  const config = parseConfig({
    id: '00000000-0000-4000-8000-000000000001',
    name: 'qtest',
    memory: 32,
    accel: 'none',
    rtc: `${RTC_START}Z`,
    drives: disks.map(({ bus }, index) => ({ id: `d${index}`, bus, file: 'not-opened' })),
    serial: [{ backend: 'none' }, { backend: 'none' }],
    parallel: { backend: 'file', path: 'not-opened' },
    nics: disks.length === 0 ? nics : [],
  });
  const nothing = () => undefined;
  const peer = { transmit: nothing };
  const built = buildMachine(config, {
    accelerator: noAccelerator,
    hostTime: () => 0,
    wallTime: () => 0,
    localOffset: () => 0,
    random: () => 0,
    log: () => silentLog,
    doorbell: new Int32Array(new SharedArrayBuffer(4)),
    drain: nothing,
    events: { reset: nothing, leds: nothing, tray: nothing, pointerMode: nothing, notice: nothing },
    bios: new Uint8Array(0x20000),
    disks: new Map(disks.map(({ content }, index) => [`d${index}`, new MemoryBackend(content.slice())])),
    nets: new Map(nics.map(({ id }) => [id, unusedCable])),
    nicRoms: new Map(),
    serial: [peer, peer],
    parallel: nothing,
  });
  let answer = '';
  const qtest = new Qtest(qtestBoard(built), (line) => (answer = line));
  const ask = (line: string) => {
    qtest.command(line);
    return answer;
  };
  ask(`writel ${HPET_CONFIGURATION} 1`);
  return {
    ask: (line) => Promise.resolve(ask(line)),
    pass(nanoseconds) {
      ask(`clock_step ${nanoseconds}`);
      return Promise.resolve(nanoseconds);
    },
    close() {
      built.machine.dispose();
      return Promise.resolve();
    },
  };
}
