import { VmmError } from '../../../base/errors.ts';

/*
 * The text that describes a VMDK image (VMware Virtual Disk Format 1.1, "The Descriptor File").
 */

export type ExtentType = 'FLAT' | 'SPARSE' | 'ZERO' | 'VMFS';

export interface ExtentLine {
  readonly access: 'RW' | 'RDONLY' | 'NOACCESS';
  /** 512 bytes each. */
  readonly sectors: number;
  readonly type: ExtentType;
  readonly file: string | undefined;
  /** Where a flat extent starts in its file, in sectors. */
  readonly offset: number;
}

export interface Descriptor {
  /** Content id: changes with the first write after each opening. */
  readonly cid: string;
  /** The parent's content id; ffffffff: no parent. */
  readonly parentCid: string;
  readonly createType: string;
  readonly parentHint: string | undefined;
  readonly extents: readonly ExtentLine[];
}

export const NO_PARENT = 'ffffffff';
const MOST_EXTENTS = 4096;
const MOST_SECTORS = 2 ** 43;
const EXTENT = /^(RW|RDONLY|NOACCESS)\s+(\d+)\s+(\w+)(?:\s+"([^"]*)"(?:\s+(\d+))?)?\s*$/;

export function parseDescriptor(path: string, text: string): Descriptor {
  const fail = (what: string) => new VmmError('invalid', `${path}: ${what}`, { path });
  const values = new Map<string, string>();
  const extents: ExtentLine[] = [];
  for (const raw of text.split(/\r?\n/)) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    if (/^(RW|RDONLY|NOACCESS)\s/.test(line)) extents.push(parseExtent(line, fail));
    else {
      const [, key, value] = /^([\w.]+)\s*=\s*"?(.*?)"?$/.exec(line) ?? [];
      if (key !== undefined && value !== undefined) values.set(key.toLowerCase(), value);
    }
    if (extents.length > MOST_EXTENTS) throw fail('the descriptor names too many extents');
  }
  if (extents.length === 0) throw fail('the descriptor names no extent');
  return {
    cid: (values.get('cid') ?? '').toLowerCase(),
    parentCid: (values.get('parentcid') ?? NO_PARENT).toLowerCase(),
    createType: values.get('createtype') ?? '',
    parentHint: values.get('parentfilenamehint'),
    extents,
  };
}

function parseExtent(line: string, fail: (what: string) => VmmError): ExtentLine {
  const [, access, sectors, type, file, offset] = EXTENT.exec(line) ?? [];
  const kind = type === 'VMFSSPARSE' || type === 'SESPARSE' ? undefined : (['FLAT', 'SPARSE', 'ZERO', 'VMFS'] as const).find((one) => one === type);
  if (access === undefined || sectors === undefined) throw fail(`the descriptor's line "${line.slice(0, 80)}" makes no sense`);
  if (kind === undefined) throw fail(`extents of type ${type ?? '?'} are not supported; convert the image with "qemu-img convert" first`);
  if (Number(sectors) > MOST_SECTORS || Number(sectors) === 0) throw fail(`an extent has ${sectors} sectors`);
  if (kind !== 'ZERO' && (file === undefined || file === '')) throw fail('an extent names no file');
  return { access: access as ExtentLine['access'], sectors: Number(sectors), type: kind, file, offset: Number(offset ?? 0) };
}

export interface NewDescriptor {
  readonly cid: string;
  readonly parentCid?: string;
  readonly createType: string;
  readonly parentHint?: string;
  readonly extents: readonly ExtentLine[];
  readonly sectors: number;
}

export function formatDescriptor(descriptor: NewDescriptor): string {
  const lines = descriptor.extents.map(
    (extent) => `${extent.access} ${extent.sectors} ${extent.type} "${extent.file ?? ''}"${extent.type === 'FLAT' ? ` ${extent.offset}` : ''}`,
  );
  const heads = descriptor.sectors > 16 * 63 * 1024 ? 255 : 16;
  return [
    '# Disk DescriptorFile',
    'version=1',
    `CID=${descriptor.cid}`,
    `parentCID=${descriptor.parentCid ?? NO_PARENT}`,
    `createType="${descriptor.createType}"`,
    ...(descriptor.parentHint === undefined ? [] : [`parentFileNameHint="${descriptor.parentHint}"`]),
    '',
    '# Extent description',
    ...lines,
    '',
    '# The Disk Data Base',
    '#DDB',
    '',
    'ddb.virtualHWVersion = "4"',
    `ddb.geometry.cylinders = "${Math.max(1, Math.min(16383, Math.floor(descriptor.sectors / (heads * 63))))}"`,
    `ddb.geometry.heads = "${heads}"`,
    'ddb.geometry.sectors = "63"',
    'ddb.adapterType = "ide"',
    '',
  ].join('\n');
}

/** The same text with another content id, of the same length. */
export function replaceCid(text: string, cid: string): string {
  return text.replace(/^(CID\s*=\s*)[0-9a-fA-F]{1,8}/m, (_match, key: string) => key + cid);
}

export function randomCid(random: Uint8Array): string {
  const value = new DataView(random.buffer, random.byteOffset).getUint32(0);
  return ((value & 0xffff_fffe) >>> 0).toString(16).padStart(8, '0'); // never ffffffff, which means "none"
}
