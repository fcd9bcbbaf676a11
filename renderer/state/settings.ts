import { z } from 'zod';
import { createStore } from 'zustand/vanilla';

export const themes = ['system', 'light', 'dark'] as const;
export const contrasts = ['system', 'normal', 'more'] as const;
export const motions = ['system', 'less'] as const;
export const languages = ['system', 'en', 'fr'] as const;
export const librarySorts = ['name', 'used', 'state', 'created', 'memory'] as const;
export const scalings = ['integer', 'smooth'] as const;
/** Keys that can be the host key: modifiers by position that few guests use. */
export const hostKeys = ['ControlRight', 'AltRight', 'MetaRight', 'ShiftRight', 'ScrollLock', 'Pause'] as const;
export type HostKey = (typeof hostKeys)[number];

/** What a person may change about the interface. Stored by the server under `ui`, so the browser and the desktop agree. */
export const settingsSchema = z.object({
  theme: z.enum(themes).catch('system'),
  contrast: z.enum(contrasts).catch('system'),
  motion: z.enum(motions).catch('system'),
  language: z.enum(languages).catch('system'),
  hostKey: z.enum(hostKeys).catch('ControlRight'),
  scaling: z.enum(scalings).catch('integer'),
  /** Click on the screen captures the mouse where the guest wants relative movement. */
  captureOnClick: z.boolean().catch(true),
  /** New lines on a text-mode screen are read out by a screen reader. */
  announceScreen: z.boolean().catch(false),
  guestLayout: z.enum(['us', 'uk', 'fr', 'de']).catch('us'),
  thumbnails: z.boolean().catch(true),
  librarySort: z.enum(librarySorts).catch('name'),
  /** Folders of the library that are folded up. */
  closedFolders: z.array(z.string()).catch([]),
  /** Dropped images are copied into the machine's folder. */
  copyImages: z.boolean().catch(true),
});
export type LibrarySort = (typeof librarySorts)[number];
export type Settings = z.output<typeof settingsSchema>;

export const defaultSettings: Settings = settingsSchema.parse({});

/** Tolerant: a value of a later or damaged version falls back to its default, the others stay. */
export function parseSettings(ui: unknown): Settings {
  const parsed = settingsSchema.safeParse(ui);
  return parsed.success ? parsed.data : defaultSettings;
}

export const createSettingsStore = () => createStore<Settings>(() => defaultSettings);
export type SettingsStore = ReturnType<typeof createSettingsStore>;
