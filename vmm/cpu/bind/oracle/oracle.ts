/**
 * The reference reading of instruction texts: every value is known, so running a text executes it. Slow and plain on purpose: no TLB of its own, no
 * lazy flags, every memory access through the helpers of assembly/system. Tests compare the interpreter and the translator with it.
 */
import { assert } from '../../../base/errors.ts';
import { HANDLERS_RESERVED, HANDLER_INVALID, HANDLER_RELOOKUP, HANDLER_TOO_LONG, HANDLER_TRACE_END } from '../../decode/form-layout.ts';
import type { Handler } from '../../isa/handlers.ts';
import { CURRENT_UOP, EXIT_REASON, FAULT_ERROR, FAULT_VECTOR, LEFT, RIP, RIP_PAGE } from '../../layout.ts';
import { UOP_HANDLER, UOP_INDEX, UOP_LENGTH, UOP_PAGE_OFFSET, UOP_SIZE } from '../../uop.ts';
import type { HelperFunctions } from './oracle-machine.ts';
import { InstructionLeft, OracleMachine } from './oracle-machine.ts';

const VECTOR_UD = 6;
const VECTOR_GP = 13;

export class Oracle {
  readonly #core: DataView;
  readonly #helpers: HelperFunctions;
  readonly #handlers: readonly Handler[];

  constructor(memory: WebAssembly.Memory, helpers: HelperFunctions, handlers: readonly Handler[]) {
    this.#core = new DataView(memory.buffer);
    this.#helpers = helpers;
    this.#handlers = handlers;
  }

  /** Executes from RIP until run() would return; the EXIT_* reason. */
  run(): number {
    const core = this.#core;
    for (;;) {
      let uop = this.#helpers['next_trace']!() as number;
      if (uop === 0) return core.getInt32(EXIT_REASON, true);
      while (this.#execute(uop)) uop += UOP_SIZE;
    }
  }

  /** True: go on with the next micro-op of the trace. False: RIP stands where to look up. */
  #execute(uop: number): boolean {
    const core = this.#core;
    const number = core.getUint16(uop + UOP_HANDLER, true);
    const index = core.getUint16(uop + UOP_INDEX, true);
    const rip = core.getBigUint64(RIP_PAGE, true) + BigInt(core.getUint16(uop + UOP_PAGE_OFFSET, true));
    if (number === HANDLER_TRACE_END || number === HANDLER_RELOOKUP) {
      core.setBigUint64(RIP, BigInt.asUintN(64, rip), true);
      this.#count(index);
      return false;
    }
    core.setInt32(CURRENT_UOP, uop, true);
    if (number === HANDLER_INVALID || number === HANDLER_TOO_LONG) {
      core.setInt32(FAULT_VECTOR, number === HANDLER_INVALID ? VECTOR_UD : VECTOR_GP, true);
      core.setInt32(FAULT_ERROR, number === HANDLER_INVALID ? -1 : 0, true);
      this.#count(index + 1);
      return false;
    }
    const handler = this.#handlers[number - HANDLERS_RESERVED];
    assert(handler, `handler ${number}`);
    if (handler.effects.leaves) core.setBigUint64(RIP, BigInt.asUintN(64, rip + BigInt(core.getUint8(uop + UOP_LENGTH))), true);
    const machine = new OracleMachine(core, this.#helpers, uop, handler);
    try {
      handler.text(machine, handler.size, ...handler.operands);
      machine.commit();
    } catch (error) {
      if (!(error instanceof InstructionLeft)) throw error;
      this.#count(index + 1);
      if (!error.faulted) core.setInt32(CURRENT_UOP, 0, true);
      return false;
    }
    if (machine.jumped || machine.ended || handler.effects.leaves) {
      this.#count(index + 1);
      core.setInt32(CURRENT_UOP, 0, true);
      return false;
    }
    core.setInt32(CURRENT_UOP, 0, true);
    return true;
  }

  #count(instructions: number): void {
    this.#core.setInt32(LEFT, this.#core.getInt32(LEFT, true) - instructions, true);
  }
}
