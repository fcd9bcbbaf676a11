import type { VmConfig } from '../protocol/config.ts';
import { GuestMemory } from '../memory/physical-map.ts';
import { Board } from './board.ts';
import { RealClock, SteppedClock, VirtualClock, type MachineClock } from './clock.ts';
import type { MachineHost } from './host.ts';
import { Machine } from './machine.ts';
import { assembleI440fx, displayMemory, type MachineParts } from './profiles/i440fx.ts';
import { writeUuid } from './firmware/smbios-in-memory.ts';
import { nicRomMemory } from './profiles/i440fx-nics.ts';
import { seededRandom } from './random.ts';
import { MachineScheduler } from './scheduler.ts';

const MIB = 0x10_0000;
/** Under virtual time the calendar starts here, unless the configuration says when: 2026-01-01T00:00:00Z. */
const VIRTUAL_EPOCH = 1_767_225_600;
const CMOS_SHUTDOWN_CODE = 0x0f;
/** Shutdown codes that mean "jump through 40:67h" or "resume after the block move": a program left protected mode by a reset (IBM AT BIOS). */
const RETURNING_CODES = new Set([0x05, 0x09, 0x0a]);

/** A machine as it is used from outside. */
export interface BuiltMachine {
  readonly machine: Machine;
  readonly parts: MachineParts;
  /** The state that was loaded is of the machine that this one is a fork of: gives it its own UUID and network addresses, as far as a running guest lets itself be told. */
  identify(): void;
}

/** Builds the machine `config` describes, powered on and not yet running. Throws VmmError for what the configuration asks and nobody can give. */
export function buildMachine(config: VmConfig, host: MachineHost): BuiltMachine {
  const display = displayMemory(config, host.vgaBios);
  const memory = new GuestMemory(config.memory * MIB, host.bios.length + display.video + display.rom + nicRomMemory(config, host.nicRoms) + 4096 * 4);
  const clock = createClock(config, host);
  const kick = (): void => void Atomics.add(host.doorbell, 0, 1);
  const scheduler = new MachineScheduler(clock, kick);
  const board = new Board(memory, scheduler, (component) => host.log(component));
  const civilTime = (): number => civilTimeOf(config, host);
  const seeded = config.seed === undefined ? undefined : seededRandom(config.seed);
  const { parts, vcpus } = assembleI440fx({
    board,
    config,
    host,
    control: {
      requestReset: (request) => machine.requestReset(request, 'guest'),
      powerOff: () => machine.end({ how: 'powered-off' }),
      debugExit: (status) => machine.end({ how: 'debug-exit', status }),
    },
    civilTime: civilTime(),
    random: seeded ?? (() => host.random()),
  });
  const machine: Machine = new Machine({
    board,
    clock,
    vcpus,
    host,
    log: host.log('machine'),
    noReboot: config.noReboot,
    limit: config.cpu.limit,
    deterministic: config.time === 'virtual',
    ...(seeded && { random: seeded }),
    returnsFromInit: () => RETURNING_CODES.has(parts.rtc.state.cmos[CMOS_SHUTDOWN_CODE]!),
    pressPowerButton: () => {
      if (!parts.pm.pressPowerButton()) host.events.notice('warning', 'the guest does not listen to the power button');
    },
    hostSlept: (gap) => {
      host.log('machine').info('time stood still for the guest', { seconds: Math.round(gap / 1e9) });
      if (config.time === 'real' && (config.rtc === 'utc' || config.rtc === 'local')) parts.rtc.setTime(civilTime());
    },
  });
  return {
    machine,
    parts,
    identify() {
      board.identify();
      writeUuid(board.physical, config.id);
    },
  };
}

function createClock(config: VmConfig, host: MachineHost): MachineClock {
  if (host.accelerator.kind === 'none') return new SteppedClock();
  return config.time === 'virtual' ? new VirtualClock() : new RealClock(() => host.hostTime());
}

/** What the guest's calendar shows now, seconds since 1970. */
function civilTimeOf(config: VmConfig, host: MachineHost): number {
  if (config.rtc !== 'utc' && config.rtc !== 'local') return Math.floor(Date.parse(config.rtc) / 1000);
  if (config.time === 'virtual') return VIRTUAL_EPOCH;
  return Math.floor(host.wallTime()) + (config.rtc === 'local' ? host.localOffset() : 0);
}
