import { useEffect, useMemo } from 'react';
import type { VmSummary } from '../../vmm/protocol/shared.ts';
import { number } from '../i18n/format.ts';
import { useText } from '../i18n/i18n.ts';
import { useSession, useSessionState } from '../state/context.dom.tsx';
import type { MachineSession } from '../state/session.dom.ts';
import { Chart } from './chart.dom.tsx';
import { Limits } from './limits.dom.tsx';
import { seriesOf } from './series.ts';

export function MonitorView({ vm }: { vm: VmSummary }) {
  const t = useText();
  const session = useSession(vm.id);
  return session ? <Charts session={session} vm={vm} /> : <p className="page empty-line">{t('monitor.off')}</p>;
}

/** What the machine costs and what it does, second by second. */
function Charts({ session, vm }: { session: MachineSession; vm: VmSummary }) {
  const t = useText();
  const samples = useSessionState(session, (s) => s.stats);
  const series = useMemo(() => seriesOf(samples), [samples]);
  useEffect(() => session.watchStats(), [session]);
  const exits = Object.entries(samples.at(-1)?.exits ?? {}).sort(([, a], [, b]) => b - a);
  const one = '--series-1';
  const two = '--series-2';
  const { time } = series;
  return (
    <div className="page monitor">
      <div className="charts">
        <Chart title={t('monitor.mips')} unit="MIPS" time={time} atLeast={10} lines={[{ label: 'MIPS', values: series.mips, color: one }]} />
        <Chart title={t('monitor.cpu')} unit="%" time={time} atLeast={10} lines={[{ label: 'CPU', values: series.hostCpu, color: one }]} />
        <Chart title={t('monitor.memory')} unit="MiB" time={time} atLeast={64} lines={[{ label: 'RSS', values: series.memory, color: one }]} />
        <Chart
          title={t('monitor.disk')}
          unit="MiB/s"
          time={time}
          atLeast={1}
          lines={[
            { label: t('monitor.read'), values: series.diskRead, color: one },
            { label: t('monitor.write'), values: series.diskWrite, color: two },
          ]}
        />
        <Chart
          title={t('monitor.net')}
          unit="KiB/s"
          time={time}
          atLeast={16}
          lines={[
            { label: t('monitor.in'), values: series.netIn, color: one },
            { label: t('monitor.out'), values: series.netOut, color: two },
          ]}
        />
        <Chart title={t('monitor.frames')} unit="fps" time={time} atLeast={10} lines={[{ label: 'fps', values: series.frames, color: one }]} />
      </div>
      <Limits vm={vm} />
      {exits.length > 0 && (
        <section className="exits">
          <h2>{t('monitor.exits')}</h2>
          <table>
            <thead>
              <tr>
                <th scope="col">{t('monitor.device')}</th>
                <th scope="col">{t('monitor.count')}</th>
              </tr>
            </thead>
            <tbody>
              {exits.map(([device, count]) => (
                <tr key={device}>
                  <td className="mono">{device}</td>
                  <td className="numeric">{number(count)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </div>
  );
}
