import { RefreshCw } from 'lucide-react';
import { useCallback, useEffect, useState } from 'react';
import type { ResultOf } from '../../vmm/protocol/method.ts';
import type { MachineMethods } from '../../vmm/protocol/methods.ts';
import { useText } from '../i18n/i18n.ts';
import type { MachineSession } from '../state/session.dom.ts';
import { Button } from '../ui/button.dom.tsx';
import { FormSection } from './sections.dom.tsx';

type Devices = ResultOf<MachineMethods['machine.inspect']>['devices'];

/** Each device of the running machine and what the guest sees of it: addresses, interrupt, PCI identity, registers. */
export function GuestView({ session }: { session: MachineSession }) {
  const t = useText();
  const [devices, setDevices] = useState<Devices>([]);
  const [problem, setProblem] = useState<string>();
  const read = useCallback(() => {
    if (!session.isOpen) return;
    session.client.call('machine.inspect', {}).then(
      (answer) => {
        setDevices(answer.devices);
        setProblem(undefined);
      },
      (error: unknown) => setProblem(error instanceof Error ? error.message : String(error)),
    );
  }, [session]);
  useEffect(read, [read]);
  return (
    <FormSection
      title={t('hardware.guestSees')}
      tools={
        <Button kind="quiet" size="s" icon={RefreshCw} onPress={read}>
          {t('hardware.refresh')}
        </Button>
      }
    >
      {problem !== undefined && <p className="hint wide">{problem}</p>}
      <div className="guest-devices wide">
        {devices.map((device) => (
          <details key={device.name} className="guest-device">
            <summary>
              <span className="mono">{device.name}</span> <span className="hint">{device.type}</span>
            </summary>
            {Object.keys(device.values).length === 0 && <p className="hint registers-none">{t('hardware.noRegisters')}</p>}
            <dl className="registers">
              {Object.entries(device.values).map(([name, value]) => (
                <div key={name}>
                  <dt>{name}</dt>
                  <dd className="mono">{value}</dd>
                </div>
              ))}
            </dl>
          </details>
        ))}
      </div>
    </FormSection>
  );
}
