/** Disk images: create, look at, check, convert. */
import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import type { RepairMode } from '../storage/check-report.ts';
import { folderToImage } from '../storage/folder/folder-image.node.ts';
import type { ImageFormat } from '../storage/probe.ts';
import { commitImage, discardImage, parentOption, rebaseImage, trustParent } from '../storage/tools/chain.node.ts';
import { checkImage } from '../storage/tools/check.node.ts';
import { convertImage, rewriteImage } from '../storage/tools/convert.node.ts';
import { createImage, formatOfName, type CreateOptions } from '../storage/tools/formats.node.ts';
import { compareImages, imageInfo, mapImage, type ImageInfo } from '../storage/tools/info.node.ts';
import { resizeImage } from '../storage/tools/resize.node.ts';
import type { Doing } from './main.node.ts';
import { parsePairs, parseSize, parseSwitch, refuseRest, take, usage } from './option-values.ts';
import { print, printable, say, table } from './output.node.ts';
import { ProgressBar } from './progress-bar.node.ts';

const FORMATS = ['raw', 'qcow2', 'vmdk', 'vhd', 'vhdx', 'vdi'] as const;
/** Two images that differ, and damage that a check found: exit status 1. */
const DIFFERENT = 1;

const formatOption = (flags: string, description: string) => new Option(flags, description).choices([...FORMATS, 'iso']);
const KNOWN = 'fixed=on|off, version, cluster, refcount-bits, compression=zlib|zstd, extended-l2=on|off, block, kind';

function createOptions(texts: readonly string[]): CreateOptions {
  const options: { -readonly [K in keyof CreateOptions]: CreateOptions[K] } = {};
  for (const text of texts) {
    const pairs = parsePairs(text, '-o');
    const one = (key: string) => take(pairs, key, '-o');
    const size = (key: string) => {
      const value = one(key);
      return value === undefined ? undefined : parseSize(value, key);
    };
    const assign = <K extends keyof CreateOptions>(key: K, value: CreateOptions[K] | undefined) => {
      if (value !== undefined) options[key] = value;
    };
    assign('fixed', parseSwitch(one('fixed'), 'fixed'));
    assign('extendedL2', parseSwitch(one('extended-l2'), 'extended-l2'));
    assign('clusterSize', size('cluster'));
    assign('blockSize', size('block'));
    const version = one('version');
    if (version !== undefined && version !== '2' && version !== '3') throw usage(`version must be 2 or 3, not ${JSON.stringify(version)}`);
    if (version !== undefined) assign('version', version === '2' ? 2 : 3);
    const bits = one('refcount-bits');
    if (bits !== undefined) assign('refcountBits', Number(bits));
    const compression = one('compression');
    if (compression !== undefined && compression !== 'zlib' && compression !== 'zstd')
      throw usage(`compression must be zlib or zstd, not ${JSON.stringify(compression)}`);
    assign('compression', compression);
    const kinds = ['monolithicSparse', 'monolithicFlat', 'twoGbMaxExtentSparse', 'twoGbMaxExtentFlat', 'streamOptimized'] as const;
    const kind = one('kind');
    const known = kinds.find((each) => each === kind);
    if (kind !== undefined && known === undefined) throw usage(`kind must be one of ${kinds.join(', ')}, not ${JSON.stringify(kind)}`);
    assign('kind', known);
    refuseRest(pairs, '-o', KNOWN);
  }
  return options;
}

function targetFormat(path: string, given: ImageFormat | undefined): ImageFormat {
  const format = given ?? formatOfName(path);
  if (format === undefined) throw usage(`the name ${path} says no format; say --format ${FORMATS.join('|')}`);
  return format;
}

