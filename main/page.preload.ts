import { contextBridge, ipcRenderer, webUtils } from 'electron';
import { channel, type MenuSection, type PortTarget, type StrateBridge } from './bridge.ts';

/** The whole of what the page can reach beyond itself. Arguments are passed on as data; main checks sender and shape. */
const bridge: StrateBridge = {
  platform: process.platform,
  requestPort: (ticket: number, target: PortTarget) => ipcRenderer.send(channel.requestPort, ticket, target),
  pathForFile: (file: File) => webUtils.getPathForFile(file),
  revealFolder: (vm: string) => ipcRenderer.send(channel.reveal, vm),
  openWindow: (search: string) => ipcRenderer.send(channel.openWindow, search),
  publishMenu: (menu: readonly MenuSection[]) => ipcRenderer.send(channel.menu, menu),
  onCommand: (listener) => void ipcRenderer.on(channel.command, (_event, id: string) => listener(id)),
  onOpenFiles: (listener) => void ipcRenderer.on(channel.openFiles, (_event, paths: readonly string[]) => listener(paths)),
};

// A port cannot cross the bridge; it goes to the page as a window message, which only this window can receive.
ipcRenderer.on(channel.port, (event, message: unknown) => {
  window.postMessage(message, '*', event.ports);
});

contextBridge.exposeInMainWorld('strate', bridge);
