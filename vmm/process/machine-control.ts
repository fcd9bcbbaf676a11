/** The machine thread's side of the messages: carries out orders on a built machine, answers questions, reports what happens. */
import type { DiskBackend } from '../base/disk-backend.ts';
import { VmmError } from '../base/errors.ts';
import type { Timer } from '../bus/clock.ts';
import type { BuiltMachine } from '../machine/build.ts';
import type { MachineEvents } from '../machine/host.ts';
import type { DriveHandle } from '../storage/ring/client.ts';
import type { Counters, FromMachine, Question, Questions, ToMachine } from './machine-messages.ts';
import type { DiskCounts } from './disk-counts.ts';
import type { NetCounts } from './net-counts.ts';
import { qtestBoard } from './qtest-board.ts';
import { Qtest } from './qtest.ts';
import { SerialLine } from './serial-line.ts';
import { type SnapshotHost, SnapshotSide } from './snapshots/machine-side.ts';
import { RewindSide } from './snapshots/rewind-side.ts';

/** Guest time within which gathered output is passed on, ns. */
const FLUSH_WITHIN = 1e6;
/** How often a keyboard whose guest does not read is looked at, and how long in all, guest ns. */
const KEYS_LOOK = 2e6;
const KEYS_PATIENCE = 2e9;
const BATCH = 4096;

export interface ControlHost {
  say(message: FromMachine): void;
  /** Makes a disk back end of what the io thread has opened. */
  backend(drive: string, handle: DriveHandle): DiskBackend;
  readonly counts: DiskCounts;
  readonly netCounts: NetCounts;
  readonly snapshots: SnapshotHost;
}

/** Bytes that leave one by one and are told in batches: the debug console, the printer. */
class ByteStream {
  readonly #bytes: number[] = [];
  readonly #tell: (data: Uint8Array) => void;
  readonly #flushSoon: () => void;

  constructor(tell: (data: Uint8Array) => void, flushSoon: () => void) {
    this.#tell = tell;
    this.#flushSoon = flushSoon;
  }

  readonly write = (byte: number): void => {
    if (this.#bytes.push(byte) === 1) this.#flushSoon();
    if (this.#bytes.length >= BATCH) this.flush();
  };

  flush(): void {
    if (this.#bytes.length > 0) this.#tell(Uint8Array.from(this.#bytes.splice(0)));
  }
}

export class MachineControl {
  readonly #host: ControlHost;
  readonly serial: readonly SerialLine[];
  readonly debugcon: ByteStream;
  readonly parallel: ByteStream;
  #built: BuiltMachine | undefined;
  #qtest: Qtest | undefined;
  #snapshots: SnapshotSide | undefined;
  #rewind: RewindSide | undefined;
  #flushTimer: Timer | undefined;
  #tripleFaults = 0;

  /** Exists before the machine, which is built with its serial lines and events. */
  constructor(serialPorts: number, host: ControlHost) {
    this.#host = host;
    const flushSoon = () => this.#flushSoon();
    this.serial = Array.from(
      { length: serialPorts },
      (_, port) =>
        new SerialLine({
          output: (data) => host.say({ type: 'serial', port, data }),
          taken: (count) => host.say({ type: 'serialTaken', port, count }),
          flushSoon,
        }),
    );
    this.debugcon = new ByteStream((data) => host.say({ type: 'debugcon', data }), flushSoon);
    this.parallel = new ByteStream((data) => host.say({ type: 'parallel', data }), flushSoon);
  }

  get events(): MachineEvents {
    const say = (message: FromMachine) => this.#host.say(message);
    return {
      reset: (by) => {
        say({ type: 'reset', by });
        if (by === 'triple-fault') this.#tellTripleFault();
      },
      leds: (lamps) => say({ type: 'leds', ...lamps }),
      tray: (drive, tray) => say({ type: 'tray', drive, ...tray }),
      pointerMode: (absolute) => say({ type: 'pointerMode', absolute }),
      notice: (level, message) => say({ type: 'notice', level, message }),
    };
  }

  /** Some guests do nothing else: the first, second, fourth, eighth, ... is told. */
  #tellTripleFault(): void {
    const times = ++this.#tripleFaults;
    if ((times & (times - 1)) !== 0) return;
    const message = `the guest caused a triple fault; the machine was reset${times === 1 ? '' : ` (${times} times so far)`}`;
    this.#host.say({ type: 'notice', level: 'warning', message });
  }

  /** Takes charge of the machine and says what it offers. */
  attach(built: BuiltMachine): void {
    this.#built = built;
    this.#snapshots = new SnapshotSide(built, this.#host.snapshots);
    this.#rewind = new RewindSide(built, this.#host.snapshots);
    built.parts.serial.forEach((uart, port) => (this.serial[port]!.uart = uart));
    const { display } = built.parts;
    this.#host.say({ type: 'ready', ...(display && { display: { memory: display.memory, dirty: display.dirty } }) });
    this.#sayState();
  }

  flush(): void {
    this.#flushTimer?.cancel();
    this.#flushTimer = undefined;
    for (const line of this.serial) line.flush();
    this.debugcon.flush();
    this.parallel.flush();
  }

  /** The machine has ended: what was not told yet. */
  finish(): void {
    this.flush();
    const { display } = this.#machine.parts;
    this.#host.say({ type: 'last', counters: this.counters(), ...(display && { scanout: display.scanout() }) });
  }

  handle(message: ToMachine): void {
    const { machine, parts } = this.#machine;
    switch (message.type) {
      case 'control':
        return this.#order(message.action);
      case 'pause':
        machine.pause();
        this.flush();
        return this.#host.say({
          type: 'state',
          state: 'paused',
          reason: message.reason,
          ...(message.notice !== undefined && { notice: message.notice }),
        });
      case 'limit':
        machine.limit = message.percent;
        return;
      case 'key':
        return parts.keyboard.key(message.key, message.down);
      case 'mouse':
        return parts.mouse.move(message.dx, message.dy, message.wheel, message.buttons);
      case 'pointer':
        return parts.backdoor?.pointer(message.x, message.y, message.wheel, message.buttons);
      case 'serialInput':
        return this.serial[message.port]?.input(message.data);
      case 'insert':
        return this.#insert(message.drive, this.#host.backend(message.drive, message.handle));
      case 'eject':
        return this.#eject(message.drive, message.id, message.force);
      case 'ask':
        return this.#ask(message.id, message.question);
      case 'capture': {
        const answer = this.#snapshots!.capture(message.order);
        this.#host.say({ type: 'answer', id: message.id, answer });
        if (message.order.stop && !('failed' in answer)) this.#sayState();
        return;
      }
      case 'captured':
        return this.#snapshots!.captured(message.stored);
      case 'restore': {
        const answer = this.#snapshots!.restore(message.order);
        this.#flushTimer = undefined; // it was set for another time
        this.flush();
        return this.#host.say({ type: 'answer', id: message.id, answer });
      }
      case 'rewindMark':
        return this.#host.say({ type: 'answer', id: message.id, answer: this.#rewind!.mark(message.order.number) });
      case 'rewindGo': {
        const answer = this.#rewind!.go(message.order);
        this.#flushTimer = undefined; // it was set for another time
        this.flush();
        return this.#host.say({ type: 'answer', id: message.id, answer });
      }
      case 'rewindStop':
        return this.#rewind!.stop();
      case 'qtest':
        this.#qtest ??= new Qtest(qtestBoard(this.#machine), (line) => this.#host.say({ type: 'qtest', line }));
        this.#qtest.command(message.line);
        return this.flush();
    }
  }

