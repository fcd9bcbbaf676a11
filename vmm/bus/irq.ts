/** One interrupt wire. Level semantics: a device drives its own wire; whether the controller latches edges is the controller's business. */
export interface IrqLine {
  set(level: boolean): void;
}

export const unconnectedIrq: IrqLine = { set: () => undefined };

/** Several sources on one wire (PCI INTx): the wire is high while any source is. */
export class SharedIrq {
  readonly #target: IrqLine;
  #asserted = 0;

  constructor(target: IrqLine) {
    this.#target = target;
  }

  source(): IrqLine {
    let high = false;
    return {
      set: (level) => {
        if (level === high) return;
        high = level;
        this.#asserted += level ? 1 : -1;
        if (this.#asserted === (level ? 1 : 0)) this.#target.set(level);
      },
    };
  }
}

/** A wire for tests: remembers its level and counts rising edges. */
export class ProbeIrq implements IrqLine {
  level = false;
  edges = 0;
  set(level: boolean): void {
    if (level && !this.level) this.edges++;
    this.level = level;
  }
}
