/** Systems that a person may choose from: `id` is `VmConfig.system`. The server's templates propose the hardware; this is only for names. */
export interface SystemName {
  readonly id: string;
  readonly title: string;
  /** Two or three letters for a machine that has shown no picture yet. */
  readonly mark: string;
}

export const systems: readonly SystemName[] = [
  { id: 'dos', title: 'DOS', mark: 'C:\\' },
  { id: 'win3', title: 'Windows 3.x', mark: 'W3' },
  { id: 'win9x', title: 'Windows 95/98/Me', mark: 'W9x' },
  { id: 'winnt', title: 'Windows NT/2000/XP', mark: 'NT' },
  { id: 'linux', title: 'Linux', mark: '$_' },
  { id: 'linux32', title: 'Linux (32-bit)', mark: '$_' },
  { id: 'linux64', title: 'Linux (64-bit)', mark: '$_' },
  { id: 'bsd', title: 'BSD', mark: '%_' },
  { id: 'other', title: 'Other', mark: '>_' },
];

export function systemTitle(id: string): string {
  return systems.find((system) => system.id === id)?.title ?? id;
}

export function systemMark(id: string): string {
  return systems.find((system) => system.id === id)?.mark ?? '>_';
}
