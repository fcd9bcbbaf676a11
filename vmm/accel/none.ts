import type { Accelerator, Vcpu, X86State } from './accelerator.ts';

const STATE: X86State = { version: 0 };

/** No processor: the board is driven from outside (qtest, tests, device scripts). The vCPU is for ever halted. */
export const noAccelerator: Accelerator = {
  kind: 'none',
  createVcpu: (): Vcpu => ({
    instructions: 0,
    run: () => 'halt',
    interrupt: () => undefined,
    nmi: () => undefined,
    init: () => undefined,
    startup: () => undefined,
    a20: () => undefined,
    reset: () => undefined,
    save: () => STATE,
    load: () => undefined,
    dispose: () => undefined,
  }),
};
