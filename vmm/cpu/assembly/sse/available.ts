import { CR0, CR4 } from '../../layout.ts';
import { fault } from '../system/state';

/** Before an SSE instruction when CR0.EM, CR0.TS or not CR4.OSFXSR (SDM vol.3 13.1): #UD or #NM. */
export function sse_unavailable(): void {
  if (load<u64>(CR0) & 4 || !(load<u64>(CR4) & 0x200)) fault(6, -1);
  else fault(7, -1);
}
