import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { interfaces } from './methods.ts';
import { protocolReference } from './reference.ts';

it('docs/protocol.md is current (node build/protocol-docs.node.ts writes it)', () => {
  expect(readFileSync(join(__dirname, '../../docs/protocol.md'), 'utf8')).toBe(protocolReference());
});

it('every method and event is one sentence without a full stop, named noun.verb', () => {
  for (const { methods, events } of Object.values(interfaces)) {
    for (const [name, { summary }] of [...Object.entries(methods), ...Object.entries(events)]) {
      expect(name).toMatch(/^[a-z]+\.[a-z]+([A-Z][a-z]+)*$/);
      expect(summary).toMatch(/^[A-Z].*[^.]$/);
    }
  }
});
