import { EyeOff } from 'lucide-react';
import { useEffect, useState } from 'react';
import type { VmSummary } from '../../vmm/protocol/shared.ts';
import { useApp, useSettings } from '../state/context.dom.tsx';
import { systemMark } from './systems.ts';

/** The screen as last seen, as an object URL; undefined while there is none. */
function useThumbnail(vm: VmSummary, wanted: boolean): string | undefined {
  const app = useApp();
  const [url, setUrl] = useState<string>();
  const { id, thumbnail } = vm;
  useEffect(() => {
    if (!wanted || thumbnail === undefined) {
      setUrl(undefined);
      return undefined;
    }
    const wait = new AbortController();
    let made: string | undefined;
    void (async () => {
      const { png } = await app.client.call('vm.thumbnail', { vm: id });
      if (wait.signal.aborted || png === null) return;
      const bytes = Uint8Array.from(atob(png), (character) => character.charCodeAt(0));
      made = URL.createObjectURL(new Blob([bytes], { type: 'image/png' }));
      setUrl(made);
    })().catch(() => undefined); // a missing picture is no news
    return () => {
      wait.abort();
      if (made !== undefined) URL.revokeObjectURL(made);
    };
  }, [app, id, thumbnail, wanted]);
  return url;
}

/** A machine's screen in small. Decoration: the name and state beside it say everything. */
export function Thumbnail({ vm }: { vm: VmSummary }) {
  const shown = useSettings((s) => s.thumbnails) && !vm.private;
  const url = useThumbnail(vm, shown);
  return (
    <span className="thumbnail" data-state={vm.state} aria-hidden>
      {url !== undefined ? (
        <img src={url} alt="" draggable={false} />
      ) : shown ? (
        <span className="thumbnail-mark">{systemMark(vm.system)}</span>
      ) : (
        <EyeOff />
      )}
    </span>
  );
}
