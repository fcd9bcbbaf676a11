import { VmmError } from '../../../base/errors.ts';
import { ConcatNode, ZeroNode } from '../../concat-node.ts';
import type { HostFile } from '../../host-file.ts';
import type { BlockNode, Extent } from '../../node.ts';
import { RawNode } from '../../raw.ts';
import { roundUp, textAt, viewOf } from '../bytes.ts';
import { damaged, unsupported, type FormatHost, type FormatOptions, type ImageNode, type ParentReference } from '../format.ts';
import { formatDescriptor, NO_PARENT, parseDescriptor, randomCid, replaceCid, type Descriptor, type ExtentLine } from './descriptor.ts';
import { createSparseExtent, readSparseHeader, SparseExtent, VMDK_MAGIC } from './sparse-extent.ts';

const SECTOR = 512;
const MOST_DESCRIPTOR = 1 << 20;

/** Where the descriptor's text is, so that the content id can be changed. */
interface DescriptorPlace {
  readonly file: HostFile;
  readonly offset: number;
  text: string;
}

export async function openVmdk(file: HostFile, host: FormatHost, options: FormatOptions): Promise<ImageNode> {
  const head = new Uint8Array(4);
  await file.read(0, head);
  const embedded = viewOf(head).getUint32(0, true) === VMDK_MAGIC;
  const place = embedded ? await embeddedDescriptor(file) : await descriptorFile(file);
  const descriptor = parseDescriptor(file.path, place.text);
  const node = new VmdkNode(file, host, place, descriptor, options.readOnly);
  await node.openExtents(embedded);
  return node;
}

async function embeddedDescriptor(file: HostFile): Promise<DescriptorPlace> {
  const header = await readSparseHeader(file);
  if (header.descriptorOffset === 0 || header.descriptorLength === 0) {
    throw new VmmError(
      'usage',
      `${file.path} is one extent of a split VMDK image; open the image's descriptor (a small .vmdk file beside it) instead`,
      { path: file.path },
    );
  }
  if (header.descriptorLength > MOST_DESCRIPTOR) throw damaged(file, `the descriptor is ${header.descriptorLength} bytes long`);
  const bytes = new Uint8Array(header.descriptorLength);
  await file.read(header.descriptorOffset, bytes);
  return { file, offset: header.descriptorOffset, text: textAt(bytes, 0, bytes.length) };
}