  get #machine(): BuiltMachine {
    if (this.#built === undefined) throw new VmmError('internal', 'there is no machine yet');
    return this.#built;
  }

  #order(action: 'run' | 'reset' | 'powerButton' | 'powerOff'): void {
    const { machine } = this.#machine;
    if (action === 'reset') machine.reset();
    else if (action === 'powerButton') machine.powerButton();
    else if (action === 'powerOff') machine.end({ how: 'powered-off' });
    else {
      machine.resume();
      this.#sayState();
    }
  }

  #sayState(): void {
    this.#host.say(this.#machine.machine.paused ? { type: 'state', state: 'paused', reason: 'user' } : { type: 'state', state: 'running' });
  }

  #insert(drive: string, medium: DiskBackend | undefined): void {
    const { cdroms, floppies } = this.#machine.parts;
    cdroms.get(drive)?.insert(medium);
    const floppy = floppies.numbers.get(drive);
    if (floppy !== undefined) floppies.fdc.insert(floppy, medium);
  }

  #eject(drive: string, id: number, force: boolean): void {
    const locked = this.#machine.parts.cdroms.get(drive)?.unit.state.locked ?? false;
    const opened = force || !locked;
    if (opened) this.#insert(drive, undefined);
    this.#host.say({ type: 'answer', id, answer: { opened } });
  }

  #ask(id: number, question: Question): void {
    const answer = (data: Questions[Question]) => this.#host.say({ type: 'answer', id, answer: data });
    const { machine, parts } = this.#machine;
    switch (question) {
      case 'scanout':
        return answer({ scanout: parts.display?.scanout() ?? { kind: 'blank', width: 720, height: 400, aspect: [4, 3] } });
      case 'counters':
        return answer(this.counters());
      case 'memory':
        return answer(this.#snapshots!.shared);
      case 'inspect':
        return answer({ devices: machine.board.inspect() });
      case 'keysTaken':
        return this.#whenKeysTaken(() => answer({}));
    }
  }

  counters(): Counters {
    return { ...this.#machine.machine.counters(), drives: this.#host.counts.drives, nics: this.#host.netCounts.nics };
  }

  #whenKeysTaken(call: () => void): void {
    const { machine, parts } = this.#machine;
    const { scheduler } = machine.board;
    const end = scheduler.now() + KEYS_PATIENCE;
    const look = () => {
      if (parts.keyboard.backlog === 0 || machine.paused || scheduler.now() >= end) call();
      else scheduler.at(scheduler.now() + KEYS_LOOK, look);
    };
    look();
  }

  #flushSoon(): void {
    if (this.#built === undefined) return;
    const { scheduler } = this.#built.machine.board;
    this.#flushTimer ??= scheduler.at(scheduler.now() + FLUSH_WITHIN, () => this.flush());
  }
}
