import { floppyFormatOf } from '../base/floppy-formats.ts';

export type ImageFormat = 'raw' | 'iso' | 'qcow2' | 'vmdk' | 'vhd' | 'vhdx' | 'vdi';

/** What a file looks like from outside. A guess for a person to confirm when a drive is added, never repeated for a disk a guest can write. */
export interface Probe {
  /** undefined: nothing we know. */
  readonly format: ImageFormat | undefined;
  readonly medium: 'disk' | 'cdrom' | 'floppy' | undefined;
  /** What it was recognised by, for a person: `GPT partition table`, `1.44 MB floppy`, `ISO 9660 volume "DEBIAN"`. */
  readonly evidence: string;
  /** Volume label or such. */
  readonly label?: string;
  /** Why the file cannot be used, or not as it is: one sentence. */
  readonly problem?: string;
}

export interface ProbeSource {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  read(offset: number, into: Uint8Array): Promise<void>;
}

const HEAD = 65536;
const ISO_BLOCK = 2048;
/** ECMA-119 6.2.1: the system area is 16 sectors, the volume descriptors follow. */
const ISO_DESCRIPTORS = 16 * ISO_BLOCK;
/** The 150 sectors of run-out that mastering tools count in and copying tools leave out, twice. */
const ISO_TOLERANCE = 300 * ISO_BLOCK;

interface Signature {
  readonly at: number;
  readonly bytes: readonly number[] | string;
  readonly format: ImageFormat;
  readonly evidence: string;
}

const imageSignatures: readonly Signature[] = [
  { at: 0, bytes: 'QFI\xfb', format: 'qcow2', evidence: 'qcow2 header' },
  { at: 0, bytes: 'KDMV', format: 'vmdk', evidence: 'VMDK sparse extent' },
  { at: 0, bytes: '# Disk DescriptorFile', format: 'vmdk', evidence: 'VMDK descriptor' },
  { at: 0, bytes: 'COWD', format: 'vmdk', evidence: 'VMDK (ESX COWD) extent' },
  { at: 0, bytes: 'vhdxfile', format: 'vhdx', evidence: 'VHDX file identifier' },
  { at: 0, bytes: 'conectix', format: 'vhd', evidence: 'dynamic VHD footer copy' },
  { at: 64, bytes: [0x7f, 0x10, 0xda, 0xbe], format: 'vdi', evidence: 'VDI header' },
];

const foreign: readonly { readonly at: number; readonly bytes: readonly number[] | string; readonly problem: string }[] = [
  { at: 0, bytes: [0x1f, 0x8b], problem: 'is compressed with gzip; unpack it first (gunzip)' },
  { at: 0, bytes: '\xfd7zXZ\0', problem: 'is compressed with xz; unpack it first (unxz)' },
  { at: 0, bytes: 'BZh', problem: 'is compressed with bzip2; unpack it first (bunzip2)' },
  { at: 0, bytes: [0x28, 0xb5, 0x2f, 0xfd], problem: 'is compressed with zstd; unpack it first (unzstd)' },
  { at: 0, bytes: 'PK\x03\x04', problem: 'is a zip archive; unpack it first' },
  { at: 0, bytes: '7z\xbc\xaf\x27\x1c', problem: 'is a 7-Zip archive; unpack it first' },
  { at: 257, bytes: 'ustar', problem: 'is a tar archive; an appliance is imported under the name that ends with .ova, others are unpacked first' },
  {
    at: 0,
    bytes: [0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0],
    problem: 'is a raw CD image with 2352-byte sectors; convert it to .iso first',
  },
  { at: 0, bytes: '\x7fELF', problem: 'is a program (ELF), not a disk; a kernel is started with --kernel' },
  { at: 0, bytes: '%PDF', problem: 'is a PDF document, not a disk image' },
];

function matches(head: Uint8Array, at: number, bytes: readonly number[] | string): boolean {
  for (let i = 0; i < bytes.length; i++) {
    const wanted = typeof bytes === 'string' ? bytes.charCodeAt(i) : bytes[i];
    if (head[at + i] !== wanted) return false;
  }
  return true;
}

