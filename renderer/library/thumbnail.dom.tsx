import { EyeOff } from 'lucide-react';
import { useMemo } from 'react';
import type { VmSummary } from '../../vmm/protocol/shared.ts';
import { useApp, useSettings } from '../state/context.dom.tsx';
import { Picture } from '../ui/picture.dom.tsx';
import { systemMark } from './systems.ts';

/** A machine's screen in small, as last seen. Decoration: the name and state beside it say everything. */
export function Thumbnail({ vm }: { vm: VmSummary }) {
  const app = useApp();
  const shown = useSettings((s) => s.thumbnails) && !vm.private;
  const { id, thumbnail } = vm; // `thumbnail` changes with every new picture
  const source = useMemo(
    () => (shown && thumbnail !== undefined ? () => app.client.call('vm.thumbnail', { vm: id }) : undefined),
    [app, id, thumbnail, shown],
  );
  return (
    <span className="thumbnail" data-state={vm.state} aria-hidden>
      <Picture source={source} fallback={shown ? <span className="thumbnail-mark">{systemMark(vm.system)}</span> : <EyeOff />} />
    </span>
  );
}
