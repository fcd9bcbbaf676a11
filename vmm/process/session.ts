/** The control thread's side of one machine, from start to end: its state, its threads' messages, what clients may do with it. */
import type { Log, LogRecord } from '../base/log.ts';
import { VmmError } from '../base/errors.ts';
import type { VmConfig } from '../protocol/config.ts';
import type { PauseReason, VmState } from '../protocol/states.ts';
import { Emitter } from './emitter.ts';
import { FramePump } from './frame-pump.ts';
import { InputState } from './input-state.ts';
import type { Counters, FromMachine, MachineThread, Orders, Question, Questions, RunEnd, ToMachine } from './machine-messages.ts';
import { SerialPort } from './serial-hub.ts';
import type { Failure } from './snapshots/messages.ts';

export interface SessionEvents {
  state: { state: VmState; reason?: PauseReason; notice?: string };
  notice: { level: 'info' | 'warning' | 'error'; message: string };
  reset: { by: 'guest' | 'user' | 'triple-fault' };
  leds: { scroll: boolean; num: boolean; caps: boolean };
  pointerMode: { absolute: boolean };
  mode: { width: number; height: number; text: boolean };
  /** Something of a NIC's network was changed by a client. */
  network: { nic: string };
  tray: { drive: string; open: boolean; locked: boolean };
  debugcon: Uint8Array;
  parallel: Uint8Array;
  qtest: string;
  /** As last heard; once more when the machine has ended. */
  counters: Counters;
  ended: RunEnd;
}

/** The host's clock and timers. */
export interface HostTime {
  /** ms, only grows */
  now(): number;
  /** Calls back once; returns what cancels it. */
  after(milliseconds: number, call: () => void): () => void;
}

export interface SessionOptions {
  readonly config: VmConfig;
  readonly thread: MachineThread;
  readonly time: HostTime;
  readonly log: Log;
  readonly onLog: (record: LogRecord) => void;
  /** Called when the machine was paused by a host failure and is told to run: what failed is tried again. */
  readonly retryDisks?: () => void;
}

/** A machine thread that has not answered for this long is said to hang, ms. */
const HANG_AFTER = 30_000;
const HEARTBEAT = 5_000;
/** The machine thread is asked to stop; if it does not, it is stopped. ms */
const STOP_PATIENCE = 3_000;

interface Pending {
  resolve(answer: object): void;
  reject(error: Error): void;
}

export class Session extends Emitter<SessionEvents> {
  readonly config: VmConfig;
  readonly serial: readonly SerialPort[];
  readonly input: InputState;
  /** What must be done first, for a machine that stands somewhere else. */
  beforeResume: () => Promise<void> = () => Promise.resolve();
  /** Resolves when the machine thread is gone. Never rejects. */
  readonly ended: Promise<RunEnd>;
  readonly #options: SessionOptions;
  readonly #answers = new Map<number, Pending>();
  #nextQuestion = 1;
  #state: VmState = 'starting';
  #reason: PauseReason | undefined;
  #notice: string | undefined;
  #frames: FramePump | undefined;
  #end: RunEnd | undefined;
  /** How it is being stopped from outside; what the machine thread says then is only that it has stopped. */
  #stopping: RunEnd | undefined;
  #resolveEnded: (end: RunEnd) => void = () => undefined;
  #guestTime = 0;
  #lastAnswer = 0;
  #hanging = false;
  #cancelBeat: () => void = () => undefined;

