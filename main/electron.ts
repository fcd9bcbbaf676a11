import type * as electron from 'electron';

/**
 * The parts of Electron that main uses. They are passed in, never imported: the same code runs on Electron, on the fake of the unit tests and
 * on the stand-in that drives Chromium (tests/e2e).
 */
export type Electron = Pick<
  typeof electron,
  | 'app'
  | 'autoUpdater'
  | 'BrowserWindow'
  | 'dialog'
  | 'ipcMain'
  | 'Menu'
  | 'MessageChannelMain'
  | 'nativeImage'
  | 'powerSaveBlocker'
  | 'protocol'
  | 'session'
  | 'shell'
  | 'Tray'
  | 'utilityProcess'
>;
