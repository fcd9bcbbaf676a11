/* What travels between APICs (SDM vol.3 11.6 and 11.11, 82093AA 3.2.4). */

export const DELIVERY_FIXED = 0;
export const DELIVERY_LOWEST_PRIORITY = 1;
export const DELIVERY_SMI = 2;
export const DELIVERY_NMI = 4;
export const DELIVERY_INIT = 5;
export const DELIVERY_STARTUP = 6;
export const DELIVERY_EXTINT = 7;
export type DeliveryMode = number;

export const BROADCAST = 0xff;

export interface ApicMessage {
  /** 8 bits: an APIC ID, or with `logical` a set of processors as LDR and DFR define it. */
  readonly destination: number;
  readonly logical: boolean;
  readonly mode: DeliveryMode;
  readonly vector: number;
  readonly levelTriggered: boolean;
}

/** A processor's end. */
export interface ApicAgent {
  readonly id: number;
  matchesLogical(destination: number): boolean;
  /** The priority it works at: lowest-priority messages go to the least. */
  readonly priority: number;
  /** False: it does not take interrupts (disabled by software). */
  accept(mode: DeliveryMode, vector: number, levelTriggered: boolean): boolean;
}

/** An I/O APIC's end. */
export interface ApicSource {
  /** EOI of a level-triggered vector. */
  endOfInterrupt(vector: number): void;
  /** A processor takes interrupts now: what nobody took may be sent again. */
  retry(): void;
}

// Message signalled interrupts: address FEExxxxxh and data (SDM vol.3 11.11)
const MSI_ADDRESS = 0xfee;
const MSI_DESTINATION_SHIFT = 12;
const MSI_LOGICAL = 0x04;
const MSI_LEVEL_TRIGGERED = 0x8000;

/** The bus that connects local APICs and I/O APICs. It holds no state. */
export class ApicBus {
  readonly #agents: ApicAgent[] = [];
  readonly #sources: ApicSource[] = [];

  attach(agent: ApicAgent): void {
    this.#agents.push(agent);
  }

  connect(source: ApicSource): void {
    this.#sources.push(source);
  }

  /** Delivers to all that the destination names, or to one of them. False if nobody took it. */
  deliver(message: ApicMessage): boolean {
    return this.#deliverTo(this.#targets(message), message);
  }

  /** Interprocessor interrupts with a shorthand: everybody, or everybody but the sender. */
  deliverToAll(message: ApicMessage, except?: ApicAgent): boolean {
    return this.#deliverTo(
      this.#agents.filter((agent) => agent !== except),
      message,
    );
  }

  /** A write to FEExxxxxh by a device. Messages to elsewhere reach nobody. */
  messageSignalled(address: number, data: number): boolean {
    if (address >>> 20 !== MSI_ADDRESS) return false;
    return this.deliver({
      destination: (address >> MSI_DESTINATION_SHIFT) & 0xff,
      logical: (address & MSI_LOGICAL) !== 0,
      mode: (data >> 8) & 7,
      vector: data & 0xff,
      levelTriggered: (data & MSI_LEVEL_TRIGGERED) !== 0,
    });
  }

  endOfInterrupt(vector: number): void {
    for (const source of this.#sources) source.endOfInterrupt(vector);
  }

  processorEnabled(): void {
    for (const source of this.#sources) source.retry();
  }

  #targets({ destination, logical }: ApicMessage): ApicAgent[] {
    if (logical) return this.#agents.filter((agent) => agent.matchesLogical(destination));
    return destination === BROADCAST ? this.#agents : this.#agents.filter((agent) => agent.id === destination);
  }

  #deliverTo(targets: readonly ApicAgent[], { mode, vector, levelTriggered }: ApicMessage): boolean {
    if (mode !== DELIVERY_LOWEST_PRIORITY) {
      let taken = false;
      for (const agent of targets) taken = agent.accept(mode, vector, levelTriggered) || taken;
      return taken;
    }
    // Among equals the vector decides: the load spreads, and a source keeps its processor.
    const ranked = targets.toSorted((a, b) => a.priority - b.priority);
    const equals = ranked.filter((agent) => agent.priority === ranked[0]?.priority).length;
    const first = equals === 0 ? 0 : vector % equals;
    return [...ranked.slice(first), ...ranked.slice(0, first)].some((agent) => agent.accept(DELIVERY_FIXED, vector, levelTriggered));
  }
}
