import type { DeviceContext } from '../../bus/device.ts';
import { ProbeIrq } from '../../bus/irq.ts';
import { i8042 } from './i8042.ts';
import { ps2Keyboard } from './ps2-keyboard.ts';
import { ps2Mouse } from './ps2-mouse.ts';

/** A controller with both devices, for tests. */
export function createPs2(context: DeviceContext) {
  const irq1 = new ProbeIrq();
  const irq12 = new ProbeIrq();
  const log: string[] = [];
  const keyboard = ps2Keyboard.create(context, { leds: (leds) => log.push(`leds ${leds}`) });
  const mouse = ps2Mouse.create(context, {});
  const controller = i8042.create(context, {
    irq1,
    irq12,
    keyboard,
    mouse,
    a20: (enabled) => log.push(`a20 ${enabled ? 'on' : 'off'}`),
    resetProcessor: () => log.push('reset'),
  });
  return { controller, keyboard, mouse, irq1, irq12, log };
}
