import type { DiskBackend } from '../base/disk-backend.ts';
import type { Counters } from './machine-messages.ts';

/** Counts what the guest transfers, by drive. */
export class DiskCounts {
  readonly drives: Counters['drives'] = {};

  counted(drive: string, backend: DiskBackend): DiskBackend {
    const counts = (this.drives[drive] ??= { readBytes: 0, writeBytes: 0, reads: 0, writes: 0 });
    return {
      size: backend.size,
      readOnly: backend.readOnly,
      settle: (abandon) => backend.settle(abandon),
      submit(request, done) {
        if (request.op === 'read') {
          counts.reads++;
          counts.readBytes += request.length;
        } else if (request.op === 'write') {
          counts.writes++;
          counts.writeBytes += request.length;
        }
        backend.submit(request, done);
      },
    };
  }
}