/** Looks at a file's signatures and size; trusts none of it further than to name what it is. */
export async function probe(source: ProbeSource): Promise<Probe> {
  if (source.size === 0) return problem('an empty file', `${source.name} is empty: a disk image needs at least one sector (512 bytes)`);
  const head = new Uint8Array(HEAD);
  await source.read(0, head.subarray(0, Math.min(HEAD, source.size)));

  const image = imageSignatures.find((one) => matches(head, one.at, one.bytes));
  if (image !== undefined) return { format: image.format, medium: 'disk', evidence: image.evidence };
  const iso = probeIso(source, head);
  if (iso !== undefined) return iso;
  if (await hasVhdFooter(source)) return { format: 'vhd', medium: 'disk', evidence: 'fixed VHD footer' };
  const raw = probeRaw(source, head);
  if (raw !== undefined) return raw;
  const other = foreign.find((one) => matches(head, one.at, one.bytes));
  if (other !== undefined) return problem('another kind of file', `${source.name} ${other.problem}`);
  if (source.size < 512)
    return problem('a small file', `${source.name} has ${source.size} bytes: a disk image needs at least one sector (512 bytes)`);
  return {
    format: undefined,
    medium: undefined,
    evidence: 'no partition table, boot record or image header',
    problem: `${source.name} is not a disk image that is known here; to use it as an empty or unformatted raw disk, say format=raw`,
  };
}

function problem(evidence: string, text: string): Probe {
  return { format: undefined, medium: undefined, evidence, problem: text };
}

function probeIso(source: ProbeSource, head: Uint8Array): Probe | undefined {
  if (matches(head, ISO_DESCRIPTORS + 1, 'BEA01')) return { format: 'iso', medium: 'cdrom', evidence: 'UDF volume' };
  if (!matches(head, ISO_DESCRIPTORS + 1, 'CD001')) return undefined;
  // ECMA-119 8.4: the primary descriptor has type 1, the volume space size at 80, the logical block size at 128, both-endian.
  const view = new DataView(head.buffer, ISO_DESCRIPTORS, ISO_BLOCK);
  const label = [...head.subarray(ISO_DESCRIPTORS + 40, ISO_DESCRIPTORS + 72)]
    .map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ' '))
    .join('');
  const name = label.trim();
  const found = { format: 'iso', medium: 'cdrom', evidence: `ISO 9660 volume "${name}"`, label: name } as const;
  if (view.getUint8(0) !== 1) return { ...found, evidence: 'ISO 9660 volume' };
  const expected = view.getUint32(80, true) * (view.getUint16(128, true) || ISO_BLOCK);
  if (source.size + ISO_TOLERANCE >= expected) return found;
  return {
    ...found,
    problem: `${source.name} is cut short: the volume is ${expected} bytes long, the file only ${source.size}; copy or download it again`,
  };
}

async function hasVhdFooter(source: ProbeSource): Promise<boolean> {
  if (source.size < 1024) return false;
  const footer = new Uint8Array(8);
  for (const length of [512, 511]) {
    await source.read(source.size - length, footer);
    if (matches(footer, 0, 'conectix')) return true;
  }
  return false;
}

function probeRaw(source: ProbeSource, head: Uint8Array): Probe | undefined {
  const floppy = floppyFormatOf(source.size);
  const bootSignature = head[510] === 0x55 && head[511] === 0xaa;
  if (floppy !== undefined && source.size === floppy.bytes) {
    return { format: 'raw', medium: 'floppy', evidence: `${floppy.name} floppy${bootSignature ? ' with a boot record' : ''}` };
  }
  if (matches(head, 512, 'EFI PART')) return { format: 'raw', medium: 'disk', evidence: 'GPT partition table' };
  if (bootSignature) return { format: 'raw', medium: 'disk', evidence: hasPartitions(head) ? 'MBR partition table' : 'boot record' };
  if (matches(head, 1080, [0x53, 0xef])) return { format: 'raw', medium: 'disk', evidence: 'ext file system' };
  return undefined;
}

function hasPartitions(head: Uint8Array): boolean {
  const entries = [0, 1, 2, 3].map((index) => 446 + index * 16);
  return entries.every((at) => head[at] === 0 || head[at] === 0x80) && entries.some((at) => head[at + 4] !== 0);
}
