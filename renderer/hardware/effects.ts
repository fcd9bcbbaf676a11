/** When a change of a field takes effect while the machine runs: the library's own fields and limits at once, everything else at the next start. */
import type { VmConfig } from '../../vmm/protocol/config.ts';

const atOnce: ReadonlySet<string> = new Set(['name', 'notes', 'tags', 'folder', 'autostart', 'private', 'system']);

/** Fields that differ and wait for the next start. As the library's `vm.configure` decides it (vmm/process/library/library.node.ts). */
export function waiting(before: VmConfig, after: VmConfig): (keyof VmConfig)[] {
  const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
  return (Object.keys({ ...before, ...after }) as (keyof VmConfig)[]).filter((key) => {
    if (atOnce.has(key) || same(before[key], after[key])) return false;
    if (key === 'cpu') return !same({ ...before.cpu, limit: 0 }, { ...after.cpu, limit: 0 });
    if (key === 'drives') {
      const plain = (drives: VmConfig['drives']) => drives.map((drive) => ({ ...drive, throttle: undefined }));
      return !same(plain(before.drives), plain(after.drives));
    }
    return true;
  });
}