/** Progress on the terminal; Ctrl-C cancels and leaves everything as it was. */
async function withProgress<T>(
  what: string,
  work: (options: { onProgress: (done: number, total: number) => void; signal: AbortSignal }) => Promise<T>,
): Promise<T> {
  const abort = new AbortController();
  const cancel = () => abort.abort();
  process.on('SIGINT', cancel);
  const bar = new ProgressBar(what);
  try {
    return await work({ onProgress: (done, total) => bar.show(done / total), signal: abort.signal });
  } finally {
    bar.clear();
    process.off('SIGINT', cancel);
  }
}

export function addImgCommands(program: Command, does: Doing): void {
  const img = program.command('img').description('disk images: create, look at, check, convert');

  img
    .command('create')
    .description('make an empty image, or one that is a difference to another')
    .argument('<file>')
    .argument('[size]', 'such as 10G; may be left out with --backing')
    .addOption(formatOption('-f, --format <format>', 'default: by the name'))
    .option('-o, --option <name=value,...>', KNOWN, collect, [])
    .option('-b, --backing <file>', 'the image it is a difference to')
    .option('--from-folder <folder>', 'an image of what is in a folder: a CD where the name ends with .iso, else a FAT disk')
    .option('--floppy', 'with --from-folder: a diskette of 1.44 MB')
    .option('--label <name>', 'with --from-folder; default: the name of the folder')
    .addOption(formatOption('--backing-format <format>', 'default: as it looks'))
    .action(
      does(
        async (
          file: string,
          size: string | undefined,
          options: {
            format?: ImageFormat;
            option: string[];
            backing?: string;
            backingFormat?: ImageFormat;
            fromFolder?: string;
            floppy?: boolean;
            label?: string;
          },
        ) => {
          const path = resolve(file);
          if (options.fromFolder !== undefined) return createFromFolder(path, resolve(options.fromFolder), size, options);
          const parent = options.backing === undefined ? undefined : await parentOption(path, options.backing, options.backingFormat);
          if (size === undefined && parent === undefined) throw usage(`how large is ${file} to be? say a size, such as 10G`);
          await createImage(
            path,
            targetFormat(file, options.format),
            size === undefined ? parent!.size : parseSize(size, 'the size'),
            createOptions(options.option),
            parent,
          );
        },
      ),
    );

  img
    .command('info')
    .description('what an image is, and what it stands on')
    .argument('<file>')
    .addOption(formatOption('-f, --format <format>', 'default: as it looks'))
    .option('--json', 'as JSON')
    .action(
      does(async (file: string, { format, json }: { format?: ImageFormat; json?: boolean }) => {
        const chain = await imageInfo(resolve(file), { format });
        if (json === true) print(JSON.stringify(chain, undefined, 2));
        else chain.forEach((image, depth) => printInfo(image, depth));
      }),
    );

  addCheck(img, does, 'check', 'look for damage; status 1 if there is some');
  addCheck(img, does, 'repair', 'mend what can be mended');

  img
    .command('convert')
    .description('write the contents of an image into a new one of another format')
    .argument('<from>')
    .argument('<to>')
    .addOption(formatOption('-s, --source-format <format>', 'default: as it looks'))
    .addOption(formatOption('-f, --format <format>', 'default: by the name'))
    .option('-o, --option <name=value,...>', KNOWN, collect, [])
    .option('-c, --compress', 'compress the contents (qcow2)')
    .option('-l, --snapshot <name>', 'a snapshot in a qcow2 image instead of its present contents')
    .option('--verify', 'compare the new image with the old one')
    .action(
      does(
        async (
          from: string,
          to: string,
          options: { sourceFormat?: ImageFormat; format?: ImageFormat; option: string[]; compress?: boolean; snapshot?: string; verify?: boolean },
        ) => {
          const format = targetFormat(to, options.format);
          const create = createOptions(options.option);
          await withProgress('converting', (job) =>
            convertImage(resolve(from), resolve(to), format, {
              ...job,
              create,
              source: { format: options.sourceFormat, snapshot: options.snapshot },
              compress: options.compress === true,
              verify: options.verify === true,
            }),
          );
        },
      ),
    );

  img
    .command('resize')
    .description('change the size a guest sees')
    .argument('<file>')
    .argument('<size>', 'such as 20G')
    .addOption(formatOption('-f, --format <format>', 'default: as it looks'))
    .option('--shrink', 'allow a smaller size: what lies beyond it is lost')
    .action(
      does((file: string, size: string, { format, shrink }: { format?: ImageFormat; shrink?: boolean }) =>
        withProgress('resizing', (job) =>
          resizeImage(resolve(file), parseSize(size, 'the size'), { ...job, ...(format && { format }), shrink: shrink === true }),
        ),
      ),
    );

  img
    .command('compact')
    .description('give back the space of zeros and of what is not used')
    .argument('<file>')
    .addOption(formatOption('-f, --format <format>', 'default: as it looks'))
    .action(
      does(async (file: string, { format }: { format?: ImageFormat }) => {
        const path = resolve(file);
        const before = (await imageInfo(path, { format }))[0]!.allocated;
        await withProgress('compacting', (job) => rewriteImage(path, { ...job, source: { format } }));
        say(`${file}: ${bytes(before)} before, ${bytes((await imageInfo(path, { format }))[0]!.allocated)} now`);
      }),
    );

  img
    .command('compare')
    .description('whether two images hold the same; status 1 if not')
    .argument('<one>')
    .argument('<other>')
    .addOption(formatOption('--first-format <format>', 'default: as it looks'))
    .addOption(formatOption('--second-format <format>', 'default: as it looks'))
    .action(
      does(async (one: string, other: string, { firstFormat, secondFormat }: { firstFormat?: ImageFormat; secondFormat?: ImageFormat }) => {
        const result = await withProgress('comparing', (job) =>
          compareImages(resolve(one), resolve(other), { ...job, first: { format: firstFormat }, second: { format: secondFormat } }),
        );
        if (result.differsAt !== undefined) {
          print(`the contents differ at byte ${result.differsAt}`);
          return DIFFERENT;
        }
        print(result.sameSize ? 'the contents are the same' : 'the contents are the same; the longer image ends with zeros');
        return 0;
      }),
    );

  img
    .command('map')
    .description('which parts hold data, and in which image of the chain')
    .argument('<file>')
    .addOption(formatOption('-f, --format <format>', 'default: as it looks'))
    .option('--json', 'as JSON')
    .action(
      does(async (file: string, { format, json }: { format?: ImageFormat; json?: boolean }) => {
        const entries = await mapImage(resolve(file), { format });
        if (json === true) print(JSON.stringify(entries, undefined, 2));
        else
          print(
            table([
              ['START', 'LENGTH', 'KIND', 'FILE'],
              ...entries.map((entry) => [`${entry.start}`, `${entry.length}`, entry.kind, printable(entry.file ?? '-')]),
            ]),
          );
      }),
    );

  img
    .command('commit')
    .description('write a difference into the image it stands on')
    .argument('<file>')
    .addOption(formatOption('-f, --format <format>', 'default: as it looks'))
    .action(
      does((file: string, { format }: { format?: ImageFormat }) =>
        withProgress('committing', (job) => commitImage(resolve(file), { ...job, ...(format && { format }) })),
      ),
    );

  img
    .command('discard')
    .description('forget what a difference holds: the disk is again what it stands on')
    .argument('<file>')
    .addOption(formatOption('-f, --format <format>', 'default: as it looks'))
    .action(does((file: string, { format }: { format?: ImageFormat }) => discardImage(resolve(file), { ...(format && { format }) })));

  img
    .command('rebase')
    .description('make an image a difference to another image, or to none, with the same contents')
    .argument('<file>')
    .option('-b, --backing <file>', 'the new parent; none: the image stands on its own')
    .option('--trust', 'keep the parent, which was changed in a way that no guest sees (compacted, repaired)')
    .addOption(formatOption('-f, --format <format>', 'default: as it looks'))
    .addOption(formatOption('--backing-format <format>', 'default: as it looks'))
    .action(
      does(
        (
          file: string,
          { backing, format, backingFormat, trust }: { backing?: string; format?: ImageFormat; backingFormat?: ImageFormat; trust?: boolean },
        ) =>
          trust === true
            ? trustParent(resolve(file))
            : withProgress('rebasing', (job) =>
                rebaseImage(resolve(file), backing, { ...job, ...(format && { format }), ...(backingFormat && { parentFormat: backingFormat }) }),
              ),
      ),
    );

  img
    .command('snapshot')
    .description('the snapshots in a qcow2 image')
    .argument('<file>')
    .action(
      does(async (file: string) => {
        const [image] = await imageInfo(resolve(file), { format: 'qcow2' });
        const rows = image!.snapshots.map((one) => [one.id, printable(one.name), new Date(one.date * 1000).toISOString(), bytes(one.stateSize)]);
        if (rows.length > 0) print(table([['ID', 'NAME', 'DATE', 'STATE'], ...rows]));
      }),
    );
}