  constructor(options: SessionOptions) {
    super();
    this.#options = options;
    this.config = options.config;
    this.ended = new Promise((resolve) => (this.#resolveEnded = resolve));
    this.serial = options.config.serial.map((_, port) => new SerialPort((data) => this.post({ type: 'serialInput', port, data })));
    this.input = new InputState({
      post: (message) => {
        this.#frames?.wake();
        this.post(message);
      },
      keysTaken: () => this.ask('keysTaken').then(() => undefined),
      sleep: (milliseconds) => new Promise((resolve) => options.time.after(milliseconds, resolve)),
    });
  }

  /** Powers the machine on. Back ends are connected before, so that they miss nothing. */
  start(): void {
    this.#lastAnswer = this.#options.time.now();
    this.#options.thread.start({ message: (message) => this.#receive(message), exited: (problem) => this.#exited(problem) });
    this.#beat();
  }

  /** Resolves when the machine runs, or is paused, or has ended: it is no longer starting. */
  async settled(): Promise<void> {
    if (this.#state !== 'starting') return;
    await new Promise<void>((resolve) => {
      const stop = this.on('state', () => {
        stop();
        resolve();
      });
    });
  }

  get state(): VmState {
    return this.#state;
  }
  get reason(): PauseReason | undefined {
    return this.#reason;
  }
  get notice(): string | undefined {
    return this.#notice;
  }
  /** ns, as last heard */
  get guestTime(): number {
    return this.#guestTime;
  }

  /** @throws VmmError `unsupported` when the machine has no display. */
  get frames(): FramePump {
    if (this.#frames === undefined) throw new VmmError('unsupported', 'this machine has no display');
    return this.#frames;
  }
  get hasDisplay(): boolean {
    return this.#frames !== undefined;
  }

  post(message: ToMachine): void {
    if (this.#end === undefined) this.#options.thread.post(message);
  }

  /** @throws VmmError `state` when the machine has ended. */
  async ask<Q extends Question>(question: Q): Promise<Questions[Q]> {
    if (this.#end !== undefined) throw new VmmError('state', 'the machine has ended');
    const id = this.#nextQuestion++;
    const answer = new Promise<object>((resolve, reject) => this.#answers.set(id, { resolve, reject }));
    this.post({ type: 'ask', id, question });
    return (await answer) as Questions[Q];
  }

  /** @throws VmmError with what went wrong there, or `state` when the machine has ended. */
  async order<T extends keyof Orders>(type: T, order: Orders[T]['order']): Promise<Exclude<Orders[T]['answer'], Failure>> {
    if (this.#end !== undefined) throw new VmmError('state', 'the machine has ended');
    const id = this.#nextQuestion++;
    const answered = new Promise<object>((resolve, reject) => this.#answers.set(id, { resolve, reject }));
    this.post({ type, id, order } as ToMachine);
    const answer = (await answered) as Orders[T]['answer'];
    if ('failed' in answer) throw new VmmError(answer.failed.kind, answer.failed.message);
    return answer as Exclude<Orders[T]['answer'], Failure>;
  }

  /** Opens a drive's tray. False: the guest has locked it. */
  async eject(drive: string, force: boolean): Promise<boolean> {
    const id = this.#nextQuestion++;
    const answer = new Promise<object>((resolve, reject) => this.#answers.set(id, { resolve, reject }));
    this.post({ type: 'eject', drive, id, force });
    return ((await answer) as { opened: boolean }).opened;
  }

  /** Resolves when the machine thread says so. */
  pause(): Promise<void> {
    return this.#reach('paused', { type: 'pause', reason: 'user' });
  }

  async resume(): Promise<void> {
    await this.beforeResume();
    if (this.#reason === 'io-error') this.#options.retryDisks?.();
    return this.#reach('running', { type: 'control', action: 'run' });
  }

  /** The host could not do what the guest asked of a disk: it waits, and `resume` has that tried again. */
  pauseForHost(notice: string): void {
    this.emit('notice', { level: 'error', message: notice });
    this.post({ type: 'pause', reason: 'io-error', notice });
  }

  reset(): void {
    this.post({ type: 'control', action: 'reset' });
  }

  powerButton(): void {
    this.post({ type: 'control', action: 'powerButton' });
  }

  /** Stops the machine, whatever it is doing. */
  async stop(end: RunEnd): Promise<RunEnd> {
    if (this.#end === undefined && this.#stopping === undefined) {
      this.#stopping = end;
      this.post({ type: 'control', action: 'powerOff' });
      this.#setState('stopping');
      const cancel = this.#options.time.after(STOP_PATIENCE, () => this.#options.thread.terminate());
      void this.ended.then(cancel);
    }
    return this.ended;
  }

  powerOff(): Promise<RunEnd> {
    return this.stop({ how: 'powered-off', status: 0 });
  }

  #reach(reached: VmState, message: ToMachine): Promise<void> {
    return new Promise((resolve, reject) => {
      const forget = [
        this.on('state', ({ state }) => {
          if (state === reached) settle(resolve);
        }),
        this.on('ended', () => settle(() => reject(new VmmError('state', 'the machine has ended')))),
      ];
      const settle = (then: () => void) => {
        for (const each of forget) each();
        then();
      };
      this.post(message);
    });
  }

  #setState(state: VmState, reason?: PauseReason, notice?: string): void {
    this.#state = state;
    this.#reason = reason;
    this.#notice = notice;
    this.emit('state', { state, ...(reason && { reason }), ...(notice !== undefined && { notice }) });
  }

  #receive(message: FromMachine): void {
    this.#lastAnswer = this.#options.time.now();
    switch (message.type) {
      case 'ready':
        if (message.display !== undefined) this.#frames = this.#newFramePump(message.display);
        return;
      case 'state':
        if (this.#stopping === undefined) this.#setState(message.state, message.reason, message.notice);
        return;
      case 'serial':
        return this.serial[message.port]?.output(message.data);
      case 'serialTaken':
        return this.serial[message.port]?.taken(message.count);
      case 'debugcon':
        return this.emit('debugcon', message.data);
      case 'parallel':
        return this.emit('parallel', message.data);
      case 'reset':
        this.#options.log.info(`reset by ${message.by}`);
        return this.emit('reset', message);
      case 'leds':
        return this.emit('leds', message);
      case 'pointerMode':
        return this.emit('pointerMode', message);
      case 'tray':
        return this.emit('tray', message);
      case 'notice':
        this.#options.log[message.level === 'warning' ? 'warn' : message.level](message.message);
        return this.emit('notice', message);
      case 'log':
        return this.#options.onLog(message.record);
      case 'answer': {
        const { answer } = message;
        if (isCounters(answer)) {
          this.#guestTime = answer.guestTime;
          this.emit('counters', answer);
        }
        this.#answers.get(message.id)?.resolve(answer);
        this.#answers.delete(message.id);
        return;
      }
      case 'qtest':
        return this.emit('qtest', message.line);
      case 'last':
        this.emit('counters', message.counters);
        if (message.scanout !== undefined) this.#frames?.finish(message.scanout);
        return;
      case 'ended':
        return this.#finish(message.end);
    }
  }

  #newFramePump(display: { memory: Uint8Array; dirty: Uint8Array }): FramePump {
    const { time } = this.#options;
    return new FramePump({
      ...display,
      scanout: async () => (await this.ask('scanout')).scanout,
      guestTime: () => this.#guestTime / 1e6,
      now: () => time.now(),
      after: (milliseconds, call) => void time.after(milliseconds, call),
      modeChanged: ({ surface, text }) => this.emit('mode', { width: surface.width, height: surface.height, text }),
    });
  }

  #exited(problem: string | undefined): void {
    this.#finish({ how: 'error', status: 1, message: problem ?? 'the machine thread ended without a word' });
  }

  #finish(end: RunEnd): void {
    if (this.#end !== undefined) return;
    this.#end = this.#stopping ?? end;
    this.#cancelBeat();
    for (const pending of this.#answers.values()) pending.reject(new VmmError('state', 'the machine has ended'));
    this.#answers.clear();
    this.#setState('off', undefined, this.#end.message);
    this.emit('ended', this.#end);
    this.#resolveEnded(this.#end);
  }

  /** Watches the machine thread: one that computes for ever without looking at its port is reported, once. */
  #beat(): void {
    if (this.#end !== undefined) return;
    const silent = this.#options.time.now() - this.#lastAnswer;
    if (silent > HANG_AFTER && !this.#hanging) {
      this.#hanging = true;
      const message = `the machine has not answered for ${Math.round(silent / 1000)} s; it can be powered off`;
      this.#options.log.error(message);
      this.emit('notice', { level: 'error', message });
    } else if (silent <= HEARTBEAT) this.#hanging = false;
    if (this.#state === 'running' || this.#state === 'paused') void this.ask('counters').catch(() => undefined);
    this.#cancelBeat = this.#options.time.after(HEARTBEAT, () => this.#beat());
  }
}

function isCounters(answer: object): answer is Counters {
  return 'instructions' in answer;
}
