import fc from 'fast-check';
import { type CaptureState, ESCAPE_HOLD_MS, escapeProgress, idleCapture, keyDown, keyUp, type Step, tick } from './capture.ts';

const HOST = 'ControlRight';

/** Plays `+Code` (down) and `-Code` (up) and collects the effects as text. */
function play(...keys: string[]): { state: CaptureState; effects: string[] } {
  let state = idleCapture;
  const effects: string[] = [];
  for (const key of keys) {
    const code = key.slice(1);
    const step: Step = key.startsWith('+') ? keyDown(state, code, HOST, 0) : keyUp(state, code, HOST);
    state = step.state;
    for (const e of step.effects) effects.push(e.do === 'key' ? `${e.down ? '+' : '-'}${e.code}` : e.do === 'host' ? `host ${e.code}` : e.do);
  }
  return { state, effects };
}

describe('keyboard capture', () => {
  it('passes keys on by position, once each', () => {
    expect(play('+KeyA', '+KeyA', '+KeyA', '-KeyA').effects).toEqual(['+KeyA', '-KeyA']);
  });

  it('releases when the host key is tapped, and the guest never sees it', () => {
    expect(play('+ControlRight', '-ControlRight').effects).toEqual(['release']);
  });

  it('takes host key + letter as a command: the guest sees neither, nothing is released', () => {
    expect(play('+ControlRight', '+KeyF', '-KeyF', '-ControlRight').effects).toEqual(['host KeyF', 'hostUp', 'hostUp']);
  });

  it('lets a key go that was down before the host key', () => {
    expect(play('+ShiftLeft', '+ControlRight', '-ShiftLeft', '-ControlRight').effects).toEqual(['+ShiftLeft', '-ShiftLeft', 'release']);
  });

  it('gives Esc to the guest, and releases when it is held for two seconds', () => {
    const { state } = keyDown(idleCapture, 'Escape', HOST, 1000);
    expect(tick(state, 1000 + ESCAPE_HOLD_MS - 1).effects).toEqual([]);
    expect(escapeProgress(state, 1000 + ESCAPE_HOLD_MS / 2)).toBeCloseTo(0.5);
    expect(tick(state, 1000 + ESCAPE_HOLD_MS).effects).toEqual([{ do: 'release' }]);
  });

  it('does not count an Esc that was let go', () => {
    const { state } = play('+Escape', '-Escape');
    expect(tick(state, 1e9).effects).toEqual([]);
  });

  it('presses PrintScreen when only its release is reported', () => {
    expect(play('-PrintScreen').effects).toEqual(['+PrintScreen', '-PrintScreen']);
  });

  it('lets go of what macOS never reports after Cmd', () => {
    const { state, effects } = play('+MetaLeft', '+KeyC', '-MetaLeft');
    expect(effects).toEqual(['+MetaLeft', '+KeyC', '-MetaLeft', '-KeyC']);
    expect(state.down.size).toBe(0);
  });

  it('ignores keys without a position', () => {
    expect(play('+', '+Unidentified').effects).toEqual([]);
  });

  const codes = ['KeyA', 'Escape', 'ShiftLeft', 'ControlLeft', 'MetaLeft', HOST, 'PrintScreen', 'F1'];

  it('keeps the guest balanced: each code goes down, then up, then down, whatever happens', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.constantFrom(...codes))), (events) => {
        let state = idleCapture;
        const down = new Set<string>();
        for (const [isDown, code] of events) {
          const step = isDown ? keyDown(state, code, HOST, 0) : keyUp(state, code, HOST);
          state = step.state;
          for (const effect of step.effects) {
            if (effect.do !== 'key') continue;
            expect(effect.code).not.toBe(HOST);
            expect(down.has(effect.code)).toBe(!effect.down);
            if (effect.down) down.add(effect.code);
            else down.delete(effect.code);
          }
        }
        expect(new Set(state.down)).toEqual(down);
      }),
    );
  });

  it('is never a trap: from any state a tap of the host key releases', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.constantFrom(...codes))), (events) => {
        let state = idleCapture;
        for (const [isDown, code] of events) state = (isDown ? keyDown(state, code, HOST, 0) : keyUp(state, code, HOST)).state;
        state = keyUp(state, HOST, HOST).state; // the hand leaves the host key
        state = keyDown(state, HOST, HOST, 0).state;
        expect(keyUp(state, HOST, HOST).effects).toEqual([{ do: 'release' }]);
      }),
    );
  });
});
