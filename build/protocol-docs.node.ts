/** Writes docs/protocol.md from the protocol's tables. */
import { writeFileSync } from 'node:fs';
import { protocolReference } from '../vmm/protocol/reference.ts';

writeFileSync(new URL('../docs/protocol.md', import.meta.url), protocolReference());
