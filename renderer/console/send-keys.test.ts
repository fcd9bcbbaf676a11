import { parseChord } from '../../vmm/protocol/input.ts';
import { chords } from './send-keys.ts';

it('offers only chords that the protocol knows', () => {
  for (const keys of chords.flat().flatMap((chord) => chord.keys)) expect(() => parseChord(keys)).not.toThrow();
});
