import type { HostFile } from '../host-file.ts';
import type { ImageFormat } from '../probe.ts';
import type { FormatHost, FormatOptions, ImageNode } from './format.ts';
import { Qcow2Node } from './qcow2/qcow2.ts';
import { VdiNode } from './vdi/vdi.ts';
import { openVhd } from './vhd/vhd.ts';
import { VhdxNode } from './vhdx/vhdx.ts';
import { openVmdk } from './vmdk/vmdk.ts';

export type ContainerFormat = Exclude<ImageFormat, 'raw' | 'iso'>;

type Open = (file: HostFile, host: FormatHost, options: FormatOptions) => Promise<ImageNode>;

const formats: Readonly<Record<ContainerFormat, Open>> = {
  qcow2: Qcow2Node.open.bind(Qcow2Node),
  vdi: VdiNode.open.bind(VdiNode),
  vhd: openVhd,
  vmdk: openVmdk,
  vhdx: VhdxNode.open.bind(VhdxNode),
};

/** Opens an image of a format other than raw, without its parent. On an error the file is left open. */
export function openFormat(format: ContainerFormat, file: HostFile, host: FormatHost, options: FormatOptions): Promise<ImageNode> {
  return formats[format](file, host, options);
}
