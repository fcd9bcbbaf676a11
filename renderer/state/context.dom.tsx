import { createContext, type ReactNode, useContext } from 'react';
import { useStore } from 'zustand';
import type { VmSummary } from '../../vmm/protocol/shared.ts';
import { systemTitle } from '../library/systems.ts';
import type { App } from './app.dom.ts';
import type { Layout } from './layout-store.ts';
import type { LibraryState } from './library-store.ts';
import type { MachineSession, SessionState } from './session.dom.ts';
import type { Settings } from './settings.ts';

const AppContext = createContext<App | undefined>(undefined);

export function AppProvider({ app, children }: { app: App; children: ReactNode }) {
  return <AppContext value={app}>{children}</AppContext>;
}

export function useApp(): App {
  const app = useContext(AppContext);
  if (app === undefined) throw new Error('useApp outside AppProvider');
  return app;
}

export const useLibrary = <T,>(select: (state: LibraryState) => T): T => useStore(useApp().library, select);
export const useLayout = <T,>(select: (state: Layout) => T): T => useStore(useApp().layout, select);
export const useSettings = <T,>(select: (state: Settings) => T): T => useStore(useApp().settings, select);
export const useVm = (id: string): VmSummary | undefined => useLibrary((state) => state.vms.get(id));

/** The name of a system by its id. */
export function useSystemTitle(id: string): string {
  return useLibrary((state) => systemTitle(state.templates, id));
}

/** Whether a side panel is on the screen now. */
export function usePanel(panel: 'sidebar' | 'inspector'): boolean {
  const app = useApp();
  const preferred = useLayout((s) => s[panel]);
  return useStore(app.transient, (s) => (s.narrow ? s.overlay === panel : preferred));
}

/** The session of a VM, while it has one. */
export function useSession(id: string): MachineSession | undefined {
  const app = useApp();
  useStore(app.transient, (state) => state.revision);
  return app.sessions.get(id);
}

export const useSessionState = <T,>(session: MachineSession, select: (state: SessionState) => T): T => useStore(session.store, select);
