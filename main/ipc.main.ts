import type { WebContents } from 'electron';
import { z } from 'zod';
import { channel, type MenuSection, type PortMessage } from './bridge.ts';
import type { Electron } from './electron.ts';
import type { LibraryProcess } from './library-process.main.ts';
import { isFromPage } from './security.main.ts';

const id = z.string().min(1).max(255);
/** The part of an address behind `?`: names and values, nothing that could leave the page. */
const searchSchema = z
  .string()
  .max(600)
  .regex(/^\?[A-Za-z0-9=&%+._~-]*$/);
const ticketSchema = z.int().min(0);
const targetSchema = z.union([z.strictObject({ connect: z.literal('library') }), z.strictObject({ connect: z.literal('machine'), vm: id })]);
const entrySchema = z.strictObject({
  id: z.string().max(64),
  title: z.string().max(200),
  accelerator: z.string().max(64).optional(),
  enabled: z.boolean(),
});
const menuSchema = z.array(z.strictObject({ id: z.string().max(64), title: z.string().max(200), entries: z.array(entrySchema).max(100) })).max(20);

export interface IpcOptions {
  readonly library: LibraryProcess;
  readonly onMenu: (menu: readonly MenuSection[], sender: WebContents) => void;
  readonly revealFolder: (vm: string) => void;
  readonly openWindow: (search: string) => void;
}

/** Everything that a page may ask of main. Each message is checked for its sender and its shape; a wrong one is dropped. */
export function answerPages({ ipcMain }: Pick<Electron, 'ipcMain'>, { library, onMenu, revealFolder, openWindow }: IpcOptions): void {
  ipcMain.on(channel.requestPort, (event, ticket: unknown, target: unknown) => {
    if (!isFromPage(event)) return;
    const checkedTicket = ticketSchema.safeParse(ticket);
    const checkedTarget = targetSchema.safeParse(target);
    if (!checkedTicket.success || !checkedTarget.success) return;
    const answer: PortMessage = { strate: 'port', ticket: checkedTicket.data };
    try {
      event.senderFrame?.postMessage(channel.port, answer, [library.openPort(checkedTarget.data)]);
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      event.senderFrame?.postMessage(channel.port, { ...answer, problem }, []);
    }
  });

  ipcMain.on(channel.reveal, (event, vm: unknown) => {
    const checked = id.safeParse(vm);
    if (isFromPage(event) && checked.success) revealFolder(checked.data);
  });

  ipcMain.on(channel.openWindow, (event, search: unknown) => {
    const checked = searchSchema.safeParse(search);
    if (isFromPage(event) && checked.success) openWindow(checked.data);
  });

  ipcMain.on(channel.menu, (event, menu: unknown) => {
    const checked = menuSchema.safeParse(menu);
    if (isFromPage(event) && checked.success) onMenu(checked.data, event.sender);
  });
}
