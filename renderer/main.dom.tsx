import './connection/no-eval.ts';
import './connection/empty-html.dom.ts';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { browserHost } from './connection/browser-host.dom.ts';
import { electronHost } from './connection/electron-host.dom.ts';
import { Shell } from './shell/shell.dom.tsx';
import { App } from './state/app.dom.ts';
import { parseSolo } from './state/layout-store.ts';
import { AppProvider } from './state/context.dom.tsx';

const root = document.querySelector('#root');
if (root === null) throw new Error('index.html has no #root');
const host = window.strate ? electronHost(window, window.strate) : browserHost(window.location);
const app = new App(host, document, window.localStorage, parseSolo(window.location.search));
void app.start();
createRoot(root).render(
  <StrictMode>
    <AppProvider app={app}>
      <Shell />
    </AppProvider>
  </StrictMode>,
);
