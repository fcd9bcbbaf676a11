import type { DiskBackend } from '../../base/disk-backend.ts';
import { MemoryBackend } from '../../storage/memory-backend.ts';

/**
 * A medium for conformance runs, where a loaded device finds a new one: it takes writes and forgets them, so that all of them have the same
 * contents at all times. Everything else is a MemoryBackend's.
 */
export class UnchangingMedium extends MemoryBackend {
  override submit(...[request, done]: Parameters<DiskBackend['submit']>): void {
    const changes = request.op !== 'read' && request.op !== 'flush';
    if (!changes || this.readOnly || request.offset + request.length > this.size) return super.submit(request, done);
    super.submit({ op: 'flush', offset: 0, length: 0, segments: [] }, done);
  }
}