async function descriptorFile(file: HostFile): Promise<DescriptorPlace> {
  const size = await file.size();
  if (size > MOST_DESCRIPTOR) throw damaged(file, 'is not a VMDK image (neither an extent nor a descriptor)');
  const bytes = new Uint8Array(size);
  await file.read(0, bytes);
  const text = textAt(bytes, 0, size);
  if (text.startsWith('COWD')) throw unsupported(file, 'ESX COWD extents are not supported; convert the image with "qemu-img convert" first');
  if (!/^#\s*Disk DescriptorFile/m.test(text)) throw damaged(file, 'is not a VMDK image (the descriptor has no heading)');
  return { file, offset: 0, text };
}

/** A VMDK image: its descriptor, and its extents one behind the other. */
class VmdkNode implements ImageNode {
  readonly format = 'vmdk';
  readonly name: string;
  readonly readOnly: boolean;
  readonly parent: ParentReference | undefined;
  readonly #file: HostFile;
  readonly #host: FormatHost;
  readonly #place: DescriptorPlace;
  readonly #descriptor: Descriptor;
  #disk: ConcatNode = new ConcatNode([]);
  #cid: string;
  #cidChanged: Promise<void> | undefined;
  #fileIsExtent = false;

  constructor(file: HostFile, host: FormatHost, place: DescriptorPlace, descriptor: Descriptor, readOnly: boolean) {
    this.name = file.path;
    this.readOnly = readOnly;
    this.#file = file;
    this.#host = host;
    this.#place = place;
    this.#descriptor = descriptor;
    this.#cid = descriptor.cid;
    if (descriptor.parentCid !== NO_PARENT)
      this.parent = { paths: descriptor.parentHint === undefined ? [] : [descriptor.parentHint], format: 'vmdk', identity: descriptor.parentCid };
  }

  async openExtents(embedded: boolean): Promise<void> {
    const nodes: BlockNode[] = [];
    try {
      for (const extent of this.#descriptor.extents) nodes.push(await this.#openExtent(extent, embedded));
    } catch (error) {
      for (const node of nodes) if (node.name !== this.name) await node.close();
      throw error;
    }
    this.#disk = new ConcatNode(nodes);
    this.#fileIsExtent = embedded;
  }

  async #openExtent(extent: ExtentLine, embedded: boolean): Promise<BlockNode> {
    const length = extent.sectors * SECTOR;
    if (extent.type === 'ZERO' || extent.access === 'NOACCESS') return new ZeroNode(this.name, length);
    const readOnly = this.readOnly || extent.access === 'RDONLY';
    if (extent.type === 'SPARSE') {
      if (embedded && this.#descriptor.extents.length > 1) throw damaged(this.#file, 'a descriptor within an extent names other extents');
      const file = embedded ? this.#file : await this.#host.open(extent.file!, readOnly);
      const node = await this.#closing(
        file,
        embedded,
        SparseExtent.open(file, this.#host, readOnly, () => this.#changeCid()),
      );
      node.parent = this.parent; // zeros have to hide what lies below
      if (node.size < length) throw damaged(file, `the extent holds ${node.size} bytes, fewer than the descriptor says (${length})`);
      return node;
    }
    const file = await this.#host.open(extent.file!, readOnly);
    if (extent.offset * SECTOR + length > (await file.size())) {
      await file.close();
      throw damaged(file, `the extent is shorter than the descriptor says (${length} bytes)`);
    }
    const raw = await this.#closing(file, false, RawNode.open(file, { start: extent.offset * SECTOR, length, readOnly }));
    return readOnly ? raw : announcing(raw, () => this.#changeCid());
  }

  async #closing<T>(file: HostFile, isOwn: boolean, opening: Promise<T>): Promise<T> {
    try {
      return await opening;
    } catch (error) {
      if (!isOwn) await file.close();
      throw error;
    }
  }

  /** The first write makes this another content: differences to the old one are no longer valid. */
  #changeCid(): Promise<void> {
    this.#cidChanged ??= (async () => {
      this.#cid = randomCid(this.#host.uuid());
      this.#place.text = replaceCid(this.#place.text, this.#cid);
      await this.#place.file.write(this.#place.offset, new TextEncoder().encode(this.#place.text));
    })();
    return this.#cidChanged;
  }

  get identity(): string {
    return this.#cid;
  }
  get size(): number {
    return this.#disk.size;
  }
  get granularity(): number {
    return this.#disk.granularity;
  }
  read(offset: number, into: Uint8Array): Promise<void> {
    return this.#disk.read(offset, into);
  }
  async write(offset: number, from: Uint8Array): Promise<void> {
    if (this.readOnly) throw new VmmError('state', `${this.name} is read-only`);
    return this.#disk.write(offset, from);
  }
  async zero(offset: number, length: number): Promise<void> {
    if (this.readOnly) throw new VmmError('state', `${this.name} is read-only`);
    return this.#disk.zero(offset, length);
  }
  async discard(offset: number, length: number): Promise<void> {
    if (this.readOnly) throw new VmmError('state', `${this.name} is read-only`);
    return this.#disk.discard(offset, length);
  }
  extent(offset: number, length: number): Promise<Extent> {
    return this.#disk.extent(offset, length);
  }
  async flush(): Promise<void> {
    if (this.readOnly) return;
    if (this.#cidChanged !== undefined && !this.#fileIsExtent) await this.#file.flush();
    return this.#disk.flush();
  }
  async close(): Promise<void> {
    await this.#disk.close();
    if (!this.#fileIsExtent) await this.#file.close();
  }
  describe(): Record<string, string | number | boolean> {
    return { type: this.#descriptor.createType, extents: this.#descriptor.extents.length, cid: this.#cid };
  }
}

/** A flat extent whose first change is told. */
function announcing(raw: RawNode, onChange: () => Promise<void>): BlockNode {
  return {
    name: raw.name,
    size: raw.size,
    readOnly: raw.readOnly,
    granularity: raw.granularity,
    read: (offset, into) => raw.read(offset, into),
    write: async (offset, from) => {
      await onChange();
      return raw.write(offset, from);
    },
    zero: async (offset, length) => {
      await onChange();
      return raw.zero(offset, length);
    },
    discard: async (offset, length) => {
      await onChange();
      return raw.discard(offset, length);
    },
    flush: () => raw.flush(),
    extent: (offset, length) => raw.extent(offset, length),
    close: () => raw.close(),
  };
}

export const vmdkKinds = ['monolithicSparse', 'monolithicFlat', 'twoGbMaxExtentSparse', 'twoGbMaxExtentFlat'] as const;
export type VmdkKind = (typeof vmdkKinds)[number];
/** The longest extent of a split image. */
const SPLIT = 2 ** 31 - 65536;

export interface VmdkCreateOptions {
  /** Bytes. */
  readonly size: number;
  readonly kind?: VmdkKind;
  /** File name without folder and `.vmdk`: extents are named after it. */
  readonly base: string;
  /** Makes an extent's file beside the image. */
  readonly create: (name: string) => Promise<HostFile>;
  readonly parent?: { readonly path: string; readonly identity: string } | undefined;
}

export async function createVmdk(file: HostFile, host: FormatHost, options: VmdkCreateOptions): Promise<void> {
  const size = roundUp(options.size, SECTOR);
  const { kind = 'monolithicSparse', base, create } = options;
  const cid = randomCid(host.uuid());
  const parent = options.parent && { parentCid: options.parent.identity, parentHint: options.parent.path };
  const describe = (extents: readonly ExtentLine[]) => formatDescriptor({ cid, createType: kind, extents, sectors: size / SECTOR, ...parent });
  if (kind === 'monolithicSparse') {
    const extent: ExtentLine = { access: 'RW', sectors: size / SECTOR, type: 'SPARSE', file: `${base}.vmdk`, offset: 0 };
    return createSparseExtent(file, { size, descriptor: describe([extent]) });
  }
  if (parent !== undefined) throw new VmmError('usage', `${file.path}: a difference to another image has to be of kind monolithicSparse`);
  const sparse = kind === 'twoGbMaxExtentSparse';
  const extents: ExtentLine[] = [];
  for (let start = 0; start < size;) {
    const length = kind === 'monolithicFlat' ? size : Math.min(SPLIT, size - start);
    const number = (extents.length + 1).toString().padStart(3, '0');
    const name = kind === 'monolithicFlat' ? `${base}-flat.vmdk` : `${base}-${sparse ? 's' : 'f'}${number}.vmdk`;
    const part = await create(name);
    try {
      if (sparse) await createSparseExtent(part, { size: length });
      else {
        await part.truncate(length);
        await part.flush();
      }
    } finally {
      await part.close();
    }
    extents.push({ access: 'RW', sectors: length / SECTOR, type: sparse ? 'SPARSE' : 'FLAT', file: name, offset: 0 });
    start += length;
  }
  await file.write(0, new TextEncoder().encode(describe(extents)));
  await file.flush();
}
