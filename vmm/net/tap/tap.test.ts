import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { RingEnd } from '../ring/end.ts';
import { createCableMemory } from '../ring/layout.ts';
import { joinTap } from './join.ts';

const frameOf = (length: number, seed: number) => Uint8Array.from({ length }, (_, at) => (at * 5 + seed) & 0xff);

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');

type Step =
  | { readonly do: 'host' | 'guest'; readonly length: number }
  /** The guest takes so many frames, and then says that it is full. */
  | { readonly do: 'takes'; readonly count: number }
  | { readonly do: 'wake' };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constantFrom('host' as const, 'guest' as const), length: fc.integer({ min: 14, max: 9000 }) }),
  fc.record({ do: fc.constant('takes' as const), count: fc.nat(20) }),
  fc.constant({ do: 'wake' } as const),
);

test('frames pass whole and in order both ways; what finds no room from the host is lost, and nothing else', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
      const cableMemory = createCableMemory();
      const nic = new RingEnd(cableMemory, 'nic', () => undefined);
      const net = new RingEnd(cableMemory, 'net', () => undefined);
      const tapMemory = createCableMemory();
      const reader = new RingEnd(tapMemory, 'nic', () => undefined);
      const written: string[] = [];
      const drain = joinTap(net, tapMemory, { write: (frame) => written.push(text(frame)) });
      const received: string[] = [];
      let takes = 0;
      nic.attach({
        frame(bytes) {
          if (takes <= 0) return false;
          takes--;
          received.push(text(bytes));
          return true;
        },
      });
      const sent = { host: [] as string[], guest: [] as string[] };
      steps.forEach((one, seed) => {
        if (one.do === 'takes') {
          takes = one.count;
          nic.ready();
        } else if (one.do === 'wake') {
          drain();
          nic.drain();
          net.drain();
        } else {
          const frame = frameOf(one.length, seed);
          if ((one.do === 'host' ? reader : nic).send(frame)) sent[one.do].push(text(frame));
        }
      });
      takes = Infinity;
      for (let round = 0; round < 8; round++) {
        nic.ready();
        nic.drain();
        net.drain();
        drain();
      }
      expect(received).toEqual(sent.host);
      expect(written).toEqual(sent.guest);
    }),
    { numRuns: 25 },
  );
});

// A network of our own, where making an interface harms nobody.
const isolated = (...command: string[]) => spawnSync('unshare', ['-rn', ...command], { encoding: 'utf8', timeout: 60_000 });
const possible = process.platform === 'linux' && isolated('ip', 'tuntap', 'add', 'tap0', 'mode', 'tap').status === 0;

(possible ? test : test.skip)(
  'the host reaches the guest through a real interface, and a missing one is named',
  () => {
    const program = fileURLToPath(new URL('real-tap.test-support.ts', import.meta.url));
    const { stdout, stderr } = isolated(process.execPath, program);
    expect(stderr).toBe('');
    expect(stdout.trim().split('\n')).toEqual([
      'this host has no TAP interface nope; make one with: ip tuntap add nope mode tap user USER',
      '100000 bytes echoed',
      'closed',
    ]);
  },
  60_000,
);
