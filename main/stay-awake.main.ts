import { alive } from '../vmm/protocol/states.ts';
import type { Electron } from './electron.ts';
import type { LibraryProcess } from './library-process.main.ts';

/** Keeps the computer from going to sleep by itself while a machine computes; the screen may still go dark. Paused machines keep nothing awake. */
export class StayAwake {
  readonly #blocker: Electron['powerSaveBlocker'];
  readonly #running = new Set<string>();
  #id: number | undefined;

  constructor({ powerSaveBlocker }: Pick<Electron, 'powerSaveBlocker'>) {
    this.#blocker = powerSaveBlocker;
  }

  /** Follows the library until its process ends. */
  async follow(library: LibraryProcess): Promise<void> {
    const client = await library.client();
    const see = ({ id, state }: { id: string; state: string }) => {
      if (alive.some((one) => one === state) && state !== 'paused') this.#running.add(id);
      else this.#running.delete(id);
      this.#apply();
    };
    client.on('vm.changed', ({ vm }) => see(vm));
    client.on('vm.removed', ({ id }) => see({ id, state: 'off' }));
    const { vms } = await client.call('vm.list', {});
    for (const vm of vms) see(vm);
    await client.closed;
    this.#running.clear();
    this.#apply();
  }

  #apply(): void {
    if (this.#running.size > 0) this.#id ??= this.#blocker.start('prevent-app-suspension');
    else if (this.#id !== undefined) {
      this.#blocker.stop(this.#id);
      this.#id = undefined;
    }
  }
}
