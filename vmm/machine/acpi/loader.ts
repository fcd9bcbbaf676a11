import { assert } from '../../base/errors.ts';

/*
 * The script by which firmware places tables that the machine made: QEMU's etc/table-loader, 128-byte commands (QEMU hw/acpi/bios-linker-loader
 * describes the format; SeaBIOS and UEFI execute it).
 */

const ENTRY_SIZE = 128;
const NAME_SIZE = 56;

const ALLOCATE = 1;
const ADD_POINTER = 2;
const ADD_CHECKSUM = 3;

const ZONES = { high: 1, fseg: 2 } as const;

/** Builds the script; commands run in the order they are added. */
export class LoaderScript {
  readonly #entries: Uint8Array[] = [];

  /** Loads a file at an address that firmware chooses: anywhere, or where a scan of F0000h..FFFFFh finds it. */
  allocate(file: string, alignment: number, zone: keyof typeof ZONES): void {
    const view = this.#entry(ALLOCATE);
    putName(view, 4, file);
    view.setUint32(4 + NAME_SIZE, alignment, true);
    view.setUint8(8 + NAME_SIZE, ZONES[zone]);
  }

  /** Adds the address of `source` to the `size` bytes at `offset` of `file`. */
  addPointer(file: string, offset: number, size: 4 | 8, source: string): void {
    const view = this.#entry(ADD_POINTER);
    putName(view, 4, file);
    putName(view, 4 + NAME_SIZE, source);
    view.setUint32(4 + 2 * NAME_SIZE, offset, true);
    view.setUint8(8 + 2 * NAME_SIZE, size);
  }

  /** Makes the `length` bytes from `start` of `file` sum to 0 with the byte at `offset`, which is 0 before. */
  addChecksum(file: string, offset: number, start: number, length: number): void {
    const view = this.#entry(ADD_CHECKSUM);
    putName(view, 4, file);
    view.setUint32(4 + NAME_SIZE, offset, true);
    view.setUint32(8 + NAME_SIZE, start, true);
    view.setUint32(12 + NAME_SIZE, length, true);
  }

  bytes(): Uint8Array {
    const all = new Uint8Array(this.#entries.length * ENTRY_SIZE);
    this.#entries.forEach((entry, index) => all.set(entry, index * ENTRY_SIZE));
    return all;
  }

  #entry(command: number): DataView {
    const entry = new Uint8Array(ENTRY_SIZE);
    this.#entries.push(entry);
    const view = new DataView(entry.buffer);
    view.setUint32(0, command, true);
    return view;
  }
}

function putName(view: DataView, at: number, text: string): void {
  assert(text.length < NAME_SIZE, `file name too long: ${text}`);
  new Uint8Array(view.buffer).set(new TextEncoder().encode(text), at);
}
