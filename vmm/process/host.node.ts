/** What the operating system gives: time, the use of this process, encodings. */
import { VmmError } from '../base/errors.ts';
import { encodePng } from '../display/png.node.ts';
import type { MachineHost } from './machine-handlers.ts';
import type { HostTime } from './session.ts';
import type { ProcessUse } from './stats.ts';

export const hostTime: HostTime = {
  now: () => performance.now(),
  after(milliseconds, call) {
    const timer = setTimeout(call, milliseconds);
    return () => clearTimeout(timer);
  },
};

export function processUse(): ProcessUse {
  const { user, system } = process.cpuUsage();
  return { cpu: (user + system) / 1e6, rss: process.memoryUsage.rss(), now: performance.now() };
}

/** `started`: the use of this process when the machine was. */
export function machineHost(logLines: (count: number) => string[], started: ProcessUse = processUse()): MachineHost {
  return {
    pid: process.pid,
    time: hostTime,
    wallTime: () => Date.now(),
    started,
    use: processUse,
    encodePng,
    base64: (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64'),
    fromBase64(text) {
      if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) throw new VmmError('usage', 'data is not base64');
      return new Uint8Array(Buffer.from(text, 'base64'));
    },
    logLines,
  };
}