/** `size`: room for so much more, on a FAT disk. */
async function createFromFolder(
  path: string,
  folder: string,
  size: string | undefined,
  { format, floppy, label }: { format?: ImageFormat; floppy?: boolean; label?: string },
): Promise<void> {
  const kind = floppy === true ? 'floppy' : targetFormat(path, format) === 'iso' ? 'iso' : 'fat';
  if (kind !== 'iso' && targetFormat(path, format) !== 'raw') throw usage(`an image of a folder is raw or iso; make a raw one and convert it`);
  const free = size === undefined ? undefined : parseSize(size, 'the size');
  const { leftOut } = await withProgress('copying', (job) => folderToImage(folder, path, { ...job, kind, label, free }));
  for (const one of leftOut) say(`left out: ${printable(one)} is neither a file nor a folder`);
}

function addCheck(img: Command, does: Doing, name: 'check' | 'repair', description: string): void {
  const command = img
    .command(name)
    .description(description)
    .argument('<file>')
    .addOption(formatOption('-f, --format <format>', 'default: as it looks'));
  if (name === 'repair') command.option('--leaks', 'only give back space that nothing uses');
  command.action(
    does(async (file: string, { format, leaks }: { format?: ImageFormat; leaks?: boolean }) => {
      const mode: RepairMode = name === 'check' ? 'none' : leaks === true ? 'leaks' : 'all';
      const report = await withProgress(`${name}ing`, (job) => checkImage(resolve(file), mode, { ...job, ...(format && { format }) }));
      for (const error of report.errors) print(error);
      if (report.errorCount > report.errors.length) print(`... and ${report.errorCount - report.errors.length} more`);
      for (const done of report.repaired) print(done);
      if (report.leaked > 0) print(`${bytes(report.leaked)} are taken and not used; "strate img repair --leaks" gives them back`);
      if (report.errorCount === 0) print(`${file}: no damage found`);
      return report.errorCount > 0 && (name === 'check' || report.repaired.length === 0) ? DIFFERENT : 0;
    }),
  );
}

function printInfo(image: ImageInfo, depth: number): void {
  const rows = [
    [depth === 0 ? 'image' : `parent ${depth}`, printable(image.file)],
    ['format', image.format],
    ['size', `${bytes(image.size)} (${image.size} bytes)`],
    ['on the host', bytes(image.allocated)],
    ...Object.entries(image.facts).map(([name, value]) => [name, printable(String(value))]),
  ];
  if (depth > 0) print('');
  print(table(rows));
}

function bytes(count: number): string {
  const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let [value, unit] = [count, 0];
  while (value >= 1024 && unit < names.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${Number(value.toFixed(value < 10 ? 2 : 1))} ${names[unit]!}`;
}

function collect(text: string, before: string[]): string[] {
  return [...before, text];
}
