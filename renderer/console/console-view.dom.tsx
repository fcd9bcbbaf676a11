import type { VmSummary } from '../../vmm/protocol/shared.ts';
import { useSession } from '../state/context.dom.tsx';
import { LiveConsole } from './live-console.dom.tsx';
import { OffScreen } from './off-screen.dom.tsx';

/** The guest's screen while there is one; otherwise what there is to know and the button that starts it. */
export function ConsoleView({ vm }: { vm: VmSummary }) {
  const session = useSession(vm.id);
  return session ? <LiveConsole key={session.id} vm={vm} session={session} /> : <OffScreen vm={vm} />;
}
