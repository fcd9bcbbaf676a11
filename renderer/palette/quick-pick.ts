import type { LucideIcon } from 'lucide-react';

/** One thing to choose. */
export interface Pick {
  readonly id: string;
  readonly title: string;
  readonly detail?: string | undefined;
  readonly icon?: LucideIcon | undefined;
  readonly run: () => void;
}

/** What a command still needs to know, asked in the palette's place: choices, and where it makes sense whatever was typed. */
export interface QuickPick {
  readonly title: string;
  readonly placeholder: string;
  readonly picks: readonly Pick[];
  /** What typed text means that is no choice: a new folder of that name. */
  /** What was typed stands first: it is the answer, and the choices are examples. */
  readonly typedFirst?: boolean;
  readonly fromText?: (text: string) => Pick | undefined;
}
